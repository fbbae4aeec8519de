//! Reads a password: hidden from a terminal, or from the first line of standard input.

use std::io::{self, BufRead, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, ensure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The longest line that is read.
const MAX_BYTES: u64 = 4096;

/// Reads a password. On a terminal it is asked for twice, and not shown.
pub(crate) fn read(prompt: &str) -> Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return first_line(stdin.lock());
    }
    let password = ask(prompt)?;
    ensure!(password == ask("The same again")?, "the two passwords differ; nothing was changed");
    Ok(password)
}

fn ask(prompt: &str) -> Result<String> {
    let mut err = io::stderr().lock();
    write!(err, "{prompt}: ").context("cannot write to stderr")?;
    err.flush()?;
    let _hidden = Hidden::begin()?;
    let line = first_line(io::stdin().lock());
    writeln!(err)?;
    line
}

fn first_line(input: impl BufRead) -> Result<String> {
    let mut line = String::new();
    input.take(MAX_BYTES).read_line(&mut line).context("cannot read the password")?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// While it lives, the terminal does not show what is typed.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Result<Self> {
        let shown = tcgetattr(io::stdin()).context("cannot read the terminal's settings")?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).context("cannot hide what is typed")?;
        Ok(Self(shown))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing more can be done about a terminal that went away.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (input, password) in
            [("secret words\nmore\n", "secret words"), ("a b\r\n", "a b"), ("no end", "no end"), ("", "")]
        {
            assert_eq!(first_line(input.as_bytes()).unwrap(), password);
        }
        assert_eq!(first_line(" kept \n".as_bytes()).unwrap(), " kept ");
    }
}
