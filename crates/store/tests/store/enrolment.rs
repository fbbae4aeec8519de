//! How processes share the enrolment of everybody, and which model is active.

use std::time::Duration;

use padan_domain::{ModelContractId, NikPrefix, NikRange};
use padan_store::{EnrolmentTally, Pruning};

use crate::fixture::{MAY, contract, migrated, nik, unusable, usable};

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
    assert!(!two.claim(&start, &first).await.unwrap(), "another was faster");
    let next = two.checkpoint().await.unwrap().unwrap();
    assert_eq!(next.reached.as_ref(), Some(&first.last));
    assert!(two.take_over().await.unwrap().is_none());
    assert!(!two.finish(&next).await.unwrap(), "a range is in progress");
    tokio::time::sleep(LEASE + Duration::from_millis(200)).await;
    assert_eq!(two.take_over().await.unwrap(), Some(first.clone()));
    assert!(!one.renew(&first).await.unwrap());
    let tally = EnrolmentTally { templates: 5, unusable: 1, failed: 0 };
    assert!(!one.finish_range(&first, tally).await.unwrap());
    assert!(two.renew(&first).await.unwrap() && two.finish_range(&first, tally).await.unwrap());
    assert!(two.finish(&next).await.unwrap());
    assert!(one.checkpoint().await.unwrap().is_none(), "the run is finished");
    let status = store.enrolments().await.unwrap();
    assert_eq!((status.len(), status[0].tally, status[0].open_ranges), (1, tally, 0));
    assert!(status[0].finished_at.is_some() && status[0].completed_at.is_some());
    // The next run begins anew, and the one before still counts as complete.
    one.begin("sface").await.unwrap();
    assert_eq!(one.checkpoint().await.unwrap().unwrap().reached, None);
    let status = store.enrolments().await.unwrap();
    assert!(status[0].finished_at.is_none() && status[0].completed_at.is_some());
}

#[tokio::test]
async fn what_is_handed_back_is_taken_over_at_once() {
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
async fn several_templates_are_kept_and_found_at_once() {
    let (_database, store) = migrated().await;
    let niks = [nik(), "3174011403870001".parse().unwrap(), "3174011403870002".parse().unwrap()];
    let batch = [(niks[0].clone(), usable(MAY, &[3.0, 4.0])), (niks[2].clone(), unusable(MAY, "NO_FACE"))];
    store.keep_templates(&batch, &contract()).await.unwrap();
    let kept = store.kept_templates(&niks, &contract()).await.unwrap();
    assert!(kept[0].as_ref().unwrap().unusable_reason.is_none() && kept[1].is_none());
    assert_eq!(kept[2].as_ref().unwrap().unusable_reason.as_deref(), Some("NO_FACE"));
    assert!(store.kept_templates(&niks, &other()).await.unwrap().iter().all(Option::is_none));
}

#[tokio::test]
async fn templates_of_former_models_are_pruned_and_no_others() {
    let (_database, store) = migrated().await;
    for contract in [contract(), other()] {
        store.keep_template(&nik(), &contract, &usable(MAY, &[3.0, 4.0])).await.unwrap();
    }
    assert_eq!(store.active_model().await.unwrap(), None);
    store.activate_model("mobilefacenet", &other()).await.unwrap();
    assert_eq!(store.active_model().await.unwrap().unwrap().contract, other());
    let pruning = Pruning { only: None, kept: contract() };
    let done = store.prune_templates(&pruning, async |_| {}).await.unwrap();
    assert_eq!((done.seen, done.deleted), (2, 1));
    assert!(store.template(&nik(), &other()).await.unwrap().is_some());
    assert!(store.template(&nik(), &contract()).await.unwrap().is_none());
    // One that is being enrolled to be activated next stays.
    store.keep_template(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    store.enrolment(&contract(), LEASE).begin("sface").await.unwrap();
    assert_eq!(store.prune_templates(&pruning, async |_| {}).await.unwrap().deleted, 0);
}
