use std::future::pending;

use padan_domain::NationalId;
use padan_store::{Resealed, Store};
use padan_testing::TestDatabase;
use sqlx::Row as _;
use tokio::sync::Notify;

use crate::fixture::{JUNE, MAY, config, contract, migrated, unusable, usable};

const OLD: &str = "89abcdef01234567";
const NEW: &str = "76543210fedcba98";

fn with_keys(database: &TestDatabase, keys: &[&str]) -> Store {
    let mut config = config(&database.url());
    config.template_keys = Some(keys.iter().map(|key| key.repeat(4)).collect::<Vec<_>>().join(",").into());
    Store::new(&config).unwrap()
}

fn person(number: usize) -> NationalId {
    format!("31740114{number:08}").parse().unwrap()
}

async fn fill(store: &Store, people: usize) {
    for number in 0..people {
        let template =
            if number % 10 == 9 { unusable(MAY, "NO_FACE") } else { usable(MAY, &[1.0, number as f32]) };
        store.templates().save(&person(number), &contract(), &template).await.unwrap();
    }
}

async fn key_ids(database: &TestDatabase) -> Vec<Option<String>> {
    let rows = sqlx::query("SELECT DISTINCT key_id FROM store.face_template WHERE sealed IS NOT NULL")
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_row_is_encrypted_again_with_the_same_content() {
    let (database, old) = migrated().await;
    fill(&old, 1200).await;
    let before = key_ids(&database).await;
    let both = with_keys(&database, &[NEW, OLD]);
    let mut reports = Vec::new();
    let done = both.templates().reseal(async |so_far| reports.push(so_far.resealed)).await.unwrap();
    assert_eq!(done, Resealed { seen: 1200, resealed: 1200, superseded: 0, unreadable: 0 });
    assert_eq!(reports, [500, 1000, 1200]);
    let after = key_ids(&database).await;
    assert!(before.len() == 1 && after.len() == 1 && before != after, "{before:?} {after:?}");

    let new = with_keys(&database, &[NEW]);
    for number in [0, 8, 9, 1198] {
        let expected =
            if number == 9 { unusable(MAY, "NO_FACE") } else { usable(MAY, &[1.0, number as f32]) };
        assert_eq!(new.templates().get(&person(number), &contract()).await.unwrap(), Some(expected));
    }
    assert!(old.templates().get(&person(0), &contract()).await.is_err(), "the old key must not decrypt");
    let again = both.templates().reseal(async |_| ()).await.unwrap();
    assert_eq!(again, Resealed { seen: 1200, ..Resealed::default() });
}

#[tokio::test]
async fn a_killed_run_is_resumed() {
    let (database, old) = migrated().await;
    fill(&old, 1200).await;
    let both = with_keys(&database, &[NEW, OLD]);
    let first_batch = Notify::new();
    let templates = both.templates();
    let run = templates.reseal(async |_| {
        first_batch.notify_one();
        pending::<()>().await;
    });
    tokio::select! {
        ended = run => panic!("the run did not wait: {ended:?}"),
        () = first_batch.notified() => {}
    }
    for number in [0, 600, 1190] {
        assert!(
            both.templates().get(&person(number), &contract()).await.unwrap().is_some(),
            "both keys are in use"
        );
    }
    let resumed = both.templates().reseal(async |_| ()).await.unwrap();
    assert_eq!(resumed.resealed, 700);
}

/// A resumed run reads the finished rows again, and no statement may read many of them.
#[tokio::test]
async fn no_statement_scans_the_finished_rows() {
    let (database, _) = migrated().await;
    let both = with_keys(&database, &[NEW, OLD]);
    fill(&both, 1).await;
    database
        .execute(
            "INSERT INTO store.face_template (person_key, contract_id, portrait_updated_at, key_id, sealed)
             SELECT sha256(number::text::bytea), contract_id, portrait_updated_at, key_id, sealed
               FROM store.face_template, generate_series(1, 5000) AS number",
        )
        .await;
    let mut seen = Vec::new();
    both.templates().reseal(async |so_far| seen.push(so_far.seen)).await.unwrap();
    assert_eq!(seen, [2000, 4000, 5001]);
}

#[tokio::test]
async fn rows_that_no_key_decrypts_are_unchanged_and_counted() {
    let (database, old) = migrated().await;
    fill(&old, 5).await;
    let neither = with_keys(&database, &[NEW]);
    let done = neither.templates().reseal(async |_| ()).await.unwrap();
    assert_eq!(done, Resealed { seen: 5, resealed: 0, superseded: 0, unreadable: 5 });
    assert!(old.templates().get(&person(0), &contract()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_template_written_meanwhile_is_not_overwritten() {
    let (database, old) = migrated().await;
    fill(&old, 600).await;
    let both = with_keys(&database, &[NEW, OLD]);
    let newer = usable(JUNE, &[9.0, 9.0]);
    // Between two batches, a service with the old key writes one row that was read and one that was not.
    let mut written = false;
    both.templates()
        .reseal(async |_| {
            if !written {
                written = true;
                for number in 0..600 {
                    old.templates().save(&person(number), &contract(), &newer).await.unwrap();
                }
            }
        })
        .await
        .unwrap();
    for number in (0..600).step_by(7) {
        assert_eq!(both.templates().get(&person(number), &contract()).await.unwrap().as_ref(), Some(&newer));
    }
}
