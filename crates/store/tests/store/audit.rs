//! The audit trail: its rows, the detection of changes, and failures.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use padan_domain::{Clock, Endpoint, NameMatch, NameRules, PersonName, ReasonCode};
use padan_store::{
    AuditEvent, AuditFault, AuditFilter, AuditHead, AuditLog, AuditReport, AuditRow, AuditTrail,
    ComparedUnder, Config, Forgotten, PrunedMonths, RequestEnding, Store, StoreError,
};
use padan_testing::TestDatabase;

use crate::fixture::{MAY, config, contract, migrated, nik, usable};

/// The rules by which two names match.
fn name_match(one: &str, other: &str) -> NameMatch {
    let (one, other) = (PersonName::parse(one).unwrap(), PersonName::parse(other).unwrap());
    one.compare(&other, &NameRules::DEFAULT).unwrap()
}

pub(crate) fn event(request_id: &str) -> AuditEvent {
    AuditEvent {
        request_id: request_id.to_owned(),
        client: "bank".parse().unwrap(),
        is_sandbox: false,
        endpoint: Endpoint::FaceVerification,
        ending: RequestEnding::Answered(ReasonCode::FaceMismatch),
        nik: Some(nik()),
        nik_plausible: Some(true),
        fields: vec![("nik", Some(true)), ("name", Some(false)), ("date_of_birth", None)],
        name_rules: vec![
            ("name", name_match("Dr. Moh. Rizal", "Muhammad Rizal")),
            ("mother_maiden_name", name_match("Siti", "SITI")),
        ],
        percentage: Some(42.04),
        compared_under: Some(ComparedUnder { contract: contract(), calibration: "0123456789abcdef".into() }),
        spoof: Some(0.026_11),
        took: Duration::from_micros(27_449),
    }
}

pub(crate) fn at(moment: &str) -> Clock {
    Clock::Fixed(moment.parse().unwrap())
}

/// A clock, and a function that sets it.
pub(crate) fn settable_clock(moment: &str) -> (Clock, impl Fn(&str)) {
    let micros = |moment: &str| moment.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros();
    let instant: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(micros(moment))));
    (Clock::Moved(instant), move |moment: &str| instant.store(micros(moment), Relaxed))
}

pub(crate) async fn exported(database: &TestDatabase, filter: &AuditFilter) -> Vec<AuditRow> {
    let mut rows = Vec::new();
    let mut log = AuditLog::open(&config(&database.url())).await.unwrap();
    let taken: Result<(), ()> = log
        .export(filter, |row| {
            rows.push(row);
            Ok(())
        })
        .await
        .unwrap();
    taken.unwrap();
    rows
}

pub(crate) async fn verified(database: &TestDatabase, known: Vec<AuditHead>) -> AuditReport {
    AuditLog::open(&config(&database.url())).await.unwrap().verify(known).await.unwrap()
}

/// A trail of five rows, `a` to `e`, whose head was recorded.
pub(crate) async fn record_five_rows(store: &Store) -> AuditTrail {
    let trail = store.audit_trail(Clock::System);
    for id in ["a", "b", "c", "d", "e"] {
        trail.record(event(id)).await.unwrap();
    }
    trail.finish().await;
    trail
}

#[tokio::test]
async fn a_row_has_all_fields_of_its_event_and_no_nik() {
    let (database, store) = migrated().await;
    let began = chrono::Utc::now();
    record_five_rows(&store).await;
    let rows = exported(&database, &AuditFilter::default()).await;
    assert_eq!(rows.iter().map(|row| row.request_id.as_deref().unwrap()).collect::<String>(), "abcde");
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let row = &rows[0];
    assert!(row.at >= began - chrono::TimeDelta::milliseconds(1) && row.at <= chrono::Utc::now());
    assert_eq!((&*row.kind, &*row.reason, row.percentage), ("request", "FACE_MISMATCH", Some(42.04)));
    assert_eq!((row.client.as_deref(), row.endpoint.as_deref()), (Some("bank"), Some("face-verification")));
    assert_eq!(row.fields, r#"{"nik":true,"name":false,"date_of_birth":null}"#);
    let rules = r#"{"name":["titles","spelling"],"mother_maiden_name":["exact"]}"#;
    assert_eq!(row.name_rules.as_deref(), Some(rules));
    assert_eq!((row.milliseconds, row.nik_plausible), (27.449, Some(true)));
    assert_eq!(row.contract_id.as_deref(), Some(contract().as_str()));
    assert_eq!(row.calibration_id.as_deref(), Some("0123456789abcdef"));
    // printf 3174011403870000 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0123456789abcdef...
    assert_eq!(
        hex::encode(row.person_key.as_ref().unwrap()),
        "7a774364477e6c56b89838fd02cad572f1c93aee27fe4cdf89baec422bd7ea89"
    );
    // The first four bytes of SHA-256 over `padan person key`, a zero byte and the key, computed in Python.
    assert_eq!(row.person_key_id.as_deref(), Some("99634b9a"));
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.chains, report.faults), (5, 1, vec![]));
}

