use std::io::{self, BufRead, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use serde_json::json;

use crate::{
    ending::StatusError,
    exit_status::ExitStatus,
    output::{print_json, stderr, stdout},
};

/// The options of commands that delete or revoke something.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConfirmationArguments {
    /// Print what the command would do, and do nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Do it without a question; needed where nobody can be asked, such as in scripts and timers
    #[arg(long)]
    yes: bool,
}

/// Whether a command goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmed {
    GoesOn,
    /// It was asked only what it would do, which was printed.
    DryRun,
}

impl ConfirmationArguments {
    /// Prints what would be done to the account of this name, for `--dry-run`, or asks whether to go on.
    pub(crate) fn confirm_or_print(self, name: &str, plan: &[String], as_json: bool) -> Result<Confirmed> {
        if !self.dry_run {
            self.confirm(plan)?;
            return Ok(Confirmed::GoesOn);
        }
        if as_json {
            print_json(&json!({ "dry_run": true, "name": name, "plan": plan }))?;
        } else {
            Self::print(plan)?;
        }
        Ok(Confirmed::DryRun)
    }

    /// Whether `--yes` was given, so that nothing needs to be shown before.
    pub(crate) fn is_given(self) -> bool {
        self.yes
    }

    /// Prints to stdout what would be done, for `--dry-run`.
    pub(crate) fn print(plan: &[String]) -> Result<()> {
        let mut out = stdout();
        plan.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        Ok(())
    }

    /// Asks on a terminal whether to go on. Without a terminal, only `--yes` goes on.
    ///
    /// `plan` has one line for each thing that would be done or kept. It is printed before the question.
    pub(crate) fn confirm(self, plan: &[String]) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        let mut err = stderr();
        for line in plan {
            writeln!(err, "{line}")?;
        }
        if !io::stdin().is_terminal() {
            let refused = anyhow!(
                "nothing was done, because standard input is not a terminal where the command could ask: --yes does \
                 it without a question, --dry-run only prints what would be done"
            );
            return Err(StatusError::with_status(ExitStatus::NotConfirmed, refused));
        }
        write!(err, "Go on? [y/N] ").context("cannot write to stderr")?;
        err.flush()?;
        if is_yes(io::stdin().lock())? {
            return Ok(());
        }
        Err(StatusError::with_status(ExitStatus::NotConfirmed, anyhow!("nothing was done")))
    }
}

fn is_yes(mut input: impl BufRead) -> Result<bool> {
    let mut line = String::new();
    input.read_line(&mut line).context("cannot read the answer")?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_goes_on() {
        for (answer, expected) in
            [("y\n", true), ("YES\n", true), (" yes \n", true), ("", false), ("\n", false), ("no\n", false)]
        {
            assert_eq!(is_yes(answer.as_bytes()).unwrap(), expected, "{answer:?}");
        }
    }
}
