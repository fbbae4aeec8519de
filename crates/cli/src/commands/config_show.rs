use std::io::{self, Write as _};

use anyhow::Result;
use clap::Args;

use crate::{exit_status::ExitStatus, settings::SettingsArguments};

/// Print the settings in force, and where each value comes from
///
/// A value comes from the built-in defaults, the file, an environment variable or a --set flag. The output is TOML.
/// Secrets are hidden.
#[derive(Debug, Args)]
pub(crate) struct ConfigShowArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Prints the settings in force.
pub(crate) fn run(arguments: &ConfigShowArguments) -> Result<ExitStatus> {
    let (_, effective) = arguments.settings.load()?;
    io::stdout().lock().write_all(effective.annotated().as_bytes())?;
    Ok(ExitStatus::Success)
}
