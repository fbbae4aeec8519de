use std::io::Write as _;

use anyhow::Result;
use chrono::SecondsFormat;
use clap::Args;
use padan_store::{Enquiries, KeySet};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{
    audit_export::warn_of_unknown_person_keys, nik_argument::read_nik, person_forget::person_looked_up,
};
use crate::{
    exit_status::ExitStatus,
    output::{OutputArguments, print_json, stdout},
    service,
    settings::SettingsArguments,
};

/// Print which clients sent requests about a person, how many, and when
///
/// Counts the rows of the audit trail that identify the person. `padan audit export --nik -` prints the rows themselves.
/// The look-up is recorded in the audit trail before it begins, without the person. The role `padan_auditor` is enough.
#[derive(Debug, Args)]
pub(crate) struct PersonFindArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// The person's NIK, or - to read it from standard input, where other users of the machine do not see it
    #[arg(long)]
    nik: String,
    #[command(flatten)]
    output: OutputArguments,
}

/// Prints one line per client.
pub(crate) fn run(arguments: &PersonFindArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let nik = read_nik(&arguments.nik)?;
    let (found, unknown) = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::AuditAndPerson)?;
        service::announce(&store, person_looked_up()).await?;
        anyhow::Ok((store.enquiries(&nik).await?, store.unknown_person_keys().await?))
    })?;
    if arguments.output.json {
        let clients: Vec<_> = found.iter().map(json_of).collect();
        print_json(&json!({ "clients": clients, "unknown_person_keys": unknown }))?;
        return Ok(ExitStatus::Success);
    }
    warn_of_unknown_person_keys(&unknown);
    let mut out = stdout();
    for Enquiries { client, requests, first_at, last_at } in &found {
        let [first, last] = [first_at, last_at].map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        writeln!(out, "{client:<24} {requests:>8} requests from {first} to {last}")?;
    }
    if found.is_empty() {
        eprintln!("No row of the audit trail identifies this person.");
    }
    Ok(ExitStatus::Success)
}

fn json_of(enquiries: &Enquiries) -> Value {
    json!({
        "client": enquiries.client,
        "requests": enquiries.requests,
        "first_at": enquiries.first_at.to_rfc3339(),
        "last_at": enquiries.last_at.to_rfc3339(),
    })
}
