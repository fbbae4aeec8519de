use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tokio::runtime::Runtime;

use crate::{service, settings::SettingsArguments, telemetry};

/// Bring the store's schema up to date
///
/// Applies what is missing to the database of store.url and does nothing when nothing is. The registry is never
/// written to: deploy/ shows how a site offers its view there.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Applies the missing migrations and names them.
pub(crate) fn run(arguments: &MigrateArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    Runtime::new()?.block_on(async {
        let store = service::open_store(&settings)?;
        let pending = store.pending_migrations().await?;
        store.migrate().await.context("the store could not be migrated")?;
        match pending.as_slice() {
            [] => eprintln!("The store is up to date; nothing was missing."),
            applied => eprintln!("The store is up to date; applied: {}.", applied.join(", ")),
        }
        Ok(ExitCode::SUCCESS)
    })
}
