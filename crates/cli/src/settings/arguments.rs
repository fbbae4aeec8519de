use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;

use super::{assignment::Assignment, effective::EffectiveSettings, layers, sections::Settings};
use crate::telemetry;

/// The options that every command takes for its settings.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsArguments {
    /// Read settings from this TOML file [default: `$PADAN_CONFIG`, else no file]
    ///
    /// A key that the file does not set keeps its default. Environment variables named `PADAN__SECTION__KEY` override
    /// both.
    #[arg(long = "config", value_name = "FILE", global = true)]
    file: Option<PathBuf>,
    /// Override one setting; may be repeated
    ///
    /// Overrides the file and the environment. Do not pass secrets: every user of the machine can see the arguments
    /// of a process.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", global = true)]
    set: Vec<Assignment>,
}

impl SettingsArguments {
    /// Reads the settings in force, and where each value comes from.
    pub(crate) fn load(&self) -> Result<(Settings, EffectiveSettings)> {
        let named = self
            .file
            .clone()
            .or_else(|| env::var_os("PADAN_CONFIG").filter(|name| !name.is_empty()).map(PathBuf::from));
        let mut assignments: Vec<_> = env::vars_os()
            .filter_map(|(name, value)| Assignment::of_variable(name.to_str()?, value.to_str()?))
            .collect();
        assignments.sort_by(|a, b| a.name.cmp(&b.name));
        assignments.extend_from_slice(&self.set);
        layers::load(named.as_deref(), assignments).context("invalid settings")
    }

    /// Reads the settings in force.
    pub(crate) fn settings(&self) -> Result<Settings> {
        self.load().map(|(settings, _)| settings)
    }

    /// Reads the settings in force, and starts the log.
    pub(crate) fn settings_with_log(&self) -> Result<Settings> {
        let settings = self.settings()?;
        telemetry::start(&settings.log)?;
        Ok(settings)
    }

    /// Reads the defaults and one file, and ignores the environment.
    pub(crate) fn of_file_alone(file: &Path) -> Result<Settings> {
        let (settings, _) = layers::load(Some(file), Vec::new()).context("invalid settings")?;
        Ok(settings)
    }
}
