use std::io::Write as _;

use anyhow::{Context, Result};
use clap::Args;
use padan_domain::{NameRule, PersonName};

use crate::{exit_status::ExitStatus, output::stdout, settings::SettingsArguments};

/// Compare two names as the service does
///
/// Shows what each name is reduced to, by which rules of `verification.names`, and the rules that a match needed.
#[derive(Debug, Args)]
pub(crate) struct NameArguments {
    /// The name that a client sends
    a: String,
    /// The name in the registry
    b: String,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Prints both reduced names and the decision.
pub(crate) fn run(arguments: &NameArguments) -> Result<ExitStatus> {
    let rules = arguments.settings.settings()?.verification.names;
    let a = PersonName::parse(&arguments.a).context("A is not a name")?;
    let b = PersonName::parse(&arguments.b).context("B is not a name")?;
    let mut out = stdout();
    for (which, name) in [("A", &a), ("B", &b)] {
        let reduced = name.reduced(&rules);
        let applied: Vec<_> = reduced.rules().map(NameRule::as_str).collect();
        let applied = if applied.is_empty() { "no rule".to_owned() } else { applied.join(", ") };
        writeln!(out, "{which}         {} ({applied})", reduced.text())?;
    }
    let matched = a.compare(&b, &rules);
    match matched {
        Some(matched) => writeln!(out, "decision  match ({matched})")?,
        None => writeln!(out, "decision  no match")?,
    }
    Ok(ExitStatus::success_if(matched.is_some()))
}
