use std::{
    fmt::Display,
    io::{self, Write as _},
};

use anyhow::Result;

/// The result of a check that did not fail.
#[derive(Debug)]
pub(super) struct CheckPassed {
    pub(super) message: String,
    /// What needs attention nevertheless.
    pub(super) warnings: Vec<String>,
}

impl CheckPassed {
    pub(super) fn with_warnings(self, more: impl IntoIterator<Item = String>) -> Self {
        let warnings = self.warnings.into_iter().chain(more).collect();
        Self { warnings, ..self }
    }
}

impl<T: Display> From<T> for CheckPassed {
    fn from(message: T) -> Self {
        Self { message: message.to_string(), warnings: Vec::new() }
    }
}

/// The checks' lines on stdout.
#[derive(Default)]
pub(super) struct Report {
    pub(super) failed: bool,
}

impl Report {
    /// Prints the line of one check.
    pub(super) fn line(
        &mut self,
        check: &str,
        outcome: Result<impl Into<CheckPassed>, impl Display>,
    ) -> Result<()> {
        let (verdict, message) = match outcome.map(Into::into) {
            Ok(CheckPassed { message, warnings }) if warnings.is_empty() => ("ok", message),
            Ok(CheckPassed { message, warnings }) => {
                ("warn", format!("{message}; but {}", warnings.join("; but ")))
            }
            Err(error) => {
                self.failed = true;
                ("FAIL", error.to_string())
            }
        };
        writeln!(io::stdout().lock(), "{verdict:<5} {check:<9} {message}")?;
        Ok(())
    }
}
