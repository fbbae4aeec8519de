use std::collections::HashMap;

use chrono::TimeDelta;
use padan_domain::OperatorName;

use crate::{
    clients::signature::ClientSignature,
    error::StoreError,
    handles::Operators,
    operators::{
        account::OperatorAccount,
        row::{operator_rows, operator_secrets},
        session::SessionRow,
    },
};

/// Everybody who may call the management interface, as far as the store knows.
#[derive(Debug, Default)]
pub struct OperatorList {
    /// The operators of the store by name, then those who are signed in through a provider, by name.
    pub accounts: Vec<ListedAccount>,
    /// Operators of the store whose rows others than Padan wrote. They are refused.
    pub refused: Vec<RefusedOperator>,
}

/// An account, and how often it is signed in.
#[derive(Debug)]
pub struct ListedAccount {
    /// The account.
    pub account: OperatorAccount,
    /// Its sessions that have not ended.
    pub sessions: usize,
}

/// An operator whose row others than Padan wrote.
#[derive(Debug)]
pub struct RefusedOperator {
    /// The name in the row.
    pub name: String,
    /// What is wrong with the row.
    pub fault: ClientSignature,
}

impl Operators {
    /// The operators whose rows have the signature of releases before migration 0032.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn with_former_signatures(&self) -> Result<Vec<OperatorName>, StoreError> {
        let keys = self.0.audit_keys();
        let mut former = Vec::new();
        for row in self.0.pool().fetch_all(|| operator_rows(None, None)).await? {
            if row.signature(keys) == ClientSignature::Right {
                continue;
            }
            let secrets = self.0.pool().fetch_optional(|| operator_secrets(&row.name)).await?;
            if secrets.is_some_and(|secrets| row.has_former_signature(&secrets, keys)) {
                former.extend(row.name.parse().ok());
            }
        }
        Ok(former)
    }

    /// All operators. A session that was unused for `idle` has ended.
    ///
    /// # Errors
    ///
    /// When the store fails or a row that Padan wrote is invalid.
    pub async fn list(&self, idle: TimeDelta) -> Result<OperatorList, StoreError> {
        let keys = self.0.audit_keys();
        let mut sessions: HashMap<String, Vec<SessionRow>> = HashMap::new();
        // The sessions that have not ended by their times.
        let query = || {
            sqlx::query_as!(
                SessionRow,
                "SELECT token_sha256, operator, began_at, expires_at, last_used_at, issuer, subject, claimed_name, role, key_id, mac
                   FROM store.operator_session
                  WHERE expires_at > now()
                    AND last_used_at > now() - make_interval(secs => $1)",
                idle.as_seconds_f64()
            )
        };
        for session in self.0.pool().fetch_all(query).await? {
            if session.is_signed(keys) {
                sessions.entry(session.operator.clone()).or_default().push(session);
            }
        }
        let mut list = OperatorList::default();
        for row in self.0.pool().fetch_all(|| operator_rows(None, None)).await? {
            let fault = row.signature(keys);
            if fault != ClientSignature::Right {
                list.refused.push(RefusedOperator { name: row.name, fault });
                continue;
            }
            let sessions = sessions.remove(&row.name).unwrap_or_default().len();
            list.accounts.push(ListedAccount { account: row.try_into()?, sessions });
        }
        let mut people = Vec::new();
        for of_one in sessions.into_values() {
            let sessions = of_one.len();
            // What the provider said last.
            let newest = of_one.into_iter().filter(|session| session.issuer.is_some());
            if let Some(newest) = newest.max_by_key(|session| session.began_at) {
                people.push(ListedAccount { account: newest.account_of_provider()?, sessions });
            }
        }
        people.sort_by(|one, other| one.account.name.cmp(&other.account.name));
        list.accounts.extend(people);
        Ok(list)
    }
}
