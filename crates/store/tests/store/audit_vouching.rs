//! A new chain names the last rows of the others, whatever was added to the database and whatever the clocks say.

use padan_domain::Clock;
use padan_store::{AuditFault, Store};
use padan_testing::TestDatabase;

use crate::{
    audit::{at, event, settable_clock, verified},
    audit_attacks::{log, record_three_months, run_as},
    fixture::{migrated, nik, store},
    roles::{drop_user, user_in},
};

/// Records rows `a` and `b` in a chain that nobody goes on with, and returns its id.
async fn record_killed(database: &TestDatabase, store: &Store, moment: &str) -> String {
    let killed = store.audit_trail(at(moment));
    killed.record(event("a")).await.unwrap();
    killed.record(event("b")).await.unwrap();
    database.texts("SELECT writer::text FROM store.audit_event WHERE request_id = 'a'").await.remove(0)
}

/// The heads that the youngest chain names.
async fn seen_last(database: &TestDatabase) -> String {
    database.texts("SELECT seen FROM store.audit_chain ORDER BY writer DESC LIMIT 1").await.remove(0)
}

async fn is_cut_off_without_row_b(database: &TestDatabase) {
    database.execute("DELETE FROM store.audit_event WHERE request_id = 'b'").await;
    let faults = verified(database, Vec::new()).await.faults;
    assert!(
        faults.iter().any(|fault| matches!(fault, AuditFault::CutOff(row) if row.sequence == 2)),
        "{faults:?}"
    );
}

#[tokio::test]
async fn an_end_that_was_not_signed_ends_no_chain() {
    let (database, owner) = migrated().await;
    let killed = record_killed(&database, &owner, "2026-01-01T00:00:00Z").await;
    let service = user_in(&database, "padan_service").await;
    run_as(
        &database,
        &service,
        &format!(
            "INSERT INTO store.audit_end (writer, sequence) VALUES ('{killed}', 1);
             INSERT INTO store.audit_end SELECT writer, 1, mac, '58cba847', sha256('x') FROM store.audit_event
              WHERE sequence = 1"
        ),
    )
    .await;
    store(&database.url_as(&service)).audit_trail(Clock::System).record(event("c")).await.unwrap();
    assert!(seen_last(&database).await.contains(&format!("writer={killed} sequence=2 ")));
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(
        matches!(&faults[..], [AuditFault::EndForged(writer)] if writer.to_string() == killed),
        "{faults:?}"
    );
    // The chain was old, so it has a signed end now, which cannot be given to another chain, and whose row must exist.
    store(&database.url_as(&service)).audit_trail(Clock::System).record(event("d")).await.unwrap();
    assert!(!seen_last(&database).await.contains(&killed));
    database
        .execute(
            "DELETE FROM store.audit_end WHERE sequence = 1;
             DELETE FROM store.audit_chain WHERE seen LIKE '%sequence=2 %'",
        )
        .await;
    is_cut_off_without_row_b(&database).await;
    drop_user(&database, &service).await;
}

#[tokio::test]
async fn the_end_of_one_chain_is_not_that_of_another() {
    let (database, store) = migrated().await;
    record_killed(&database, &store, "2026-01-01T00:00:00Z").await;
    store.audit_trail(at("2026-01-11T00:00:00Z")).record(event("c")).await.unwrap();
    let living = store.audit_trail(Clock::System);
    living.record(event("d")).await.unwrap();
    database
        .execute(
            "INSERT INTO store.audit_end (writer, sequence, mac, key_id, signature)
             SELECT event.writer, audit_end.sequence, audit_end.mac, audit_end.key_id, audit_end.signature
               FROM store.audit_end, store.audit_event AS event WHERE event.request_id = 'd' LIMIT 1",
        )
        .await;
    store.audit_trail(Clock::System).record(event("e")).await.unwrap();
    let writer =
        database.texts("SELECT writer::text FROM store.audit_event WHERE request_id = 'd'").await.remove(0);
    assert!(seen_last(&database).await.contains(&writer));
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::EndForged(_)]), "{faults:?}");
}

#[tokio::test]
async fn beginnings_that_were_not_signed_take_no_place() {
    let (database, owner) = migrated().await;
    let killed = record_killed(&database, &owner, "2026-01-01T00:00:00Z").await;
    let service = user_in(&database, "padan_service").await;
    for age in ["'2031-01-01'", "'2020-01-01'"] {
        run_as(
            &database,
            &service,
            &format!(
                "INSERT INTO store.audit_chain (writer, started_at, seen, unrecorded, person_key_id, key_id, mac)
                 SELECT gen_random_uuid(), {age}, '', 0, '99634b9a', '58cba847', sha256('x')
                   FROM generate_series(1, 1500)"
            ),
        )
        .await;
    }
    store(&database.url_as(&service)).audit_trail(Clock::System).record(event("c")).await.unwrap();
    let seen = database.texts("SELECT seen FROM store.audit_chain WHERE seen <> ''").await;
    assert_eq!(seen.len(), 1);
    assert!(
        seen[0].contains(&format!("writer={killed} sequence=2 ")) && seen[0].lines().count() == 1,
        "{seen:?}"
    );
    // Somebody who owns the tables removes what was added.
    database.execute("DELETE FROM store.audit_chain WHERE mac = sha256('x')").await;
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    is_cut_off_without_row_b(&database).await;
    drop_user(&database, &service).await;
}

