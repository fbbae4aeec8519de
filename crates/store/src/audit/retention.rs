use chrono::{DateTime, Utc};
use padan_postgres::Fault;
use sqlx::{Connection as _, PgConnection};

use super::{
    AuditHead, AuditKeys,
    row::{anchor_signature, unsigned},
    usage,
};
use crate::StoreError;

/// Month by month, each in a transaction of its own: anchors first, then the rows go.
pub(super) async fn prune(
    connection: &mut PgConnection,
    keys: &AuditKeys,
    before: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    let fault = |error: sqlx::Error| Fault::of(&error);
    let months = sqlx::query_scalar!(r#"SELECT store.audit_months_before($1) AS "month!""#, before)
        .fetch_all(&mut *connection)
        .await
        .map_err(fault)?;
    for month in &months {
        let mut transaction = connection.begin().await.map_err(fault)?;
        let last = sqlx::query_as!(
            AuditHead,
            "SELECT DISTINCT ON (writer) writer, sequence, mac
               FROM store.audit_event
              WHERE tableoid = to_regclass('store.' || quote_ident($1))
              ORDER BY writer, sequence DESC",
            month
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(fault)?;
        for head in last {
            let key_id = keys.current_id();
            let signature = anchor_signature(&head, key_id, keys).ok_or_else(unsigned)?;
            sqlx::query!(
                "INSERT INTO store.audit_anchor (writer, sequence, mac, pruned_at, key_id, signature)
                 VALUES ($1, $2, $3, now(), $4, $5)",
                head.writer,
                head.sequence,
                head.mac,
                key_id,
                signature
            )
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        }
        usage::keep(&mut transaction, month).await.map_err(fault)?;
        sqlx::query!("SELECT store.drop_audit_month($1)", month)
            .fetch_one(&mut *transaction)
            .await
            .map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
    }
    Ok(months)
}
