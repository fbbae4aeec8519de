use std::{fmt::Display, io::Write as _};

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::output::{OutputArguments, print_json, stdout};

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

/// The results of the checks on stdout: a line when each is done, or one document at the end.
pub(super) struct Report {
    pub(super) failed: bool,
    output: OutputArguments,
    checks: Vec<CheckResult>,
}

/// The result of one check, as the document has it.
#[derive(Serialize)]
struct CheckResult {
    check: String,
    verdict: &'static str,
    message: String,
    warnings: Vec<String>,
}

impl Report {
    pub(super) fn new(output: OutputArguments) -> Self {
        Self { failed: false, output, checks: Vec::new() }
    }

    /// Prints the document, if one was asked for.
    pub(super) fn finish(&self) -> Result<()> {
        if !self.output.json {
            return Ok(());
        }
        print_json(&json!({ "in_order": !self.failed, "checks": self.checks }))
    }

    /// Prints or keeps the result of one check.
    pub(super) fn line(
        &mut self,
        check: &str,
        outcome: Result<impl Into<CheckPassed>, impl Display>,
    ) -> Result<()> {
        let (verdict, message, warnings) = match outcome.map(Into::into) {
            Ok(CheckPassed { message, warnings }) if warnings.is_empty() => ("ok", message, warnings),
            Ok(CheckPassed { message, warnings }) => ("warn", message, warnings),
            Err(error) => {
                self.failed = true;
                ("fail", error.to_string(), Vec::new())
            }
        };
        if self.output.json {
            self.checks.push(CheckResult { check: check.to_owned(), verdict, message, warnings });
            return Ok(());
        }
        let message = [vec![message], warnings].concat().join("; but ");
        // A failure stands out among many lines.
        let verdict = if verdict == "fail" { "FAIL" } else { verdict };
        writeln!(stdout(), "{verdict:<5} {check:<9} {message}")?;
        Ok(())
    }
}
