use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use padan_store::{AdminAct, AnnouncedAct, Forgotten, KeySet, Operator};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{audit_export::warn_of_unknown_person_keys, nik_argument::read_nik};
use crate::{operator::operator, service, settings::SettingsArguments, telemetry};

/// Erase the data that the service stores about a person
///
/// Deletes the person's face templates of all models, and removes the person's identity from the audit trail: its rows
/// stay, but no longer identify the person. The erasure itself is recorded in the audit trail. The registry is not
/// changed: while it has the person, the next verification creates a template again. Each row is verified first: if one
/// of them was changed by others, nothing more is erased. The database user needs the role `padan_operator`.
#[derive(Debug, Args)]
pub(crate) struct PersonForgetArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// The person's NIK, or - to read it from standard input, where other users of the machine do not see it
    #[arg(long)]
    nik: String,
    /// Who requests the erasure, for the audit trail [default: the user who runs the command]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Erases the person's data and prints what was erased.
pub(crate) fn run(arguments: &PersonForgetArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let nik = read_nik(&arguments.nik)?;
    let by = arguments.by.clone().unwrap_or_else(user);
    let (gone, unknown) = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::AuditAndPerson)?;
        let administration = service::administration(&store);
        // The person is not named, so that nothing of this row has to be forgotten.
        let after = json!({ "requested_by": by });
        let act = AnnouncedAct { act: AdminAct::PersonForgotten, before: Value::Null, after };
        administration.announce(act).await?;
        let gone = store.forget(&nik, &by, administration.trail()).await;
        administration.finish().await;
        let gone = gone?;
        let unknown = store.unknown_person_keys().await?;
        anyhow::Ok((gone, unknown))
    })?;
    warn_of_unknown_person_keys(&unknown);
    if gone == Forgotten::default() {
        eprintln!("Nothing is stored about this person.");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "{} templates deleted. {} rows of the audit trail no longer identify the person.",
        gone.templates, gone.audit_rows
    );
    if gone.rows_left > 0 {
        eprintln!(
            "{} rows identify the person still: they are dated later than this machine's clock, or were written \
             meanwhile. Run the command again when that time has come.",
            gone.rows_left
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The user who logged in, or else the user of this process.
fn user() -> String {
    let Operator { os_user, login_user, .. } = operator();
    login_user.unwrap_or(os_user)
}
