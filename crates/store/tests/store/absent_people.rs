//! Templates of people whom the registry no longer has.

use padan_domain::NationalId;
use padan_store::{AbsentPeople, RemovalLimit, Store};

use crate::fixture::{JUNE, MAY, contract, migrated, unusable, usable};

fn person(number: usize) -> NationalId {
    format!("31740114{number:08}").parse().unwrap()
}

async fn fill(store: &Store, people: usize) {
    let template = |number| {
        if number % 2 == 0 { usable(MAY, &[1.0, number as f32]) } else { unusable(MAY, "NO_FACE") }
    };
    let templates: Vec<_> = (0..people).map(|number| (person(number), template(number))).collect();
    store.templates().save_all(&templates, &contract()).await.unwrap();
}

#[tokio::test]
async fn only_templates_of_absent_people_are_removed() {
    let (database, store) = migrated().await;
    fill(&store, 50).await;
    database
        .execute(
            "INSERT INTO store.face_template (person_key, contract_id, portrait_updated_at, key_id, sealed,
                                              unusable_reason)
             SELECT person_key, 'cdcdcdcdcdcdcdcd', portrait_updated_at, key_id, sealed, unusable_reason
               FROM store.face_template",
        )
        .await;
    let mut present = store.templates().present_people().await.unwrap();
    for number in (0..50).filter(|number| number % 5 != 0) {
        present.add(&person(number)).unwrap();
    }
    let removal = store.templates().remove_absent_people(present, RemovalLimit::Tenth).await.unwrap();
    assert_eq!(removal, AbsentPeople { seen: 100, absent: 20, removed: Some(20) });
    for number in 0..50 {
        let found = store.templates().get(&person(number), &contract()).await.unwrap();
        assert_eq!(found.is_some(), number % 5 != 0, "{number}");
    }
}

/// Somebody who is added while the registry is read may be missing in the list.
#[tokio::test]
async fn a_template_that_is_written_meanwhile_stays() {
    let (_database, store) = migrated().await;
    fill(&store, 2).await;
    let present = store.templates().present_people().await.unwrap();
    let renewed = usable(JUNE, &[4.0, 3.0]);
    store.templates().save(&person(0), &contract(), &renewed).await.unwrap();
    let removal = store.templates().remove_absent_people(present, RemovalLimit::Tenth).await.unwrap();
    assert_eq!((removal.absent, removal.removed), (1, Some(1)));
    assert_eq!(store.templates().get(&person(0), &contract()).await.unwrap(), Some(renewed));
    assert_eq!(store.templates().get(&person(1), &contract()).await.unwrap(), None);
}

/// A registry that suddenly lacks many people was probably not read completely, and embedding them again takes days.
#[tokio::test]
async fn many_templates_are_only_removed_on_demand() {
    let (_database, store) = migrated().await;
    fill(&store, 1100).await;
    let present = async |people: usize| {
        let mut present = store.templates().present_people().await.unwrap();
        (0..people).for_each(|number| present.add(&person(number)).unwrap());
        present
    };
    let kept = store.templates().remove_absent_people(present(989).await, RemovalLimit::Tenth).await.unwrap();
    assert_eq!(kept, AbsentPeople { seen: 1100, absent: 111, removed: None });
    let removed =
        store.templates().remove_absent_people(present(990).await, RemovalLimit::Tenth).await.unwrap();
    assert_eq!(removed, AbsentPeople { seen: 1100, absent: 110, removed: Some(110) });
    let removed = store.templates().remove_absent_people(present(0).await, RemovalLimit::None).await.unwrap();
    assert_eq!(removed, AbsentPeople { seen: 990, absent: 990, removed: Some(990) });
}
