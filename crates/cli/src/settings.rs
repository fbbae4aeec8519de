//! The settings of the whole program, composed from the sections that each crate owns.
//!
//! Four layers, each over the one before: `config/default.toml`, which is compiled in; a file, named by
//! `--config` or else by `$PADAN_CONFIG`; environment variables `PADAN__SECTION__KEY`; flags `--set section.key=value`.
//! No file is picked up from the current folder, so that a service does not change with the place it was started from.

mod assignment;
mod layers;
mod redaction;

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use serde::Deserialize;

use self::assignment::Assignment;
pub(crate) use self::layers::Effective;
use crate::telemetry;

/// The settings that every command takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsArguments {
    /// A TOML file of settings [default: that of `$PADAN_CONFIG`, else none]
    ///
    /// What it does not set keeps its default; `PADAN__SECTION__KEY` in the environment wins over both.
    #[arg(long = "config", value_name = "FILE", global = true)]
    file: Option<PathBuf>,
    /// A setting that wins over file and environment; may be given several times
    ///
    /// Not for secrets: everybody on the machine sees the arguments of a process.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", global = true)]
    set: Vec<Assignment>,
}

/// Every section. A key that no section knows is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// What is written to stderr.
    pub(crate) log: telemetry::Config,
    /// What is exported of requests.
    pub(crate) traces: telemetry::TracesConfig,
    /// The two listeners.
    pub(crate) http: padan_http_api::Config,
    /// Who may call.
    pub(crate) clients: padan_verification::ClientsConfig,
    /// How requests are judged.
    pub(crate) verification: padan_verification::Config,
    /// The civil registry's replica.
    pub(crate) registry: padan_registry::Config,
    /// The service's own database.
    pub(crate) store: padan_store::Config,
    /// Enrolment ahead of the first verification.
    pub(crate) enrolment: padan_verification::EnrolmentConfig,
    /// The models and where they run.
    pub(crate) inference: padan_inference::Config,
}

impl SettingsArguments {
    /// The settings in force, with where they came from.
    pub(crate) fn load(&self) -> Result<(Settings, Effective)> {
        let named = self
            .file
            .clone()
            .or_else(|| env::var_os("PADAN_CONFIG").filter(|name| !name.is_empty()).map(PathBuf::from));
        let mut assignments: Vec<_> = env::vars_os()
            .filter_map(|(name, value)| Assignment::of_variable(name.to_str()?, value.to_str()?))
            .collect();
        assignments.sort_by(|a, b| a.name.cmp(&b.name));
        assignments.extend_from_slice(&self.set);
        layers::load(named.as_deref(), assignments).context("the settings are not in order")
    }

    /// The settings of a file alone, whatever the environment says.
    pub(crate) fn of_file_alone(file: &Path) -> Result<Settings> {
        let (settings, _) = layers::load(Some(file), Vec::new()).context("the settings are not in order")?;
        Ok(settings)
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Result<Settings> {
        self.load().map(|(settings, _)| settings)
    }
}
