//! Administration: an act of an operator and its row, in one transaction, or the row before the act.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};

use super::{
    head::AuditHead,
    keys::AuditKeys,
    row::{AuditRow, RowPosition},
    statements::append,
};
use crate::{
    administration::entry::{AdminEntry, AnnouncedAct, ChangedOperator, ManagementRequest, Operator},
    clients::change::ClientChange,
    error::StoreError,
    models::{
        activation::Activation, calibration_activation::CalibrationActivation, shadow_change::ShadowChange,
    },
    operators::{change::OperatorChange, sessions_end::SessionsEnd},
    row_state::RowState,
    step_error::StepError,
};

/// A change that is made in the transaction of its row, or an act that follows its row.
#[derive(Debug)]
pub(crate) enum AdminChange {
    Client(ClientChange),
    Model(Activation),
    Operator(OperatorChange),
    Sessions(SessionsEnd),
    Calibration(CalibrationActivation),
    Shadow(ShadowChange),
    Announced(AnnouncedAct),
}

/// A change, and the chain whose next row records it.
pub(super) struct AdminStep {
    pub(super) change: AdminChange,
    pub(super) operator: Operator,
    pub(super) at: DateTime<Utc>,
    pub(super) head: AuditHead,
    pub(super) keys: AuditKeys,
}

/// What a row of kind `admin` has in its column `fields`.
#[derive(Debug, Serialize)]
struct Content<'a> {
    command: &'a str,
    database_role: &'a str,
    os_user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_user: Option<&'a str>,
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a ManagementRequest>,
    before: Value,
    after: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_row: Option<&'a RowState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a ChangedOperator>,
}

#[derive(Deserialize)]
struct RecordedState {
    client_row: Option<RowState>,
    operator: Option<ChangedOperator>,
}

/// The longest text of a state. Of a longer one, the row has the digest.
const MAX_STATE_BYTES: usize = 8192;
/// The longest name of a user or a machine.
const MAX_NAME_CHARS: usize = 128;

/// Makes a change and writes its row, in one transaction: neither exists without the other. Returns the chain's new
/// head, or `None` when there was nothing to change.
pub(super) fn administer<'c>(
    connection: &'c mut PgConnection,
    step: &'c AdminStep,
) -> BoxFuture<'c, sqlx::Result<Result<Option<AuditHead>, StoreError>>> {
    run(connection, step).map(StepError::apart).boxed()
}

async fn run(connection: &mut PgConnection, step: &AdminStep) -> Result<Option<AuditHead>, StepError> {
    let mut transaction = connection.begin().await?;
    let role =
        sqlx::query_scalar!(r#"SELECT session_user::text AS "role!""#).fetch_one(&mut *transaction).await?;
    let entry = match &step.change {
        AdminChange::Client(change) => change.apply(&mut transaction, &step.keys).await?,
        AdminChange::Model(activation) => Some(activation.apply(&mut transaction).await?),
        AdminChange::Operator(change) => change.apply(&mut transaction, &step.keys).await?,
        AdminChange::Sessions(end) => end.apply(&mut transaction).await?,
        AdminChange::Calibration(activation) => activation.apply(&mut transaction, &step.keys).await?,
        AdminChange::Shadow(change) => change.apply(&mut transaction, &step.keys).await?,
        AdminChange::Announced(AnnouncedAct { act, before, after }) => {
            Some(AdminEntry::new(*act, before.clone(), after.clone()))
        }
    };
    let Some(entry) = entry else { return Ok(None) };
    let row = step.row(&entry, &role)?;
    let head = row.head();
    append(&[row]).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Some(head))
}

/// The state of a row that a verified row of the trail records, with the name of the client or operator.
pub(super) enum Recorded {
    Client(String, RowState),
    Operator(String, RowState),
}

pub(super) fn recorded_state(row: &AuditRow) -> Option<Recorded> {
    if row.kind != "admin" {
        return None;
    }
    let recorded: RecordedState = serde_json::from_str(&row.fields).ok()?;
    match recorded.operator {
        Some(operator) => Some(Recorded::Operator(operator.name, operator.row)),
        None => Some(Recorded::Client(row.client.clone()?, recorded.client_row?)),
    }
}

impl AdminStep {
    fn row(&self, entry: &AdminEntry, role: &str) -> Result<AuditRow, StoreError> {
        let Operator { os_user, login_user, host, request } = &self.operator;
        let (os_user, host) = (short(os_user), short(host));
        let login_user = login_user.as_deref().map(short);
        let content = Content {
            command: entry.act.command(),
            database_role: role,
            os_user: &os_user,
            login_user: login_user.as_deref(),
            host: &host,
            request: request.as_ref(),
            before: bounded(&entry.before),
            after: bounded(&entry.after),
            client_row: entry.client_row.as_ref(),
            operator: entry.operator.as_ref(),
        };
        let content = serde_json::to_string(&content)
            .map_err(|_| StoreError::Cryptography("an administrative row has no text"))?;
        let position =
            RowPosition { at: self.at, writer: self.head.writer, sequence: self.head.sequence + 1 };
        AuditRow::of_administration(entry.act.as_str(), entry.client.clone(), content, position)
            .signed(&self.head.mac, &self.keys)
    }
}

fn short(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}

/// The state, or the length and digest of one that is too long for a row.
fn bounded(state: &Value) -> Value {
    let text = state.to_string();
    if text.len() <= MAX_STATE_BYTES {
        return state.clone();
    }
    json!({ "bytes": text.len(), "sha256": hex::encode(Sha256::digest(text.as_bytes())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_state_is_replaced_by_its_digest() {
        let short = json!({ "networks": ["10.0.0.0/8"] });
        assert_eq!(bounded(&short), short);
        let long = json!("a".repeat(MAX_STATE_BYTES));
        // python3 -c 'import hashlib; print(hashlib.sha256(b"\"" + b"a" * 8192 + b"\"").hexdigest())'
        let sha256 = "524a26ab407d237bb5cf84a40a9edf4fa1f0d51acc9482e952354cc43e95cf6d";
        assert_eq!(bounded(&long), json!({ "bytes": MAX_STATE_BYTES + 2, "sha256": sha256 }));
    }
}
