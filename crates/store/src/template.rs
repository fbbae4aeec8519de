use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::Embedding;
use sqlx::PgConnection;

use crate::StoreError;

/// What is kept of a person's portrait under one model contract.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTemplate {
    /// The registry's `portrait_updated_at` of the photo this came from, in microseconds as PostgreSQL
    /// keeps it. The template is stale once the registry says anything else.
    pub portrait_updated_at: DateTime<Utc>,
    /// The embedding, or why there is none.
    pub content: TemplateContent,
}

/// The embedding, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplateContent {
    /// The portrait's face.
    Usable(Embedding),
    /// The portrait has no usable face: a reason code such as `NO_FACE`. It need not be looked at again
    /// until it changes.
    Unusable(String),
}

/// Which template.
pub(crate) struct TemplateKey {
    pub(crate) person: [u8; 32],
    pub(crate) contract: String,
}

pub(crate) struct TemplateRow {
    portrait_updated_at: DateTime<Utc>,
    embedding: Option<Vec<u8>>,
    unusable_reason: Option<String>,
}

pub(crate) fn read<'c>(
    connection: &'c mut PgConnection,
    key: &'c TemplateKey,
) -> BoxFuture<'c, sqlx::Result<Option<TemplateRow>>> {
    sqlx::query_as!(
        TemplateRow,
        "SELECT portrait_updated_at, embedding, unusable_reason
           FROM store.face_template
          WHERE person_key = $1
            AND contract_id = $2",
        key.person.as_slice(),
        key.contract
    )
    .fetch_optional(connection)
    .boxed()
}

/// Keeps a template unless a newer photo's is there. One of the same photo is replaced: limits may have
/// changed since, and two instances that embedded it at the same time wrote the same.
pub(crate) fn keep<'c>(
    connection: &'c mut PgConnection,
    (key, row): &'c (TemplateKey, TemplateRow),
) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "INSERT INTO store.face_template AS kept
                    (person_key, contract_id, portrait_updated_at, embedding, unusable_reason)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (person_key, contract_id) DO UPDATE
             SET portrait_updated_at = excluded.portrait_updated_at,
                 embedding = excluded.embedding,
                 unusable_reason = excluded.unusable_reason,
                 created_at = now()
             WHERE kept.portrait_updated_at <= excluded.portrait_updated_at",
            key.person.as_slice(),
            key.contract,
            row.portrait_updated_at,
            row.embedding.as_deref(),
            row.unusable_reason
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

impl From<&StoredTemplate> for TemplateRow {
    fn from(template: &StoredTemplate) -> Self {
        let (embedding, unusable_reason) = match &template.content {
            TemplateContent::Usable(embedding) => (Some(to_bytes(embedding)), None),
            TemplateContent::Unusable(reason) => (None, Some(reason.clone())),
        };
        Self { portrait_updated_at: template.portrait_updated_at, embedding, unusable_reason }
    }
}

impl TryFrom<TemplateRow> for StoredTemplate {
    type Error = StoreError;

    fn try_from(row: TemplateRow) -> Result<Self, StoreError> {
        let content = match (row.embedding, row.unusable_reason) {
            (Some(bytes), None) => TemplateContent::Usable(
                from_bytes(&bytes).ok_or_else(|| StoreError::inconsistent("embedding"))?,
            ),
            (None, Some(reason)) => TemplateContent::Unusable(reason),
            (None, None) | (Some(_), Some(_)) => return Err(StoreError::inconsistent("unusable_reason")),
        };
        Ok(Self { portrait_updated_at: row.portrait_updated_at, content })
    }
}

fn to_bytes(embedding: &Embedding) -> Vec<u8> {
    embedding.as_slice().iter().flat_map(|component| component.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Option<Embedding> {
    let (components, rest) = bytes.as_chunks::<4>();
    let components = components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    rest.is_empty().then(|| Embedding::from_unit(components).ok())?
}
