//! Attacks on the audit trail: what others put into the database is neither signed nor believed.

use std::{fs, path::Path};

use padan_domain::{Clock, NationalId};
use padan_store::{AuditEvent, AuditFault, AuditHead, AuditLog, Config, Forgotten, Store, StoreError};
use padan_testing::TestDatabase;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::{
    audit::{at, event, exported, settable_clock, verified},
    fixture::{config, migrated, nik, store},
    roles::{drop_user, user_in},
};

pub(crate) fn victim() -> NationalId {
    "3273064211940000".parse().unwrap()
}

/// Runs statements as a user of the database.
pub(crate) async fn run_as(database: &TestDatabase, user: &str, statements: &str) {
    let mut connection = PgConnection::connect(&database.url_as(user)).await.unwrap();
    connection.execute(AssertSqlSafe(statements.to_owned())).await.unwrap();
}

pub(crate) async fn log(database: &TestDatabase) -> AuditLog {
    AuditLog::open(&config(&database.url())).await.unwrap()
}

/// Records rows of one chain, and returns its head as it is kept outside the database.
pub(crate) async fn record(
    database: &TestDatabase,
    store: &Store,
    clock: Clock,
    rows: usize,
) -> Vec<AuditHead> {
    let trail = store.audit_trail(clock);
    for number in 0..rows {
        trail.record(event(&number.to_string())).await.unwrap();
    }
    trail.finish().await;
    log(database).await.heads().await.unwrap()
}

/// Records three rows in January 2024, two in February and one in March, in one chain.
pub(crate) async fn record_three_months(store: &Store) {
    let (clock, set) = settable_clock("2024-01-30T08:00:00Z");
    let trail = store.audit_trail(clock);
    for (moment, id) in [
        ("2024-01-30T08:00:00Z", "a"),
        ("2024-01-30T09:00:00Z", "b"),
        ("2024-01-31T08:00:00Z", "c"),
        ("2024-02-01T07:00:00Z", "d"),
        ("2024-02-02T07:00:00Z", "e"),
    ] {
        set(moment);
        trail.record(event(id)).await.unwrap();
    }
    // A process that begins a chain of its own.
    store.audit_trail(at("2024-03-01T00:00:00Z")).record(event("f")).await.unwrap();
}

#[tokio::test]
async fn a_row_of_today_in_an_old_month_is_not_signed() {
    let (database, owner) = migrated().await;
    let heads = record(&database, &owner, Clock::System, 15).await;
    let (service, operator) =
        (user_in(&database, "padan_service").await, user_in(&database, "padan_operator").await);
    run_as(
        &database,
        &service,
        "SELECT store.ensure_audit_month('2020-03-04');
         INSERT INTO store.audit_event (at, writer, sequence, kind, client, endpoint, reason, fields, milliseconds,
                key_id, mac)
         SELECT '2020-03-04', writer, sequence, 'request', client, 'verification', 'VERIFIED', '{}', 1, '00000000', mac
           FROM store.audit_event WHERE sequence = 11",
    )
    .await;
    let mut log = AuditLog::open(&config(&database.url_as(&operator))).await.unwrap();
    let pruned = log.prune("2024-01-01T00:00:00Z".parse().unwrap()).await;
    drop(log);
    database.execute("DELETE FROM store.audit_event WHERE sequence <= 11 AND at > '2024-01-01'").await;
    let faults = verified(&database, heads).await.faults;
    assert!(!faults.is_empty(), "11 of 15 rows are gone");
    let error = pruned.unwrap_err();
    assert!(matches!(&error, StoreError::Tampered(text) if text.contains("row 11 of chain")), "{error}");
    assert_eq!(database.texts("SELECT writer::text FROM store.audit_anchor").await, Vec::<String>::new());
    for user in [service, operator] {
        drop_user(&database, &user).await;
    }
}

#[tokio::test]
async fn a_row_of_another_person_is_not_forgotten() {
    let (database, owner) = migrated().await;
    let trail = owner.audit_trail(Clock::System);
    trail.record(AuditEvent { nik: Some(victim()), ..event("victim") }).await.unwrap();
    trail.record(event("forgotten")).await.unwrap();
    let operator = user_in(&database, "padan_operator").await;
    // With and without the salt of the other row.
    for columns in ["person_key = other.person_key", "person_salt = other.person_salt"] {
        run_as(
            &database,
            &operator,
            &format!(
                "UPDATE store.audit_event AS victim SET {columns}
                   FROM store.audit_event AS other
                  WHERE victim.request_id = 'victim' AND other.request_id = 'forgotten'"
            ),
        )
        .await;
        let operators = store(&database.url_as(&operator));
        let forgotten = operators.forget(&nik(), "dpo", &operators.audit_trail(Clock::System)).await;
        let named = "SELECT request_id FROM store.audit_event WHERE person_key IS NOT NULL ORDER BY sequence";
        assert_eq!(database.texts(named).await, ["victim", "forgotten"], "nothing was removed");
        let error = forgotten.unwrap_err();
        assert!(matches!(&error, StoreError::Tampered(text) if text.contains("row 1 of chain")), "{error}");
    }
    drop_user(&database, &operator).await;
}

