use chrono::NaiveDate;
use padan_postgres::Fault;
use sqlx::PgConnection;

use super::filter::AuditFilter;
use crate::error::StoreError;

/// The number of calls of one client on one day with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The client's name.
    pub client: String,
    /// The day in Asia/Jakarta.
    pub day: NaiveDate,
    /// The endpoint's name.
    pub endpoint: String,
    /// The reason code.
    pub reason: String,
    /// The number of calls.
    pub calls: i64,
}

/// Counts the rows, and adds the counts of pruned rows, which are stored by day.
pub(super) async fn read(
    connection: &mut PgConnection,
    filter: &AuditFilter,
) -> Result<Vec<UsageRow>, StoreError> {
    let rows = sqlx::query_as!(
        UsageRow,
        r#"SELECT client AS "client!", day AS "day!", endpoint AS "endpoint!", reason AS "reason!",
                  sum(calls)::bigint AS "calls!"
             FROM (SELECT client, (at AT TIME ZONE 'Asia/Jakarta')::date AS day, endpoint, reason, count(*) AS calls
                     FROM store.audit_event
                    WHERE kind = 'request'
                      AND at >= coalesce($2::timestamptz, '-infinity')
                      AND at < coalesce($3::timestamptz, 'infinity')
                    GROUP BY 1, 2, 3, 4
                    UNION ALL
                   SELECT client, day, endpoint, reason, calls
                     FROM store.usage_day
                    WHERE day >= coalesce(($2::timestamptz AT TIME ZONE 'Asia/Jakarta')::date, '-infinity')
                      AND day < coalesce(($3::timestamptz AT TIME ZONE 'Asia/Jakarta')::date, 'infinity')) AS counted
            WHERE $1::text IS NULL OR client = $1
            GROUP BY 1, 2, 3, 4
            ORDER BY 1, 2, 3, 4"#,
        filter.client,
        filter.from,
        filter.to
    );
    Ok(rows.fetch_all(connection).await.map_err(|error| Fault::of(&error))?)
}

/// Adds the counts of a month that is about to be dropped. Months are in UTC, so that a day in Jakarta may be in two of
/// them: its counts are summed.
pub(super) async fn save_counts(connection: &mut PgConnection, month: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO store.usage_day AS kept (client, day, endpoint, reason, calls)
         SELECT client, (at AT TIME ZONE 'Asia/Jakarta')::date, endpoint, reason, count(*)
           FROM store.audit_event
          WHERE tableoid = to_regclass('store.' || quote_ident($1))
            AND kind = 'request'
          GROUP BY 1, 2, 3, 4
         ON CONFLICT (client, day, endpoint, reason) DO UPDATE SET calls = kept.calls + excluded.calls",
        month
    )
    .execute(connection)
    .await
    .map(drop)
}
