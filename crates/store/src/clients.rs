//! The clients: their rows, secrets and rules, and changes of them.

pub(crate) mod change;
pub(crate) mod profile;
pub(crate) mod row;
pub(crate) mod rules;
pub(crate) mod secret;
pub(crate) mod signature;

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, ClientRules, Username};

use crate::{
    clients::{
        row::{ClientRow, SecretColumns, client_rows},
        rules::inconsistent,
        secret::SecretHashes,
        signature::ClientSignature,
    },
    error::StoreError,
    handles::Clients,
};

/// A client in the store.
#[derive(Debug, Clone)]
pub struct StoredClient {
    /// Its name.
    pub name: ClientName,
    /// Its user name.
    pub username: Username,
    /// The hashes of its password.
    pub password: SecretHashes,
    /// The hashes of its key.
    pub api_key: SecretHashes,
    /// Whether all its requests are refused.
    pub disabled: bool,
    /// Whether it is answered from the table of test people.
    pub is_sandbox: bool,
    /// Its networks, endpoints, fields, rate and quotas.
    pub rules: ClientRules,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
}

/// The clients in the store.
#[derive(Debug, Clone, Default)]
pub struct StoredClients {
    /// Those whose rows Padan wrote, ordered by name.
    pub trusted: Vec<StoredClient>,
    /// Those whose rows were changed or added by others, ordered by name. No request is admitted by them.
    pub refused: Vec<RefusedClient>,
}

/// A client whose row Padan did not write so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedClient {
    /// The name in the row.
    pub name: String,
    /// What is wrong with the row's signature.
    pub signature: ClientSignature,
}

impl Clients {
    /// All clients, ordered by name.
    ///
    /// # Errors
    ///
    /// When the store fails or a row that Padan wrote is invalid.
    pub async fn all(&self) -> Result<StoredClients, StoreError> {
        let mut clients = StoredClients::default();
        for row in self.0.pool().fetch_all(|| client_rows(None)).await? {
            match row.signature(self.0.audit_keys()) {
                ClientSignature::Right => clients.trusted.push(row.try_into()?),
                signature => clients.refused.push(RefusedClient { name: row.columns.name, signature }),
            }
        }
        Ok(clients)
    }

    /// The client of a name.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClientNotSigned`] when Padan did not write the row; otherwise when the store fails or the row is
    /// invalid.
    pub async fn get(&self, name: &ClientName) -> Result<Option<StoredClient>, StoreError> {
        let row = self.0.pool().fetch_optional(|| client_rows(Some(name))).await?;
        let Some(row) = row else { return Ok(None) };
        row.require_signature(self.0.audit_keys())?;
        row.try_into().map(Some)
    }

    /// Whether the role may read clients, and read and write the use of quotas.
    pub(crate) async fn may_read(&self) -> Result<bool, StoreError> {
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT has_table_privilege('store.client', 'SELECT')
                          AND has_table_privilege('store.quota_use', 'SELECT')
                          AND has_table_privilege('store.quota_use', 'INSERT')
                          AND has_table_privilege('store.quota_use', 'UPDATE') AS "permitted!""#
            )
        };
        Ok(self.0.pool().fetch_one(query).await?)
    }
}

impl TryFrom<ClientRow> for StoredClient {
    type Error = StoreError;

    fn try_from(ClientRow { columns: row, secrets }: ClientRow) -> Result<Self, StoreError> {
        let SecretColumns { password, api_key, previous_password, previous_api_key } = &secrets;
        let password =
            secret_hashes(password, previous_password.as_deref().zip(row.previous_password_valid_until));
        let api_key =
            secret_hashes(api_key, previous_api_key.as_deref().zip(row.previous_api_key_valid_until));
        Ok(Self {
            name: row.name.parse().map_err(|_| inconsistent("name"))?,
            username: row.username.parse().map_err(|_| inconsistent("username"))?,
            password: password.ok_or_else(|| inconsistent("password_sha256"))?,
            api_key: api_key.ok_or_else(|| inconsistent("api_key_sha256"))?,
            rules: row.rules()?,
            disabled: row.disabled,
            is_sandbox: row.sandbox,
            created_at: row.created_at,
            changed_at: row.changed_at,
        })
    }
}

fn secret_hashes(current: &[u8], previous: Option<(&[u8], DateTime<Utc>)>) -> Option<SecretHashes> {
    let previous = match previous {
        None => None,
        Some((sha256, valid_until)) => Some((sha256.try_into().ok()?, valid_until)),
    };
    Some(SecretHashes { current: current.try_into().ok()?, previous })
}
