//! The processor time of each client's photos, by day. All processes add to it.

use std::time::Duration;

use chrono::NaiveDate;
use padan_domain::ClientName;
use padan_postgres::Fault;
use sqlx::PgConnection;

use crate::{audit::AuditFilter, error::StoreError, store::Store};

/// The processor time of a client's photos on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuUse {
    /// The client's name.
    pub client: String,
    /// The day in Asia/Jakarta.
    pub day: NaiveDate,
    /// In microseconds.
    pub microseconds: i64,
}

impl Store {
    /// Adds processor time to what the clients have used on a day in Asia/Jakarta.
    ///
    /// # Errors
    ///
    /// When the store fails. The time may have been added even so, if the connection failed at the end.
    pub async fn add_cpu_use(
        &self,
        day: NaiveDate,
        used: &[(ClientName, Duration)],
    ) -> Result<(), StoreError> {
        let clients: Vec<_> = used.iter().map(|(client, _)| client.as_str()).collect();
        let microseconds = used
            .iter()
            .map(|(_, time)| i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
            .collect::<Vec<_>>();
        // In the order of the clients, so that processes that add at the same time do not lock each other.
        let query = || {
            sqlx::query!(
                "INSERT INTO store.cpu_use AS kept (client, day, microseconds)
                 SELECT client, $1, microseconds
                   FROM unnest($2::text[], $3::bigint[]) AS used (client, microseconds)
                  ORDER BY client
                 ON CONFLICT (client, day) DO UPDATE SET microseconds = kept.microseconds + excluded.microseconds",
                day,
                &clients as _,
                &microseconds
            )
        };
        self.0.pool().execute(query).await?;
        Ok(())
    }
}

/// The processor time by client and day. The filter's person is ignored.
pub(crate) async fn read(
    connection: &mut PgConnection,
    filter: &AuditFilter,
) -> Result<Vec<CpuUse>, StoreError> {
    let rows = sqlx::query_as!(
        CpuUse,
        "SELECT client, day, microseconds
           FROM store.cpu_use
          WHERE ($1::text IS NULL OR client = $1)
            AND day >= coalesce(($2::timestamptz AT TIME ZONE 'Asia/Jakarta')::date, '-infinity')
            AND day < coalesce(($3::timestamptz AT TIME ZONE 'Asia/Jakarta')::date, 'infinity')
          ORDER BY client, day",
        filter.client,
        filter.from,
        filter.to
    );
    Ok(rows.fetch_all(connection).await.map_err(|error| Fault::of(&error))?)
}
