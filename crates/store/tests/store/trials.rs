//! The trials that count against limits, from the rows of the audit trail.

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::{Clock, NationalId, Percentage, ReasonCode};
use padan_store::{
    AuditEvent, AuditTrail, ClientFailures, EventWindow, RequestEnding, Store, TrialHistory, TrialQuery,
};

use crate::{
    audit::event,
    fixture::{config, migrated, nik},
};

const OTHER: &str = "3174011403870099";

fn moment(minute: u32) -> DateTime<Utc> {
    format!("2026-03-04T05:{minute:02}:00Z").parse().unwrap()
}

/// Records what `change` makes of a face that failed beside a wrong name, at a minute.
async fn record(store: &Store, minute: u32, change: impl FnOnce(AuditEvent) -> AuditEvent) {
    let trail: AuditTrail = store.audit_trail(Clock::Fixed(moment(minute)));
    trail.record(change(event("a"))).await.unwrap();
}

fn of(client: &str, event: AuditEvent) -> AuditEvent {
    AuditEvent { client: client.parse().unwrap(), ..event }
}

fn about(nik: &str, event: AuditEvent) -> AuditEvent {
    AuditEvent { nik: nik.parse().ok(), ..event }
}

/// Name and face match.
fn passed(event: AuditEvent) -> AuditEvent {
    AuditEvent {
        percentage: Some(Percentage::PASS_MARK.value()),
        ending: RequestEnding::Answered(ReasonCode::Verified),
        fields: vec![("nik", Some(true)), ("name", Some(true))],
        ..event
    }
}

/// A basic verification with a wrong field.
fn wrong_field(event: AuditEvent) -> AuditEvent {
    let fields = vec![("nik", Some(true)), ("name", Some(true)), ("rt", Some(false))];
    AuditEvent { percentage: None, compared_under: None, fields, ..event }
}

/// A selfie that the liveness gate refused, so that nothing was compared.
fn suspected_spoof(event: AuditEvent) -> AuditEvent {
    AuditEvent {
        percentage: None,
        compared_under: None,
        fields: vec![],
        spoof: Some(0.9),
        ending: RequestEnding::Answered(ReasonCode::SpoofSuspected),
        ..event
    }
}

/// A NIK that is not in the registry: the answer shows 0.
fn unknown(event: AuditEvent) -> AuditEvent {
    let fields = vec![("nik", Some(false)), ("name", None)];
    AuditEvent { percentage: Some(0.0), compared_under: None, fields, ..event }
}

async fn history(
    store: &Store,
    nik: NationalId,
    client: &str,
    since: DateTime<Utc>,
    most: u32,
) -> TrialHistory {
    let window = EventWindow { since, most };
    let query = TrialQuery {
        nik,
        client: client.parse().unwrap(),
        failed_faces: window,
        failed_faces_of_person: window,
        compared_faces_of_person: window,
        failed_fields: window,
    };
    store.trial_history(&query).await.unwrap()
}

#[tokio::test]
async fn trials_are_told_apart_by_client_person_kind_and_time() {
    let (_database, store) = migrated().await;
    record(&store, 1, |event| event).await;
    record(&store, 2, passed).await;
    record(&store, 3, |event| of("shop", event)).await;
    record(&store, 4, wrong_field).await;
    record(&store, 5, |event| about(OTHER, unknown(event))).await;
    record(&store, 6, |event| of("shop", wrong_field(event))).await;
    let minutes = |minutes: &[u32]| minutes.iter().copied().map(moment).collect::<Vec<_>>();
    assert_eq!(
        history(&store, nik(), "bank", moment(0), 9).await,
        TrialHistory {
            failed_faces: minutes(&[1]),
            failed_faces_of_person: minutes(&[3, 1]),
            compared_faces_of_person: minutes(&[3, 2, 1]),
            failed_fields: minutes(&[4, 1]),
        }
    );
    assert_eq!(
        history(&store, nik(), "bank", moment(1), 1).await,
        TrialHistory {
            failed_faces: vec![],
            failed_faces_of_person: minutes(&[3]),
            compared_faces_of_person: minutes(&[3]),
            failed_fields: minutes(&[4]),
        },
        "the latest ones after the moment"
    );
    assert_eq!(
        history(&store, OTHER.parse().unwrap(), "bank", moment(0), 9).await,
        TrialHistory { failed_fields: minutes(&[5]), ..TrialHistory::default() },
        "no face was compared with 0"
    );
    assert_eq!(history(&store, nik(), "bank", moment(0), 0).await, TrialHistory::default());
}

