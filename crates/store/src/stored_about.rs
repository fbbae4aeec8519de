//! What is stored about a person, without changing it.

use chrono::{DateTime, Utc};
use padan_domain::NationalId;

use crate::{audit::forgetting::count_rows, error::StoreError, store::Store};

/// The amount of data that forgetting a person would remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredAbout {
    /// Face templates, of all models, and faces in cohorts.
    pub templates: u64,
    /// Rows of the audit trail that identify the person.
    pub audit_rows: u64,
}

/// The requests of one client about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enquiries {
    /// The client's name.
    pub client: String,
    /// The number of its requests in the audit trail.
    pub requests: i64,
    /// When the first of them was answered.
    pub first_at: DateTime<Utc>,
    /// When the last of them was answered.
    pub last_at: DateTime<Utc>,
}

impl Store {
    /// What [`forget`](Self::forget) would remove, under all person keys.
    ///
    /// # Errors
    ///
    /// When the store was opened without person keys, or fails.
    pub async fn stored_about(&self, nik: &NationalId) -> Result<StoredAbout, StoreError> {
        let people = self.0.person_keys()?.all_of(nik)?;
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM store.face_template WHERE person_key = ANY($1)"#,
                &people
            )
        };
        let templates = self.0.pool().fetch_one(query).await?.unsigned_abs();
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM store.cohort_member WHERE person_key = ANY($1)"#,
                &people
            )
        };
        let templates = templates + self.0.pool().fetch_one(query).await?.unsigned_abs();
        let audit_rows = self.0.pool().fetch_one(|| count_rows(&people)).await?.unsigned_abs();
        Ok(StoredAbout { templates, audit_rows })
    }

    /// Which clients sent requests about a person, under all person keys, ordered by name.
    ///
    /// # Errors
    ///
    /// When the store was opened without person keys, or fails.
    pub async fn enquiries(&self, nik: &NationalId) -> Result<Vec<Enquiries>, StoreError> {
        let people = self.0.person_keys()?.all_of(nik)?;
        let query = || {
            sqlx::query_as!(
                Enquiries,
                r#"SELECT client AS "client!", count(*) AS "requests!", min(at) AS "first_at!", max(at) AS "last_at!"
                     FROM store.audit_event
                    WHERE person_key = ANY($1)
                      AND client IS NOT NULL
                      AND kind = 'request'
                    GROUP BY client
                    ORDER BY client"#,
                &people
            )
        };
        Ok(self.0.pool().fetch_all(query).await?)
    }
}
