//! The people of all cohorts together.

use sqlx::PgConnection;

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
