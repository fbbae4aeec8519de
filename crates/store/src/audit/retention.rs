use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use padan_postgres::Fault;
use sqlx::{Connection as _, PgConnection, Postgres, Transaction, error::DatabaseError};
use tokio::time::sleep;

use super::{
    head::AuditHead,
    keys::AuditKeys,
    row::{anchor_signature, unsigned},
    usage,
};
use crate::error::StoreError;

/// How long pruning waits for readers of the trail.
const LOCK_TIMEOUT: Duration = Duration::from_mins(10);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Prunes month by month, each in one transaction: writes anchors, then drops the rows.
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
        usage::save_counts(&mut transaction, month).await.map_err(fault)?;
        drop_month(&mut transaction, month).await?;
        transaction.commit().await.map_err(fault)?;
        // Outside the transaction, since nothing depends on the heads of pruned rows.
        sqlx::query!("SELECT store.drop_audit_heads()").fetch_one(&mut *connection).await.map_err(fault)?;
    }
    Ok(months)
}

/// Drops the month when no session reads the trail. Writers queue behind a waiting DROP, so each attempt is short and
/// the pauses between attempts grow.
async fn drop_month(transaction: &mut Transaction<'_, Postgres>, month: &str) -> Result<(), StoreError> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let mut attempt = transaction.begin().await.map_err(|error| Fault::of(&error))?;
        match sqlx::query!("SELECT store.drop_audit_month($1)", month).fetch_one(&mut *attempt).await {
            Ok(_) => return Ok(attempt.commit().await.map_err(|error| Fault::of(&error))?),
            Err(error) if is_locked(&error) && began.elapsed() < LOCK_TIMEOUT => {
                attempt.rollback().await.map_err(|error| Fault::of(&error))?;
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) if is_locked(&error) => {
                return Err(StoreError::Timeout(format!(
                    "{month} was not pruned, since another session reads the audit trail: prune again later"
                )));
            }
            Err(error) => return Err(Fault::of(&error).into()),
        }
    }
}

fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.as_deref() == Some("55P03")
}
