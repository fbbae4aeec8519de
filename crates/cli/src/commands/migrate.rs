use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tokio::runtime::Runtime;

use crate::{service, settings::SettingsArguments, telemetry};

/// Apply missing migrations to the store
///
/// Brings the schema of the database `store.url` up to date. The registry is never written to; deploy/registry shows
/// how a site provides its view there.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Applies the missing migrations and prints their names.
pub(crate) fn run(arguments: &MigrateArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    Runtime::new()?.block_on(async {
        let store = service::open_store(&settings)?;
        let pending = store.pending_migrations().await?;
        store.migrate().await.context("cannot migrate the store")?;
        match pending.as_slice() {
            [] => eprintln!("The store was already up to date."),
            applied => eprintln!("The store is up to date. Applied migrations: {}.", applied.join(", ")),
        }
        Ok(ExitCode::SUCCESS)
    })
}