#[tokio::test]
async fn rows_with_and_without_rules_of_names_verify_in_one_chain() {
    let (database, store) = migrated().await;
    let trail = store.audit_trail(Clock::System);
    trail.record(AuditEvent { name_rules: Vec::new(), ..event("a") }).await.unwrap();
    trail.record(event("b")).await.unwrap();
    trail.record(AuditEvent { name_rules: Vec::new(), ..event("c") }).await.unwrap();
    let rows = exported(&database, &AuditFilter::default()).await;
    assert_eq!(rows.iter().map(|row| row.name_rules.is_some()).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    database.execute("UPDATE store.audit_event SET name_rules = '{}' WHERE sequence = 1").await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::Changed(place)] if place.sequence == 1), "{faults:?}");
}

#[tokio::test]
async fn filters_select_by_person_client_and_time() {
    let (database, store) = migrated().await;
    let trail = store.audit_trail(at("2026-03-04T05:06:07Z"));
    trail.record(event("a")).await.unwrap();
    trail.record(AuditEvent { client: "shop".parse().unwrap(), ..event("b") }).await.unwrap();
    trail.record(AuditEvent { nik: None, ..event("c") }).await.unwrap();
    store.audit_trail(at("2026-03-04T06:00:00Z")).record(event("d")).await.unwrap();
    let chosen = async |filter: AuditFilter| {
        let rows = exported(&database, &filter).await;
        rows.into_iter().map(|row| row.request_id.unwrap()).collect::<String>()
    };
    let all = AuditFilter::default;
    assert_eq!(chosen(all()).await, "abcd");
    assert_eq!(chosen(AuditFilter { nik: Some(nik()), ..all() }).await, "abd");
    assert_eq!(chosen(AuditFilter { client: Some("shop".into()), ..all() }).await, "b");
    let six = "2026-03-04T06:00:00Z".parse().ok();
    assert_eq!(chosen(AuditFilter { from: six, ..all() }).await, "d");
    assert_eq!(chosen(AuditFilter { to: six, ..all() }).await, "abc");
}

#[tokio::test]
async fn concurrent_requests_share_a_commit() {
    let (database, store) = migrated().await;
    let trail = store.audit_trail(Clock::System);
    let ids: Vec<_> = (0..300).map(|number| number.to_string()).collect();
    let recorded = futures_util::future::join_all(ids.iter().map(|id| trail.record(event(id)))).await;
    assert!(recorded.iter().all(Result::is_ok));
    let figures = trail.figures();
    assert_eq!((figures.rows, figures.failed), (300, 0));
    assert!(figures.commits < 30, "{figures:?}");
    assert_eq!(exported(&database, &AuditFilter::default()).await.len(), 300);
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
}

