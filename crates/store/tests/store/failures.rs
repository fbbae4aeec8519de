use std::time::{Duration, Instant};

use padan_store::StoreError;
use padan_testing::{Proxy, refused_address, silent_address};
use sqlx::Executor as _;
use tokio::time::sleep;

use crate::fixture::{JUNE, MAY, contract, migrated, nik, store, unusable, usable};

/// The connect timeout, or the statement timeout with its grace, with a reserve for a busy machine.
const LIMIT: Duration = Duration::from_millis(800 + 500);

#[tokio::test]
async fn a_silent_store_fails_within_the_limit_and_a_refused_connection_at_once() {
    let failure = async |address| {
        let store = store(&format!("postgres://service:secret@{address}/store"));
        let begun = Instant::now();
        let error = store.templates().get(&nik(), &contract()).await.unwrap_err();
        assert!(!format!("{error} {error:?} {store:?} {:?}", store.pool_figures()).contains("secret"));
        (error, begun.elapsed(), store.pool_figures())
    };
    let (silent, took, pool) = failure(silent_address().await).await;
    assert!(matches!(silent, StoreError::Timeout(_)), "{silent}");
    assert!(took < LIMIT, "{took:?}");
    assert_eq!((pool.timeouts, pool.failures), (1, 0));
    let (down, took, pool) = failure(refused_address().await).await;
    assert!(matches!(down, StoreError::Unavailable(_)), "{down}");
    assert!(took < LIMIT / 4, "{took:?}");
    assert_eq!((pool.timeouts, pool.failures), (0, 1));
}

#[tokio::test]
async fn commits_are_durable_whatever_database_role_and_url_say() {
    let (database, _) = migrated().await;
    database
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
        )
        .await;
    let url = format!("{}&options=-c%20synchronous_commit%3Doff", database.url());
    let store = store(&url);
    // A connection that the server does not confirm is not used.
    store.check().await.unwrap();
    assert!(!store.session_is_encrypted().await.unwrap() && !store.pool_figures().is_remote);
    // What the check compares with: without Padan's own option both would apply.
    let of_others: String =
        sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut database.connect().await).await.unwrap();
    assert_eq!(of_others, "off");
}

#[tokio::test]
async fn a_locked_table_is_a_timeout() {
    let (database, store) = migrated().await;
    let mut locker = database.connect().await;
    locker.execute("BEGIN; LOCK store.face_template").await.unwrap();
    let begun = Instant::now();
    let read = store.templates().get(&nik(), &contract()).await.unwrap_err();
    let saved = store.templates().save(&nik(), &contract(), &usable(MAY, &[1.0])).await.unwrap_err();
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    assert!(matches!((&read, &saved), (StoreError::Timeout(_), StoreError::Timeout(_))), "{read} {saved}");
    locker.execute("COMMIT").await.unwrap();
    store.templates().save(&nik(), &contract(), &usable(MAY, &[1.0])).await.unwrap();
}

#[tokio::test]
async fn the_store_answers_again_after_an_outage() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[1.0])).await.unwrap();
    // The connection returns to the pool in the background.
    sleep(Duration::from_millis(100)).await;
    database.end_connections().await;
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_some());
    let error = database.unavailable_during(store.templates().get(&nik(), &contract())).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_silent_network_leaves_no_connection_blocked() {
    let (database, _) = migrated().await;
    let network = Proxy::in_front_of(&database).await;
    let store = store(network.url());
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_none());
    network.freeze();
    let (nik, contract) = (nik(), contract());
    for _ in 0..2 {
        let templates = store.templates();
        let (one, other, abandoned) = tokio::join!(
            templates.get(&nik, &contract),
            templates.get(&nik, &contract),
            tokio::time::timeout(Duration::from_millis(100), templates.get(&nik, &contract)),
        );
        assert!(matches!(one, Err(StoreError::Timeout(_))), "{one:?}");
        assert!(matches!(other, Err(StoreError::Timeout(_))), "{other:?}");
        assert!(abandoned.is_err());
    }
    let pool = store.pool_figures();
    assert_eq!((pool.in_use, pool.connections), (0, 0), "{pool:?}");
    network.thaw();
    assert!(store.templates().get(&nik, &contract).await.unwrap().is_none());
}

#[tokio::test]
async fn a_role_without_write_privileges_is_reported() {
    let (database, store) = migrated().await;
    let role = format!("padan_store_{}", std::process::id());
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA store TO {role};
             GRANT SELECT ON ALL TABLES IN SCHEMA store TO {role}"
        ))
        .await;
    database.admit(&role).await;
    let reader = crate::fixture::store(&database.url_as(&role));
    let checked = reader.check().await.unwrap_err().to_string();
    let saved = reader.templates().save(&nik(), &contract(), &unusable(JUNE, "NO_FACE")).await;
    let read_only = format!("ALTER ROLE {role} SET default_transaction_read_only = on");
    database.execute(&read_only).await;
    let standby = crate::fixture::store(&database.url_as(&role)).check().await.unwrap_err().to_string();
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert!(checked.contains("may not read and write"), "{checked}");
    assert!(matches!(saved, Err(StoreError::Forbidden(_))), "{saved:?}");
    assert!(standby.contains("takes no writes"), "{standby}");
    store.check().await.unwrap();
}

#[tokio::test]
async fn figures_follow_the_pool() {
    let (_database, store) = migrated().await;
    assert_eq!(store.pool_figures().connections, 0, "migrations use a separate connection");
    store.templates().get(&nik(), &contract()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let pool = store.pool_figures();
    assert_eq!((pool.connections, pool.idle, pool.in_use, pool.max_connections), (1, 1, 0, 2));
    assert_eq!((pool.acquisitions, pool.timeouts, pool.failures), (1, 0, 0));
}