#[tokio::test]
async fn a_month_with_a_row_that_was_changed_is_neither_signed_nor_dropped() {
    for statement in [
        "UPDATE store.audit_event SET reason = 'VERIFIED' WHERE request_id = 'b'",
        "UPDATE store.audit_event SET person_key = sha256('x') WHERE request_id = 'b'",
        "UPDATE store.audit_event SET person_key = NULL, person_salt = NULL WHERE request_id = 'b'",
        "UPDATE store.audit_event SET key_id = '00000000' WHERE request_id = 'b'",
        "DELETE FROM store.audit_event WHERE request_id = 'b'",
        // A row of another month, and the times of two rows swapped.
        "UPDATE store.audit_event SET at = '2024-01-31T09:00:00Z' WHERE request_id = 'e'",
        "UPDATE store.audit_event SET at = '2024-01-30T10:00:00Z' WHERE request_id = 'a'",
        "UPDATE store.audit_event AS one SET at = other.at FROM store.audit_event AS other
          WHERE (one.request_id, other.request_id) IN (('a', 'b'), ('b', 'a'))",
        // A row twice, and the beginning.
        "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, fields, milliseconds, key_id, mac)
         SELECT at + interval '1 hour', writer, sequence, kind, reason, fields, milliseconds, key_id, mac
           FROM store.audit_event WHERE request_id = 'b'",
        "UPDATE store.audit_chain SET started_at = started_at - interval '1 day'",
    ] {
        let (database, store) = migrated().await;
        record_three_months(&store).await;
        database.execute(statement).await;
        let pruned = log(&database).await.prune("2024-03-01T00:00:00Z".parse().unwrap()).await;
        assert!(matches!(pruned, Err(StoreError::Tampered(_))), "{statement}: {pruned:?}");
        for query in
            ["SELECT writer::text FROM store.audit_anchor", "SELECT client FROM store.usage_day LIMIT 1"]
        {
            assert_eq!(database.texts(query).await, Vec::<String>::new(), "{statement}");
        }
        let months = "SELECT to_regclass('store.audit_event_2024_01')::text";
        assert_eq!(database.texts(months).await, ["store.audit_event_2024_01"], "{statement}");
    }
}

#[tokio::test]
async fn an_added_row_before_a_row_does_not_prevent_forgetting() {
    let (database, store) = migrated().await;
    record_three_months(&store).await;
    let service = user_in(&database, "padan_service").await;
    // A second row 1 of the same chain, which the program could take for the one before row 2.
    run_as(
        &database,
        &service,
        "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, fields, milliseconds, key_id, mac)
         SELECT at + interval '1 minute', writer, sequence, 'request', 'VERIFIED', '{}', 1, '00000000', sha256(mac)
           FROM store.audit_event WHERE sequence = 1 AND at < '2024-02-01'",
    )
    .await;
    let forgotten = store.forget(&nik(), "dpo", &store.audit_trail(Clock::System)).await.unwrap();
    assert_eq!(forgotten, Forgotten { templates: 0, audit_rows: 6, rows_left: 0 });
    drop_user(&database, &service).await;
}