#[tokio::test]
async fn a_selfie_that_was_refused_as_an_attack_is_a_failed_face() {
    let (_database, store) = migrated().await;
    record(&store, 1, suspected_spoof).await;
    record(&store, 2, |event| event).await;
    record(&store, 3, |event| of("shop", suspected_spoof(event))).await;
    record(&store, 4, |event| about(OTHER, suspected_spoof(event))).await;
    let minutes = |minutes: &[u32]| minutes.iter().copied().map(moment).collect::<Vec<_>>();
    assert_eq!(
        history(&store, nik(), "bank", moment(0), 9).await,
        TrialHistory {
            failed_faces: minutes(&[2, 1]),
            failed_faces_of_person: minutes(&[3, 2, 1]),
            compared_faces_of_person: minutes(&[2]),
            failed_fields: minutes(&[2]),
        }
    );
    let latest = history(&store, nik(), "bank", moment(0), 1).await;
    assert_eq!((latest.failed_faces, latest.failed_faces_of_person), (minutes(&[2]), minutes(&[3])));
}

#[tokio::test]
async fn failures_of_a_client_are_counted_over_all_persons_in_two_windows() {
    let (_database, store) = migrated().await;
    record(&store, 1, |event| about(OTHER, unknown(event))).await;
    record(&store, 2, passed).await;
    record(&store, 3, wrong_field).await;
    record(&store, 4, |event| event).await;
    record(&store, 5, |event| of("shop", event)).await;
    let count = async |client: &str, since: [u32; 2], most: u32| {
        let windows = since.map(|minute| EventWindow { since: moment(minute), most });
        store.client_failures(&client.parse().unwrap(), windows).await.unwrap()
    };
    let counted = |count, minute: u32| ClientFailures { count, earliest: Some(moment(minute)) };
    assert_eq!(count("bank", [2, 0], 9).await, [counted(2, 3), counted(3, 1)]);
    assert_eq!(count("bank", [2, 0], 2).await, [counted(2, 3), counted(2, 3)], "at most so many are counted");
    let none = ClientFailures { count: 0, earliest: None };
    assert_eq!(count("bank", [4, 0], 0).await, [none, none]);
    assert_eq!(count("shop", [5, 4], 9).await, [none, counted(1, 5)]);
}

#[tokio::test]
async fn an_operator_s_rows_are_no_failures_of_a_client() {
    let (database, store) = migrated().await;
    record(&store, 1, |event| event).await;
    // A row of another kind that has a field of this text.
    database
        .execute(
            "ALTER TABLE store.audit_event DROP CONSTRAINT kind_is_known;
             INSERT INTO store.audit_event (at, writer, sequence, kind, client, reason, fields, milliseconds, key_id, mac)
             SELECT at, writer, 99, 'other', client, 'OK', '{\"disabled\":false}', 0, key_id, mac
               FROM store.audit_event",
        )
        .await;
    let since = moment(0) - TimeDelta::hours(1);
    let windows = [EventWindow { since, most: 9 }; 2];
    let counted = store.client_failures(&"bank".parse().unwrap(), windows).await.unwrap();
    assert_eq!(counted.map(|failures| failures.count), [1, 1]);
}

/// The look-ups of a busy month read the few failures, not all rows.
#[tokio::test]
async fn the_look_ups_use_their_indexes() {
    let (database, store) = migrated().await;
    record(&store, 1, |event| event).await;
    database
        .execute(
            "INSERT INTO store.audit_event
                    (at, writer, sequence, kind, client, reason, person_key, person_key_id, person_salt, person_seal, fields,
                     percentage, contract_id, milliseconds, key_id, mac)
             SELECT at + number * interval '1 millisecond', writer, 1 + number, kind, client, reason, person_key,
                    person_key_id, person_salt, person_seal,
                    CASE WHEN number % 1000 = 0 THEN fields ELSE '{\"nik\":true,\"name\":true}' END,
                    90, contract_id, milliseconds, key_id, mac
               FROM store.audit_event, generate_series(1, 50000) AS number;
             ANALYZE store.audit_event",
        )
        .await;
    let person = "person_key = (SELECT person_key FROM store.audit_event LIMIT 1)";
    for condition in [format!("{person} AND client = 'bank'"), "client = 'bank'".to_owned()] {
        let plan = database
            .texts(&format!(
                "EXPLAIN SELECT at FROM store.audit_event
                  WHERE {condition} AND at > '2026-03-01' AND fields LIKE '%:false%' AND kind = 'request'
                  ORDER BY at DESC LIMIT 30"
            ))
            .await
            .join("\n");
        assert!(plan.contains("client_at_idx"), "{plan}");
    }
}

