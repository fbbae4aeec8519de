use std::time::Duration;

use padan_registry::{Registry, RegistryError};
use padan_testing::{Proxy, refused_address, silent_address};
use sqlx::Executor as _;
use tokio::time::sleep;

use crate::fixture::{Fixture, config, nik, person, registry, timed};

/// The time limit of a look-up, with a reserve for a busy machine.
const BUDGET: Duration = Duration::from_secs(3);

fn unanswered(address: std::net::SocketAddr) -> String {
    format!("postgres://reader:secret@{address}/registry")
}

#[tokio::test]
async fn a_view_that_writes_is_refused() {
    let fixture = Fixture::new().await;
    fixture
        .database
        .execute(
            "CREATE TABLE trace (nik text);
             CREATE FUNCTION traced(text) RETURNS text LANGUAGE sql VOLATILE
                 AS 'INSERT INTO public.trace VALUES ($1) RETURNING nik';
             CREATE OR REPLACE VIEW padan.citizen AS
             SELECT nik, public.traced(name) AS name, date_of_birth, status, no_kk, mother_maiden_name,
                    place_of_birth, address, gender, marital_status, job_type, province, city, district,
                    subdistrict, rt, rw, portrait, portrait_updated_at
               FROM civil_registry.person",
        )
        .await;
    let error = fixture.registry().citizen(&nik()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Unavailable(text) if text.contains("25006")), "{error}");
}

#[tokio::test]
async fn a_refused_replica_delays_one_look_up_briefly() {
    let fixture = Fixture::new().await;
    let registry = registry(&[&unanswered(refused_address().await), &fixture.database.url()]);
    let (citizen, first) = timed(registry.citizen(&nik())).await;
    assert!(citizen.unwrap().is_some());
    assert!(first < Duration::from_millis(400), "{first:?}");
    let replicas = registry.figures();
    assert_eq!((replicas[0].in_turn, replicas[0].pool.failures), (false, 1));
    assert_eq!((replicas[1].in_turn, replicas[1].pool.failures), (true, 0));

    assert!(registry.citizen(&nik()).await.unwrap().is_some());
    assert_eq!(registry.figures()[0].pool.acquisitions, 1, "the refused replica was not tried again");
}

#[tokio::test]
async fn a_silent_replica_delays_one_look_up_by_its_connect_timeout() {
    let fixture = Fixture::new().await;
    let registry = registry(&[&unanswered(silent_address().await), &fixture.database.url()]);
    let (citizen, first) = timed(registry.citizen(&nik())).await;
    assert!(citizen.unwrap().is_some());
    assert!(first < Duration::from_secs(1), "{first:?}");
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
    let replicas = registry.figures();
    assert_eq!(
        (replicas[0].pool.acquisitions, replicas[0].pool.timeouts, replicas[0].in_turn),
        (1, 1, false)
    );
}

#[tokio::test]
async fn silent_replicas_fail_within_the_time_limit() {
    let silent = unanswered(silent_address().await);
    let registry = registry(&[silent.as_str(); 6]);
    let (outcome, took) = timed(registry.citizen(&nik())).await;
    assert!(matches!(outcome, Err(RegistryError::Timeout(_))));
    assert!(took < BUDGET, "{took:?}");
    let (outcome, took) = timed(registry.check()).await;
    assert!(matches!(outcome, Err(RegistryError::Timeout(_))));
    assert!(took < BUDGET, "{took:?}");
}

#[tokio::test]
async fn an_error_names_each_replica_and_no_credentials() {
    let addresses = [refused_address().await, refused_address().await];
    let registry = registry(&[&unanswered(addresses[0]), &unanswered(addresses[1])]);
    let text = registry.citizen(&nik()).await.unwrap_err().to_string();
    assert!(addresses.iter().all(|address| text.contains(&address.to_string())), "{text}");
    let printed =
        format!("{text} {registry:?} {:?} {:?}", registry.figures(), config(&["postgres://r:secret@h/d"]));
    assert!(!printed.contains("secret"), "{printed}");
}

#[tokio::test]
async fn a_locked_table_is_a_timeout() {
    let fixture = Fixture::new().await;
    let mut locker = fixture.database.connect().await;
    locker.execute("BEGIN; LOCK civil_registry.person").await.unwrap();
    let registry = fixture.registry();
    let (outcome, took) = timed(registry.citizen(&nik())).await;
    assert!(matches!(outcome, Err(RegistryError::Timeout(_))), "{outcome:?}");
    assert!(took < Duration::from_millis(300 + 600), "{took:?}");
    locker.execute("COMMIT").await.unwrap();
    assert!(
        registry.citizen(&nik()).await.unwrap().is_some(),
        "the only replica is tried although it failed"
    );
}

