//! Removes the templates of people whom the registry no longer has, or no longer with a portrait.
//!
//! Rows do not name people, so the caller enumerates those who are present. Eight bytes of each keyed hash are kept,
//! which takes 8 MB for a million people: that somebody absent has the same ones is as likely as guessing them.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::NationalId;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    handles::Templates,
    keys::person_keys::PersonKeys,
    templates::{
        cohort_people,
        row_key::{RowKey, delete},
    },
};

/// The people who are present, by part of their keyed hashes.
#[derive(Debug)]
pub struct PresentPeople {
    keys: PersonKeys,
    /// In the order of their values once [`Templates::remove_absent_people`] has them.
    marks: Vec<u64>,
    since: DateTime<Utc>,
}

/// What [`Templates::remove_absent_people`] found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsentPeople {
    /// Templates that were compared with the people who are present.
    pub seen: u64,
    /// Templates of people who are absent.
    pub absent: u64,
    /// How many of these were removed; `None` when they were too many. Another process may have removed some.
    pub removed: Option<u64>,
}

/// How many templates may be removed without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalLimit {
    /// A tenth of all, and a hundred in any case. More are a sign that the registry was not read completely.
    Tenth,
    /// All.
    None,
}

/// The number of rows that one statement reads.
const PAGE: i64 = 10_000;
/// The most rows that one statement deletes.
const BATCH: usize = 500;
/// A tenth of a small store is soon reached.
const ALWAYS_ALLOWED: u64 = 100;

impl PresentPeople {
    /// Adds a person.
    ///
    /// # Errors
    ///
    /// When the hash cannot be computed.
    pub fn add(&mut self, nik: &NationalId) -> Result<(), StoreError> {
        // Under all keys, since this is not about the keys.
        let hashes = self.keys.all_of(nik)?;
        self.marks.extend(hashes.iter().filter_map(|hash| mark(hash)));
        Ok(())
    }

    fn has(&self, person_key: &[u8]) -> bool {
        mark(person_key).is_none_or(|mark| self.marks.binary_search(&mark).is_ok())
    }
}

fn mark(hash: &[u8]) -> Option<u64> {
    hash.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

impl RemovalLimit {
    fn allows(self, absent: u64, seen: u64) -> bool {
        match self {
            Self::Tenth => absent <= (seen / 10).max(ALWAYS_ALLOWED),
            Self::None => true,
        }
    }
}

impl Templates {
    /// Whether the role may delete templates, which the service's role may not.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn may_delete(&self) -> Result<bool, StoreError> {
        let query = || {
            sqlx::query_scalar!(r#"SELECT has_table_privilege('store.face_template', 'DELETE') AS "may!""#)
        };
        Ok(self.0.pool().fetch_one(query).await?)
    }

    /// An empty list of the people who are present from now on. Templates that are written later are not removed.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn present_people(&self) -> Result<PresentPeople, StoreError> {
        let query = || sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#);
        let since = self.0.pool().fetch_one(query).await?;
        Ok(PresentPeople { keys: self.0.person_keys()?.clone(), marks: Vec::new(), since })
    }

    /// Removes the templates of all models of people who are not among the present ones. It can be stopped at any moment,
    /// and repeated. Whoever comes back gets a new template.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_absent_people(
        &self,
        mut present: PresentPeople,
        limit: RemovalLimit,
    ) -> Result<AbsentPeople, StoreError> {
        present.marks.sort_unstable();
        let (mut seen, mut absent) = (0, Vec::new());
        let mut after = RowKey::default();
        loop {
            let query = || {
                sqlx::query_as!(
                    RowKey,
                    "SELECT person_key, contract_id
                       FROM store.face_template
                      WHERE (person_key, contract_id) > ($1, $2)
                        AND created_at < $3
                      ORDER BY person_key, contract_id
                      LIMIT $4",
                    after.person_key,
                    after.contract_id,
                    present.since,
                    PAGE
                )
            };
            let page = self.0.pool().fetch_all(query).await?;
            let Some(last) = page.last() else { break };
            after = last.clone();
            seen += page.len() as u64;
            absent.extend(page.into_iter().filter(|row| !present.has(&row.person_key)));
        }
        let found = AbsentPeople { seen, absent: absent.len() as u64, removed: None };
        if !limit.allows(found.absent, seen) {
            return Ok(found);
        }
        let mut removed = 0;
        for batch in absent.chunks(BATCH) {
            removed += self.0.pool().run(remove, &(batch, present.since)).await?;
        }
        Ok(AbsentPeople { removed: Some(removed), ..found })
    }
}

fn remove<'c>(
    connection: &'c mut PgConnection,
    (absent, since): &'c (&[RowKey], DateTime<Utc>),
) -> BoxFuture<'c, sqlx::Result<u64>> {
    async move {
        let removed = delete(&mut *connection, absent, Some(*since)).await?;
        let people: Vec<_> = absent.iter().map(|key| key.person_key.clone()).collect();
        cohort_people::forget(connection, &people).await?;
        Ok(removed)
    }
    .boxed()
}
