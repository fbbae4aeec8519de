//! Replicas that are behind, and a limit of their lag.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use padan_domain::{NameRules, PersonName};
use padan_registry::{Choice, Config, Registry, RegistryError};
use padan_testing::{Balancer, TestDatabase};
use tokio::time::sleep;

use crate::fixture::{Fixture, config, nik, person};

fn limited(urls: &[&str], seconds: u32) -> Config {
    Config { max_lag_seconds: NonZeroU32::new(seconds), ..config(urls) }
}

/// A registry whose replica says by `padan.lag_seconds` how far it is behind.
async fn replica_with_lag(seconds: &str) -> Fixture {
    let fixture = Fixture::new().await;
    tell_lag(&fixture.database, seconds).await;
    fixture
}

async fn tell_lag(database: &TestDatabase, seconds: &str) {
    database
        .execute(&format!(
            "CREATE OR REPLACE FUNCTION padan.lag_seconds() RETURNS double precision LANGUAGE sql AS $$SELECT ({seconds})::double precision$$"
        ))
        .await;
}

/// Which replicas have answered look-ups so far.
fn look_ups(registry: &Registry) -> Vec<u64> {
    registry.figures().iter().map(|replica| replica.pool.acquisitions).collect()
}

/// Which of the replicas answers the next look-up.
async fn who_answers(registry: &Registry) -> usize {
    let before = look_ups(registry);
    let answer = registry.citizen(&nik()).await;
    assert!(matches!(answer, Ok(Some(_))), "{answer:?}");
    let after = look_ups(registry);
    let asked: Vec<_> = (0..before.len()).filter(|index| after[*index] > before[*index]).collect();
    assert_eq!(asked.len(), 1, "{before:?} became {after:?}");
    asked[0]
}

#[tokio::test]
async fn a_replica_beyond_the_limit_is_not_asked_until_it_has_caught_up() {
    let (first, second) = (replica_with_lag("31").await, replica_with_lag("3").await);
    let registry = Registry::new(&limited(&[&first.database.url(), &second.database.url()], 30)).unwrap();
    registry.measure_lag().await;
    let figures = registry.figures();
    assert_eq!([figures[0].too_far_behind, figures[1].too_far_behind], [true, false]);
    assert_eq!([figures[0].lag_seconds, figures[1].lag_seconds], [Some(31.0), Some(3.0)]);
    assert!(figures[0].in_turn, "it does not fail");
    assert_eq!(who_answers(&registry).await, 1);
    registry.check().await.unwrap();
    let outcomes = registry.check_each().await;
    let refusal = outcomes[0].1.as_ref().unwrap_err().to_string();
    assert!(
        refusal.contains("31 s behind") && refusal.contains("registry.max_lag_seconds is 30"),
        "{refusal}"
    );

    // Just below the limit, it is the last choice.
    tell_lag(&first.database, "29").await;
    registry.measure_lag().await;
    assert_eq!(who_answers(&registry).await, 1);
    tell_lag(&second.database, "40").await;
    registry.measure_lag().await;
    assert_eq!(who_answers(&registry).await, 0);
    tell_lag(&second.database, "3").await;
    tell_lag(&first.database, "20").await;
    registry.measure_lag().await;
    assert_eq!(who_answers(&registry).await, 0, "the order of the settings holds again");
}

