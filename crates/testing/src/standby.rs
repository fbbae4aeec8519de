use std::{
    env,
    str::FromStr as _,
    thread,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    postgres::PgConnectOptions,
};
use tokio::{runtime, time::sleep};

use crate::test_database::{TestDatabase, connect};

/// How long a standby may take to catch up or to pause, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A test's database on a streaming standby.
///
/// A lock reserves the standby for one test at a time, across all processes, since a pause of the replay affects all
/// databases.
#[derive(Debug)]
pub struct Standby {
    options: PgConnectOptions,
    /// A connection to the primary. Closing it releases the lock.
    primary: PgConnection,
}

impl TestDatabase {
    /// The database on the first standby of `PADAN_TEST_STANDBY_URLS`, with all data written so far.
    ///
    /// # Panics
    ///
    /// Without that variable, or when the standby does not catch up.
    pub async fn on_standby(&self) -> Standby {
        let urls = env::var("PADAN_TEST_STANDBY_URLS").unwrap_or_default();
        let Some(url) = urls.split(',').find(|url| !url.is_empty()) else {
            panic!(
                "this test needs a streaming standby in PADAN_TEST_STANDBY_URLS: run `make test`, or \
                 `padan-demo cluster --standbys 1 -- cargo nextest run --release`"
            );
        };
        let server = PgConnectOptions::from_str(url)
            .unwrap_or_else(|error| panic!("PADAN_TEST_STANDBY_URLS: {error}"));
        let mut primary = connect(self.server()).await;
        execute(&mut primary, "SELECT pg_advisory_lock(1)").await;
        // A killed test may have left the replay paused.
        resume(&server).await;
        let mut standby = Standby { options: server.database(self.name()), primary };
        standby.catch_up().await;
        standby
    }
}

impl Standby {
    /// The database's URL on the standby, as the superuser.
    pub fn url(&self) -> String {
        self.options.to_url_lossy().into()
    }

    /// A new connection, as the superuser.
    ///
    /// # Panics
    ///
    /// When the standby refuses it.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.options).await
    }

    /// Waits until the standby has replayed all that was written on the primary.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn catch_up(&mut self) {
        let written = text(&mut self.primary, "SELECT pg_current_wal_lsn()::text").await;
        // The test's database may not exist on the standby yet.
        let mut standby = connect(&self.options.clone().database("postgres")).await;
        let replayed = format!("SELECT (pg_last_wal_replay_lsn() >= '{written}')::text");
        wait_until(&mut standby, &replayed, "true").await;
    }

    /// Pauses the replay while `meanwhile` runs. It resumes also after a panic.
    ///
    /// # Panics
    ///
    /// When the standby does not pause.
    pub async fn paused_during<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        let mut standby = self.connect().await;
        let _paused = Paused(self.options.clone());
        execute(&mut standby, "SELECT pg_wal_replay_pause()").await;
        wait_until(&mut standby, "SELECT pg_get_wal_replay_pause_state()", "paused").await;
        meanwhile.await
    }
}

/// Resumes the replay when it is dropped.
struct Paused(PgConnectOptions);

impl Drop for Paused {
    /// Uses a thread, as [`TestDatabase`] does, since there may be no runtime to block on.
    fn drop(&mut self) {
        let options = self.0.clone();
        let resuming = thread::spawn(move || {
            if let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() {
                runtime.block_on(resume(&options));
            }
        });
        let _ = resuming.join();
    }
}

async fn resume(options: &PgConnectOptions) {
    let mut standby = connect(options).await;
    execute(&mut standby, "SELECT pg_wal_replay_resume()").await;
    let _ = standby.close().await;
}

async fn execute(connection: &mut PgConnection, statement: &'static str) {
    if let Err(error) = connection.execute(statement).await {
        panic!("{statement}: {error}");
    }
}

async fn text(connection: &mut PgConnection, query: &str) -> String {
    let answer = sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(connection).await;
    answer.unwrap_or_else(|error| panic!("{query}: {error}"))
}

async fn wait_until(connection: &mut PgConnection, query: &str, wanted: &str) {
    let began = Instant::now();
    while text(connection, query).await != wanted {
        assert!(began.elapsed() < TIMEOUT, "{query} does not become {wanted}");
        sleep(Duration::from_millis(20)).await;
    }
}
