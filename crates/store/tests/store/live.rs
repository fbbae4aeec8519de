//! The live measurement: templates of other people in memory, and the counts of similarities.

use std::collections::HashMap;

use chrono::NaiveDate;
use padan_domain::{ModelContractId, NationalId, SimilarityBins};
use padan_store::{Compared, LiveCell, LiveCounts, LiveScale, PersonHash, Store, TemplateContent};

use crate::fixture::{MAY, contract, migrated, unusable, usable};

fn person(number: usize) -> NationalId {
    format!("3174010101{number:06}").parse().unwrap()
}

async fn fill(store: &Store, people: usize) -> HashMap<PersonHash, usize> {
    let templates: Vec<_> =
        (0..people).map(|number| (person(number), usable(MAY, &[1.0, number as f32]))).collect();
    store.templates().save_all(&templates, &contract()).await.unwrap();
    (0..people).map(|number| (store.templates().person_hash(&person(number)).unwrap(), number)).collect()
}

/// The numbers of a linear congruential generator (D. E. Knuth's MMIX), of which the upper bits are good.
fn numbers() -> impl FnMut() -> u64 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

#[tokio::test]
async fn others_are_drawn_evenly_and_never_the_person() {
    let (_database, store) = migrated().await;
    let people = fill(&store, 100).await;
    let reservoir = store.templates().draw_reservoir(&contract(), 1000, 1).await.unwrap();
    assert_eq!(reservoir.people(), 100);
    let me = store.templates().person_hash(&person(7)).unwrap();
    let (mut random, mut counts) = (numbers(), [0_u32; 100]);
    for _ in 0..1000 {
        let drawn = reservoir.draw(16, &me, &mut random);
        // One of the 16 may have been the person.
        assert!((15..=16).contains(&drawn.len()), "{}", drawn.len());
        for other in drawn {
            let number = people[&other.person];
            counts[number] += 1;
            let template = other.embedding.as_slice();
            assert!((template[1] / template[0] - number as f32).abs() < 1e-2, "somebody else's template");
        }
    }
    assert_eq!(counts[7], 0, "the person was compared with the own template");
    // 16,000 draws of 100 people: 160 each. The statistic has 98 degrees of freedom, and is above 170 once in 100,000 times.
    let others = counts.iter().enumerate().filter(|(number, _)| *number != 7);
    let chi_squared: f64 = others.map(|(_, count)| (f64::from(*count) - 160.0).powi(2) / 160.0).sum();
    assert!(chi_squared < 170.0, "{chi_squared}");
}

#[tokio::test]
async fn a_reservoir_has_no_more_people_than_wanted_and_no_unusable_face() {
    let (_database, store) = migrated().await;
    fill(&store, 50).await;
    let TemplateContent::Usable { embedding, .. } = usable(MAY, &[1.0, 1.0]).content else { panic!() };
    let covered = padan_store::StoredTemplate {
        content: TemplateContent::Usable { embedding, covered: Some(true) },
        ..usable(MAY, &[1.0, 1.0])
    };
    let others = [(person(60), covered), (person(61), unusable(MAY, "NO_FACE"))];
    store.templates().save_all(&others, &contract()).await.unwrap();
    let people = async |most, seed| store.templates().draw_reservoir(&contract(), most, seed).await.unwrap();
    assert_eq!(people(1000, 1).await.people(), 50);
    let (one, other) = (people(20, 1).await, people(20, 2).await);
    assert_eq!((one.people(), other.people()), (20, 20));
    let hashes = |reservoir: &padan_store::Reservoir| {
        let nobody = store.templates().person_hash(&person(99)).unwrap();
        let mut drawn: Vec<_> =
            reservoir.draw(20, &nobody, numbers()).into_iter().map(|other| other.person).collect();
        drawn.sort();
        drawn
    };
    assert_ne!(hashes(&one), hashes(&other), "another seed draws others");
    let other_contract = ModelContractId::from_digest(&[0xcd; 32]);
    assert_eq!(store.templates().draw_reservoir(&other_contract, 10, 1).await.unwrap().people(), 0);
}

#[tokio::test]
async fn counts_of_all_processes_and_days_add_up() {
    let (database, store) = migrated().await;
    let second = Store::new(&crate::fixture::config(&database.url())).unwrap();
    let day = |day: u32| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    let cell = |compared, part| LiveCell { compared, part };
    let counts = |of: LiveCell, bin: usize, count: i64| {
        let mut counts = vec![0; SimilarityBins::COUNT];
        counts[bin] = count;
        LiveCounts::from([(of, counts)])
    };
    let scale = LiveScale::of_cosine(contract());
    let (probe, genuine) = (cell(Compared::ImpostorByProbe, 3), cell(Compared::Genuine, 31));
    let join = |a: LiveCounts, b: LiveCounts| a.into_iter().chain(b).collect::<LiveCounts>();
    let of_one = join(counts(probe, 120, 5), counts(genuine, 299, 2));
    let of_other = join(counts(probe, 120, 7), counts(genuine, 0, 1));
    let both = tokio::join!(
        store.add_live_counts(day(1), &scale, &of_one),
        second.add_live_counts(day(1), &scale, &of_other),
    );
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    store.add_live_counts(day(2), &scale, &counts(probe, 121, 11)).await.unwrap();
    let other = LiveScale { score: "another".to_owned(), ..scale.clone() };
    store.add_live_counts(day(2), &other, &counts(probe, 120, 1000)).await.unwrap();
    let all = store.live_counts(&scale, day(1)).await.unwrap();
    assert_eq!((all[&probe][120], all[&probe][121], all[&probe].iter().sum::<i64>()), (12, 11, 23));
    assert_eq!((all[&genuine][0], all[&genuine][299], all.len()), (1, 2, 2));
    let second_day = store.live_counts(&scale, day(2)).await.unwrap();
    assert_eq!((second_day[&probe][120], second_day[&probe][121], second_day.len()), (0, 11, 1));
    assert!(store.live_counts(&scale, day(3)).await.unwrap().is_empty());
    // What others wrote by SQL is refused by the table, not added up.
    let short = "UPDATE store.live_similarity SET counts = '{1,2}'";
    assert!(sqlx::query(short).execute(&mut database.connect().await).await.is_err());
}