#[tokio::test]
async fn no_row_is_added_to_a_step_or_taken_from_it() {
    let (database, store) = migrated().await;
    record_three_months(&store).await;
    let trail = store.audit_trail(at("2024-03-02T00:00:00Z"));
    trail.record(AuditEvent { nik: Some(victim()), ..event("victim") }).await.unwrap();
    database.execute("CREATE TABLE held AS SELECT * FROM store.audit_event").await;
    assert_eq!(store.forget(&nik(), "dpo", &trail).await.unwrap().audit_rows, 6);
    assert_eq!(verified(&database, Vec::new()).await.faults, []);
    // The person is put back into a row of February, as from a backup.
    database
        .execute(
            "UPDATE store.audit_event AS kept
                SET person_key = held.person_key, person_salt = held.person_salt, request_id = held.request_id,
                    forget_mac = NULL, forget_key_id = NULL
               FROM held WHERE held.request_id = 'd' AND kept.writer = held.writer AND kept.sequence = held.sequence",
        )
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(
        matches!(&faults[..], [AuditFault::StepDiffers { month, announced: 2, found: 1, .. }] if month == "2024-02"),
        "{faults:?}"
    );
    assert!(faults[0].to_string().contains("announces 2 rows of 2024-02"), "{}", faults[0]);
    // The same person, forgotten again: the first step still lacks the row.
    assert_eq!(store.forget(&nik(), "dpo", &trail).await.unwrap().audit_rows, 1);
    let faults = verified(&database, Vec::new()).await.faults;
    assert!(matches!(&faults[..], [AuditFault::StepDiffers { announced: 2, found: 1, .. }]), "{faults:?}");
    // A signature is bound to its row.
    database
        .execute(
            "UPDATE store.audit_event AS one SET forget_mac = other.forget_mac
               FROM store.audit_event AS other, held AS this, held AS that
              WHERE (this.request_id, that.request_id) IN (('a', 'b'), ('b', 'a'))
                AND (one.writer, one.sequence) = (this.writer, this.sequence)
                AND (other.writer, other.sequence) = (that.writer, that.sequence)",
        )
        .await;
    let faults = verified(&database, Vec::new()).await.faults;
    assert_eq!(faults.iter().filter(|fault| matches!(fault, AuditFault::PersonRemoved(_))).count(), 2);
}

#[tokio::test]
async fn an_anchor_stands_only_for_its_chain_its_month_and_its_time() {
    let (database, store) = migrated().await;
    record_three_months(&store).await;
    let mut log = log(&database).await;
    let before = |moment: &str| moment.parse().unwrap();
    log.prune(before("2024-02-01T00:00:00Z")).await.unwrap();
    database.execute("CREATE TABLE held AS SELECT * FROM store.audit_anchor").await;
    log.prune(before("2024-03-01T00:00:00Z")).await.unwrap();
    let faults = async || verified(&database, Vec::new()).await.faults;
    assert_eq!(faults().await, []);
    for change in [
        "month = month + interval '1 month'",
        "month = month - interval '1 month'",
        "pruned_at = pruned_at - interval '1 microsecond'",
        "sequence = sequence + 1",
        "writer = gen_random_uuid()",
        "mac = sha256(mac)",
    ] {
        database
            .execute(&format!(
                "CREATE TABLE both_anchors AS SELECT * FROM store.audit_anchor;
                 UPDATE store.audit_anchor SET {change} WHERE month = '2024-02-01'"
            ))
            .await;
        let faults = faults().await;
        assert!(
            faults.iter().any(|fault| matches!(fault, AuditFault::AnchorForged(_))),
            "{change}: {faults:?}"
        );
        database
            .execute(
                "DELETE FROM store.audit_anchor; INSERT INTO store.audit_anchor SELECT * FROM both_anchors;
                 DROP TABLE both_anchors",
            )
            .await;
    }
    // The anchor of January in place of that of February: the row that the third month's chain names is not covered.
    database.execute("DELETE FROM store.audit_anchor WHERE month = '2024-02-01'").await;
    let faults = faults().await;
    assert!(matches!(&faults[..], [AuditFault::CutOff(row)] if row.sequence == 5), "{faults:?}");
}

#[tokio::test]
async fn a_head_at_an_anchor_has_its_hmac() {
    let (database, store) = migrated().await;
    record_three_months(&store).await;
    let heads = database
        .texts("SELECT format('writer=%s sequence=%s mac=%s', writer, sequence, encode(mac, 'hex')) FROM store.audit_event")
        .await;
    let heads: Vec<_> = heads.iter().map(|head| AuditHead::find_in(head).unwrap()).collect();
    log(&database).await.prune("2024-03-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(verified(&database, heads.clone()).await.faults, []);
    let forged = heads.into_iter().map(|head| AuditHead { mac: vec![1; 32], ..head }).collect();
    let faults = verified(&database, forged).await.faults;
    // The last row of January, and the row that remains.
    assert!(
        faults.iter().any(|fault| matches!(fault, AuditFault::CutOff(row) if row.sequence == 3))
            && faults.iter().any(|fault| matches!(fault, AuditFault::Changed(_)))
            && faults.len() == 2,
        "{faults:?}"
    );
}

#[tokio::test]
async fn a_prune_that_is_killed_is_repeated() {
    let (database, store) = migrated().await;
    record_three_months(&store).await;
    store.audit_trail(at("2024-03-01T00:00:00Z")).finish().await;
    let mut reader = database.connect().await;
    sqlx::Executor::execute(&mut reader, "BEGIN; SELECT FROM store.audit_event").await.unwrap();
    let before = "2024-03-01T00:00:00Z".parse().unwrap();
    let mut killed = log(&database).await;
    // It waits for the reader, after it wrote the anchors.
    let pruning = tokio::time::timeout(std::time::Duration::from_millis(600), killed.prune(before)).await;
    assert!(pruning.is_err(), "{pruning:?}");
    drop(killed);
    drop(reader);
    database.end_connections().await;
    assert_eq!(database.texts("SELECT writer::text FROM store.audit_anchor").await, Vec::<String>::new());
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.pruned, report.faults), (6, 0, vec![]));
    let pruned = log(&database).await.prune(before).await.unwrap();
    assert_eq!(pruned.deleted, ["audit_event_2024_01", "audit_event_2024_02"]);
    // Killed after the commit: the heads of pruned rows are still there.
    database
        .execute("INSERT INTO store.audit_head SELECT writer, sequence, mac FROM store.audit_anchor")
        .await;
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.pruned, report.faults), (1, 1, vec![]));
}

