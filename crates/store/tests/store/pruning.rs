//! `padan templates prune` beside activations and enrolments.

use std::{pin::pin, time::Duration};

use padan_domain::ModelContractId;
use padan_store::{Pruning, Store};
use padan_testing::TestDatabase;
use sqlx::{Connection as _, Executor as _};
use tokio::time::timeout;

use crate::fixture::{MAY, administration, contract, migrated, nik, usable};

/// Longer than a batch takes, and shorter than the tests' limit of a wait for a lock.
const MOMENT: Duration = Duration::from_millis(150);

/// A contract that nobody uses, and one that is in use when none was activated.
fn pruning() -> Pruning {
    Pruning { only: None, kept: ModelContractId::from_digest(&[1; 32]) }
}

async fn with_template() -> (TestDatabase, Store) {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    (database, store)
}

/// Prunes while a transaction with this statement is open, then commits it. Returns the number of deleted templates.
async fn prune_beside(statement: &'static str, database: &TestDatabase, store: &Store) -> u64 {
    let mut connection = database.connect().await;
    let mut transaction = connection.begin().await.unwrap();
    transaction.execute(statement).await.unwrap();
    let pruning = pruning();
    let templates = store.templates();
    let mut pruned = pin!(templates.prune(&pruning, async |_| {}));
    assert!(timeout(MOMENT, &mut pruned).await.is_err(), "it did not wait for `{statement}`");
    transaction.commit().await.unwrap();
    pruned.await.unwrap().deleted
}

#[tokio::test]
async fn a_contract_that_is_activated_meanwhile_keeps_its_templates() {
    let (database, store) = with_template().await;
    let activation =
        "INSERT INTO store.active_model (model_set, contract_id) VALUES ('m', 'abababababababab')";
    assert_eq!(contract().as_str(), "abababababababab");
    assert_eq!(prune_beside(activation, &database, &store).await, 0);
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_contract_whose_enrolment_begins_meanwhile_keeps_its_templates() {
    let (database, store) = with_template().await;
    let enrolment =
        "INSERT INTO store.enrolment_run (model_set, contract_id) VALUES ('m', 'abababababababab')";
    assert_eq!(prune_beside(enrolment, &database, &store).await, 0);
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_activation_waits_until_a_batch_is_deleted() {
    let (database, store) = with_template().await;
    let mut connection = database.connect().await;
    let mut transaction = connection.begin().await.unwrap();
    transaction.execute("SELECT FROM store.face_template FOR UPDATE").await.unwrap();
    let pruning = pruning();
    let templates = store.templates();
    let mut pruned = pin!(templates.prune(&pruning, async |_| {}));
    assert!(timeout(MOMENT, &mut pruned).await.is_err());
    let contract = contract();
    let administration = administration(&store);
    let mut activated = pin!(administration.activate_model("m", &contract, false));
    assert!(
        timeout(Duration::from_millis(50), &mut activated).await.is_err(),
        "it was activated amid a batch"
    );
    transaction.rollback().await.unwrap();
    let (pruned, activated) = tokio::join!(pruned, activated);
    activated.unwrap();
    assert_eq!(pruned.unwrap().deleted, 1);
}

#[tokio::test]
async fn only_the_named_contract_is_pruned() {
    let (_database, store) = with_template().await;
    let other = ModelContractId::from_digest(&[0xcd; 32]);
    store.templates().save(&nik(), &other, &usable(MAY, &[3.0, 4.0])).await.unwrap();
    let only = Pruning { only: Some(other.clone()), ..pruning() };
    let done = store.templates().prune(&only, async |_| {}).await.unwrap();
    assert_eq!((done.seen, done.deleted), (2, 1));
    assert!(store.templates().get(&nik(), &other).await.unwrap().is_none());
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_some());
}
