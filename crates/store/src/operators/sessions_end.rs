//! Ends all sessions of one account, within the transaction of its row in the audit trail.

use padan_domain::OperatorName;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    administration::{act::AdminAct, entry::AdminEntry},
    operators::change::end_sessions,
};

/// The end of all sessions of an account, of the store or of a provider.
#[derive(Debug)]
pub(crate) struct SessionsEnd {
    pub(crate) account: OperatorName,
}

impl SessionsEnd {
    /// Ends the sessions; `None` when there is none.
    pub(crate) async fn apply(&self, connection: &mut PgConnection) -> sqlx::Result<Option<AdminEntry>> {
        let ended = end_sessions(connection, &self.account).await?;
        let before = json!({ "account": self.account.as_str(), "sessions": ended });
        let entry = || AdminEntry::new(AdminAct::OperatorSessionsEnded, before, Value::Null);
        Ok((ended > 0).then(entry))
    }
}