#[tokio::test]
async fn every_manual_change_is_detected() {
    let (database, store) = migrated().await;
    record_five_rows(&store).await;
    let found = async |statement: &str, undo: &str| {
        database.execute(statement).await;
        let report = verified(&database, Vec::new()).await;
        database.execute(undo).await;
        assert_eq!(verified(&database, Vec::new()).await.faults, [], "after {undo}");
        report.faults
    };
    for (column, value, was) in [
        ("reason", "'VERIFIED'", "'FACE_MISMATCH'"),
        ("percentage", "99", "42.04"),
        ("client", "'shop'", "'bank'"),
        ("fields", "'{}'", r#"'{"nik":true,"name":false,"date_of_birth":null}'"#),
        ("milliseconds", "1", "27.449"),
        ("nik_plausible", "null", "true"),
        ("name_rules", "null", r#"'{"name":["titles","spelling"],"mother_maiden_name":["exact"]}'"#),
        ("name_rules", "'{}'", r#"'{"name":["titles","spelling"],"mother_maiden_name":["exact"]}'"#),
        ("kind", "'forget'", "'request'"),
        ("contract_id", "null", &format!("'{}'", contract().as_str())),
    ] {
        let set = |value| format!("UPDATE store.audit_event SET {column} = {value} WHERE sequence = 3");
        let faults = found(&set(value), &set(was)).await;
        assert!(
            matches!(&faults[..], [AuditFault::Changed(place)] if place.sequence == 3),
            "{column}: {faults:?}"
        );
    }
    let faults = found(
        "UPDATE store.audit_event SET at = at + interval '1 microsecond' WHERE sequence = 5",
        "UPDATE store.audit_event SET at = at - interval '1 microsecond' WHERE sequence = 5",
    )
    .await;
    assert!(matches!(&faults[..], [AuditFault::Changed(_)]), "{faults:?}");
    let flip = "UPDATE store.audit_event
                   SET person_key = set_byte(person_key, 0, get_byte(person_key, 0) # 1) WHERE sequence = 2";
    let faults = found(flip, flip).await;
    assert!(matches!(&faults[..], [AuditFault::PersonChanged(_)]), "{faults:?}");
    let faults = found(
        "CREATE TABLE held AS SELECT * FROM store.audit_event WHERE sequence IN (2, 3);
         DELETE FROM store.audit_event WHERE sequence IN (2, 3)",
        "INSERT INTO store.audit_event SELECT * FROM held; DROP TABLE held",
    )
    .await;
    assert!(
        matches!(
            &faults[..],
            [AuditFault::Missing { first, next: 4 }] | [AuditFault::Missing { first, next: 4 }, AuditFault::Changed(_)]
                if first.sequence == 2
        ),
        "{faults:?}"
    );
    let faults = found(
        "CREATE TABLE held AS SELECT * FROM store.audit_chain; DELETE FROM store.audit_chain",
        "INSERT INTO store.audit_chain SELECT * FROM held; DROP TABLE held",
    )
    .await;
    assert!(matches!(&faults[..], [AuditFault::NoBeginning(_), ..]), "{faults:?}");
}

#[tokio::test]
async fn a_deleted_end_of_a_chain_is_detected_by_the_head() {
    let (database, store) = migrated().await;
    record_five_rows(&store).await;
    let mut log = AuditLog::open(&config(&database.url())).await.unwrap();
    let heads = log.heads().await.unwrap();
    assert_eq!(heads.iter().map(|head| head.sequence).collect::<Vec<_>>(), [5]);
    database.execute("DELETE FROM store.audit_event WHERE sequence > 3").await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::CutOff(place)] if place.sequence == 5), "{faults:?}");
    // An attacker who deletes the last rows can also delete the head in the store, but not the one in the log.
    database.execute("DELETE FROM store.audit_head").await;
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    let faults = verified(&database, heads).await.faults;
    assert!(matches!(&faults[..], [AuditFault::CutOff(_)]), "{faults:?}");
}

#[tokio::test]
async fn a_later_chain_names_the_last_row_of_a_killed_process() {
    let (database, store) = migrated().await;
    let killed = store.audit_trail(Clock::System);
    killed.record(event("a")).await.unwrap();
    killed.record(event("b")).await.unwrap();
    let next = store.audit_trail(Clock::System);
    next.record(event("c")).await.unwrap();
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.chains, report.faults), (3, 2, vec![]));
    database.execute("DELETE FROM store.audit_event WHERE request_id = 'b'").await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::CutOff(place)] if place.sequence == 2), "{faults:?}");
}

#[tokio::test]
async fn a_new_chain_names_the_ends_of_old_chains() {
    let (database, store) = migrated().await;
    let killed = store.audit_trail(at("2026-01-01T00:00:00Z"));
    killed.record(event("a")).await.unwrap();
    killed.record(event("b")).await.unwrap();
    let writer = "SELECT writer::text FROM store.audit_event WHERE request_id = 'a'";
    let killed = database.texts(writer).await.remove(0);
    let seen = async || database.texts("SELECT seen FROM store.audit_chain ORDER BY started_at").await;
    store.audit_trail(at("2026-01-11T00:00:00Z")).record(event("c")).await.unwrap();
    assert!(seen().await[1].contains(&killed));
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    // The next chain names its head, and no chain continues it.
    store.audit_trail(at("2026-01-11T00:01:00Z")).record(event("d")).await.unwrap();
    let last = seen().await.remove(2);
    assert!(!last.contains(&killed) && last.lines().count() == 1, "{last}");
    database.execute("DELETE FROM store.audit_event WHERE request_id = 'b'").await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::CutOff(place)] if place.sequence == 2), "{faults:?}");
}

