//! The model set that is measured beside the active one, and what is counted of it.

use chrono::{NaiveDate, SubsecRound as _, Utc};
use padan_domain::{ModelContractId, RequestShare};
use padan_store::{
    AuditFault, ComparedUnder, Pruning, ShadowCell, ShadowCount, ShadowCounts, ShadowModel, ShadowOutcome,
    ShadowPair, Store, StoreError,
};

use padan_testing::TestDatabase;

use crate::{
    audit::verified,
    fixture::{MAY, administration, config, contract, migrated, nik, usable},
};

async fn faults(database: &TestDatabase) -> Vec<AuditFault> {
    verified(database, Vec::new()).await.faults
}

fn shadow(model_set: &str, millionths: u32) -> ShadowModel {
    ShadowModel {
        model_set: model_set.to_owned(),
        contract: contract(),
        share: RequestShare::of_millionths(millionths).unwrap(),
        began_at: Utc::now().trunc_subsecs(6),
    }
}

#[tokio::test]
async fn a_shadow_model_is_set_replaced_and_ended_with_rows_in_the_trail() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    assert_eq!(store.shadow_model().await.unwrap(), None);
    assert!(!administration.end_shadow_model().await.unwrap());
    let (first, second) = (shadow("a", 100_000), shadow("b", 1_000_000));
    administration.set_shadow_model(first.clone()).await.unwrap();
    assert_eq!(store.shadow_model().await.unwrap(), Some(first));
    administration.set_shadow_model(second.clone()).await.unwrap();
    assert_eq!(store.shadow_model().await.unwrap(), Some(second.clone()));
    assert!(administration.end_shadow_model().await.unwrap());
    assert_eq!(store.shadow_model().await.unwrap(), None);
    let rows =
        "SELECT reason || ' ' || (fields::jsonb->'before')::text || ' ' || (fields::jsonb->'after')::text
                  FROM store.audit_event WHERE kind = 'admin' ORDER BY sequence";
    let state = |set: &str, share: &str| {
        format!(r#"{{"share": {share}, "contract": "{}", "model_set": "{set}"}}"#, contract().as_str())
    };
    let (a, b) = (state("a", "0.1"), state("b", "1.0"));
    assert_eq!(
        database.texts(rows).await,
        [
            format!("SHADOW_MODEL_SET null {a}"),
            format!("SHADOW_MODEL_SET {a} {b}"),
            format!("SHADOW_MODEL_ENDED {b} null")
        ]
    );
    // Only the activation of the set that is measured ends the measurement.
    administration.set_shadow_model(second.clone()).await.unwrap();
    administration.activate_model("c", &contract(), true).await.unwrap();
    assert_eq!(store.shadow_model().await.unwrap(), Some(second));
    administration.activate_model("b", &contract(), true).await.unwrap();
    assert_eq!(store.shadow_model().await.unwrap(), None);
}

#[tokio::test]
async fn a_change_of_any_column_by_sql_is_refused() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    for change in [
        "model_set = 'other'",
        "contract_id = 'cdcdcdcdcdcdcdcd'",
        "share_millionths = 1",
        "began_at = began_at + interval '1 microsecond'",
        "key_id = '00000000'",
        "mac = sha256(mac)",
    ] {
        administration.set_shadow_model(shadow("a", 100_000)).await.unwrap();
        database.execute(&format!("UPDATE store.shadow_model SET {change}")).await;
        let refused = store.shadow_model().await.unwrap_err();
        let expected = StoreError::Inconsistent { table: "store.shadow_model", column: "mac" };
        assert_eq!(refused, expected, "{change}");
    }
    // It can be ended and replaced all the same.
    administration.set_shadow_model(shadow("a", 100_000)).await.unwrap();
    assert!(store.shadow_model().await.unwrap().is_some());
}

#[tokio::test]
async fn a_shadow_model_that_sql_changed_or_restored_shows_in_the_trail() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    // Without a row in the trail, which may have been pruned, nothing is known.
    assert_eq!(faults(&database).await, []);
    administration.set_shadow_model(shadow("a", 100_000)).await.unwrap();
    let restore = |columns: &str| {
        format!(
        "SELECT format('DELETE FROM store.shadow_model; INSERT INTO store.shadow_model ({columns})
                        SELECT {columns} FROM jsonb_populate_record(NULL::store.shadow_model, %L)', to_jsonb(kept))
           FROM store.shadow_model AS kept"
    )
    };
    let of_first = restore("model_set, contract_id, share_millionths, began_at, key_id, mac");
    let restore_first = database.texts(&of_first).await.remove(0);
    for millionths in [123_457, 999_999, 1, 1_000_000] {
        administration.set_shadow_model(shadow("a", millionths)).await.unwrap();
        assert_eq!(faults(&database).await, [], "{millionths}");
    }
    let unrecorded = |recorded: Option<&str>, stored: Option<&str>| AuditFault::ShadowUnrecorded {
        recorded: recorded.map(str::to_owned),
        stored: stored.map(str::to_owned),
    };
    // A row that is signed, with another share.
    database.execute(&restore_first).await;
    assert!(store.shadow_model().await.is_ok());
    assert_eq!(faults(&database).await, [unrecorded(Some("a"), Some("a"))]);
    database.execute("UPDATE store.shadow_model SET began_at = began_at + interval '1 second'").await;
    assert_eq!(faults(&database).await, [AuditFault::ShadowChanged]);
    database.execute("DELETE FROM store.shadow_model").await;
    assert_eq!(faults(&database).await, [unrecorded(Some("a"), None)]);
    // Two ends of a measurement: by the command, and by the activation of the set.
    administration.set_shadow_model(shadow("b", 5)).await.unwrap();
    assert!(administration.end_shadow_model().await.unwrap());
    assert_eq!(faults(&database).await, []);
    database.execute(&restore_first).await;
    assert_eq!(faults(&database).await, [unrecorded(None, Some("a"))]);
    administration.set_shadow_model(shadow("b", 5)).await.unwrap();
    administration.activate_model("c", &contract(), true).await.unwrap();
    assert_eq!(faults(&database).await, []);
    administration.activate_model("b", &contract(), true).await.unwrap();
    assert_eq!(faults(&database).await, []);
    database.execute(&restore_first).await;
    assert_eq!(faults(&database).await, [unrecorded(None, Some("a"))]);
}

