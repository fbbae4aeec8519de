//! Enrolment by several processes, and the active model.

use std::time::Duration;

use padan_domain::{ModelContractId, NikPrefix, NikRange};
use padan_store::{EnrolmentTally, Pruning, StoreError};

use crate::fixture::{MAY, administration, contract, migrated, nik, unusable, usable};

const LEASE: Duration = Duration::from_millis(400);

fn range(first: &str, last: &str) -> NikRange {
    let prefix = |text: &str| text.parse::<NikPrefix>().unwrap();
    NikRange { first: prefix(first), last: prefix(last) }
}

fn other() -> ModelContractId {
    ModelContractId::from_digest(&[0xcd; 32])
}

#[tokio::test]
async fn a_range_belongs_to_one_process_until_its_lease_ends() {
    let (_database, store) = migrated().await;
    let (one, two) = (store.enrolment(&contract(), LEASE), store.enrolment(&contract(), LEASE));
    one.begin("sface").await.unwrap();
    two.begin("sface").await.unwrap();
    let start = one.checkpoint().await.unwrap().unwrap();
    let first = range("11010101", "11010105");
    assert!(one.claim(&start, &first).await.unwrap());
    assert!(!two.claim(&start, &first).await.unwrap(), "another process claimed it first");
    let next = two.checkpoint().await.unwrap().unwrap();
    assert_eq!(next.reached.as_ref(), Some(&first.last));
    assert!(two.take_over().await.unwrap().is_none());
    assert!(!two.finish(&next).await.unwrap(), "a range is in progress");
    tokio::time::sleep(LEASE + Duration::from_millis(200)).await;
    assert_eq!(two.take_over().await.unwrap(), Some(first.clone()));
    assert!(!one.renew(&first).await.unwrap());
    let tally = EnrolmentTally { templates: 5, covered: 2, unusable: 1, failed: 0 };
    assert!(!one.finish_range(&first, tally).await.unwrap());
    assert!(two.renew(&first).await.unwrap() && two.finish_range(&first, tally).await.unwrap());
    assert!(two.finish(&next).await.unwrap());
    assert!(one.checkpoint().await.unwrap().is_none(), "the run is finished");
    let status = store.enrolments().await.unwrap();
    assert_eq!((status.len(), status[0].tally, status[0].open_ranges), (1, tally, 0));
    assert!(status[0].finished_at.is_some() && status[0].completed_at.is_some());
    // The next run starts from the beginning, and the time of the last completion remains.
    one.begin("sface").await.unwrap();
    assert_eq!(one.checkpoint().await.unwrap().unwrap().reached, None);
    let status = store.enrolments().await.unwrap();
    assert!(status[0].finished_at.is_none() && status[0].completed_at.is_some());
}

#[tokio::test]
async fn a_released_range_is_taken_over_at_once() {
    let (_database, store) = migrated().await;
    let hour = Duration::from_hours(1);
    let (one, two) = (store.enrolment(&contract(), hour), store.enrolment(&contract(), hour));
    one.begin("sface").await.unwrap();
    let start = one.checkpoint().await.unwrap().unwrap();
    let first = range("11010101", "11010105");
    assert!(one.claim(&start, &first).await.unwrap());
    assert_eq!(store.enrolments().await.unwrap()[0].processes, 1);
    one.release().await.unwrap();
    assert_eq!(two.take_over().await.unwrap(), Some(first));
}

#[tokio::test]
async fn several_templates_are_saved_and_read_at_once() {
    let (_database, store) = migrated().await;
    let niks = [nik(), "3174011403870001".parse().unwrap(), "3174011403870002".parse().unwrap()];
    let batch = [(niks[0].clone(), usable(MAY, &[3.0, 4.0])), (niks[2].clone(), unusable(MAY, "NO_FACE"))];
    store.templates().save_all(&batch, &contract()).await.unwrap();
    let summaries = store.templates().summaries(&niks, &contract()).await.unwrap();
    assert!(summaries[0].as_ref().unwrap().unusable_reason.is_none() && summaries[1].is_none());
    assert_eq!(summaries[2].as_ref().unwrap().unusable_reason.as_deref(), Some("NO_FACE"));
    assert!(store.templates().summaries(&niks, &other()).await.unwrap().iter().all(Option::is_none));
}

#[tokio::test]
async fn only_templates_of_former_models_are_pruned() {
    let (_database, store) = migrated().await;
    for contract in [contract(), other()] {
        store.templates().save(&nik(), &contract, &usable(MAY, &[3.0, 4.0])).await.unwrap();
    }
    assert_eq!(store.active_model().await.unwrap(), None);
    administration(&store).activate_model("mobilefacenet", &other(), false).await.unwrap();
    assert_eq!(store.active_model().await.unwrap().unwrap().contract, other());
    let pruning = Pruning { only: None, kept: contract() };
    let done = store.templates().prune(&pruning, async |_| {}).await.unwrap();
    assert_eq!((done.seen, done.deleted), (2, 1));
    assert!(store.templates().get(&nik(), &other()).await.unwrap().is_some());
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_none());
    // The enrolment of a model that will be activated next is kept.
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    store.enrolment(&contract(), LEASE).begin("sface").await.unwrap();
    assert_eq!(store.templates().prune(&pruning, async |_| {}).await.unwrap().deleted, 0);
}

#[tokio::test]
async fn a_value_that_padan_never_writes_is_named_by_its_own_column() {
    let (database, store) = migrated().await;
    let ledger = store.enrolment(&contract(), LEASE);
    ledger.begin("sface").await.unwrap();
    let start = ledger.checkpoint().await.unwrap().unwrap();
    assert!(ledger.claim(&start, &range("11010101", "11010105")).await.unwrap());
    tokio::time::sleep(LEASE + Duration::from_millis(200)).await;
    let inconsistent = |table, column| StoreError::Inconsistent { table, column };
    database
        .execute(
            "ALTER TABLE store.enrolment_run DROP CONSTRAINT reached_is_8_digits;
             ALTER TABLE store.enrolment_range DROP CONSTRAINT prefixes_are_8_digits;
             UPDATE store.enrolment_run SET reached = 'Depok'",
        )
        .await;
    let of_reached = inconsistent("store.enrolment_run", "reached");
    assert_eq!(ledger.checkpoint().await.unwrap_err(), of_reached);
    assert_eq!(store.enrolments().await.unwrap_err(), of_reached);
    database.execute("UPDATE store.enrolment_range SET last_prefix = 'Depok'").await;
    let error = ledger.take_over().await.unwrap_err();
    assert_eq!(error, inconsistent("store.enrolment_range", "last_prefix"));
}
