use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use padan_domain::Clock;
use sqlx::PgConnection;

/// What a server of the registry says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaStanding {
    /// Whether it replays what another one writes. False for a primary.
    pub is_standby: bool,
    /// By how much its clock is ahead of this machine's; negative when it is behind. The way there and back makes it
    /// uncertain by half of its time.
    pub clock_ahead: TimeDelta,
}

struct Row {
    is_standby: bool,
    now: DateTime<Utc>,
}

pub(crate) fn query<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<ReplicaStanding>> {
    let asked = Clock::System.now();
    sqlx::query_as!(Row, r#"SELECT pg_is_in_recovery() AS "is_standby!", clock_timestamp() AS "now!""#)
        .fetch_one(connection)
        .map_ok(move |row| ReplicaStanding {
            is_standby: row.is_standby,
            clock_ahead: row.now - (asked + (Clock::System.now() - asked) / 2),
        })
        .boxed()
}