#[tokio::test]
async fn a_slow_view_is_a_timeout_and_a_busy_pool_does_not_mark_the_replica_as_failed() {
    let fixture = Fixture::new().await;
    slow_down(&fixture, "0.4").await;
    let mut config = config(&[&fixture.database.url()]);
    config.max_connections = 1.try_into().unwrap();
    config.connect_timeout_ms = 250;
    let registry = Registry::new(&config).unwrap();
    assert!(registry.citizen(&nik()).await.unwrap().is_some(), "slow, but within the limit");

    let nik = nik();
    let outcomes = tokio::join!(registry.citizen(&nik), registry.citizen(&nik));
    let error = outcomes.0.and(outcomes.1).unwrap_err();
    assert!(matches!(&error, RegistryError::Timeout(text) if text.contains("max_connections")), "{error}");
    assert!(registry.figures()[0].in_turn);

    slow_down(&fixture, "5").await;
    let (outcome, took) = timed(registry.citizen(&nik)).await;
    assert!(matches!(outcome, Err(RegistryError::Timeout(_))), "{outcome:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(!registry.figures()[0].in_turn);
}

async fn slow_down(fixture: &Fixture, seconds: &str) {
    fixture
        .database
        .execute(&format!(
            "CREATE OR REPLACE FUNCTION slowly(name text) RETURNS text LANGUAGE sql VOLATILE
                 AS 'SELECT $1 FROM pg_sleep({seconds})';
             CREATE OR REPLACE VIEW padan.citizen AS
             SELECT nik, public.slowly(name) AS name, date_of_birth, status, no_kk, mother_maiden_name,
                    place_of_birth, address, gender, marital_status, job_type, province, city, district,
                    subdistrict, rt, rw, portrait, portrait_updated_at
               FROM civil_registry.person"
        ))
        .await;
}

#[tokio::test]
async fn ended_connections_are_replaced() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    let nik = nik();
    let both = async || tokio::join!(registry.citizen(&nik), registry.citizen(&nik));
    both().await.0.unwrap();
    fixture.database.end_connections().await;
    let (one, other) = both().await;
    assert!(one.unwrap().is_some() && other.unwrap().is_some());
}

#[tokio::test]
async fn the_registry_answers_again_after_an_outage() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
    let (outcome, took) = fixture.database.unavailable_during(timed(registry.citizen(&nik()))).await;
    assert!(matches!(outcome, Err(RegistryError::Unavailable(_))), "{outcome:?}");
    assert!(took < BUDGET, "{took:?}");
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_silent_network_leaves_no_connection_blocked() {
    let fixture = Fixture::new().await;
    let network = Proxy::in_front_of(&fixture.database).await;
    let registry = registry(&[network.url()]);
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
    network.freeze();
    // More look-ups than connections, some of them abandoned by their callers.
    let nik = nik();
    for _ in 0..2 {
        let (one, other, abandoned) = tokio::join!(
            registry.citizen(&nik),
            registry.citizen(&nik),
            tokio::time::timeout(Duration::from_millis(100), registry.citizen(&nik)),
        );
        assert!(matches!(one, Err(RegistryError::Timeout(_))), "{one:?}");
        assert!(matches!(other, Err(RegistryError::Timeout(_))), "{other:?}");
        assert!(abandoned.is_err());
    }
    let pool = &registry.figures()[0].pool;
    assert_eq!((pool.in_use, pool.connections), (0, 0), "{pool:?}");
    network.thaw();
    assert!(registry.citizen(&nik).await.unwrap().is_some());
}

#[tokio::test]
async fn a_failed_replica_is_used_again_after_the_retry_time() {
    let fixture = Fixture::new().await;
    let mut second = Fixture::new().await;
    let mut other = person("Budi Santoso");
    other.portrait = None;
    second.sample.put(&other).await.unwrap();

    let mut config = config(&[&fixture.database.url(), &second.database.url()]);
    config.retry_failed_after_ms = 300;
    let registry = Registry::new(&config).unwrap();
    let from_first = async || registry.citizen(&nik()).await.unwrap().unwrap().portrait_updated_at.is_some();
    assert!(from_first().await);
    assert!(!fixture.database.unavailable_during(from_first()).await);
    assert!(!from_first().await, "the failed replica is tried last");
    sleep(Duration::from_millis(400)).await;
    assert!(from_first().await);
    assert!(registry.figures()[0].in_turn);
}

