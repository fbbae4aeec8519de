use padan_store::{Store, StoreError};
use padan_testing::TestDatabase;
use sqlx::Row as _;

use crate::fixture::{MAY, config, contract, migrated, nik, store, usable};

/// The migrations of `migrations/store`, as they are named in messages.
fn in_the_folder() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/store");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|file| file.strip_suffix(".sql").unwrap().replace('_', " "))
        .collect();
    names.sort();
    assert!(names.first().is_some_and(|first| first == "0001 face template"), "{names:?}");
    names
}

#[tokio::test]
async fn missing_migrations_are_named_until_they_are_applied() {
    let database = TestDatabase::create().await;
    let store = store(&database.url());
    assert_eq!(store.pending_migrations().await.unwrap(), in_the_folder());
    let error = store.check().await.unwrap_err().to_string();
    assert!(error.contains("0001 face template") && error.contains("padan migrate"), "{error}");
    let mut connection = database.connect().await;
    let schemas = sqlx::query("SELECT FROM pg_namespace WHERE nspname = 'store'");
    let schemas = schemas.fetch_all(&mut connection).await.unwrap();
    assert!(schemas.is_empty(), "the check must write nothing");

    store.migrate().await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    store.check().await.unwrap();
}

#[tokio::test]
async fn repeated_and_concurrent_migrations_change_nothing() {
    let database = TestDatabase::create().await;
    let patient = || {
        let mut config = config(&database.url());
        config.migration_lock_timeout_ms = 10_000;
        Store::new(&config).unwrap()
    };
    let stores = [patient(), patient(), patient()];
    let (one, two, three) = tokio::join!(stores[0].migrate(), stores[1].migrate(), stores[2].migrate());
    one.and(two).and(three).unwrap();
    stores[0].templates().save(&nik(), &contract(), &usable(MAY, &[1.0])).await.unwrap();
    stores[0].migrate().await.unwrap();
    assert!(stores[0].templates().get(&nik(), &contract()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_changed_migration_is_an_error_and_a_newer_one_is_ignored() {
    let (database, store) = migrated().await;
    database
        .execute(
            "INSERT INTO store._sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'of a newer program', true, '', 0)",
        )
        .await;
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    store.check().await.unwrap();
    let error = store.migrate().await.unwrap_err();
    assert!(matches!(&error, StoreError::Migration(text) if text.contains("9999")), "{error}");

    database.execute("UPDATE store._sqlx_migrations SET checksum = '' WHERE version = 1").await;
    let error = store.check().await.unwrap_err();
    assert!(matches!(&error, StoreError::Migration(text) if text.contains("0001")), "{error}");
}

#[tokio::test]
async fn a_failed_migration_changes_nothing_and_can_be_repeated() {
    let database = TestDatabase::create().await;
    database.execute("CREATE SCHEMA store; CREATE TABLE store.face_template (in_the_way int)").await;
    let store = store(&database.url());
    let error = store.migrate().await.unwrap_err();
    assert!(matches!(&error, StoreError::Migration(text) if text.contains("already exists")), "{error}");
    assert_eq!(store.pending_migrations().await.unwrap(), in_the_folder());
    database.execute("DROP TABLE store.face_template").await;
    store.migrate().await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn store_and_registry_share_a_database_and_use_their_own_schemas() {
    let database = TestDatabase::create().await;
    database.execute("CREATE SCHEMA civil_registry").await;
    database.execute(include_str!("../../../../migrations/registry/0001_person_and_citizen.sql")).await;
    let store = store(&database.url());
    store.migrate().await.unwrap();
    store.check().await.unwrap();
    let tables = sqlx::query(
        "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY schemaname, tablename)
           FROM pg_tables
          WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename NOT LIKE 'audit_event_2%'",
    )
    .fetch_one(&mut database.connect().await)
    .await
    .unwrap();
    assert_eq!(
        tables.get::<String, _>(0),
        "civil_registry.person store._sqlx_migrations store.active_calibration store.active_model store.audit_anchor store.audit_chain \
         store.audit_end store.audit_event store.audit_head store.client store.cohort_member store.cpu_use store.enrolment_range \
         store.enrolment_run store.enrolment_worker store.export_part store.face_template store.job store.live_similarity \
         store.operator store.operator_session store.quota_use store.shadow_count store.shadow_model store.usage_day"
    );
}