#[tokio::test]
async fn a_chain_without_rows_for_a_day_is_closed() {
    let (database, store) = migrated().await;
    let (clock, set) = settable_clock("2026-01-01T00:00:00Z");
    let trail = store.audit_trail(clock);
    for moment in ["2026-01-01T00:00:00Z", "2026-01-01T23:00:00Z", "2026-01-03T00:00:00Z"] {
        set(moment);
        trail.record(event(moment)).await.unwrap();
    }
    let rows = exported(&database, &AuditFilter::default()).await;
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [1, 2, 1]);
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.chains, report.unrecorded, report.faults), (2, 0, vec![]));
}

#[tokio::test]
async fn the_time_to_begin_a_chain_does_not_grow_with_the_rows() {
    let (database, store) = migrated().await;
    record_five_rows(&store).await;
    database
        .execute(
            "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, fields, milliseconds, key_id, mac)
             SELECT now(), writer, 5 + number, kind, reason, fields, milliseconds, key_id, mac
               FROM store.audit_event, generate_series(1, 150000) AS number
              WHERE sequence = 5",
        )
        .await;
    let mut config = config(&database.url());
    config.statement_timeout_ms = 100;
    let next = Store::new(&config).unwrap().audit_trail(Clock::System);
    next.record(event("f")).await.unwrap();
    let seen = database.texts("SELECT seen FROM store.audit_chain ORDER BY started_at DESC").await.remove(0);
    assert!(seen.contains("sequence=150005 "), "{seen}");
}

#[tokio::test]
async fn creating_a_month_neither_waits_nor_blocks() {
    let (database, store) = migrated().await;
    record_five_rows(&store).await;
    // An open export, and an uncommitted row.
    let (mut reader, mut writer) = (database.connect().await, database.connect().await);
    sqlx::Executor::execute(&mut reader, "BEGIN; SELECT FROM store.audit_event").await.unwrap();
    sqlx::Executor::execute(&mut writer, "BEGIN; DELETE FROM store.audit_event WHERE sequence = 9")
        .await
        .unwrap();
    store.audit_trail(at("2031-05-31T07:08:09Z")).record(event("f")).await.unwrap();
    // The next month is created in advance as well.
    let began = Instant::now();
    let next_month = "SELECT to_regclass('store.audit_event_2031_06')::text AS name WHERE
                      to_regclass('store.audit_event_2031_06') IS NOT NULL";
    while database.texts(next_month).await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(5), "the next month is not created");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It has the indexes and constraints of the partitioned table, and no role has privileges on it.
    let traits_of = |table: &str| {
        format!(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'store.{table}'::regclass
             UNION ALL
             SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'store.{table}'::regclass
             UNION ALL
             SELECT relacl::text FROM pg_class WHERE oid = 'store.{table}'::regclass AND relacl IS NOT NULL
             ORDER BY 1"
        )
    };
    let parent = database.texts(&traits_of("audit_event").replace("relacl IS NOT NULL", "false")).await;
    let partition = database.texts(&traits_of("audit_event_2031_06")).await;
    // A constraint that older rows need not meet is met by all rows of a new month.
    let without_names = |text: &String| {
        text.split(" USING ").last().unwrap_or_default().trim_end_matches(" NOT VALID").to_owned()
    };
    assert_eq!(
        partition.iter().map(without_names).collect::<std::collections::BTreeSet<_>>(),
        parent.iter().map(without_names).collect()
    );
}

#[tokio::test]
async fn concurrent_processes_create_a_new_month_once() {
    let (database, _) = migrated().await;
    let processes: Vec<_> = (0..6).map(|_| crate::fixture::store(&database.url())).collect();
    for moment in ["2031-05-06T07:08:09Z", "2032-05-06T07:08:09Z", "2033-05-06T07:08:09Z"] {
        let trails: Vec<_> = processes.iter().map(|store| store.audit_trail(at(moment))).collect();
        let recorded =
            futures_util::future::join_all(trails.iter().map(|trail| trail.record(event("a")))).await;
        assert!(recorded.iter().all(Result::is_ok), "{recorded:?}");
    }
    assert_eq!(exported(&database, &AuditFilter::default()).await.len(), 18);
}

#[tokio::test]
async fn a_row_that_was_forged_without_the_key_is_detected() {
    let (database, store) = migrated().await;
    record_five_rows(&store).await;
    database
        .execute(
            "INSERT INTO store.audit_event
             SELECT at + interval '1 second', writer, 6, kind, 'forged', client, endpoint, 'VERIFIED', person_key,
                    person_key_id, person_salt, person_seal, nik_plausible, fields, percentage, contract_id,
                    calibration_id, milliseconds, NULL, NULL, key_id, sha256(mac)
               FROM store.audit_event WHERE sequence = 5",
        )
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::Changed(place)] if place.sequence == 6), "{faults:?}");
    let mut other = config(&database.url());
    other.audit_keys = Some("00112233445566778899aabbccddeeff".repeat(2).into());
    let report = AuditLog::open(&other).await.unwrap().verify(Vec::new()).await.unwrap();
    assert!(report.faults.iter().any(|fault| matches!(fault, AuditFault::UnknownKey { .. })), "{report:?}");
}

