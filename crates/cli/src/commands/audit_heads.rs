use std::io::Write as _;

use anyhow::Result;
use clap::Args;
use padan_store::{AuditHead, AuditLog};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    exit_status::ExitStatus,
    output::{OutputArguments, print_json, stdout},
    settings::SettingsArguments,
};

/// Print the latest head of each chain of the audit trail
///
/// Keep the output where users who can change the database have no access, and pass it to `padan audit verify --heads`
/// later. A head is the sequence number and MAC of the last row of a chain.
#[derive(Debug, Args)]
pub(crate) struct AuditHeadsArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Prints one head per line.
pub(crate) fn run(arguments: &AuditHeadsArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let heads = Runtime::new()?.block_on(async { AuditLog::open(&settings.store).await?.heads().await })?;
    if arguments.output.json {
        print_json(&json!({ "heads": heads.iter().map(json_of).collect::<Vec<_>>() }))?;
        return Ok(ExitStatus::Success);
    }
    let mut out = stdout();
    for head in heads {
        writeln!(out, "{head}")?;
    }
    Ok(ExitStatus::Success)
}

fn json_of(head: &AuditHead) -> Value {
    json!({ "writer": head.writer.to_string(), "sequence": head.sequence, "mac": hex::encode(&head.mac) })
}
