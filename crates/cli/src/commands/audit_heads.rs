use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use padan_store::AuditLog;
use tokio::runtime::Runtime;

use crate::{settings::SettingsArguments, telemetry};

/// Print the latest head of each chain of the audit trail
///
/// Keep the output where users who can change the database have no access, and pass it to `padan audit verify --heads`
/// later. A head is the sequence number and MAC of the last row of a chain.
#[derive(Debug, Args)]
pub(crate) struct AuditHeadsArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Prints one head per line.
pub(crate) fn run(arguments: &AuditHeadsArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let heads = Runtime::new()?.block_on(async { AuditLog::open(&settings.store).await?.heads().await })?;
    let mut out = io::stdout().lock();
    for head in heads {
        writeln!(out, "{head}")?;
    }
    Ok(ExitCode::SUCCESS)
}
