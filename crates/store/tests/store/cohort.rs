//! Cohorts: encrypted, bound to their id, forgotten with their people.

use padan_domain::{Clock, Embedding, ModelContractId, NationalId};
use padan_store::{CohortMember, CohortState, RemovalLimit, Store, StoreError};
use padan_testing::TestDatabase;

use crate::fixture::{MAY, config, contract, migrated, usable};

const PEOPLE: usize = 12;
const OLD: &str = "89abcdef01234567";
const NEW: &str = "76543210fedcba98";

fn person(number: usize) -> NationalId {
    format!("31740114{number:08}").parse().unwrap()
}

fn face(number: usize) -> Embedding {
    Embedding::from_output(&[1.0, number as f32, 2.0, 0.5]).unwrap()
}

/// People of the store, and as many of labelled photos.
fn members(store: &Store) -> Vec<CohortMember> {
    let member = |number: usize| CohortMember {
        person: (number < PEOPLE / 2).then(|| store.templates().person_hash(&person(number)).unwrap()),
        embedding: face(number),
    };
    (0..PEOPLE).map(member).collect()
}

async fn saved(store: &Store) -> String {
    store.templates().save_cohort(&contract(), &members(store)).await.unwrap()
}

async fn faces(store: &Store, id: &str) -> Vec<Embedding> {
    store.templates().cohort(id, &contract()).await.unwrap().unwrap().embeddings
}

fn with_keys(database: &TestDatabase, keys: &[&str]) -> Store {
    let mut config = config(&database.url());
    config.template_keys = Some(keys.iter().map(|key| key.repeat(4)).collect::<Vec<_>>().join(",").into());
    Store::new(&config).unwrap()
}

#[tokio::test]
async fn a_cohort_is_read_as_it_was_saved_and_is_encrypted() {
    let (database, store) = migrated().await;
    let id = saved(&store).await;
    assert_eq!(faces(&store, &id).await, (0..PEOPLE).map(face).collect::<Vec<_>>());
    let whole = CohortState { members: PEOPLE, forgotten: 0 };
    assert_eq!(store.templates().cohort_state(&id).await.unwrap(), Some(whole));
    let rows = database.texts("SELECT cohort_member::text FROM store.cohort_member").await.join("\n");
    for number in 0..PEOPLE {
        let component = hex::encode(face(number).as_slice()[1].to_le_bytes());
        let whole: String = face(number).as_slice().iter().map(|it| hex::encode(it.to_le_bytes())).collect();
        assert!(!rows.contains(&whole), "face {number} is in the table, component {component}");
    }
    assert_eq!(
        store.templates().cohort("0".repeat(32).as_str(), &contract()).await.unwrap().map(|it| it.state),
        None
    );
    assert_eq!(store.templates().cohort_state(&"0".repeat(32)).await.unwrap(), None);
    let other = ModelContractId::from_digest(&[0xcd; 32]);
    assert!(matches!(store.templates().cohort(&id, &other).await, Err(StoreError::Inconsistent { .. })));
}

#[tokio::test]
async fn a_cohort_that_others_changed_is_refused() {
    let (database, store) = migrated().await;
    for change in [
        "DELETE FROM store.cohort_member WHERE position = 11",
        "DELETE FROM store.cohort_member WHERE position = 3",
        "UPDATE store.cohort_member SET digest = sha256(digest) WHERE position = 3",
        "UPDATE store.cohort_member AS one SET sealed = other.sealed FROM store.cohort_member AS other
          WHERE one.position = 1 AND other.position = 2",
        "UPDATE store.cohort_member AS one SET sealed = other.sealed, digest = other.digest
           FROM store.cohort_member AS other WHERE one.position = 1 AND other.position = 2",
        "UPDATE store.cohort_member SET sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) WHERE position = 5",
        "UPDATE store.cohort_member SET contract_id = 'cdcdcdcdcdcdcdcd'",
    ] {
        let id = saved(&store).await;
        assert_eq!(faces(&store, &id).await.len(), PEOPLE);
        database.execute(change).await;
        let found = store.templates().cohort(&id, &contract()).await;
        assert!(matches!(found, Err(StoreError::Inconsistent { .. })), "{change}: {found:?}");
    }
    let id = saved(&store).await;
    let other_key = with_keys(&database, &[NEW]);
    assert!(matches!(other_key.templates().cohort(&id, &contract()).await, Err(StoreError::UnknownKey(_))));
    assert!(other_key.templates().cohort_state(&id).await.unwrap().is_some(), "the state needs no key");
}

