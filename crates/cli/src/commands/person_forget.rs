use anyhow::Result;
use clap::Args;
use padan_domain::NationalId;
use padan_store::{AdminAct, AnnouncedAct, Forgotten, KeySet, Operator, Store, StoredAbout};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{audit_export::warn_of_unknown_person_keys, nik_argument::read_nik};
use crate::{
    confirmation::ConfirmationArguments,
    exit_status::ExitStatus,
    operator::operator,
    output::{OutputArguments, print_json},
    service,
    settings::SettingsArguments,
};

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
    #[command(flatten)]
    confirmation: ConfirmationArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Erases the person's data and prints what was erased.
pub(crate) fn run(arguments: &PersonForgetArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let nik = read_nik(&arguments.nik)?;
    let (confirmation, as_json) = (arguments.confirmation, arguments.output.json);
    Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::AuditAndPerson)?;
        if !confirmation.is_given() {
            let stored = look_up(&store, &nik).await?;
            let unknown = store.unknown_person_keys().await?;
            warn_of_unknown_person_keys(&unknown);
            if confirmation.dry_run {
                print_dry_run(stored, &unknown, as_json)?;
                return Ok(ExitStatus::Success);
            }
            confirmation.confirm(&plan(stored))?;
        }
        let gone = forget(&store, &nik, arguments.by.clone().unwrap_or_else(user)).await?;
        let unknown = store.unknown_person_keys().await?;
        report(gone, &unknown, as_json)
    })
}

/// What is stored about the person. The look-up is recorded in the audit trail before.
async fn look_up(store: &Store, nik: &NationalId) -> Result<StoredAbout> {
    service::announce(store, person_looked_up()).await?;
    Ok(store.stored_about(nik).await?)
}

/// The row of a look-up. The person is not named, so that nothing of this row has to be forgotten.
pub(super) fn person_looked_up() -> AnnouncedAct {
    AnnouncedAct { act: AdminAct::PersonLookedUp, before: Value::Null, after: Value::Null }
}

fn plan(stored: StoredAbout) -> Vec<String> {
    vec![
        format!("Deletes {} face templates of this person.", stored.templates),
        format!(
            "Removes the person from {} rows of the audit trail. This cannot be undone.",
            stored.audit_rows
        ),
        "Keeps these rows without the person, and the record in the registry.".to_owned(),
    ]
}

fn print_dry_run(stored: StoredAbout, unknown: &[String], as_json: bool) -> Result<()> {
    if !as_json {
        return ConfirmationArguments::print(&plan(stored));
    }
    print_json(&json!({
        "dry_run": true,
        "templates": stored.templates,
        "audit_rows": stored.audit_rows,
        "audit_rows_left": null,
        "unknown_person_keys": unknown,
    }))
}

async fn forget(store: &Store, nik: &NationalId, by: String) -> Result<Forgotten> {
    let administration = service::administration(store);
    // The person is not named, so that nothing of this row has to be forgotten.
    let after = json!({ "requested_by": by });
    let act = AnnouncedAct { act: AdminAct::PersonForgotten, before: Value::Null, after };
    administration.announce(act).await?;
    let gone = store.forget(nik, &by, administration.trail()).await;
    administration.finish().await;
    Ok(gone?)
}

fn report(gone: Forgotten, unknown: &[String], as_json: bool) -> Result<ExitStatus> {
    let status = ExitStatus::success_if(gone.rows_left == 0);
    if as_json {
        print_json(&json!({
            "dry_run": false,
            "templates": gone.templates,
            "audit_rows": gone.audit_rows,
            "audit_rows_left": gone.rows_left,
            "unknown_person_keys": unknown,
        }))?;
        return Ok(status);
    }
    warn_of_unknown_person_keys(unknown);
    if gone == Forgotten::default() {
        eprintln!("Nothing is stored about this person.");
        return Ok(status);
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
    }
    Ok(status)
}

/// The user who logged in, or else the user of this process.
fn user() -> String {
    let Operator { os_user, login_user, .. } = operator();
    login_user.unwrap_or(os_user)
}