#[tokio::test]
async fn an_outage_fails_in_time_and_loses_no_row() {
    let (database, store) = migrated().await;
    let trail = store.audit_trail(Clock::System);
    trail.record(event("a")).await.unwrap();
    let began = Instant::now();
    let failed = database.unavailable_during(trail.record(event("b"))).await.unwrap_err();
    assert!(matches!(failed, StoreError::Unavailable(_) | StoreError::Timeout(_)), "{failed}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    trail.record(event("c")).await.unwrap();
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.chains, report.unrecorded, report.faults), (2, 1, vec![]));
    let rows = exported(&database, &AuditFilter::default()).await;
    assert_eq!(rows.iter().map(|row| row.request_id.as_deref().unwrap()).collect::<String>(), "ac");
    assert_eq!(trail.figures().failed, 1);
    // A database that was restored from a backup before the outage lacks an acknowledged row.
    database.execute("DELETE FROM store.audit_event WHERE request_id = 'a'").await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::CutOff(_)]), "{faults:?}");
}

#[tokio::test]
async fn a_locked_table_is_a_timeout_and_unrecorded_requests_are_counted() {
    let (database, store) = migrated().await;
    let trail = store.audit_trail(Clock::System);
    trail.record(event("a")).await.unwrap();
    let mut locker = database.connect().await;
    sqlx::Executor::execute(&mut locker, "BEGIN; LOCK store.audit_event").await.unwrap();
    let began = Instant::now();
    let (one, other) = tokio::join!(trail.record(event("b")), trail.record(event("c")));
    assert!(
        matches!((&one, &other), (Err(StoreError::Timeout(_)), Err(StoreError::Timeout(_)))),
        "{one:?} {other:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    sqlx::Executor::execute(&mut locker, "COMMIT").await.unwrap();
    trail.record(event("d")).await.unwrap();
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.unrecorded, report.faults), (2, vec![]));
}

#[tokio::test]
async fn a_forgotten_person_is_in_no_row_and_the_chain_is_valid() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    let trail = record_five_rows(&store).await;
    trail.record(AuditEvent { nik: "3273064211940000".parse().ok(), ..event("f") }).await.unwrap();
    let forgotten = store.forget(&nik(), "dpo", &trail).await.unwrap();
    assert_eq!((forgotten.templates, forgotten.audit_rows), (1, 5));
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_none());
    let of_person = AuditFilter { nik: Some(nik()), ..AuditFilter::default() };
    assert_eq!(exported(&database, &of_person).await, []);
    let rows = exported(&database, &AuditFilter::default()).await;
    assert_eq!(rows.iter().filter(|row| row.person_key.is_some()).count(), 1);
    // The id of a request may have been chosen by the client, and goes with the person.
    assert_eq!(rows.iter().filter_map(|row| row.request_id.as_deref()).collect::<Vec<_>>(), ["f"]);
    let last = rows.last().unwrap();
    assert_eq!((&*last.kind, &*last.reason, last.client.as_deref()), ("forget", "FORGOTTEN", Some("dpo")));
    assert!(last.fields.starts_with(r#"{"rows":5,"months":{""#), "{}", last.fields);
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.forgotten, report.faults), (7, 5, vec![]));
    // Removing a person without the key is detected, also with the signature of another row.
    database
        .execute("UPDATE store.audit_event SET person_key = NULL, person_salt = NULL WHERE request_id = 'f'")
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::PersonRemoved(place)] if place.sequence == 6), "{faults:?}");
    database
        .execute(
            "UPDATE store.audit_event AS f SET forget_key_id = a.forget_key_id, forget_mac = a.forget_mac
               FROM store.audit_event AS a WHERE f.request_id = 'f' AND a.sequence = 1",
        )
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::PersonRemoved(_)]), "{faults:?}");
}