#[tokio::test]
async fn no_replica_within_the_limit_is_an_outage_that_says_so_and_ends() {
    let (first, second) = (replica_with_lag("400").await, replica_with_lag("NULL").await);
    let registry = Registry::new(&limited(&[&first.database.url(), &second.database.url()], 300)).unwrap();
    // The first look-up learns of the lag from its new connection.
    for _ in 0..2 {
        let began = Instant::now();
        let error = registry.citizen(&nik()).await.unwrap_err();
        let RegistryError::Unavailable(text) = error else { panic!("{error:?}") };
        assert!(text.contains("400 s behind") && text.contains("its lag is not known"), "{text}");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    let refusal = registry.check().await.unwrap_err().to_string();
    assert!(refusal.contains("400 s behind"), "{refusal}");
    registry.measure_lag().await;
    assert!(registry.citizen(&nik()).await.is_err());
    tell_lag(&second.database, "0").await;
    registry.measure_lag().await;
    assert_eq!(who_answers(&registry).await, 1);
}

#[tokio::test]
async fn without_a_limit_a_replica_is_asked_however_far_it_is_behind() {
    let (first, second) = (replica_with_lag("86400").await, replica_with_lag("NULL").await);
    for fixture in [first, second] {
        let registry = fixture.registry();
        registry.measure_lag().await;
        assert_eq!(who_answers(&registry).await, 0);
        registry.check().await.unwrap();
    }
}

#[tokio::test]
async fn the_replica_that_is_least_behind_is_asked_first_if_the_settings_say_so() {
    let (first, second) = (replica_with_lag("9").await, replica_with_lag("1").await);
    let urls = [first.database.url(), second.database.url()];
    let by_order = config(&[&urls[0], &urls[1]]);
    let by_lag = Registry::new(&Config { choose_by: Choice::Lag, ..by_order.clone() }).unwrap();
    let by_order = Registry::new(&by_order).unwrap();
    for registry in [&by_order, &by_lag] {
        registry.measure_lag().await;
    }
    assert_eq!((who_answers(&by_order).await, who_answers(&by_lag).await), (0, 1));
    // The other one is less behind, but not clearly.
    tell_lag(&first.database, "0").await;
    tell_lag(&second.database, "4").await;
    by_lag.measure_lag().await;
    assert_eq!(who_answers(&by_lag).await, 1);
    tell_lag(&second.database, "6").await;
    by_lag.measure_lag().await;
    assert_eq!(who_answers(&by_lag).await, 0);
}

#[tokio::test]
async fn a_registry_that_cannot_tell_its_lag_is_read_by_other_means() {
    let fixture = replica_with_lag("'NaN'").await;
    let registry = fixture.registry();
    registry.measure_lag().await;
    assert_eq!(registry.figures()[0].lag_seconds, None);
    tell_lag(&fixture.database, "-3").await;
    registry.measure_lag().await;
    assert_eq!(registry.figures()[0].lag_seconds, Some(0.0), "a heartbeat of a clock that is ahead");
    fixture.database.execute("DROP FUNCTION padan.lag_seconds").await;
    registry.measure_lag().await;
    assert_eq!(registry.figures()[0].lag_seconds, Some(0.0), "a primary");
}

/// The example function for sites.
#[tokio::test]
async fn the_heartbeat_of_the_primary_tells_the_lag_to_the_role_of_the_service() {
    let fixture = Fixture::new().await;
    let (role, enroller) =
        (format!("padan_beat_{}", std::process::id()), format!("padan_beats_{}", std::process::id()));
    let for_test = |script: &str| script.replace("padan_reader", &role).replace("padan_enroller", &enroller);
    fixture.database.execute(&for_test(include_str!("../../../../deploy/registry/reader.sql"))).await;
    let script = for_test(include_str!("../../../../deploy/registry/lag-seconds.sql"));
    fixture.database.execute(&script).await;
    fixture.database.admit(&role).await;
    let registry = Registry::new(&config(&[&fixture.database.url_as(&role)])).unwrap();
    let lag = async || {
        registry.measure_lag().await;
        registry.figures()[0].lag_seconds
    };
    assert_eq!(lag().await, None, "there was no heartbeat yet");
    for age in [700.0, 90.0] {
        let beat = format!(
            "INSERT INTO padan.heartbeat (beaten_at) VALUES (clock_timestamp() - interval '{age} s')
             ON CONFLICT (only_row) DO UPDATE SET beaten_at = excluded.beaten_at"
        );
        fixture.database.execute(&beat).await;
        let seconds = lag().await.unwrap();
        assert!((age..age + 10.0).contains(&seconds), "{seconds}");
    }
    // The script can be run again.
    fixture.database.execute(&script).await;
    assert!(lag().await.unwrap() >= 90.0);
    let roles = format!("DROP OWNED BY {role}, {enroller}; DROP ROLE {role}, {enroller}");
    fixture.database.execute(&roles).await;
}

#[tokio::test]
async fn a_subscriber_of_a_logical_replication_is_no_primary() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    let lag = async || {
        registry.measure_lag().await;
        registry.figures()[0].lag_seconds
    };
    assert_eq!(lag().await, Some(0.0));
    fixture
        .database
        .execute(
            "CREATE SUBSCRIPTION portraits CONNECTION 'host=127.0.0.1 port=1 dbname=none' PUBLICATION people
             WITH (connect = false, enabled = false, create_slot = false, slot_name = NONE)",
        )
        .await;
    assert_eq!(lag().await, Some(0.0), "it is disabled");
    let enabled =
        |yes: bool| format!("UPDATE pg_subscription SET subenabled = {yes} WHERE subname = 'portraits'");
    fixture.database.execute(&enabled(true)).await;
    assert_eq!(lag().await, None);
    fixture.database.execute(&enabled(false)).await;
    fixture.database.execute("DROP SUBSCRIPTION portraits").await;
}

