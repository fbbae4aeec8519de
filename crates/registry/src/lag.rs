use std::time::Instant;

use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

/// By how much a replica lags, as of when it was asked last.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    seconds: Option<f64>,
    /// When it was known last to have replayed everything.
    caught_up: Option<Instant>,
}

impl Lag {
    /// Takes in what the replica told when it was asked at a moment.
    ///
    /// The age of the last change replayed says too much after a pause of the primary: a replica that had everything a
    /// second ago lags by a second at most.
    pub(crate) fn note(&mut self, told: Option<f64>, asked: Instant) {
        if told == Some(0.0) {
            self.caught_up = Some(asked);
        }
        let at_most = self.caught_up.map_or(f64::INFINITY, |moment| moment.elapsed().as_secs_f64());
        self.seconds = told.map(|seconds| seconds.min(at_most));
    }

    /// `None` when it did not answer, or cannot tell.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.seconds
    }
}

/// By how many seconds a replica lags behind what it replays from, at most.
///
/// A primary does not lag. A standby that has replayed all it received, and is still receiving, does not either, however
/// long ago the last change was: a primary that rests sends none. Having started, it has replayed more than it received
/// until the first change arrives. Otherwise it is the age of the last change replayed, which is `None` when there was
/// none since its start.
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
    fn the_age_of_an_old_change_counts_from_when_the_replica_had_everything() {
        let now = Instant::now();
        let before = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        let mut lag = Lag::default();
        lag.note(Some(3600.0), before(9));
        assert_eq!(lag.seconds(), Some(3600.0), "nothing else is known");
        lag.note(Some(0.0), before(5));
        assert_eq!(lag.seconds(), Some(0.0));
        lag.note(Some(3600.0), now);
        assert!((5.0..6.0).contains(&lag.seconds().unwrap()), "{lag:?}");
        lag.note(Some(2.0), now);
        assert_eq!(lag.seconds(), Some(2.0));
        lag.note(None, now);
        assert_eq!(lag.seconds(), None);
    }
}