#[tokio::test]
async fn another_request_id_is_detected_with_and_without_a_person() {
    let (database, store) = migrated().await;
    let trail = store.audit_trail(Clock::System);
    trail.record(event("a")).await.unwrap();
    trail.record(AuditEvent { nik: None, ..event("b") }).await.unwrap();
    trail.record(AuditEvent { nik: "3273064211940000".parse().ok(), ..event("c") }).await.unwrap();
    assert_eq!(store.forget(&nik(), "dpo", &trail).await.unwrap().audit_rows, 1);
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    // Of a forgotten person, of none, and of a person who is still there.
    for (sequence, request_id, is_sealed) in [(1, "NULL", true), (2, "'b'", false), (3, "'c'", true)] {
        let set =
            |id: &str| format!("UPDATE store.audit_event SET request_id = {id} WHERE sequence = {sequence}");
        database.execute(&set("'x'")).await;
        let faults = verified(&database, Vec::new()).await.faults;
        match &faults[..] {
            [AuditFault::PersonChanged(place)] if is_sealed => assert_eq!(place.sequence, sequence),
            [AuditFault::Changed(place)] if !is_sealed => assert_eq!(place.sequence, sequence),
            _ => panic!("{sequence}: {faults:?}"),
        }
        database.execute(&set(request_id)).await;
    }
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
}

#[tokio::test]
async fn forgetting_and_its_announcement_are_one_transaction() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    let trail = record_five_rows(&store).await;
    let mut locker = database.connect().await;
    sqlx::Executor::execute(
        &mut locker,
        "BEGIN; SELECT FROM store.audit_event WHERE sequence = 3 FOR UPDATE",
    )
    .await
    .unwrap();
    let failed = store.forget(&nik(), "dpo", &trail).await;
    assert!(matches!(failed, Err(StoreError::Timeout(_))), "{failed:?}");
    sqlx::Executor::execute(&mut locker, "COMMIT").await.unwrap();
    let rows = exported(&database, &AuditFilter::default()).await;
    assert!(rows.iter().all(|row| row.kind == "request" && row.person_key.is_some()), "{rows:?}");
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_some());
    // Removing a further person is detected although another removal was announced.
    database
        .execute("UPDATE store.audit_event SET person_key = NULL, person_salt = NULL WHERE sequence = 2")
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::PersonRemoved(_)]), "{faults:?}");
}

#[tokio::test]
async fn a_person_with_many_rows_is_forgotten_in_steps_and_an_unknown_one_without_a_row() {
    let (database, store) = migrated().await;
    let trail = store.audit_trail(Clock::System);
    let ids: Vec<_> = (0..1100).map(|number| number.to_string()).collect();
    let recorded = futures_util::future::join_all(ids.iter().map(|id| trail.record(event(id)))).await;
    assert!(recorded.iter().all(Result::is_ok));
    let forgotten = store.forget(&nik(), "dpo", &trail).await.unwrap();
    assert_eq!(forgotten.audit_rows, 1100);
    let announcements =
        "SELECT fields::json ->> 'rows' FROM store.audit_event WHERE kind = 'forget' ORDER BY sequence";
    assert_eq!(database.texts(announcements).await, ["500", "500", "100"]);
    assert_eq!(store.forget(&nik(), "dpo", &trail).await.unwrap(), Forgotten::default());
    assert_eq!(database.texts(announcements).await.len(), 3, "a step without rows is not announced");
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.forgotten, report.faults), (1103, 1100, vec![]));
}

#[tokio::test]
async fn an_unannounced_removal_is_detected_after_pruning() {
    let (database, store) = migrated().await;
    let (clock, set) = settable_clock("2024-01-31T20:00:00Z");
    let trail = store.audit_trail(clock);
    trail.record(event("a")).await.unwrap();
    set("2024-02-01T10:00:00Z");
    trail.record(event("b")).await.unwrap();
    trail.record(AuditEvent { nik: "3273064211940000".parse().ok(), ..event("c") }).await.unwrap();
    set("2024-02-01T11:00:00Z");
    assert_eq!(store.forget(&nik(), "dpo", &trail).await.unwrap().audit_rows, 2);
    let mut log = AuditLog::open(&config(&database.url())).await.unwrap();
    let pruned = log.prune("2024-02-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(pruned.deleted, ["audit_event_2024_01"]);
    // One of the two announced rows is pruned. Its announcement does not cover another row.
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.forgotten, report.faults), (1, vec![]));
    database
        .execute("UPDATE store.audit_event SET person_key = NULL, person_salt = NULL WHERE request_id = 'c'")
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::PersonRemoved(_)]), "{faults:?}");
    // With the key a removal can be signed, but it still needs an announcement.
    database
        .execute(
            "DELETE FROM store.audit_event WHERE kind = 'forget' OR request_id = 'c';
             DELETE FROM store.audit_head",
        )
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(
        matches!(&faults[..], [AuditFault::StepDiffers { month, announced: 0, found: 1, .. }] if month == "2024-02"),
        "{faults:?}"
    );
}

