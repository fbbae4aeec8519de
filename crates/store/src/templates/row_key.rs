use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// The key of a row, in whose order the table is read page by page. The default is before all keys.
#[derive(Clone, Default)]
pub(super) struct RowKey {
    pub(super) person_key: Vec<u8>,
    pub(super) contract_id: String,
}

/// Deletes these rows, if they were written before a time, and returns their number.
pub(super) async fn delete(
    connection: &mut PgConnection,
    keys: &[RowKey],
    before: Option<DateTime<Utc>>,
) -> sqlx::Result<u64> {
    let people: Vec<_> = keys.iter().map(|key| key.person_key.as_slice()).collect();
    let contracts: Vec<_> = keys.iter().map(|key| key.contract_id.as_str()).collect();
    let done = sqlx::query!(
        "DELETE FROM store.face_template AS kept
          USING unnest($1::bytea[], $2::text[]) AS gone (person_key, contract_id)
          WHERE kept.person_key = gone.person_key
            AND kept.contract_id = gone.contract_id
            AND kept.created_at < coalesce($3::timestamptz, 'infinity')",
        &people as _,
        &contracts as _,
        before
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
