//! The people of all cohorts together.

use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

use crate::templates::rotation::KeyCountRow;

/// The number of members of all cohorts that each key encrypts.
pub(crate) fn counts_by_key<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<Vec<KeyCountRow>>> {
    sqlx::query_as!(
        KeyCountRow,
        r#"SELECT key_id AS "key_id!", count(*) AS "templates!"
             FROM store.cohort_member
            WHERE key_id IS NOT NULL
            GROUP BY key_id"#
    )
    .fetch_all(connection)
    .boxed()
}

/// The number of members of all cohorts that are one of these people.
pub(crate) fn count_of_people<'c>(
    connection: &'c mut PgConnection,
    people: &'c Vec<Vec<u8>>,
) -> BoxFuture<'c, sqlx::Result<i64>> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM store.cohort_member WHERE person_key = ANY($1)"#,
        people
    )
    .fetch_one(connection)
    .boxed()
}

/// Takes the faces of these people out of all cohorts, and returns how many there were.
pub(crate) async fn forget(connection: &mut PgConnection, people: &[Vec<u8>]) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "UPDATE store.cohort_member
            SET person_key = NULL,
                key_id = NULL,
                sealed = NULL
          WHERE person_key = ANY($1)",
        people
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
