use std::{
    io,
    process::{self, ExitCode},
};

use anyhow::{Error, Result};

/// The exit code that a shell reports for a program that SIGPIPE ended.
const BROKEN_PIPE: u8 = 128 + 13;

/// The exit code of a command. Prints its error, if any, to stderr.
pub(crate) fn exit_code(outcome: Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        if is_broken_pipe(&error) {
            return ExitCode::from(BROKEN_PIPE);
        }
        eprintln!("padan: {}", in_one_line(&error));
        ExitCode::FAILURE
    })
}

/// Ends the program without a word when nobody reads its stderr any more, such as after `2>&1 | head -1`. Without this
/// a macro that prints would panic.
pub(crate) fn end_quietly_without_reader() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if message.starts_with("failed printing to std") && message.contains("Broken pipe") {
            process::exit(BROKEN_PIPE.into());
        }
        report(panic);
    }));
}

/// The error with its causes. Some errors already contain their cause, which is not repeated.
pub(crate) fn in_one_line(error: &Error) -> String {
    error.chain().fold(String::new(), |mut line, cause| {
        let text = cause.to_string();
        if !line.ends_with(&text) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
        }
        line
    })
}

fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        let of_io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let of_json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        of_io.or(of_json) == Some(io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_the_error_contains_is_not_repeated() {
        let cause = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        assert_eq!(in_one_line(&Error::new(cause()).context("cannot read a")), "cannot read a: no such file");
        let doubled = Error::new(cause()).context("a cannot be read: no such file");
        assert_eq!(in_one_line(&doubled), "a cannot be read: no such file");
    }

    #[test]
    fn a_broken_pipe_is_found_below_other_errors() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&Error::new(broken()).context("cannot write")));
        assert!(is_broken_pipe(&serde_json::Error::io(broken()).into()));
        assert!(!is_broken_pipe(&Error::new(io::Error::from(io::ErrorKind::NotFound))));
    }
}
