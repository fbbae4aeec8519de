//! Ends all sessions of one account, within the transaction of its row in the audit trail.

use padan_domain::OperatorName;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    administration::{act::AdminAct, entry::AdminEntry},
    error::StoreError,
    operators::change::end_sessions,
};

/// The end of all sessions of an account, of the store or of a provider.
#[derive(Debug)]
pub(crate) struct SessionsEnd {
    pub(crate) account: OperatorName,
}

impl SessionsEnd {
    /// Ends the sessions; `None` when there is none.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Result<Option<AdminEntry>, StoreError>> {
        let ended = end_sessions(connection, &self.account).await?;
        if ended == 0 {
            return Ok(Ok(None));
        }
        Ok(Ok(Some(AdminEntry {
            act: AdminAct::OperatorSessionsEnded,
            client: None,
            operator: None,
            before: json!({ "account": self.account.as_str(), "sessions": ended }),
            after: Value::Null,
            client_row: None,
        })))
    }
}
