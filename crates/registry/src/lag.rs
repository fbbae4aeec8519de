use std::time::Instant;

use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

/// The replication lag of a replica, as of its last measurement.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    seconds: Option<f64>,
    /// When the replica was last known to have replayed everything.
    caught_up: Option<Instant>,
}

impl Lag {
    /// Records the lag that the replica reported, and when it was asked.
    ///
    /// When the primary was idle, the age of the last replayed change overstates the lag: a replica that had caught up
    /// a second ago lags by at most a second.
    pub(crate) fn record(&mut self, reported: Option<f64>, asked_at: Instant) {
        if reported == Some(0.0) {
            self.caught_up = Some(asked_at);
        }
        let upper_bound = self.caught_up.map_or(f64::INFINITY, |moment| moment.elapsed().as_secs_f64());
        self.seconds = reported.map(|seconds| seconds.min(upper_bound));
    }

    /// `None` when the replica did not answer, or does not know its lag.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.seconds
    }
}

/// An upper bound of a replica's lag, in seconds.
///
/// It is 0 for a primary, and for a standby that has replayed all that it received and still has a connection to its
/// sender, however old the last change is: an idle primary sends none. (Just after its start a standby has replayed
/// more than it received.) Otherwise it is the age of the last replayed change; `None` when there was none since the
/// start.
pub(crate) fn query<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<Option<f64>>> {
    sqlx::query_scalar!(
        r#"SELECT CASE
                      WHEN NOT pg_is_in_recovery() THEN 0
                      WHEN pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()
                           AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
                      ELSE greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)
                  END::double precision AS seconds"#
    )
    .fetch_one(connection)
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Lag;

    #[test]
    fn the_lag_is_at_most_the_time_since_the_replica_had_caught_up() {
        let now = Instant::now();
        let before = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        let mut lag = Lag::default();
        lag.record(Some(3600.0), before(9));
        assert_eq!(lag.seconds(), Some(3600.0), "nothing else is known");
        lag.record(Some(0.0), before(5));
        assert_eq!(lag.seconds(), Some(0.0));
        lag.record(Some(3600.0), now);
        assert!((5.0..6.0).contains(&lag.seconds().unwrap()), "{lag:?}");
        lag.record(Some(2.0), now);
        assert_eq!(lag.seconds(), Some(2.0));
        lag.record(None, now);
        assert_eq!(lag.seconds(), None);
    }
}
