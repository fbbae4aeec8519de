//! A pooler between the service and the store.

use std::{env, fs, process};

use padan_store::{AuditFilter, AuditLog, Config, Store, StoreError};
use padan_testing::{Proxy, SharingPooler, TestDatabase};
use sqlx::Executor as _;

use crate::fixture::{MAY, config, contract, migrated, nik, store, usable};

/// Settings with long limits, for an outcome that must not be a timeout on a busy machine.
fn patient(url: &str) -> Config {
    Config { connect_timeout_ms: 5000, statement_timeout_ms: 5000, ..config(url) }
}

/// Commits are not durable, unless a session or a transaction says so; each written template notes what applied.
async fn note_durability(database: &TestDatabase) {
    database
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$;
             CREATE TABLE public.noted (setting text);
             CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN
                    INSERT INTO public.noted VALUES (current_setting('synchronous_commit'));
                    RETURN NEW;
                END $$;
             CREATE TRIGGER note BEFORE INSERT ON store.face_template FOR EACH ROW EXECUTE FUNCTION public.note()",
        )
        .await;
}

#[tokio::test]
async fn without_start_up_options_each_transaction_is_durable() {
    let (database, _) = migrated().await;
    note_durability(&database).await;
    let of_others: String =
        sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut database.connect().await).await.unwrap();
    assert_eq!(of_others, "off");
    for pooler in [
        Proxy::dropping_options(&database).await,
        Proxy::replacing(&database, "synchronous_commit=on", "synchronous_commit=no").await,
    ] {
        let store = store(pooler.url());
        store.check().await.unwrap();
        store.templates().save(&nik(), &contract(), &usable(MAY, &[1.0])).await.unwrap();
        assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_some());
        assert!(store.pool_figures().is_pooled);
    }
    assert_eq!(database.texts("SELECT setting FROM noted").await, ["on", "on"]);
}

#[tokio::test]
async fn a_failed_statement_leaves_no_transaction_open() {
    let (database, _) = migrated().await;
    let pooler = Proxy::dropping_options(&database).await;
    let store = store(pooler.url());
    let mut locker = database.connect().await;
    locker.execute("BEGIN; LOCK store.face_template").await.unwrap();
    let error = store.templates().get(&nik(), &contract()).await.unwrap_err();
    assert!(matches!(error, StoreError::Timeout(_)), "{error}");
    locker.execute("COMMIT").await.unwrap();
    store.templates().save(&nik(), &contract(), &usable(MAY, &[1.0])).await.unwrap();
    let open =
        "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
    assert_eq!(database.texts(open).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_pooler_that_mixes_statements_up_is_refused() {
    let (database, _) = migrated().await;
    let pooler = SharingPooler::in_front_of(&database).await;
    let store = Store::new(&patient(pooler.url())).unwrap();
    for outcome in [store.check().await, store.clients().all().await.map(drop)] {
        let error = outcome.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("pool_mode")), "{error}");
    }
}

#[tokio::test]
async fn commands_keep_their_session_only_where_the_pooler_does() {
    let (database, _) = migrated().await;
    note_durability(&database).await;
    let keeping = Proxy::dropping_options(&database).await;
    let mut log = AuditLog::open(&patient(keeping.url())).await.unwrap();
    log.export(&AuditFilter::default(), |_| Ok::<_, ()>(())).await.unwrap().unwrap();
    Store::new(&patient(keeping.url())).unwrap().migrate().await.unwrap();

    let sharing = SharingPooler::in_front_of(&database).await;
    let error = AuditLog::open(&patient(sharing.url())).await.err().unwrap();
    assert!(error.to_string().contains("pool_mode"), "{error}");
    let error = Store::new(&patient(sharing.url())).unwrap().migrate().await.unwrap_err();
    assert!(error.to_string().contains("store.migrate_url_file"), "{error}");
}

#[tokio::test]
async fn migrations_use_their_own_url() {
    let database = TestDatabase::create().await;
    let pooler = SharingPooler::in_front_of(&database).await;
    let file = env::temp_dir().join(format!("padan-migrate-url-{}", process::id()));
    fs::write(&file, database.url()).unwrap();
    let mut config = patient(pooler.url());
    config.migrate_url_file = Some(file.clone());
    let migrated = Store::new(&config).unwrap().migrate().await;
    fs::remove_file(&file).unwrap();
    migrated.unwrap();
    assert_eq!(store(&database.url()).pending_migrations().await.unwrap(), Vec::<String>::new());
}
