use std::{
    fmt, io,
    process::{self, ExitCode},
};

use anyhow::{Error, Result};
use serde_json::json;

use crate::{exit_status::ExitStatus, output::printable};

/// An error after which a command ends with another status than [`ExitStatus::Failure`].
#[derive(Debug)]
pub(crate) struct StatusError {
    status: ExitStatus,
    error: Error,
}

impl StatusError {
    /// The error with its status.
    pub(crate) fn with_status(status: ExitStatus, error: Error) -> Error {
        Error::new(Self { status, error })
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for StatusError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// The exit code of a command. Prints its error, if any, to stderr: as text, or as a JSON object in one line.
pub(crate) fn exit_code(outcome: Result<ExitStatus>, as_json: bool) -> ExitCode {
    let error = match outcome {
        Ok(status) => return status.into(),
        Err(error) if is_broken_pipe(&error) => return ExitStatus::BrokenPipe.into(),
        Err(error) => error,
    };
    let status = status_of(&error);
    let message = in_one_line(&error);
    if as_json {
        eprintln!("{}", json!({ "error": { "message": message, "exit_code": status.code() } }));
    } else {
        eprintln!("padan: {}", printable(&message));
    }
    status.into()
}

fn status_of(error: &Error) -> ExitStatus {
    error.downcast_ref::<StatusError>().map_or(ExitStatus::Failure, |error| error.status)
}

/// Ends the program without a word when nobody reads its stderr any more, such as after `2>&1 | head -1`. Without this
/// a macro that prints would panic.
pub(crate) fn end_quietly_without_reader() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if message.starts_with("failed printing to std") && message.contains("Broken pipe") {
            padan_inference::end_inference();
            process::exit(ExitStatus::BrokenPipe.code().into());
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
    use anyhow::anyhow;

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

    #[test]
    fn an_error_keeps_its_status_and_its_causes_below_a_context() {
        let error = anyhow!("no such file").context("cannot read a");
        let error = StatusError::with_status(ExitStatus::NotCompared, error);
        assert_eq!(in_one_line(&error), "cannot read a: no such file");
        assert_eq!(status_of(&error.context("comparing")), ExitStatus::NotCompared);
        assert_eq!(status_of(&anyhow!("another")), ExitStatus::Failure);
    }
}
