use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use crate::settings::SettingsArguments;

/// Print the settings in force, and for each key where its value is from
///
/// From the defaults, the file, a variable of the environment or a flag. Secrets are blotted out. What is printed is TOML.
#[derive(Debug, Args)]
pub(crate) struct ConfigShowArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Prints the settings in force.
pub(crate) fn run(arguments: &ConfigShowArguments) -> Result<ExitCode> {
    let (_, effective) = arguments.settings.load()?;
    io::stdout().lock().write_all(effective.annotated().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
