//! What a command would do to a client, before it does.

use anyhow::{Result, bail};
use chrono::SecondsFormat;
use padan_domain::{ClientName, Clock};
use padan_store::{Overview, StoreError};

use super::{
    arguments::{ClientCommand, RotateArguments},
    show,
};
use crate::{confirmation::Confirmed, settings::Settings};

/// Prints what a command that revokes something would do, and asks.
pub(super) async fn confirm(settings: &Settings, command: &ClientCommand) -> Result<Confirmed> {
    let (name, confirmation, as_json) = match command {
        ClientCommand::Disable { name, confirmation } | ClientCommand::Remove { name, confirmation } => {
            (name, *confirmation, false)
        }
        ClientCommand::Rotate(rotate) => (&rotate.name, rotate.confirmation, rotate.output.json),
        _ => return Ok(Confirmed::GoesOn),
    };
    if confirmation.is_given() {
        return Ok(Confirmed::GoesOn);
    }
    let plan = plan(&Overview::open(&settings.store)?, name, command).await?;
    confirmation.confirm_or_print(name.as_str(), &plan, as_json)
}

async fn plan(store: &Overview, name: &ClientName, command: &ClientCommand) -> Result<Vec<String>> {
    let present = match store.client(name).await {
        Ok(Some(client)) => show::in_one_line(&client),
        Ok(None) => bail!("there is no client {name}"),
        // A row that others wrote can be removed as well.
        Err(StoreError::Inconsistent { .. }) => "its row has values that Padan never writes".to_owned(),
        Err(error) => return Err(error.into()),
    };
    let mut plan = vec![format!("Client {name}: {present}")];
    plan.extend(match command {
        ClientCommand::Disable { .. } => [
            "Refuses all its requests with 403 within seconds, until `padan client enable`.".to_owned(),
            "Keeps its secrets, limits, audit rows and usage.".to_owned(),
        ],
        ClientCommand::Rotate(rotate) => rotation(rotate),
        _ => [
            "Deletes its secrets and limits. Its requests are answered 401 within seconds.".to_owned(),
            "Keeps its audit rows, its usage and the count of its used quotas.".to_owned(),
        ],
    });
    Ok(plan)
}

fn rotation(rotate: &RotateArguments) -> [String; 2] {
    let (replaced, kept) = match (rotate.password_only, rotate.api_key_only) {
        (true, _) => ("Replaces the password.", "Keeps its API key, limits, audit rows and usage."),
        (_, true) => ("Replaces the API key.", "Keeps its password, limits, audit rows and usage."),
        _ => ("Replaces the password and the API key.", "Keeps its limits, audit rows and usage."),
    };
    let old = if rotate.keep_old.0.is_zero() {
        "What is replaced becomes invalid within seconds; --keep-old 24h would keep it valid.".to_owned()
    } else {
        let until = (Clock::System.now() + rotate.keep_old.0).to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("What is replaced stays valid until {until}; the secrets before it become invalid.")
    };
    [format!("{replaced} {old}"), kept.to_owned()]
}