/// A session that made its plan while the month was empty goes on to use it until the server has counted the rows.
#[tokio::test]
async fn a_plan_from_an_empty_month_reads_few_pages_of_a_full_one() {
    let failed_faces = "sha256((number % 5000)::text::bytea),
        format('{\"nik\":true,\"name\":%s}', CASE number % 100 WHEN 1 THEN 'false' ELSE 'true' END),
        10, 'contract'";
    // Four rows of the person, each a failed face of this and of all clients, a compared one and a wrong field.
    let (trials, pages, plan) = looked_up_after(failed_faces).await;
    assert!(trials == 16 && pages < 500, "{plan:?}");
}

/// Requests whose fields match have no limit.
#[tokio::test]
async fn right_fields_of_a_person_are_not_read() {
    let right_fields = "sha256('1'), '{\"nik\":true,\"name\":true}', NULL::float, NULL";
    let (trials, pages, plan) = looked_up_after(right_fields).await;
    assert!(trials == 0 && pages < 100, "{plan:?}");
}

/// Looks up the trials of a person in an empty month, adds 20,000 rows with this person, fields, percentage and contract, and
/// looks them up again in the same session. Returns how many there are, and how many pages were read for that.
async fn looked_up_after(columns: &str) -> (u32, u32, Vec<String>) {
    const TRIALS: &str = "store.person_trials(
        ARRAY[sha256('1')], 'bank', moment, 10, moment, 40, moment, 3000, moment, 100)";
    let (database, _store) = migrated().await;
    let again = TRIALS.replace('\'', "''").replace("moment", "$1");
    database
        .execute(&format!(
            "CREATE FUNCTION public.looked_up() RETURNS SETOF text LANGUAGE plpgsql AS $$
             DECLARE moment timestamptz := now() - interval '1 day';
             BEGIN
                 PERFORM store.ensure_audit_month(moment), store.ensure_audit_month(now());
                 PERFORM FROM {TRIALS};
                 INSERT INTO store.audit_event
                        (person_key, fields, percentage, contract_id, at, writer, sequence, kind, client, reason,
                         person_key_id, person_salt, person_seal, milliseconds, key_id, mac)
                 SELECT {columns}, now() - number * interval '1 second', gen_random_uuid(), 1, 'request', 'bank',
                        'NOT_VERIFIED', '01234567', sha256('salt'), sha256('seal'), 1, '01234567', sha256('mac')
                   FROM generate_series(1, 20000) AS number;
                 RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) SELECT * FROM {again}' USING moment;
             END $$"
        ))
        .await;
    let plan = database.texts("SELECT public.looked_up()").await;
    let count_after = |word: &str| {
        let line = plan.iter().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{plan:?}"));
        let digits = line.split_once(word).unwrap().1.chars().take_while(char::is_ascii_digit);
        digits.collect::<String>().parse().unwrap()
    };
    (count_after(" rows="), count_after("shared hit="), plan.clone())
}

#[tokio::test]
async fn trials_from_before_a_rotation_of_the_person_key_count() {
    let (database, before) = migrated().await;
    let mut config = config(&database.url());
    let former = "0123456789abcdef".repeat(4);
    config.person_key = Some(format!("{}\n{former}", "fedcba9876543210".repeat(4)).into());
    let rotated = Store::new(&config).unwrap();
    record(&before, 1, |event| event).await;
    record(&before, 2, wrong_field).await;
    record(&rotated, 3, |event| event).await;
    let counted = history(&rotated, nik(), "bank", moment(0), 10).await;
    assert_eq!(counted.failed_faces, [moment(3), moment(1)]);
    assert_eq!(counted.failed_faces_of_person, [moment(3), moment(1)]);
    assert_eq!(counted.compared_faces_of_person, [moment(3), moment(1)]);
    assert_eq!(counted.failed_fields, [moment(3), moment(2), moment(1)]);
    // The latest ones over all keys.
    assert_eq!(history(&rotated, nik(), "bank", moment(0), 1).await.failed_fields, [moment(3)]);
}
