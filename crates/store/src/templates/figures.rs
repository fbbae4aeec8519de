//! Figures for operators: the number of templates, and the progress of the last enrolment.

use crate::{enrolment::EnrolmentTally, error::StoreError, handles::Templates, store::Store};

/// The number of templates of one model contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateCount {
    /// The contract.
    pub contract: String,
    /// The number; an estimate when the table is large.
    pub templates: u64,
}

/// A part of all templates with at least as many rows is large enough for an estimate: its error is rarely above 5 %.
const SAMPLE_ROWS: u64 = 4000;
/// The first bytes of keys below which templates are counted, in turn, with the number of such parts in the whole table.
const PARTS: [(&[u8], u64); 4] = [(&[0, 1], 65_536), (&[0, 16], 4096), (&[1], 256), (&[16], 16)];
/// Above all keys, which have 32 bytes.
const ABOVE_ALL: [u8; 33] = [0xff; 33];

impl Templates {
    /// The number of templates by contract, including those without an embedding. Exact in a small table.
    ///
    /// The keys are hashes, so the rows below a key are a sample. This needs no statistics of the server, which has none
    /// about the whole of a table that is in partitions or on several servers.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn counts(&self) -> Result<Vec<TemplateCount>, StoreError> {
        for (below, parts) in PARTS {
            let sample = self.count_below(below).await?;
            let seen: i64 = sample.iter().map(|row| row.templates).sum();
            if seen.unsigned_abs() >= SAMPLE_ROWS {
                return sample.into_iter().map(|row| row.times(parts)).collect();
            }
        }
        let all = self.count_below(&ABOVE_ALL).await?;
        all.into_iter().map(|row| row.times(1)).collect()
    }

    async fn count_below(&self, key: &[u8]) -> Result<Vec<CountRow>, StoreError> {
        // Both ends of the range are values, so that the planner expects few rows also when it plans for all values at once.
        let query = || {
            sqlx::query_as!(
                CountRow,
                r#"SELECT contract_id, count(*) AS "templates!"
                     FROM store.face_template
                    WHERE person_key >= $1
                      AND person_key < $2
                    GROUP BY contract_id"#,
                [].as_slice(),
                key
            )
        };
        Ok(self.0.pool().fetch_all(query).await?)
    }
}

impl Store {
    /// The tally of the most recent enrolment; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn newest_enrolment(&self) -> Result<Option<EnrolmentTally>, StoreError> {
        let query = || {
            sqlx::query_as!(
                TallyRow,
                "SELECT templates, covered, unusable, failed FROM store.enrolment_run ORDER BY started_at DESC LIMIT 1"
            )
        };
        let row = self.0.pool().fetch_optional(query).await?;
        row.map(EnrolmentTally::try_from).transpose()
    }
}

struct CountRow {
    contract_id: String,
    templates: i64,
}

impl CountRow {
    fn times(self, parts: u64) -> Result<TemplateCount, StoreError> {
        let templates = to_u64(self.templates, "store.face_template", "contract_id")?;
        Ok(TemplateCount { contract: self.contract_id, templates: templates.saturating_mul(parts) })
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
