use std::{env, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use padan_domain::{Clock, NationalId};
use padan_store::Forgotten;
use tokio::runtime::Runtime;

use super::audit_export::tell_unknown_person_keys;
use crate::{service, settings::SettingsArguments, telemetry};

/// Destroy what the service keeps about a person
///
/// Deletes the face templates of all models and takes the person out of the audit trail: its rows stay, and nobody can
/// tell any more whom they were about. A row is written together with it that says so. The registry is not touched: as long
/// as it has the person, the next verification makes a template again. Needs a user in the role `padan_operator`.
#[derive(Debug, Args)]
pub(crate) struct PersonForgetArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// The person's NIK
    #[arg(long)]
    nik: String,
    /// Who has it done, for the audit trail; the name of the user who runs the command, when it is not given
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Forgets, and says what is gone.
pub(crate) fn run(arguments: &PersonForgetArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let Ok(nik) = arguments.nik.parse::<NationalId>() else { bail!("--nik is not 16 digits") };
    let by = arguments.by.clone().unwrap_or_else(user);
    let (gone, unknown) = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings)?;
        let trail = store.audit_trail(Clock::System);
        let gone = store.forget(&nik, &by, &trail).await?;
        trail.finish().await;
        let unknown = store.unknown_person_keys().await?;
        anyhow::Ok((gone, unknown))
    })?;
    tell_unknown_person_keys(&unknown);
    if gone == Forgotten::default() {
        eprintln!("Nothing was found about this person.");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "{} templates deleted; {} rows of the audit trail no longer say whom they were about.",
        gone.templates, gone.audit_rows
    );
    Ok(ExitCode::SUCCESS)
}

/// The name of the user, or the number.
fn user() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok());
    named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