#[tokio::test]
async fn a_value_that_the_view_cannot_convert_is_not_quoted() {
    let fixture = Fixture::new().await;
    fixture
        .database
        .execute(
            "CREATE OR REPLACE VIEW padan.citizen AS
             SELECT nik, name, name::date AS date_of_birth, status, no_kk, mother_maiden_name, place_of_birth,
                    address, gender, marital_status, job_type, province, city, district, subdistrict, rt, rw,
                    portrait, portrait_updated_at
               FROM civil_registry.person",
        )
        .await;
    let registry = fixture.registry();
    let text = registry.citizen(&nik()).await.unwrap_err().to_string();
    assert!(text.contains("SQLSTATE 22007") && !text.contains("Budi"), "{text}");
    assert!(registry.figures()[0].in_turn, "a row is at fault, not the replica");
}

#[tokio::test]
async fn figures_follow_the_pool() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    assert_eq!(registry.figures()[0].pool.connections, 0, "nothing is opened before the first look-up");
    registry.citizen(&nik()).await.unwrap();
    // The connection returns to the pool in the background.
    sleep(Duration::from_millis(100)).await;
    let pool = registry.figures().remove(0).pool;
    assert_eq!((pool.connections, pool.idle, pool.in_use, pool.max_connections), (1, 1, 0, 2));
    assert_eq!((pool.acquisitions, pool.timeouts, pool.failures), (1, 0, 0));
    assert!(pool.acquire_wait > Duration::ZERO);
    let database = pool.name.rsplit('/').next().unwrap();
    assert!(
        database.starts_with("padan_test_") && fixture.database.url().contains(database),
        "{}",
        pool.name
    );
}

#[tokio::test]
async fn a_servers_role_and_clock_are_read() {
    let fixture = Fixture::new().await;
    let refused = unanswered(refused_address().await);
    let statuses = registry(&[&fixture.database.url(), &refused]).replica_statuses().await;
    let [Some(primary), None] = *statuses else { panic!("{statuses:?}") };
    assert!(!primary.is_standby && !primary.is_encrypted);
    assert!(primary.clock_ahead.abs() < chrono::TimeDelta::seconds(2), "{primary:?}");
}

#[tokio::test]
async fn the_lag_is_zero_for_a_primary_and_unknown_for_a_failed_replica() {
    let fixture = Fixture::new().await;
    let refused = unanswered(refused_address().await);
    let registry = registry(&[&fixture.database.url(), &refused]);
    let lags = || registry.figures().iter().map(|replica| replica.lag_seconds).collect::<Vec<_>>();
    assert_eq!(lags(), [None, None], "nothing was measured yet");
    registry.measure_lag().await;
    assert_eq!(lags(), [Some(0.0), None]);
    assert!(registry.figures()[1].in_turn, "only a look-up marks a replica as failed");
}

#[tokio::test]
async fn a_look_up_that_loses_a_deadlock_is_repeated() {
    let fixture = Fixture::new().await;
    let short = "DO $$ BEGIN EXECUTE
        format('ALTER DATABASE %I SET deadlock_timeout = 500', current_database()); END $$";
    fixture.database.execute(short).await;
    let mut config = config(&[&fixture.database.url()]);
    (config.lock_timeout_ms, config.statement_timeout_ms, config.lookup_timeout_ms) =
        (10_000, 10_000, 20_000);
    let registry = Registry::new(&config).unwrap();
    let mut other = fixture.database.connect().await;
    other.execute("SET deadlock_timeout = '1min'; BEGIN; LOCK civil_registry.person").await.unwrap();
    let nik = nik();
    let exchange = async {
        // The look-up has the lock of the view and waits for that of the table.
        let waiting = "SELECT count(*)::text FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while fixture.database.texts(waiting).await != ["1"] {
            sleep(Duration::from_millis(20)).await;
        }
        other.execute("ALTER VIEW padan.citizen SET (security_barrier = false); COMMIT").await.unwrap();
    };
    let (citizen, ()) = tokio::join!(registry.citizen(&nik), exchange);
    assert!(citizen.unwrap().is_some());
    // A session reports what it has counted when it ends.
    drop(registry);
    let deadlocks = "SELECT deadlocks::text FROM pg_stat_database WHERE datname = current_database()";
    let began = std::time::Instant::now();
    while fixture.database.texts(deadlocks).await == ["0"] {
        assert!(began.elapsed() < Duration::from_secs(20), "there was no deadlock");
        sleep(Duration::from_millis(100)).await;
    }
}
