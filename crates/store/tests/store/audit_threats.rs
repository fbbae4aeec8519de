//! The threat model of the trail: a test for each line of the table in `docs/security.md`, under "The audit trail".

use padan_domain::Clock;
use padan_store::{AuditEvent, AuditFault, AuditFilter, AuditHead, AuditRow, StoreError};
use padan_testing::TestDatabase;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::{
    audit::{at, event, exported, record_five_rows, verified},
    audit_attacks::{log, record, record_three_months, run_as, victim},
    audit_forgery::{anchor_signature, removal_signature, row_mac},
    fixture::{migrated, nik, store},
    roles::{drop_user, refusals, user_in, user_in_no_role},
};

async fn faults(database: &TestDatabase, heads: &[AuditHead]) -> Vec<AuditFault> {
    verified(database, heads.to_vec()).await.faults
}

async fn assert_refused(database: &TestDatabase, user: &str, statements: &[&'static str]) {
    for refusal in refusals(database, user, statements).await {
        assert!(
            ["permission denied", "must be owner", "is kept until"].iter().any(|text| refusal.contains(text)),
            "{refusal}"
        );
    }
}

fn head_of(row: &AuditRow) -> AuditHead {
    AuditHead { writer: row.writer, sequence: row.sequence, mac: row.mac.clone() }
}

const CHANGES: [&str; 13] = [
    "UPDATE store.audit_event SET reason = 'VERIFIED'",
    "UPDATE store.audit_event SET at = now()",
    "UPDATE store.audit_event SET mac = sha256('x')",
    "DELETE FROM store.audit_event",
    "TRUNCATE store.audit_event",
    "UPDATE store.audit_chain SET seen = ''",
    "DELETE FROM store.audit_chain",
    "UPDATE store.audit_head SET sequence = 1",
    "DELETE FROM store.audit_head",
    "UPDATE store.audit_end SET sequence = 1",
    "DELETE FROM store.audit_end",
    "UPDATE store.audit_anchor SET sequence = 1",
    "DELETE FROM store.audit_anchor",
];

#[tokio::test]
async fn the_auditors_role_changes_nothing() {
    let (database, owner) = migrated().await;
    record_five_rows(&owner).await;
    let user = user_in(&database, "padan_auditor").await;
    assert_refused(
        &database,
        &user,
        &[
            "INSERT INTO store.audit_anchor SELECT * FROM store.audit_anchor",
            "UPDATE store.audit_event SET person_key = NULL, person_salt = NULL",
            "UPDATE store.client SET disabled = false",
            "SELECT password_sha256 FROM store.client",
            "SELECT store.drop_audit_month('audit_event_2024_01')",
            "SELECT store.drop_audit_heads()",
        ],
    )
    .await;
    drop_user(&database, &user).await;
}

/// The keys are those of the store that wrote the rows.
#[tokio::test]
async fn the_audit_key_without_a_role_reads_adds_and_changes_nothing() {
    let (database, owner) = migrated().await;
    record_five_rows(&owner).await;
    let user = user_in_no_role(&database).await;
    assert_refused(&database, &user, &CHANGES).await;
    assert_refused(
        &database,
        &user,
        &[
            "SELECT * FROM store.audit_event",
            "SELECT * FROM store.audit_head",
            "INSERT INTO store.audit_event SELECT * FROM store.audit_event",
            "INSERT INTO store.audit_anchor SELECT * FROM store.audit_anchor",
            "SELECT store.drop_audit_month('audit_event_2024_01')",
            "SELECT store.ensure_audit_month(now())",
        ],
    )
    .await;
    let with_keys = store(&database.url_as(&user));
    let added = with_keys.audit_trail(Clock::System).record(event("a")).await;
    assert!(matches!(added, Err(StoreError::Forbidden(_))), "{added:?}");
    drop_user(&database, &user).await;
    assert_eq!(faults(&database, &[]).await, []);
    assert_eq!(exported(&database, &AuditFilter::default()).await.len(), 5);
}

#[tokio::test]
async fn the_auditors_role_adds_what_verification_reports_and_hides_nothing() {
    added_rows_are_reported("padan_auditor", "admin").await;
}

#[tokio::test]
async fn the_services_role_adds_what_verification_reports_and_hides_nothing() {
    added_rows_are_reported("padan_service", "request").await;
}

async fn added_rows_are_reported(role: &str, kind: &str) {
    let (database, owner) = migrated().await;
    record_five_rows(&owner).await;
    let user = user_in(&database, role).await;
    assert_refused(&database, &user, &CHANGES).await;
    assert_eq!(faults(&database, &[]).await, []);
    let added = async |statement: &str| {
        run_as(&database, &user, statement).await;
        faults(&database, &[]).await
    };
    let found = added(&format!(
        "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, fields, milliseconds, key_id, mac)
         SELECT at, writer, 6, '{kind}', 'VERIFIED', '{{}}', 1, '58cba847', mac FROM store.audit_event WHERE sequence = 5"
    ))
    .await;
    assert!(
        matches!(&found[..], [AuditFault::Changed(row) | AuditFault::UnknownKey { row, .. }] if row.sequence == 6)
    );
    let found = added(
        "INSERT INTO store.audit_chain (writer, started_at, seen, unrecorded, person_key_id, key_id, mac)
         SELECT gen_random_uuid(), now(), '', 0, '99634b9a', '58cba847', mac FROM store.audit_chain",
    )
    .await;
    assert!(matches!(&found[..], [AuditFault::BeginningChanged(_), _]), "{found:?}");
    let found = added(
        "INSERT INTO store.audit_end SELECT writer, 1, mac, '58cba847', mac FROM store.audit_event WHERE sequence = 1",
    )
    .await;
    assert!(matches!(&found[..], [_, AuditFault::EndForged(_), _]), "{found:?}");
    let found = added("INSERT INTO store.audit_head SELECT writer, 99, mac FROM store.audit_chain").await;
    assert!(
        found.iter().any(|fault| matches!(fault, AuditFault::CutOff(row) if row.sequence == 99)),
        "{found:?}"
    );
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn every_change_by_the_operators_role_shows() {
    let (database, owner) = migrated().await;
    record_three_months(&owner).await;
    let heads: Vec<_> = exported(&database, &AuditFilter::default()).await.iter().map(head_of).collect();
    let user = user_in(&database, "padan_operator").await;
    assert_refused(&database, &user, &CHANGES).await;
    database.execute("CREATE TABLE held AS SELECT * FROM store.audit_event").await;
    for (statement, expected) in [
        ("SET person_key = sha256('x')", "its person or request id was changed"),
        ("SET person_key = NULL, person_salt = NULL", "without a valid signature"),
        (
            "SET person_key = NULL, person_salt = NULL, forget_key_id = key_id, forget_mac = mac || mac",
            "row 2 of chain",
        ),
    ] {
        run_as(&database, &user, &format!("UPDATE store.audit_event {statement} WHERE request_id = 'b'"))
            .await;
        let found = faults(&database, &[]).await;
        assert!(
            matches!(&found[..], [fault] if fault.to_string().contains(expected)),
            "{statement}: {found:?}"
        );
        database
            .execute("DELETE FROM store.audit_event; INSERT INTO store.audit_event SELECT * FROM held")
            .await;
    }
    // Anchors that nobody signed let the role drop an old month, and stay.
    run_as(
        &database,
        &user,
        "INSERT INTO store.audit_anchor (writer, sequence, mac, month, pruned_at, key_id, signature)
         SELECT writer, sequence, mac, '2024-01-01', now(), key_id, sha256(mac) FROM store.audit_event
          WHERE request_id = 'c';
         SELECT store.drop_audit_month('audit_event_2024_01')",
    )
    .await;
    let found = faults(&database, &heads).await;
    assert!(found.iter().any(|fault| matches!(fault, AuditFault::AnchorForged(_))), "{found:?}");
    assert!(found.iter().any(|fault| matches!(fault, AuditFault::Missing { .. })), "{found:?}");
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn the_operators_role_drops_no_young_month_even_with_the_audit_key() {
    let (database, owner) = migrated().await;
    record_five_rows(&owner).await;
    let last = exported(&database, &AuditFilter::default()).await.pop().unwrap();
    let user = user_in(&database, "padan_operator").await;
    let pruned_at = last.at;
    let signature = anchor_signature(&head_of(&last), &last.at.format("%Y-%m").to_string(), pruned_at);
    run_as(
        &database,
        &user,
        &insert_anchor(&last, &last.at.format("%Y-%m-01").to_string(), pruned_at, &signature),
    )
    .await;
    let month = last.at.format("audit_event_%Y_%m");
    let mut connection = database.connect().await;
    let refused = connection
        .execute(AssertSqlSafe(format!("SELECT store.drop_audit_month('{month}')")))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("is kept until"), "{refused}");
    drop_user(&database, &user).await;
}

fn insert_anchor(
    row: &AuditRow,
    month: &str,
    pruned_at: chrono::DateTime<chrono::Utc>,
    signature: &[u8],
) -> String {
    format!(
        "INSERT INTO store.audit_anchor (writer, sequence, mac, month, pruned_at, key_id, signature)
         VALUES ('{}', {}, '\\x{}', '{month}', '{}', '{}', '\\x{}')",
        row.writer,
        row.sequence,
        hex::encode(&row.mac),
        pruned_at.to_rfc3339(),
        row.key_id,
        hex::encode(signature)
    )
}

#[tokio::test]
async fn an_operator_with_the_audit_key_removes_nobody_unannounced() {
    let (database, owner) = migrated().await;
    let trail = record_five_rows(&owner).await;
    trail.record(AuditEvent { nik: Some(victim()), ..event("victim") }).await.unwrap();
    let user = user_in(&database, "padan_operator").await;
    let operator = store(&database.url_as(&user));
    assert_eq!(
        operator.forget(&nik(), "dpo", &operator.audit_trail(Clock::System)).await.unwrap().audit_rows,
        5
    );
    drop(operator);
    let rows = exported(&database, &AuditFilter::default()).await;
    let head_of_row = |wanted: fn(&AuditRow) -> bool| head_of(rows.iter().find(|row| wanted(row)).unwrap());
    let victims = head_of_row(|row| row.request_id.as_deref() == Some("victim"));
    let announced = head_of_row(|row| row.kind == "forget");
    let unannounced = AuditHead { sequence: 99, ..announced.clone() };
    for (step, rows) in [(&announced, 5), (&unannounced, 0)] {
        let (signature, mac) = (hex::encode(removal_signature(&victims, step)), hex::encode(&victims.mac));
        run_as(
            &database,
            &user,
            &format!(
                "UPDATE store.audit_event SET person_key = NULL, person_salt = NULL, request_id = NULL,
                        forget_key_id = key_id, forget_mac = '\\x{signature}' WHERE mac = '\\x{mac}'"
            ),
        )
        .await;
        let found = faults(&database, &[]).await;
        assert!(
            matches!(&found[..], [AuditFault::StepDiffers { announced, found, .. }]
                if *announced == rows && *found == rows + 1),
            "{found:?}"
        );
    }
    // Nor as an older release did, whose removals name no step.
    let mut connection = PgConnection::connect(&database.url_as(&user)).await.unwrap();
    let refused =
        connection.execute("UPDATE store.audit_event SET forget_mac = sha256('x')").await.unwrap_err();
    assert!(refused.to_string().contains("removal_names_its_step"), "{refused}");
    drop(connection);
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn the_owner_of_the_tables_hides_only_rows_since_the_last_head_that_was_kept() {
    let (database, owner) = migrated().await;
    let kept = record(&database, &owner, Clock::System, 5).await;
    // Two further rows of another process, whose head nobody has kept.
    let later = owner.audit_trail(Clock::System);
    for id in ["x", "y"] {
        later.record(event(id)).await.unwrap();
    }
    later.finish().await;
    let all = log(&database).await.heads().await.unwrap();
    database
        .execute(
            "CREATE TABLE rows AS SELECT * FROM store.audit_event WHERE request_id IN ('x', 'y');
             CREATE TABLE chains AS SELECT * FROM store.audit_chain WHERE writer IN (SELECT writer FROM rows);
             DELETE FROM store.audit_event USING rows WHERE audit_event.writer = rows.writer;
             DELETE FROM store.audit_chain USING rows WHERE audit_chain.writer = rows.writer;
             DELETE FROM store.audit_head USING rows WHERE audit_head.writer = rows.writer",
        )
        .await;
    assert_eq!(faults(&database, &kept).await, [], "these rows are hidden");
    assert!(matches!(&faults(&database, &all).await[..], [AuditFault::CutOff(row)] if row.sequence == 2));
    // Once another process has begun a chain, they are no longer hidden.
    database
        .execute(
            "INSERT INTO store.audit_chain SELECT * FROM chains; INSERT INTO store.audit_event SELECT * FROM rows",
        )
        .await;
    owner.audit_trail(Clock::System).record(event("z")).await.unwrap();
    database
        .execute(
            "DELETE FROM store.audit_event USING rows WHERE audit_event.writer = rows.writer;
             DELETE FROM store.audit_chain USING rows WHERE audit_chain.writer = rows.writer",
        )
        .await;
    assert!(matches!(&faults(&database, &kept).await[..], [AuditFault::CutOff(_)]));
    // Rows before a kept head are never hidden.
    database.execute("DELETE FROM store.audit_event WHERE sequence <= 5 AND request_id = '3'").await;
    let found = faults(&database, &kept).await;
    assert!(found.iter().any(|fault| matches!(fault, AuditFault::Missing { next: 5, .. })), "{found:?}");
}

#[tokio::test]
async fn a_service_with_all_keys_invents_rows_and_changes_none() {
    let (database, owner) = migrated().await;
    let heads = record(&database, &owner, Clock::System, 5).await;
    let user = user_in(&database, "padan_service").await;
    let mut invented = exported(&database, &AuditFilter::default()).await.pop().unwrap();
    let previous = invented.mac.clone();
    invented.sequence += 1;
    "VERIFIED".clone_into(&mut invented.reason);
    let mac = hex::encode(row_mac(&invented, &previous));
    database.execute("CREATE TABLE held AS SELECT * FROM store.audit_event WHERE sequence = 5; GRANT SELECT ON held TO PUBLIC").await;
    run_as(
        &database,
        &user,
        &format!(
            "INSERT INTO store.audit_event (at, writer, sequence, kind, request_id, client, endpoint, reason,
                    person_key, person_key_id, person_salt, person_seal, nik_plausible, fields, percentage,
                    contract_id, calibration_id, milliseconds, key_id, mac, name_rules, spoof)
             SELECT at, writer, 6, kind, request_id, client, endpoint, 'VERIFIED', person_key, person_key_id,
                    person_salt, person_seal, nik_plausible, fields, percentage, contract_id, calibration_id,
                    milliseconds, key_id, '\\x{mac}', name_rules, spoof FROM held"
        ),
    )
    .await;
    assert_eq!(faults(&database, &heads).await, [], "an invented row is like a real one");
    assert_refused(&database, &user, &CHANGES).await;
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn the_owner_with_the_audit_key_hides_what_no_kept_head_proves() {
    let (database, owner) = migrated().await;
    let kept = record(&database, &owner, Clock::System, 5).await;
    let mut rows = exported(&database, &AuditFilter::default()).await;
    let mut previous = rows[1].mac.clone();
    for row in &mut rows[2..] {
        "VERIFIED".clone_into(&mut row.reason);
        row.mac = row_mac(row, &previous);
        previous.clone_from(&row.mac);
        let (mac, sequence) = (hex::encode(&row.mac), row.sequence);
        database
            .execute(&format!(
                "UPDATE store.audit_event SET reason = 'VERIFIED', mac = '\\x{mac}' WHERE sequence = {sequence}"
            ))
            .await;
    }
    database.execute("DELETE FROM store.audit_head").await;
    assert_eq!(faults(&database, &[]).await, [], "three rows were rewritten");
    assert!(matches!(&faults(&database, &kept).await[..], [AuditFault::Changed(row)] if row.sequence == 5));
}

#[tokio::test]
async fn an_anchor_that_the_key_signs_too_early_or_for_a_month_before_the_chain_shows() {
    for (month, pruned_at) in [("2026-02", "2026-05-01T00:00:00Z"), ("2020-01", "2026-11-01T00:00:00Z")] {
        let (database, owner) = migrated().await;
        record(&database, &owner, at("2026-02-10T00:00:00Z"), 5).await;
        let row = exported(&database, &AuditFilter::default()).await.remove(2);
        let pruned_at = pruned_at.parse().unwrap();
        let signature = anchor_signature(&head_of(&row), month, pruned_at);
        database.execute(&insert_anchor(&row, &format!("{month}-01"), pruned_at, &signature)).await;
        database.execute("DELETE FROM store.audit_event WHERE sequence <= 3").await;
        let found = faults(&database, &[]).await;
        assert!(
            found.iter().any(
                |fault| matches!(fault, AuditFault::AnchorImplausible { month: named, .. } if named == month)
            ),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn a_role_cannot_stop_the_service_by_months_that_nobody_needs() {
    let (database, owner) = migrated().await;
    for role in ["padan_auditor", "padan_service", "padan_operator"] {
        let user = user_in(&database, role).await;
        let mut connection = PgConnection::connect(&database.url_as(&user)).await.unwrap();
        let mut make = async |moment: &str| {
            connection.execute(AssertSqlSafe(format!("SELECT store.ensure_audit_month({moment})"))).await
        };
        let mut refused = None;
        for month in 0..100 {
            refused = make(&format!("'2030-01-15'::timestamptz + interval '{month} months'")).await.err();
            if refused.is_some() {
                break;
            }
        }
        let refused = refused.expect("100 months were made").to_string();
        assert!(refused.contains("100 days from the clock of this server"), "{refused}");
        // Those around the clock are made all the same.
        for days in [-99, 99] {
            make(&format!("now() + interval '{days} days'")).await.unwrap();
        }
        connection.close().await.unwrap();
        drop_user(&database, &user).await;
    }
    let months = "SELECT count(*)::text FROM pg_inherits WHERE inhparent = 'store.audit_event'::regclass";
    let months: usize = database.texts(months).await[0].parse().unwrap();
    // 60, and those of the 100 days before and after now that did not exist.
    assert!((60..=66).contains(&months), "{months}");
    record_five_rows(&owner).await;
    assert_eq!(faults(&database, &[]).await, []);
}

#[tokio::test]
async fn the_auditors_role_uses_up_nobodys_trials() {
    let (database, owner) = migrated().await;
    record_five_rows(&owner).await;
    let user = user_in(&database, "padan_auditor").await;
    let rows = [
        "INSERT INTO store.audit_event (at, writer, sequence, kind, client, person_key, person_salt, person_seal,
                                        person_key_id, reason, fields, percentage, contract_id, milliseconds, key_id, mac)
         SELECT at, writer, sequence + 9, 'request', client, person_key, person_salt, person_seal, person_key_id, reason,
                fields, 1, contract_id, milliseconds, key_id, mac
           FROM store.audit_event",
        "INSERT INTO store.audit_event (at, writer, sequence, kind, client, person_key, person_salt, person_seal,
                                        person_key_id, reason, fields, percentage, contract_id, milliseconds, key_id, mac)
         SELECT at, writer, sequence + 9, 'admin', client, person_key, person_salt, person_seal, person_key_id, reason,
                fields, 1, contract_id, milliseconds, key_id, mac
           FROM store.audit_event",
        "INSERT INTO store.audit_event (at, writer, sequence, kind, client, reason, fields, milliseconds, key_id, mac)
         SELECT at, writer, sequence + 9, 'request', client, reason, '{\"name\":false}', milliseconds, key_id, mac
           FROM store.audit_event",
    ];
    for refusal in refusals(&database, &user, &rows).await {
        assert!(refusal.contains("padan_auditor may only add rows of administration"), "{refusal}");
    }
    drop_user(&database, &user).await;
    assert_eq!(exported(&database, &AuditFilter::default()).await.len(), 5);
}

#[tokio::test]
async fn many_additions_do_not_hide_that_a_row_is_gone() {
    let (database, owner) = migrated().await;
    record_five_rows(&owner).await;
    database.execute("DELETE FROM store.audit_event WHERE sequence = 3").await;
    let user = user_in(&database, "padan_auditor").await;
    run_as(
        &database,
        &user,
        "INSERT INTO store.audit_chain (writer, started_at, seen, unrecorded, person_key_id, key_id, mac)
         SELECT gen_random_uuid(), now() - interval '1 day', '', 0, '99634b9a', '58cba847', mac
           FROM store.audit_chain, generate_series(1, 3000)",
    )
    .await;
    let faults = faults(&database, &[]).await;
    assert!(matches!(faults[0], AuditFault::Missing { .. }), "{:?}", faults[0]);
    assert!(faults.len() < 2500, "{}", faults.len());
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn no_row_is_so_long_that_it_keeps_others_from_reading() {
    let (database, owner) = migrated().await;
    record_five_rows(&owner).await;
    for role in ["padan_auditor", "padan_service"] {
        let user = user_in(&database, role).await;
        let rows = [
            "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, fields, milliseconds, key_id, mac)
             SELECT at, writer, 6, 'admin', 'X', repeat('x', 262145), 1, '58cba847', mac FROM store.audit_event LIMIT 1",
            "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, fields, milliseconds, key_id, mac)
             SELECT at, writer, 6, 'admin', repeat('x', 1025), '{}', 1, '58cba847', mac FROM store.audit_event LIMIT 1",
            "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, request_id, fields, milliseconds, key_id, mac)
             SELECT at, writer, 6, 'admin', 'X', repeat('x', 1025), '{}', 1, '58cba847', mac FROM store.audit_event LIMIT 1",
            "INSERT INTO store.audit_chain (writer, started_at, seen, unrecorded, person_key_id, key_id, mac)
             SELECT gen_random_uuid(), now(), repeat('x', 4194305), 0, '99634b9a', '58cba847', sha256('x')",
        ];
        for refusal in refusals(&database, &user, &rows).await {
            let names = ["texts_are_short", "seen_is_short"];
            assert!(names.iter().any(|name| refusal.contains(name)), "{role}: {refusal}");
        }
        drop_user(&database, &user).await;
    }
    assert_eq!(faults(&database, &[]).await, []);
}