#[tokio::test]
async fn rows_of_an_earlier_person_key_are_found_and_forgotten() {
    const OLD: &str = "0123456789abcdef";
    const NEW: &str = "fedcba9876543210";
    let (database, old) = migrated().await;
    old.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    record_five_rows(&old).await;
    let with = |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|key| key.repeat(4)).collect();
        Config { person_key: Some(keys.join("\n").into()), ..config(&database.url()) }
    };
    let filter = AuditFilter { nik: Some(nik()), ..AuditFilter::default() };
    let found = async |config: &Config| {
        let (mut log, mut found) = (AuditLog::open(config).await.unwrap(), 0);
        let taken: Result<(), ()> = log
            .export(&filter, |_| {
                found += 1;
                Ok(())
            })
            .await
            .unwrap();
        taken.unwrap();
        (found, log.unknown_person_keys().await.unwrap())
    };
    let (new, both) = (with(&[NEW]), with(&[NEW, OLD]));
    assert_eq!(found(&new).await, (0, vec!["99634b9a".to_owned()]));
    assert_eq!(found(&both).await, (5, vec![]));
    let store = Store::new(&both).unwrap();
    assert!(
        store.templates().get(&nik(), &contract()).await.unwrap().is_none(),
        "no template under the new key"
    );
    let trail = store.audit_trail(Clock::System);
    trail.record(event("f")).await.unwrap();
    assert_eq!(found(&new).await.0, 1, "new rows are under the first key");
    let forgotten = store.forget(&nik(), "dpo", &trail).await.unwrap();
    assert_eq!(forgotten, Forgotten { templates: 1, audit_rows: 6, rows_left: 0 });
    assert_eq!(found(&both).await, (0, vec![]));
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
}

#[tokio::test]
async fn pruned_months_leave_anchors_and_their_usage() {
    let (database, store) = migrated().await;
    // One chain within January, and one with a row a day from January to March.
    store.audit_trail(at("2024-01-05T00:00:00Z")).record(event("short")).await.unwrap();
    let (clock, set) = settable_clock("2024-01-30T20:00:00Z");
    let trail = store.audit_trail(clock);
    for day in 0..32 {
        let moment = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(19_752 + day);
        set(&(moment + chrono::TimeDelta::hours(20)).to_rfc3339());
        trail.record(event(&day.to_string())).await.unwrap();
    }
    let mut log = AuditLog::open(&config(&database.url())).await.unwrap();
    let usage = log.usage(&AuditFilter::default()).await.unwrap();
    let days: Vec<_> = usage.iter().map(|row| (row.day.to_string(), row.calls)).collect();
    // 20:00 UTC is 03:00 of the next day in Jakarta.
    assert_eq!(days[..2], [("2024-01-05".into(), 1), ("2024-01-31".into(), 1)]);
    assert_eq!((days.len(), &days[32]), (33, &("2024-03-02".into(), 1)));
    let before = "2024-03-01T00:00:00Z".parse().unwrap();
    let pruned = log.prune(before).await.unwrap();
    assert_eq!(
        (pruned.deleted, pruned.kept),
        (vec!["audit_event_2024_01".into(), "audit_event_2024_02".into()], vec![])
    );
    assert_eq!(log.prune(before).await.unwrap(), PrunedMonths::default());
    assert_eq!(log.usage(&AuditFilter::default()).await.unwrap(), usage);
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.chains, report.pruned, report.faults), (1, 1, 2, vec![]));
    // A chain can be continued after its beginning was pruned.
    trail.record(event("g")).await.unwrap();
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    // Without an anchor, or with a forged one, the missing rows are detected.
    database
        .execute("CREATE TABLE held AS SELECT * FROM store.audit_anchor; DELETE FROM store.audit_anchor")
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(faults.iter().any(|fault| matches!(fault, AuditFault::Missing { .. })), "{faults:?}");
    database
        .execute(
            "INSERT INTO store.audit_anchor
             SELECT writer, sequence, mac, pruned_at, key_id, sha256(signature), month FROM held",
        )
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(faults.iter().any(|fault| matches!(fault, AuditFault::AnchorForged(_))), "{faults:?}");
}

