use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use sqlx::PgConnection;

/// How far the servers behind one URL are behind the registry's primary, as of their last readings.
///
/// A URL can lead to several servers: a balancer or a name with several addresses. Each is known by its address and the
/// time of its start.
#[derive(Debug)]
pub(crate) struct Lags {
    /// The lag from which a server is not asked; `None` without a limit.
    limit: Option<f64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    servers: HashMap<String, Server>,
    /// Whether the last measurement got no answer.
    is_silent: bool,
}

/// Whether a server is asked, as far as its lag decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It is asked.
    Current,
    /// It was too far behind and is not far below the limit yet: it is asked when no other replica is left.
    CatchingUp,
    /// It is not asked: it is too far behind, or its lag is unknown although there is a limit.
    Behind,
}

#[derive(Debug)]
struct Server {
    seconds: Option<f64>,
    read_at: Instant,
    /// When the server was last known to have replayed everything.
    caught_up: Option<Instant>,
    standing: Standing,
}

/// What a server says about its lag.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    server: String,
    seconds: Option<f64>,
    /// Whether it is the age of the last replayed change, which is more than the lag if the primary was idle.
    is_age: bool,
    asked_at: Instant,
}

/// Why a connection is not used: the server's lag is above the limit, or unknown.
pub(crate) const TOO_FAR_BEHIND: &str =
    "the server is further behind the registry's primary than registry.max_lag_seconds allows";

/// A server that was too far behind is current again below this share of the limit, so that one whose lag is near the
/// limit is not used and left again and again.
const CURRENT_AGAIN_BELOW: f64 = 0.8;
/// Servers whose reading is older than the newest one by this time are no longer behind the URL, or are not connected
/// to.
const READINGS_VALID_FOR: Duration = Duration::from_secs(10);

impl Lags {
    pub(crate) fn new(limit: Option<f64>) -> Self {
        Self { limit, state: Mutex::default() }
    }

    pub(crate) fn has_limit(&self) -> bool {
        self.limit.is_some()
    }

    /// Records a reading and returns what it means for the server.
    ///
    /// A server that had caught up a second ago lags by at most a second, however old the last replayed change is.
    pub(crate) fn record(&self, reading: Reading) -> Standing {
        let Reading { server, seconds: reported, is_age, asked_at } = reading;
        let mut state = self.state.lock();
        state.is_silent = false;
        let before = state.servers.get(&server);
        let caught_up =
            if reported == Some(0.0) { Some(asked_at) } else { before.and_then(|server| server.caught_up) };
        let since_caught_up = caught_up.filter(|_| is_age).map(|moment| moment.elapsed().as_secs_f64());
        let upper_bound = since_caught_up.unwrap_or(f64::INFINITY);
        let seconds = reported.map(|seconds| seconds.min(upper_bound));
        let standing = self.standing_of(seconds, before.map(|server| server.standing));
        state.servers.insert(server, Server { seconds, read_at: asked_at, caught_up, standing });
        state.servers.retain(|_, server| asked_at.duration_since(server.read_at) < READINGS_VALID_FOR);
        standing
    }

    /// Records that no server answered.
    pub(crate) fn record_silence(&self) {
        self.state.lock().is_silent = true;
    }

    /// The standing of the server that is least behind. Silence does not change it: whether a replica answers is known
    /// from the look-ups.
    pub(crate) fn standing(&self) -> Standing {
        let state = self.state.lock();
        state.servers.values().map(|server| server.standing).min().unwrap_or(Standing::Current)
    }

    /// The lag of the server that is furthest behind; `None` when none answered or none knows its lag.
    pub(crate) fn seconds(&self) -> Option<f64> {
        let state = self.state.lock();
        if state.is_silent {
            return None;
        }
        state.servers.values().filter_map(|server| server.seconds).reduce(f64::max)
    }

    /// Why the replica is not asked, for an operator.
    pub(crate) fn reason(&self) -> String {
        let limit = self.limit.unwrap_or(f64::INFINITY);
        match self.seconds() {
            Some(seconds) => format!(
                "{seconds:.0} s behind the registry's primary, and registry.max_lag_seconds is {limit:.0}"
            ),
            None => format!(
                "its lag is not known, and registry.max_lag_seconds is {limit:.0}: deploy/registry/README.md shows how \
                 a replica can tell its lag"
            ),
        }
    }

    fn standing_of(&self, seconds: Option<f64>, before: Option<Standing>) -> Standing {
        let Some(limit) = self.limit else { return Standing::Current };
        match seconds {
            Some(seconds) if seconds <= limit * CURRENT_AGAIN_BELOW => Standing::Current,
            Some(seconds) if seconds <= limit => match before {
                Some(Standing::Behind | Standing::CatchingUp) => Standing::CatchingUp,
                Some(Standing::Current) | None => Standing::Current,
            },
            _ => Standing::Behind,
        }
    }
}

struct Row {
    server: String,
    seconds: Option<f64>,
    has_function: bool,
}

