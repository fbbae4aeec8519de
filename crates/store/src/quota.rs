//! Quotas, counted over all processes without a statement for each request: a process takes a few at a time.

use std::num::NonZeroU32;

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{ClientName, QuotaSpan};
use padan_postgres::Pool;
use sqlx::PgConnection;

use crate::{error::StoreError, store::Store};

/// What a process asks for.
#[derive(Debug, Clone)]
pub struct QuotaAsk {
    /// Who uses it.
    pub client: ClientName,
    /// The day or the month.
    pub span: QuotaSpan,
    /// How much there is in all.
    pub quota: NonZeroU32,
}

/// What a process got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaGrant {
    /// Requests that the process may let in; none when the quota is used up.
    pub granted: u32,
    /// What all processes together have taken, this grant included.
    pub used: u64,
}

impl QuotaAsk {
    /// The most that one grant holds: a hundredth of the quota, 1 to 100. A process that dies takes at most this much
    /// with it.
    pub fn chunk(&self) -> u32 {
        (self.quota.get() / 100).clamp(1, 100)
    }
}

impl Store {
    /// Takes a part of a quota. Processes that take at the same time get parts that together are never more than the
    /// quota; near its end the parts become smaller, so that none hoards what another could use.
    pub async fn take_quota(&self, ask: &QuotaAsk) -> Result<QuotaGrant, StoreError> {
        let row = self.connections().run(take, ask).await?;
        let inconsistent = |column| move |_| StoreError::Inconsistent { table: "store.quota_use", column };
        match row {
            Some(row) => Ok(QuotaGrant {
                granted: u32::try_from(row.granted).map_err(inconsistent("granted"))?,
                used: u64::try_from(row.used).map_err(inconsistent("used"))?,
            }),
            None => Ok(QuotaGrant { granted: 0, used: self.quota_used(&ask.client, ask.span).await? }),
        }
    }

    /// Gives back what a process took and did not use.
    pub async fn return_quota(
        &self,
        client: &ClientName,
        span: QuotaSpan,
        unused: u32,
    ) -> Result<(), StoreError> {
        let returned = (client.clone(), span, i64::from(unused));
        Ok(self.connections().run(give_back, &returned).await?)
    }

    /// How much of a quota is used or set aside by running processes.
    pub async fn quota_used(&self, client: &ClientName, span: QuotaSpan) -> Result<u64, StoreError> {
        used_of(self.connections(), client, span).await
    }
}

pub(crate) async fn used_of(pool: &Pool, client: &ClientName, span: QuotaSpan) -> Result<u64, StoreError> {
    let used = pool.run(used, &(client.clone(), span)).await?;
    u64::try_from(used.unwrap_or_default())
        .map_err(|_| StoreError::Inconsistent { table: "store.quota_use", column: "used" })
}

struct GrantRow {
    used: i64,
    granted: i64,
}

/// Gives no row when nothing is left. A conflicting row is locked before its columns are read, so two processes cannot
/// take the same part.
fn take<'c>(
    connection: &'c mut PgConnection,
    ask: &'c QuotaAsk,
) -> BoxFuture<'c, sqlx::Result<Option<GrantRow>>> {
    sqlx::query_as!(
        GrantRow,
        "INSERT INTO store.quota_use AS kept (client, period, starts_on, used, granted)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (client, period, starts_on) DO UPDATE
         SET used = kept.used + LEAST($4::bigint, GREATEST(($5::bigint - kept.used) / 8, 1)),
             granted = LEAST($4::bigint, GREATEST(($5::bigint - kept.used) / 8, 1))
         WHERE kept.used < $5
         RETURNING used, granted",
        ask.client.as_str(),
        ask.span.period.as_str(),
        ask.span.starts_on,
        i64::from(ask.chunk()),
        i64::from(ask.quota.get())
    )
    .fetch_optional(connection)
    .boxed()
}

fn give_back<'c>(
    connection: &'c mut PgConnection,
    (client, span, unused): &'c (ClientName, QuotaSpan, i64),
) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "UPDATE store.quota_use
                SET used = GREATEST(used - $4, 0)
              WHERE client = $1
                AND period = $2
                AND starts_on = $3",
            client.as_str(),
            span.period.as_str(),
            span.starts_on,
            unused
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

fn used<'c>(
    connection: &'c mut PgConnection,
    (client, span): &'c (ClientName, QuotaSpan),
) -> BoxFuture<'c, sqlx::Result<Option<i64>>> {
    sqlx::query_scalar!(
        "SELECT used FROM store.quota_use WHERE client = $1 AND period = $2 AND starts_on = $3",
        client.as_str(),
        span.period.as_str(),
        span.starts_on
    )
    .fetch_optional(connection)
    .boxed()
}
