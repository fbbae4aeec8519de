use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

/// By how many seconds a replica lags behind what it replays from.
///
/// A primary does not lag. A standby that has replayed all it received, and is still receiving, does not either, however
/// long ago the last change was: a primary that rests sends none. Otherwise it is the age of the last change replayed,
/// which is `None` when there was none since its start.
pub(crate) fn query<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<Option<f64>>> {
    sqlx::query_scalar!(
        r#"SELECT CASE
                      WHEN NOT pg_is_in_recovery() THEN 0
                      WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                           AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
                      ELSE greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)
                  END::double precision AS seconds"#
    )
    .fetch_one(connection)
    .boxed()
}