/// An upper bound of a server's lag, in seconds.
///
/// The registry's own function `padan.lag_seconds` decides where the role may call it. Without it, the lag is 0 for a
/// primary, and for a standby that has replayed all that it received and still has a connection to its sender, however
/// old the last change is: an idle primary sends none. (Just after its start a standby has replayed more than it
/// received.) Otherwise it is the age of the last replayed change. It is unknown when there was none since the start,
/// and for a subscriber of a logical replication, which does not know how much it lacks.
pub(crate) fn read<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Reading>> {
    async move {
        let asked_at = Instant::now();
        let row = sqlx::query_as!(
            Row,
            r#"SELECT concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time()) AS "server!",
                      CASE
                          WHEN NOT pg_is_in_recovery() THEN
                              CASE WHEN NOT EXISTS (SELECT
                                                      FROM pg_subscription
                                                      JOIN pg_database ON pg_database.oid = subdbid
                                                     WHERE subenabled
                                                       AND datname = current_database()) THEN 0 END
                          WHEN pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()
                               AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
                          ELSE greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)
                      END::double precision AS seconds,
                      coalesce(has_function_privilege(to_regprocedure('padan.lag_seconds()'), 'EXECUTE'), false)
                          AS "has_function!""#
        )
        .fetch_one(&mut *connection)
        .await?;
        let seconds = if row.has_function { told_by_function(connection).await? } else { row.seconds };
        Ok(Reading { server: row.server, seconds, is_age: !row.has_function, asked_at })
    }
    .boxed()
}

/// Not checked when the program is built, since a registry need not have the function.
async fn told_by_function(connection: &mut PgConnection) -> sqlx::Result<Option<f64>> {
    let told: Option<f64> =
        sqlx::query_scalar("SELECT padan.lag_seconds()::double precision").fetch_one(connection).await?;
    Ok(told.filter(|seconds| !seconds.is_nan()).map(|seconds| seconds.max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::{
        Standing::{Behind, CatchingUp, Current},
        *,
    };

    fn read(server: &str, seconds: Option<f64>, asked_at: Instant) -> Reading {
        Reading { server: server.to_owned(), seconds, is_age: true, asked_at }
    }

    fn before(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn the_lag_is_at_most_the_time_since_the_replica_had_caught_up() {
        let lags = Lags::new(None);
        lags.record(read("a", Some(3600.0), before(9)));
        assert_eq!(lags.seconds(), Some(3600.0), "nothing else is known");
        lags.record(read("a", Some(0.0), before(5)));
        assert_eq!(lags.seconds(), Some(0.0));
        lags.record(read("a", Some(3600.0), Instant::now()));
        assert!((5.0..6.0).contains(&lags.seconds().unwrap()), "{lags:?}");
        lags.record(read("a", Some(2.0), Instant::now()));
        assert_eq!(lags.seconds(), Some(2.0));
        lags.record(read("a", None, Instant::now()));
        assert_eq!(lags.seconds(), None);
    }

    #[test]
    fn what_the_registry_itself_tells_is_taken_as_it_is() {
        let lags = Lags::new(None);
        lags.record(read("a", Some(0.0), before(5)));
        lags.record(Reading { is_age: false, ..read("a", Some(400.0), Instant::now()) });
        assert_eq!(lags.seconds(), Some(400.0));
    }

    #[test]
    fn a_server_whose_lag_is_near_the_limit_does_not_change_its_standing_each_time() {
        let lags = Lags::new(Some(10.0));
        assert_eq!(lags.standing(), Standing::Current, "nothing was read yet");
        let standings = [9.9, 10.0, 10.1, 9.9, 8.1, 10.0, 11.0, 8.0, 9.9]
            .map(|seconds| lags.record(read("a", Some(seconds), Instant::now())));
        let expected =
            [Current, Current, Behind, CatchingUp, CatchingUp, CatchingUp, Behind, Current, Current];
        assert_eq!(standings, expected);
    }

    #[test]
    fn an_unknown_lag_counts_as_too_far_behind_only_if_there_is_a_limit() {
        assert_eq!(Lags::new(Some(10.0)).record(read("a", None, Instant::now())), Standing::Behind);
        assert_eq!(Lags::new(None).record(read("a", None, Instant::now())), Standing::Current);
        assert_eq!(Lags::new(None).record(read("a", Some(1e9), Instant::now())), Standing::Current);
    }

    #[test]
    fn silence_changes_the_figure_and_not_the_standing() {
        let lags = Lags::new(Some(10.0));
        lags.record(read("a", Some(11.0), Instant::now()));
        lags.record_silence();
        assert_eq!((lags.seconds(), lags.standing()), (None, Standing::Behind));
        lags.record(read("a", Some(1.0), Instant::now()));
        lags.record_silence();
        assert_eq!((lags.seconds(), lags.standing()), (None, Standing::Current));
    }

    #[test]
    fn one_current_server_behind_a_url_is_enough() {
        let lags = Lags::new(Some(10.0));
        lags.record(read("a", Some(1.0), before(11)));
        lags.record(read("b", Some(400.0), before(5)));
        assert_eq!((lags.seconds(), lags.standing()), (Some(400.0), Standing::Current));
        lags.record(read("b", Some(405.0), Instant::now()));
        assert_eq!(lags.standing(), Standing::Behind, "the other one was not seen for 11 s");
    }
}
