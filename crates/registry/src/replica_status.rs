use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use padan_domain::Clock;
use sqlx::PgConnection;

/// The role and clock of a registry server, and how it is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Whether the server is a standby, which replays the changes of a primary.
    pub is_standby: bool,
    /// The server's clock minus this machine's. The error is at most half of the round-trip time.
    pub clock_ahead: TimeDelta,
    /// Whether the server says that its session is encrypted. A pooler in between answers for its own connection.
    pub is_encrypted: bool,
}

struct Row {
    is_standby: bool,
    now: DateTime<Utc>,
    is_encrypted: bool,
}

pub(crate) fn query<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<ReplicaStatus>> {
    let asked_at = Clock::System.now();
    sqlx::query_as!(
        Row,
        r#"SELECT pg_is_in_recovery() AS "is_standby!",
                  clock_timestamp() AS "now!",
                  EXISTS (SELECT FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS "is_encrypted!""#
    )
    .fetch_one(connection)
    .map_ok(move |row| ReplicaStatus {
        is_standby: row.is_standby,
        clock_ahead: row.now - (asked_at + (Clock::System.now() - asked_at) / 2),
        is_encrypted: row.is_encrypted,
    })
    .boxed()
}
