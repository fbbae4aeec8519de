use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::{Connection as _, PgConnection};

/// What is gone of a person who was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// Face templates that were destroyed, of all models.
    pub templates: u64,
    /// Rows of the audit trail that no longer say whom they were about.
    pub audit_rows: u64,
}

/// How many rows of the audit trail are about a person, up to now; and now.
pub(crate) fn count<'c>(
    connection: &'c mut PgConnection,
    person: &'c [u8; 32],
) -> BoxFuture<'c, sqlx::Result<Concerned>> {
    sqlx::query_as!(
        Concerned,
        r#"SELECT count(*) AS "rows!", clock_timestamp() AS "until!" FROM store.audit_event WHERE person_key = $1"#,
        person.as_slice()
    )
    .fetch_one(connection)
    .boxed()
}

/// The rows that will lose their person.
pub(crate) struct Concerned {
    pub(crate) rows: i64,
    pub(crate) until: DateTime<Utc>,
}

/// Destroys the templates and takes the person out of the rows that were counted.
pub(crate) fn forget<'c>(
    connection: &'c mut PgConnection,
    (person, until): &'c ([u8; 32], Option<DateTime<Utc>>),
) -> BoxFuture<'c, sqlx::Result<Forgotten>> {
    async move {
        let mut transaction = connection.begin().await?;
        let templates =
            sqlx::query!("DELETE FROM store.face_template WHERE person_key = $1", person.as_slice())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        let audit_rows = sqlx::query!(
            "UPDATE store.audit_event
                SET person_key = NULL, person_salt = NULL
              WHERE person_key = $1
                AND at <= $2",
            person.as_slice(),
            *until
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(Forgotten { templates, audit_rows })
    }
    .boxed()
}
