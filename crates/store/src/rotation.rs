//! Sealing templates anew after a change of key.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

use crate::{StoreError, TemplateKeys, template::TemplateId, template_keys::Sealed};

/// How many rows one statement rewrites.
const BATCH: i64 = 500;

/// What a walk over the templates has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows that are sealed with the current key now and were not before.
    pub resealed: u64,
    /// Rows that the service wrote anew in the meantime; they carry the current key if the service does.
    pub overtaken: u64,
    /// Rows that none of the keys opens, left as they are.
    pub unopened: u64,
}

/// The place that a walk has come to: rows behind it are sealed with the current key, or cannot be.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    person: Vec<u8>,
    contract: String,
}

/// Templates of one batch: what they were, and what they become.
pub(crate) struct Batch {
    pub(crate) last: Place,
    pub(crate) unopened: u64,
    people: Vec<Vec<u8>>,
    contracts: Vec<String>,
    found: Vec<Vec<u8>>,
    sealed: Vec<Vec<u8>>,
    key_id: String,
}

pub(crate) struct SealedRow {
    person_key: Vec<u8>,
    contract_id: String,
    portrait_updated_at: DateTime<Utc>,
    key_id: String,
    sealed: Vec<u8>,
}

impl Place {
    /// Before every row.
    pub(crate) fn start() -> Self {
        Self { person: Vec::new(), contract: String::new() }
    }
}

impl Batch {
    /// Opens the rows and seals them with the current key; `None` when there are none.
    pub(crate) fn of(rows: Vec<SealedRow>, keys: &TemplateKeys) -> Result<Option<Self>, StoreError> {
        let Some(last) = rows.last() else { return Ok(None) };
        let mut batch = Self {
            last: Place { person: last.person_key.clone(), contract: last.contract_id.clone() },
            unopened: 0,
            people: Vec::new(),
            contracts: Vec::new(),
            found: Vec::new(),
            sealed: Vec::new(),
            key_id: keys.current_id().to_owned(),
        };
        for row in rows {
            batch.add(row, keys)?;
        }
        Ok(Some(batch))
    }

    pub(crate) fn len(&self) -> u64 {
        self.people.len() as u64
    }

    fn add(&mut self, row: SealedRow, keys: &TemplateKeys) -> Result<(), StoreError> {
        let SealedRow { person_key, contract_id, portrait_updated_at, key_id, sealed } = row;
        let Ok(person) = <[u8; 32]>::try_from(person_key.as_slice()) else {
            self.unopened += 1;
            return Ok(());
        };
        let context = TemplateId { person, contract: contract_id.clone() }.context(portrait_updated_at);
        let found = Sealed { key_id, bytes: sealed };
        match keys.open(&found, &context) {
            Ok(Some(plain)) => {
                self.sealed.push(keys.seal(&plain, &context)?.bytes);
                self.people.push(person_key);
                self.contracts.push(contract_id);
                self.found.push(found.bytes);
            }
            Ok(None) | Err(StoreError::UnknownKey(_)) => self.unopened += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The next rows that another key than the current one seals.
pub(crate) fn next<'c>(
    connection: &'c mut PgConnection,
    (current, after): &'c (String, Place),
) -> BoxFuture<'c, sqlx::Result<Vec<SealedRow>>> {
    sqlx::query_as!(
        SealedRow,
        r#"SELECT person_key, contract_id, portrait_updated_at, key_id AS "key_id!", sealed AS "sealed!"
             FROM store.face_template
            WHERE (person_key, contract_id) > ($1, $2)
              AND key_id <> $3
            ORDER BY person_key, contract_id
            LIMIT $4"#,
        after.person.as_slice(),
        after.contract,
        current,
        BATCH
    )
    .fetch_all(connection)
    .boxed()
}

/// Writes a batch; gives the number of rows that were still as they were found.
pub(crate) fn replace<'c>(
    connection: &'c mut PgConnection,
    batch: &'c Batch,
) -> BoxFuture<'c, sqlx::Result<u64>> {
    async move {
        let done = sqlx::query!(
            "UPDATE store.face_template AS kept
                SET key_id = $1,
                    sealed = new.sealed
               FROM unnest($2::bytea[], $3::text[], $4::bytea[], $5::bytea[])
                    AS new (person_key, contract_id, found, sealed)
              WHERE kept.person_key = new.person_key
                AND kept.contract_id = new.contract_id
                AND kept.sealed = new.found",
            batch.key_id,
            &batch.people,
            &batch.contracts,
            &batch.found,
            &batch.sealed
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }
    .boxed()
}