#[tokio::test]
async fn a_forgotten_person_is_in_no_cohort() {
    let (database, store) = migrated().await;
    let id = saved(&store).await;
    let trail = store.audit_trail(Clock::System);
    assert_eq!(store.stored_about(&person(2)).await.unwrap().templates, 1);
    let forgotten = store.forget(&person(2), "dpo", &trail).await.unwrap();
    assert_eq!(forgotten.templates, 1, "a face in a cohort counts as a template");
    let others: Vec<_> = (0..PEOPLE).filter(|number| *number != 2).map(face).collect();
    assert_eq!(faces(&store, &id).await, others);
    let state = store.templates().cohort_state(&id).await.unwrap().unwrap();
    assert_eq!(state, CohortState { members: PEOPLE, forgotten: 1 });
    assert!(!state.is_worn_out(), "one of twelve");
    let of_person =
        "SELECT position::text FROM store.cohort_member WHERE person_key IS NULL AND sealed IS NULL";
    assert_eq!(database.texts(of_person).await, ["2"]);
    store.forget(&person(3), "dpo", &trail).await.unwrap();
    assert!(store.templates().cohort_state(&id).await.unwrap().unwrap().is_worn_out(), "two of twelve");
    assert_eq!(store.stored_about(&person(2)).await.unwrap().templates, 0);
}

#[tokio::test]
async fn somebody_who_left_the_registry_is_in_no_cohort() {
    let (_database, store) = migrated().await;
    for number in 0..PEOPLE {
        let template = usable(MAY, &[1.0, number as f32]);
        store.templates().save(&person(number), &contract(), &template).await.unwrap();
    }
    let id = saved(&store).await;
    let mut present = store.templates().present_people().await.unwrap();
    (1..PEOPLE).for_each(|number| present.add(&person(number)).unwrap());
    let removal = store.templates().remove_absent_people(present, RemovalLimit::None).await.unwrap();
    assert_eq!(removal.removed, Some(1));
    assert_eq!(faces(&store, &id).await, (1..PEOPLE).map(face).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cohort_is_encrypted_again_with_the_templates() {
    let (database, _) = migrated().await;
    let old = with_keys(&database, &[OLD]);
    let id = saved(&old).await;
    let both = with_keys(&database, &[NEW, OLD]);
    let counts: Vec<_> = both.templates().by_key().await.unwrap();
    assert_eq!(counts.iter().map(|key| (key.templates, key.is_current)).collect::<Vec<_>>(), [(12, false)]);
    let done = both.templates().reseal(async |_| ()).await.unwrap();
    assert_eq!((done.resealed, done.unreadable), (PEOPLE as u64, 0));
    assert_eq!(faces(&with_keys(&database, &[NEW]), &id).await.len(), PEOPLE);
    let neither = with_keys(&database, &["fedcba9876543210"]);
    assert_eq!(neither.templates().reseal(async |_| ()).await.unwrap().unreadable, PEOPLE as u64);
}

#[tokio::test]
async fn only_cohorts_of_active_calibrations_are_kept_when_another_one_is_saved() {
    let (database, store) = migrated().await;
    let (unused, active) = (saved(&store).await, saved(&store).await);
    assert_ne!(unused, active, "each is sealed with its own salts");
    assert_eq!(store.templates().cohort_state(&unused).await.unwrap(), None);
    database
        .execute(&format!(
            "INSERT INTO store.active_calibration (model_set, calibration_id, file, activated_at, key_id, mac)
             VALUES ('sface', '0123456789abcdef', 'cohort = \"{active}\"', now(), '01234567', sha256(''))"
        ))
        .await;
    let third = saved(&store).await;
    for id in [&active, &third] {
        assert_eq!(faces(&store, id).await.len(), PEOPLE);
    }
}