/// Waits until the standby's lag, as the registry measures it, is above the limit or not.
async fn wait_until_behind(registry: &Registry, index: usize, wanted: bool) {
    let began = Instant::now();
    loop {
        registry.measure_lag().await;
        let figures = &registry.figures()[index];
        if figures.too_far_behind == wanted {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{figures:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_standby_that_is_held_back_is_left_out_and_the_changed_record_is_read() {
    let mut fixture = Fixture::new().await;
    let standby = fixture.database.on_standby().await;
    let registry = Registry::new(&limited(&[&standby.url(), &fixture.database.url()], 1)).unwrap();
    wait_until_behind(&registry, 0, false).await;
    assert_eq!(who_answers(&registry).await, 0);
    standby
        .paused_during(async {
            fixture.sample.put(&person("Agus Wijaya")).await.unwrap();
            wait_until_behind(&registry, 0, true).await;
            assert_eq!(who_answers(&registry).await, 1);
            assert!(is_named(&registry, "Agus Wijaya").await);
            assert_eq!(registry.figures()[0].pool.connections, 0, "none is kept");
        })
        .await;
    wait_until_lag(&registry, |seconds| seconds < 0.5).await;
    assert_eq!(who_answers(&registry).await, 0);
}

#[tokio::test]
async fn behind_one_name_only_servers_within_the_limit_are_read() {
    let mut fixture = Fixture::new().await;
    let standby = fixture.database.on_standby().await;
    let balancer = Balancer::in_front_of(&[&fixture.database.url(), &standby.url()]).await;
    let registry = Registry::new(&limited(&[balancer.url()], 1)).unwrap();
    wait_until_lag(&registry, |seconds| seconds < 1.0).await;
    standby
        .paused_during(async {
            // Connections to both servers are open.
            let (nik, other) = (nik(), nik());
            let _both = tokio::join!(registry.citizen(&nik), registry.citizen(&other));
            fixture.sample.put(&person("Agus Wijaya")).await.unwrap();
            sleep(Duration::from_millis(1500)).await;
            registry.measure_lag().await;
            assert!(!registry.figures()[0].too_far_behind, "the other server is not");
            for _ in 0..8 {
                let name = "Agus Wijaya";
                let new = tokio::join!(is_named(&registry, name), is_named(&registry, name));
                assert_eq!(new, (true, true));
                fixture.database.end_connections().await;
            }
            registry.check().await.unwrap();
        })
        .await;
}

async fn wait_until_lag(registry: &Registry, condition: impl Fn(f64) -> bool) {
    let began = Instant::now();
    loop {
        registry.measure_lag().await;
        if registry.figures()[0].lag_seconds.is_some_and(&condition) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", registry.figures());
        sleep(Duration::from_millis(100)).await;
    }
}

/// Whether the registry has this name for the person.
async fn is_named(registry: &Registry, name: &str) -> bool {
    match (registry.citizen(&nik()).await, PersonName::parse(name)) {
        (Ok(Some(citizen)), Ok(name)) => citizen.name.compare(&name, &NameRules::NONE).is_some(),
        (answer, _) => panic!("{answer:?}"),
    }
}
