use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use crate::settings::SettingsArguments;

/// Check the settings and print those in force, secrets blotted out
///
/// Nothing is connected to: `padan doctor` tries the settings out.
#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Prints the settings in force.
pub(crate) fn run(arguments: &ConfigCheckArguments) -> Result<ExitCode> {
    let (_, effective) = arguments.settings.load()?;
    let mut out = io::stdout().lock();
    for source in &effective.sources {
        writeln!(out, "# from {source}")?;
    }
    write!(out, "\n{}", effective.redacted()?)?;
    eprintln!("The settings are in order. `padan doctor` tries them out.");
    Ok(ExitCode::SUCCESS)
}
