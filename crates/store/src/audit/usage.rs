use std::collections::BTreeMap;

use chrono::NaiveDate;
use padan_domain::Clock;
use padan_postgres::Fault;
use sqlx::PgConnection;

use super::{filter::AuditFilter, row::AuditRow};
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
    /// Whether the calls were answered from the table of test people.
    pub sandbox: bool,
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
                  sandbox AS "sandbox!", sum(calls)::bigint AS "calls!"
             FROM (SELECT client, (at AT TIME ZONE 'Asia/Jakarta')::date AS day, endpoint, reason, sandbox,
                          count(*) AS calls
                     FROM store.audit_event
                    WHERE kind = 'request'
                      AND at >= coalesce($2::timestamptz, '-infinity')
                      AND at < coalesce($3::timestamptz, 'infinity')
                    GROUP BY 1, 2, 3, 4, 5
                    UNION ALL
                   SELECT client, day, endpoint, reason, sandbox, calls
                     FROM store.usage_day
                    WHERE day >= coalesce(($2::timestamptz AT TIME ZONE 'Asia/Jakarta')::date, '-infinity')
                      AND day < coalesce(($3::timestamptz AT TIME ZONE 'Asia/Jakarta')::date, 'infinity')) AS counted
            WHERE $1::text IS NULL OR client = $1
            GROUP BY 1, 2, 3, 4, 5
            ORDER BY 1, 2, 3, 4, 5"#,
        filter.client,
        filter.from,
        filter.to
    );
    Ok(rows.fetch_all(connection).await.map_err(|error| Fault::of(&error))?)
}

/// The numbers of calls of rows that are about to be pruned.
#[derive(Default)]
pub(super) struct UsageCounts(BTreeMap<(String, NaiveDate, String, String, bool), i64>);

impl UsageCounts {
    /// Counts the row of a call.
    pub(super) fn add(&mut self, row: &AuditRow) {
        if let (Some(client), Some(endpoint)) = (&row.client, &row.endpoint)
            && row.kind == "request"
        {
            let day = Clock::Fixed(row.at).today_in_jakarta();
            let counted = (client.clone(), day, endpoint.clone(), row.reason.clone(), row.sandbox);
            *self.0.entry(counted).or_default() += 1;
        }
    }

    /// Adds the counts to those that were stored. Months are in UTC, so that a day in Jakarta may be in two of them: its
    /// counts are summed.
    pub(super) async fn save(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let (mut clients, mut days) = (Vec::new(), Vec::new());
        let (mut endpoints, mut reasons) = (Vec::new(), Vec::new());
        let (mut sandboxes, mut calls) = (Vec::new(), Vec::new());
        for ((client, day, endpoint, reason, sandbox), count) in self.0 {
            clients.push(client);
            days.push(day);
            endpoints.push(endpoint);
            reasons.push(reason);
            sandboxes.push(sandbox);
            calls.push(count);
        }
        sqlx::query!(
            "INSERT INTO store.usage_day AS kept (client, day, endpoint, reason, sandbox, calls)
             SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::boolean[], $6::bigint[])
             ON CONFLICT (client, day, endpoint, reason, sandbox) DO UPDATE SET calls = kept.calls + excluded.calls",
            &clients,
            &days,
            &endpoints,
            &reasons,
            &sandboxes,
            &calls
        )
        .execute(connection)
        .await
        .map(drop)
    }
}