#[tokio::test]
async fn pruning_waits_for_readers_and_does_not_block_writers() {
    let (database, store) = migrated().await;
    let (clock, set) = settable_clock("2024-01-31T20:00:00Z");
    let trail = store.audit_trail(clock);
    trail.record(event("a")).await.unwrap();
    trail.finish().await;
    set("2026-03-01T00:00:00Z");
    trail.record(event("b")).await.unwrap();
    trail.finish().await;
    let mut reader = database.connect().await;
    sqlx::Executor::execute(&mut reader, "BEGIN; SELECT FROM store.audit_event").await.unwrap();
    let mut log = AuditLog::open(&config(&database.url())).await.unwrap();
    let before = "2024-02-01T00:00:00Z".parse().unwrap();
    let pruning = async { log.prune(before).await };
    let recording = async {
        let mut slowest = Duration::ZERO;
        for number in 0..60 {
            let began = Instant::now();
            trail.record(event(&number.to_string())).await.unwrap();
            slowest = slowest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sqlx::Executor::execute(&mut reader, "COMMIT").await.unwrap();
        slowest
    };
    let (pruned, slowest) = tokio::join!(pruning, recording);
    assert_eq!(pruned.unwrap().deleted, ["audit_event_2024_01"]);
    assert!(slowest < Duration::from_millis(250), "a row waited {slowest:?}");
    // The heads of pruned rows are deleted, and the others remain.
    let heads = log.heads().await.unwrap();
    assert_eq!(heads.iter().map(|head| head.sequence).collect::<Vec<_>>(), [1]);
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
}

#[tokio::test]
async fn an_implausible_clock_is_refused_and_a_missing_month_is_created() {
    let (database, store) = migrated().await;
    let refused = store.audit_trail(at("1970-01-01T00:00:00Z")).record(event("a")).await;
    assert!(refused.is_err());
    store.audit_trail(at("2031-05-06T07:08:09Z")).record(event("b")).await.unwrap();
    let rows = exported(&database, &AuditFilter::default()).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].at.to_rfc3339(), "2031-05-06T07:08:09+00:00");
}

#[tokio::test]
async fn a_clock_that_is_set_back_begins_a_new_chain_at_the_true_time() {
    let (database, store) = migrated().await;
    let (clock, set) = settable_clock("2030-01-01T00:00:00Z");
    let trail = store.audit_trail(clock);
    trail.record(event("a")).await.unwrap();
    set("2026-11-24T00:00:00Z");
    trail.record(event("b")).await.unwrap();
    // When the clock is set back by less than a second, a row has the time of the previous row.
    set("2026-11-23T23:59:59.500Z");
    trail.record(event("c")).await.unwrap();
    let rows = exported(&database, &AuditFilter::default()).await;
    let times: Vec<_> =
        rows.iter().map(|row| (row.request_id.as_deref().unwrap(), row.at.to_rfc3339())).collect();
    assert_eq!(
        times,
        [
            ("b", "2026-11-24T00:00:00+00:00".to_owned()),
            ("c", "2026-11-24T00:00:00+00:00".to_owned()),
            ("a", "2030-01-01T00:00:00+00:00".to_owned()),
        ]
    );
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.chains, report.unrecorded, report.faults), (2, 0, vec![]));
}

#[tokio::test]
async fn a_writer_that_panics_is_reported() {
    let (_database, store) = migrated().await;
    let trail = store.audit_trail(Clock::System);
    assert_eq!(trail.check(), Ok(()));
    // The observer is called by the writer's task.
    trail.observe_commits(|_| panic!("on purpose"));
    let recorded = trail.record(event("a")).await;
    assert!(matches!(recorded, Err(StoreError::Unavailable(_))), "{recorded:?}");
    tokio::time::timeout(Duration::from_secs(5), trail.writer_ended()).await.unwrap();
    assert!(matches!(trail.check(), Err(StoreError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_hangs_is_reported_until_it_gets_on() {
    let (_database, store) = migrated().await;
    let trail = store.audit_trail(Clock::System);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    // The observer is called by the writer's task.
    trail.observe_commits(move |_| {
        let _ = released.lock().unwrap().recv();
    });
    trail.record_without_waiting(event("a"));
    let (began, limit) = (Instant::now(), Duration::from_millis(config("").audit_timeout_ms));
    while trail.check().is_ok() {
        assert!(began.elapsed() < 8 * limit, "not reported");
        // Not by the runtime, of which the writer blocks a thread.
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(began.elapsed() >= 4 * limit, "{:?}", began.elapsed());
    let error = trail.check().unwrap_err().to_string();
    assert!(error.contains("has not finished a row for "), "{error}");
    drop(release);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(trail.check(), Ok(()));
    trail.record(event("b")).await.unwrap();
}