#[tokio::test]
async fn young_months_stay_whoever_asks() {
    let (database, owner) = migrated().await;
    let young = chrono::Utc::now() - chrono::TimeDelta::days(60);
    owner.audit_trail(Clock::Fixed(young)).record(event("a")).await.unwrap();
    let error = log(&database).await.prune(chrono::Utc::now()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Config(text) if text.contains("90 days")), "{error}");
    let month = young.format("audit_event_%Y_%m");
    let mut connection = database.connect().await;
    let drop_month = format!("SELECT store.drop_audit_month('{month}')");
    let error = connection.execute(AssertSqlSafe(drop_month)).await.unwrap_err().to_string();
    assert!(error.contains("is kept until"), "{error}");
    // A partition under another month's name.
    database.execute(&format!("ALTER TABLE store.{month} RENAME TO audit_event_2020_01")).await;
    let error = connection.execute("SELECT store.drop_audit_month('audit_event_2020_01')").await.unwrap_err();
    assert!(error.to_string().contains("does not have the bounds of its month"), "{error}");
    let pruned = log(&database).await.prune("2024-01-01T00:00:00Z".parse().unwrap()).await;
    assert!(pruned.is_err(), "{pruned:?}");
    assert_eq!(exported(&database, &padan_store::AuditFilter::default()).await.len(), 1);
}

/// The migrations of the store with their versions, in their order.
fn migrations() -> Vec<(u32, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/store");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let version = |file: &Path| file.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap();
    files.iter().map(|file| (version(file), fs::read_to_string(file).unwrap())).collect()
}

#[tokio::test]
async fn older_signatures_of_a_store_stay_valid() {
    let database = TestDatabase::create().await;
    database.execute("CREATE SCHEMA store; CREATE TABLE store._sqlx_migrations (version bigint)").await;
    for (version, migration) in migrations() {
        if version == 12 {
            // Rows, an anchor of January, a forgotten person and an end, as the release before wrote them.
            database.execute(include_str!("../fixtures/audit_before_0012.sql")).await;
        }
        database.execute(&migration).await;
    }
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.forgotten, report.faults), (8, 1, vec![]));
    assert_eq!((report.pruned, report.pruned_without_month), (1, 1));
    // Chains that an unsigned end says to have ended are named and ended again.
    let settings: Config = config(&database.url());
    let store = Store::new(&settings).unwrap();
    store.audit_trail(at("2024-02-12T00:00:00Z")).record(event("k")).await.unwrap();
    let seen = database.texts("SELECT seen FROM store.audit_chain ORDER BY started_at DESC").await.remove(0);
    assert_eq!(seen.lines().count(), 4, "{seen}");
    let ends = "SELECT sequence::text FROM store.audit_end WHERE signature <> '' ORDER BY 1";
    assert_eq!(database.texts(ends).await, ["2", "7"]);
    // The old anchor is continued by a new one, and the forgotten row goes with its month.
    let pruned = log(&database).await.prune("2024-03-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!((pruned.deleted, pruned.kept), (vec!["audit_event_2024_02".to_owned()], vec![]));
    let report = verified(&database, Vec::new()).await;
    assert_eq!((report.rows, report.pruned_without_month, report.faults), (0, 0, vec![]));
    // An older release, which does not verify the rows, can no longer write an anchor.
    let mut connection = database.connect().await;
    let refused = connection
        .execute(
            "INSERT INTO store.audit_anchor (writer, sequence, mac, pruned_at, key_id, signature)
             SELECT writer, 99, mac, now(), key_id, sha256(signature) FROM store.audit_anchor LIMIT 1",
        )
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("month_is_named"), "{refused}");
}
