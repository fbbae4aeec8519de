//! The draw of people whose templates are compared with each other.

use std::collections::{BTreeMap, HashMap, HashSet};

use padan_domain::{ModelContractId, NationalId};
use padan_store::{LeftOut, PersonHash, Store, StoredTemplate, TemplateContent, TemplateSample};

use crate::fixture::{MAY, contract, migrated, unusable, usable};

/// Women are those with an even number, so that NIKs and times of writing tell them.
fn person(number: usize) -> NationalId {
    let day = if number.is_multiple_of(2) { 41 } else { 1 };
    format!("317401{day:02}0187{number:04}").parse().unwrap()
}

async fn fill(store: &Store, people: usize) -> HashMap<PersonHash, usize> {
    let template = |number: usize| usable(MAY, &[1.0, number as f32, 2.0]);
    let numbers: Vec<_> = (0..people).collect();
    // All of one kind first.
    for kind in 0..2 {
        let of_kind = numbers.iter().filter(|number| **number % 2 == kind);
        let templates: Vec<_> = of_kind.map(|number| (person(*number), template(*number))).collect();
        store.templates().save_all(&templates, &contract()).await.unwrap();
    }
    numbers
        .into_iter()
        .map(|number| (store.templates().person_hash(&person(number)).unwrap(), number))
        .collect()
}

async fn draw(store: &Store, most: usize, seed: u64) -> TemplateSample {
    let mut sample = TemplateSample::new(most);
    store.templates().draw(&mut sample, &contract(), seed).await.unwrap();
    sample
}

#[tokio::test]
async fn people_are_drawn_whoever_they_are() {
    let (_database, store) = migrated().await;
    let numbers = fill(&store, 600).await;
    let mut drawn: BTreeMap<usize, usize> = BTreeMap::new();
    let mut women = 0;
    for seed in 0..40 {
        let sample = draw(&store, 100, seed).await;
        assert_eq!(sample.people().iter().collect::<HashSet<_>>().len(), 100, "everybody at most once");
        for hash in sample.people() {
            *drawn.entry(numbers[hash]).or_default() += 1;
            women += usize::from(numbers[hash] % 2 == 0);
        }
    }
    // Of 4000 draws half are women. People who are drawn together are not independent, hence three times the deviation
    // of 100 draws of 40 (the shares of women among 100 people have a deviation of 5).
    assert!((1900..=2100).contains(&women), "{women}");
    // Everybody is drawn with a probability of 1 in 6 each time.
    assert!(drawn.len() > 590, "{} of 600 people were ever drawn", drawn.len());
    let of_early: usize = drawn.iter().filter(|(number, _)| **number < 300).map(|(_, count)| count).sum();
    assert!((1900..=2100).contains(&of_early), "{of_early} of the lower NIKs");
}

#[tokio::test]
async fn a_draw_is_repeatable_and_another_seed_draws_others() {
    let (_database, store) = migrated().await;
    fill(&store, 300).await;
    let people = async |seed| draw(&store, 50, seed).await.people().to_vec();
    assert_eq!(people(1).await, people(1).await);
    assert_ne!(people(1).await, people(2).await);
}

#[tokio::test]
async fn all_people_are_drawn_once_if_they_are_fewer() {
    let (_database, store) = migrated().await;
    let numbers = fill(&store, 30).await;
    let sample = draw(&store, 100, 9).await;
    assert_eq!(sample.people().iter().copied().collect::<HashSet<_>>(), numbers.keys().copied().collect());
    let order: Vec<_> = sample.people().iter().map(|hash| numbers[hash]).collect();
    let (components, length) = sample.into_components();
    assert_eq!((components.len(), length), (90, 3));
    for (template, number) in components.chunks(3).zip(order) {
        assert!((template[1] / template[0] - number as f32).abs() < 1e-3, "{template:?} {number}");
    }
}

#[tokio::test]
async fn templates_of_covered_faces_and_without_an_embedding_are_left_out() {
    let (database, store) = migrated().await;
    fill(&store, 3).await;
    let covered = StoredTemplate {
        content: match usable(MAY, &[1.0, 1.0, 1.0]).content {
            TemplateContent::Usable { embedding, .. } => {
                TemplateContent::Usable { embedding, covered: Some(true) }
            }
            unusable @ TemplateContent::Unusable(_) => unusable,
        },
        ..usable(MAY, &[1.0, 1.0, 1.0])
    };
    let others = [(person(10), covered), (person(11), unusable(MAY, "NO_FACE"))];
    store.templates().save_all(&others, &contract()).await.unwrap();
    store.templates().save(&person(12), &contract(), &usable(MAY, &[1.0, 5.0, 1.0])).await.unwrap();
    database
        .execute(
            "UPDATE store.face_template SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)
              WHERE created_at = (SELECT max(created_at) FROM store.face_template)",
        )
        .await;
    let other_contract = ModelContractId::from_digest(&[0xcd; 32]);
    store.templates().save(&person(13), &other_contract, &usable(MAY, &[1.0, 5.0])).await.unwrap();
    let sample = draw(&store, 100, 1).await;
    assert_eq!(sample.people().len(), 3);
    assert_eq!(sample.left_out(), LeftOut { unusable: 1, covered: 1, unreadable: 1 });
    let mut listed = TemplateSample::new(2);
    let niks: Vec<_> = [12, 99, 0, 13, 1, 2].map(person).to_vec();
    store.templates().add_people(&mut listed, &niks, &contract()).await.unwrap();
    assert_eq!(listed.people().len(), 2, "no more than wanted");
}