fn pair(shadow: u8, calibration: &str) -> ShadowPair {
    ShadowPair {
        active: ComparedUnder { contract: contract(), calibration: "1111111111111111".to_owned() },
        shadow: ModelContractId::from_digest(&[shadow; 32]),
        shadow_calibration: calibration.to_owned(),
    }
}

fn cell(outcome: ShadowOutcome, percentage: u8, shadow_percentage: u8) -> ShadowCell {
    ShadowCell { outcome, claims_match: true, percentage, shadow_percentage }
}

fn requests(requests: u64) -> ShadowCount {
    ShadowCount { requests, cpu_microseconds: requests * 7 }
}

#[tokio::test]
async fn counts_of_all_processes_and_days_add_up() {
    let (database, store) = migrated().await;
    let second = Store::new(&config(&database.url())).unwrap();
    let day = |day: u32| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    let (high, low) = (cell(ShadowOutcome::Compared, 95, 75), cell(ShadowOutcome::Compared, 70, 0));
    let busy = cell(ShadowOutcome::Busy, 80, 0);
    let differs = ShadowCell { claims_match: false, ..high };
    let here = pair(1, "2222222222222222");
    let of_one = ShadowCounts::from([(high, requests(5)), (low, requests(2)), (differs, requests(4))]);
    let of_other = ShadowCounts::from([(high, requests(7)), (busy, requests(1))]);
    let both = tokio::join!(
        store.add_shadow_counts(day(1), &here, &of_one),
        second.add_shadow_counts(day(1), &here, &of_other),
    );
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    store.add_shadow_counts(day(2), &here, &ShadowCounts::from([(low, requests(11))])).await.unwrap();
    // Other models and other calibrations are not mixed in, those of a set that was not loaded are.
    for other in [pair(2, "2222222222222222"), pair(1, "3333333333333333")] {
        store.add_shadow_counts(day(2), &other, &ShadowCounts::from([(high, requests(1000))])).await.unwrap();
    }
    let not_loaded = cell(ShadowOutcome::NotLoaded, 80, 0);
    let counts = ShadowCounts::from([(not_loaded, requests(3))]);
    store.add_shadow_counts(day(2), &pair(1, ""), &counts).await.unwrap();

    let all = store.shadow_counts(&here, day(1)).await.unwrap();
    let expected = [
        (high, requests(12)),
        (low, requests(13)),
        (differs, requests(4)),
        (busy, requests(1)),
        (not_loaded, requests(3)),
    ];
    assert_eq!(all, ShadowCounts::from(expected));
    let second_day = store.shadow_counts(&here, day(2)).await.unwrap();
    assert_eq!(second_day, ShadowCounts::from([(low, requests(11)), (not_loaded, requests(3))]));
    assert!(store.shadow_counts(&here, day(3)).await.unwrap().is_empty());
    // What others write by SQL is refused by the table.
    for change in ["percentage = 74", "shadow_percentage = 100", "requests = -1", "outcome = 'else'"] {
        let mut connection = database.connect().await;
        let changed = format!("UPDATE store.shadow_count SET {change}");
        assert!(
            sqlx::query(sqlx::AssertSqlSafe(changed)).execute(&mut connection).await.is_err(),
            "{change}"
        );
    }
}

#[tokio::test]
async fn the_templates_of_a_measured_set_are_not_pruned() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    // The measured set was enrolled before the active one was activated, as one that was active formerly.
    database
        .execute(&format!(
            "INSERT INTO store.enrolment_run (model_set, contract_id, started_at) VALUES ('a', '{}', '2020-01-01')",
            contract().as_str()
        ))
        .await;
    let active = ModelContractId::from_digest(&[1; 32]);
    let administration = administration(&store);
    administration.activate_model("m", &active, true).await.unwrap();
    administration.set_shadow_model(shadow("a", 100_000)).await.unwrap();
    let pruning = Pruning { only: None, kept: active.clone() };
    let prune = async || {
        let unused = store.templates().unused(&pruning).await.unwrap().len();
        store.delete_former_enrolments().await.unwrap();
        (unused, store.templates().prune(&pruning, async |_| {}).await.unwrap().deleted)
    };
    assert_eq!(prune().await, (0, 0));
    assert!(!store.delete_enrolment(&contract()).await.unwrap());
    administration.end_shadow_model().await.unwrap();
    assert_eq!(prune().await, (1, 1));
}
