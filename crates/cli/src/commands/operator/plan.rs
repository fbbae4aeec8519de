//! What a command would do to an operator, before it does.

use anyhow::{Result, bail};
use padan_domain::OperatorName;
use padan_store::{Overview, StoreError};

use super::{arguments::OperatorCommand, show};
use crate::{confirmation::Confirmed, settings::Settings};

/// Prints what a command that revokes a token would do, and asks.
pub(super) async fn confirm(settings: &Settings, command: &OperatorCommand) -> Result<Confirmed> {
    let (name, confirmation, as_json, consequences) = match command {
        OperatorCommand::Remove { name, confirmation } => (name, *confirmation, false, REMOVAL),
        OperatorCommand::EndSessions { name, confirmation } => {
            if confirmation.is_given() {
                return Ok(Confirmed::GoesOn);
            }
            let plan = SESSIONS_END.map(str::to_owned);
            return confirmation.confirm_or_print(name.as_str(), &plan, false);
        }
        OperatorCommand::Rotate(rotate) => (&rotate.name, rotate.confirmation, rotate.output.json, ROTATION),
        _ => return Ok(Confirmed::GoesOn),
    };
    if confirmation.is_given() {
        return Ok(Confirmed::GoesOn);
    }
    let plan = plan(&Overview::open(&settings.store)?, name, consequences).await?;
    confirmation.confirm_or_print(name.as_str(), &plan, as_json)
}

const REMOVAL: [&str; 2] =
    ["Deletes its role and token. Its next request is answered 401.", "Keeps the rows of what it did."];

const ROTATION: [&str; 2] = [
    "Replaces the token. The next request with the old one is answered 401.",
    "Keeps its role, its expiry and the rows of what it did.",
];

const SESSIONS_END: [&str; 2] = [
    "Ends all sessions of the account in browsers. Their next requests are answered 401.",
    "Keeps its token, its role and the rows of what it did.",
];

async fn plan(store: &Overview, name: &OperatorName, consequences: [&str; 2]) -> Result<Vec<String>> {
    let present = match store.operator(name).await {
        Ok(Some(operator)) => show::in_one_line(&operator),
        Ok(None) => bail!("there is no operator {name}"),
        // A row that others wrote can be removed as well.
        Err(StoreError::Inconsistent { .. }) => "its row has values that Padan never writes".to_owned(),
        Err(error) => return Err(error.into()),
    };
    let mut plan = vec![format!("Operator {name}: {present}")];
    plan.extend(consequences.map(str::to_owned));
    Ok(plan)
}
