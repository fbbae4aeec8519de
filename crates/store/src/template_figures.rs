//! Figures for operators: the number of templates, and the progress of the last enrolment.

use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

use crate::{enrolment::EnrolmentTally, error::StoreError, store::Store};

/// The number of templates of one model contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateCount {
    /// The contract.
    pub contract: String,
    /// The number; an estimate when the table is large.
    pub templates: u64,
}

/// Tables up to this size are counted, which takes milliseconds. For larger ones the server's statistics give an
/// estimate.
const MAX_COUNTED_ROWS: i64 = 50_000;

impl Store {
    /// The number of templates by contract, including those without an embedding.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn template_counts(&self) -> Result<Vec<TemplateCount>, StoreError> {
        let pool = self.pool();
        let rows = if pool.run(approximate_rows, &()).await? > MAX_COUNTED_ROWS {
            pool.run(estimated, &()).await?
        } else {
            pool.run(counted, &()).await?
        };
        rows.into_iter().map(TemplateCount::try_from).collect()
    }

    /// The tally of the most recent enrolment; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn newest_enrolment(&self) -> Result<Option<EnrolmentTally>, StoreError> {
        let row = self.pool().run(newest, &()).await?;
        row.map(EnrolmentTally::try_from).transpose()
    }
}

struct CountRow {
    contract_id: String,
    templates: i64,
}

impl TryFrom<CountRow> for TemplateCount {
    type Error = StoreError;

    fn try_from(row: CountRow) -> Result<Self, StoreError> {
        let templates = to_u64(row.templates, "store.face_template", "contract_id")?;
        Ok(Self { contract: row.contract_id, templates })
    }
}

struct TallyRow {
    templates: i64,
    covered: i64,
    unusable: i64,
    failed: i64,
}

impl TryFrom<TallyRow> for EnrolmentTally {
    type Error = StoreError;

    fn try_from(row: TallyRow) -> Result<Self, StoreError> {
        let table = "store.enrolment_run";
        Ok(Self {
            templates: to_u64(row.templates, table, "templates")?,
            covered: to_u64(row.covered, table, "covered")?,
            unusable: to_u64(row.unusable, table, "unusable")?,
            failed: to_u64(row.failed, table, "failed")?,
        })
    }
}

fn to_u64(count: i64, table: &'static str, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|_| StoreError::Inconsistent { table, column })
}

/// The server's estimate of the number of rows; -1 for a table that was never analysed, which is new or small.
fn approximate_rows<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<i64>> {
    sqlx::query_scalar!(
        r#"SELECT reltuples::bigint AS "rows!" FROM pg_class WHERE oid = 'store.face_template'::regclass"#
    )
    .fetch_one(connection)
    .boxed()
}

fn counted<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Vec<CountRow>>> {
    sqlx::query_as!(
        CountRow,
        r#"SELECT contract_id, count(*) AS "templates!" FROM store.face_template GROUP BY contract_id"#
    )
    .fetch_all(connection)
    .boxed()
}

/// Estimates from the server's statistics: the share of each contract times the number of rows.
fn estimated<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Vec<CountRow>>> {
    sqlx::query_as!(
        CountRow,
        r#"SELECT contract AS "contract_id!", round(share * reltuples)::bigint AS "templates!"
             FROM pg_stats,
                  unnest(most_common_vals::text::text[], most_common_freqs) AS common (contract, share),
                  pg_class
            WHERE schemaname = 'store' AND tablename = 'face_template' AND attname = 'contract_id'
              AND pg_class.oid = 'store.face_template'::regclass"#
    )
    .fetch_all(connection)
    .boxed()
}

fn newest<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Option<TallyRow>>> {
    sqlx::query_as!(
        TallyRow,
        "SELECT templates, covered, unusable, failed FROM store.enrolment_run ORDER BY started_at DESC LIMIT 1"
    )
    .fetch_optional(connection)
    .boxed()
}