#[tokio::test]
async fn added_rows_do_not_hide_the_last_row() {
    for added in [1, 9] {
        let (database, owner) = migrated().await;
        let killed = record_killed(&database, &owner, "2026-01-01T00:00:00Z").await;
        let service = user_in(&database, "padan_service").await;
        run_as(
            &database,
            &service,
            &format!(
                "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, fields, milliseconds, key_id, mac)
                 SELECT at, writer, sequence + number, 'request', 'VERIFIED', '{{}}', 1, '58cba847', sha256('x')
                   FROM store.audit_event, generate_series(1, {added}) AS number WHERE sequence = 2"
            ),
        )
        .await;
        store(&database.url_as(&service)).audit_trail(Clock::System).record(event("c")).await.unwrap();
        let seen = seen_last(&database).await;
        assert_eq!(seen.contains(&format!("writer={killed} sequence=2 ")), added == 1, "{seen}");
        let ends = database.texts("SELECT writer::text FROM store.audit_end").await;
        assert_eq!(ends, Vec::<String>::new(), "a chain with rows that Padan did not write does not end");
        // Removing the last row together with what was added is seen in any case.
        database.execute("DELETE FROM store.audit_event WHERE mac = sha256('x') OR request_id = 'b'").await;
        let faults = verified(&database, Vec::new()).await.faults;
        assert!(matches!(&faults[..], [AuditFault::CutOff(_)]), "{faults:?}");
        drop_user(&database, &service).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_ahead_ends_no_chain() {
    let (database, store) = migrated().await;
    let living = store.audit_trail(Clock::System);
    living.record(event("a")).await.unwrap();
    let writer = database.texts("SELECT writer::text FROM store.audit_event").await.remove(0);
    store.audit_trail(at("2031-01-01T00:00:00Z")).record(event("x")).await.unwrap();
    living.record(event("b")).await.unwrap();
    assert_eq!(database.texts("SELECT writer::text FROM store.audit_end").await, Vec::<String>::new());
    store.audit_trail(Clock::System).record(event("c")).await.unwrap();
    assert!(seen_last(&database).await.contains(&format!("writer={writer} sequence=2 ")));
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
}

#[tokio::test]
async fn rows_of_a_clock_that_was_set_back_stay_as_long_as_the_rows_before_them() {
    let (database, store) = migrated().await;
    record_three_months(&store).await;
    let (clock, set) = settable_clock("2024-05-05T00:00:00Z");
    let trail = store.audit_trail(clock);
    trail.record(event("may")).await.unwrap();
    // Rows of May bear a date of 2021, in the same process and in one that starts then.
    set("2021-07-01T00:00:00Z");
    trail.record(event("set back")).await.unwrap();
    store.audit_trail(at("2021-08-01T00:00:00Z")).record(event("started")).await.unwrap();
    set("2024-05-05T01:00:00Z");
    trail.record(event("true again")).await.unwrap();
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    let mut log = log(&database).await;
    let pruned = log.prune("2024-03-01T00:00:00Z".parse().unwrap()).await.unwrap();
    // Other months of that age are pruned.
    let deleted = |months: &[&str], deleted: &[String]| {
        // The month after the last row may have been created already.
        assert!(months.iter().all(|month| deleted.iter().any(|name| name == month)), "{deleted:?}");
    };
    deleted(&["audit_event_2024_01", "audit_event_2024_02"], &pruned.deleted);
    assert_eq!(pruned.kept.len(), 2, "{:?}", pruned.kept);
    for (kept, month) in pruned.kept.iter().zip(["audit_event_2021_07: chain", "audit_event_2021_08: chain"])
    {
        assert!(kept.starts_with(month) && kept.contains("began after a row of 2024-05-05"), "{kept}");
    }
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    let pruned = log.prune("2024-06-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(pruned.kept, Vec::<String>::new());
    let rest = ["audit_event_2021_07", "audit_event_2021_08", "audit_event_2024_03", "audit_event_2024_05"];
    deleted(&rest, &pruned.deleted);
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
}

#[tokio::test]
async fn rows_of_the_future_keep_no_month() {
    let (database, store) = migrated().await;
    let (clock, set) = settable_clock("2031-01-01T00:00:00Z");
    let trail = store.audit_trail(clock);
    trail.record(event("ahead")).await.unwrap();
    set("2024-01-05T00:00:00Z");
    trail.record(event("true again")).await.unwrap();
    let pruned = log(&database).await.prune("2024-02-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!((pruned.deleted, pruned.kept), (vec!["audit_event_2024_01".to_owned()], vec![]));
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
}

#[tokio::test]
async fn rows_of_the_future_that_name_a_forgotten_person_are_counted() {
    let (database, store) = migrated().await;
    store.audit_trail(at("2031-01-01T00:00:00Z")).record(event("ahead")).await.unwrap();
    store.audit_trail(Clock::System).record(event("now")).await.unwrap();
    let forgotten = store.forget(&nik(), "dpo", &store.audit_trail(Clock::System)).await.unwrap();
    assert_eq!((forgotten.audit_rows, forgotten.rows_left), (1, 1));
    let forgotten =
        store.forget(&nik(), "dpo", &store.audit_trail(at("2031-01-02T00:00:00Z"))).await.unwrap();
    assert_eq!((forgotten.audit_rows, forgotten.rows_left), (1, 0));
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
}
