//! Quotas that all processes share. A process takes a part at a time, so that most requests need no statement.

use std::num::NonZeroU32;

use padan_domain::{ClientName, QuotaSpan};
use padan_postgres::Pool;

use crate::{error::StoreError, handles::Quotas};

/// A process's request for a part of a quota.
#[derive(Debug, Clone)]
pub struct QuotaRequest {
    /// The client.
    pub client: ClientName,
    /// The day or month.
    pub span: QuotaSpan,
    /// The quota of the day or month.
    pub quota: NonZeroU32,
}

/// The part that was granted to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaGrant {
    /// Requests that the process may admit; 0 when the quota is used up.
    pub granted: u32,
    /// The sum of the parts that all processes have taken, this grant included.
    pub used: u64,
}

impl QuotaRequest {
    /// The largest grant: a hundredth of the quota, from 1 to 100. When a process is killed, at most this much is lost.
    pub fn chunk(&self) -> u32 {
        (self.quota.get() / 100).clamp(1, 100)
    }
}

impl Quotas {
    /// Takes a part of a quota. The parts of all processes never add up to more than the quota. Near its end the parts
    /// become smaller, so that no process holds what another could use.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn take(&self, request: &QuotaRequest) -> Result<QuotaGrant, StoreError> {
        // Returns no row when the quota is used up. PostgreSQL locks a conflicting row before it reads the columns, so two
        // processes cannot take the same part.
        let query = || {
            sqlx::query_as!(
                GrantRow,
                "INSERT INTO store.quota_use AS kept (client, period, starts_on, used, granted)
                 VALUES ($1, $2, $3, $4, $4)
                 ON CONFLICT (client, period, starts_on) DO UPDATE
                 SET used = kept.used + LEAST($4::bigint, GREATEST(($5::bigint - kept.used) / 8, 1)),
                     granted = LEAST($4::bigint, GREATEST(($5::bigint - kept.used) / 8, 1))
                 WHERE kept.used < $5
                 RETURNING used, granted",
                request.client.as_str(),
                request.span.period.as_str(),
                request.span.starts_on,
                i64::from(request.chunk()),
                i64::from(request.quota.get())
            )
        };
        let row = self.0.pool().fetch_optional(query).await?;
        let inconsistent = |column| move |_| StoreError::Inconsistent { table: "store.quota_use", column };
        match row {
            Some(row) => Ok(QuotaGrant {
                granted: u32::try_from(row.granted).map_err(inconsistent("granted"))?,
                used: u64::try_from(row.used).map_err(inconsistent("used"))?,
            }),
            None => Ok(QuotaGrant { granted: 0, used: self.used(&request.client, request.span).await? }),
        }
    }

    /// Returns the unused part of a grant.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn give_back(
        &self,
        client: &ClientName,
        span: QuotaSpan,
        unused: u32,
    ) -> Result<(), StoreError> {
        let query = || {
            sqlx::query!(
                "UPDATE store.quota_use
                    SET used = GREATEST(used - $4, 0)
                  WHERE client = $1
                    AND period = $2
                    AND starts_on = $3",
                client.as_str(),
                span.period.as_str(),
                span.starts_on,
                i64::from(unused)
            )
        };
        self.0.pool().execute(query).await?;
        Ok(())
    }

    /// How much of a quota is used or held by processes.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn used(&self, client: &ClientName, span: QuotaSpan) -> Result<u64, StoreError> {
        read_quota_used(self.0.pool(), client, span).await
    }
}

pub(crate) async fn read_quota_used(
    pool: &Pool,
    client: &ClientName,
    span: QuotaSpan,
) -> Result<u64, StoreError> {
    let query = || {
        sqlx::query_scalar!(
            "SELECT used FROM store.quota_use WHERE client = $1 AND period = $2 AND starts_on = $3",
            client.as_str(),
            span.period.as_str(),
            span.starts_on
        )
    };
    let used = pool.fetch_optional(query).await?;
    u64::try_from(used.unwrap_or_default())
        .map_err(|_| StoreError::Inconsistent { table: "store.quota_use", column: "used" })
}

struct GrantRow {
    used: i64,
    granted: i64,
}
