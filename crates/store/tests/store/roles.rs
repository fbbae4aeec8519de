use padan_domain::{Clock, QuotaPeriod};
use padan_store::{AuditFilter, AuditLog, EventWindow, Overview, StoreError, TrialQuery};
use padan_testing::TestDatabase;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    audit::event,
    fixture::{MAY, administration, config, contract, migrated, nik, store, usable},
};

/// A user of the site, in one of the roles.
pub(crate) async fn user_in(database: &TestDatabase, role: &str) -> String {
    let user = format!("padan_user_of_{role}_{}", std::process::id());
    database.execute(&format!("CREATE ROLE {user} LOGIN IN ROLE {role}")).await;
    database.admit(&user).await;
    user
}

/// A user who may connect and is in no role.
pub(crate) async fn user_in_no_role(database: &TestDatabase) -> String {
    let user = format!("padan_user_of_nothing_{}", std::process::id());
    database.execute(&format!("CREATE ROLE {user} LOGIN")).await;
    database.admit(&user).await;
    user
}

pub(crate) async fn drop_user(database: &TestDatabase, user: &str) {
    database.execute(&format!("DROP OWNED BY {user}; DROP ROLE {user}")).await;
}

pub(crate) async fn refusals(
    database: &TestDatabase,
    user: &str,
    statements: &[&'static str],
) -> Vec<String> {
    let mut connection = PgConnection::connect(&database.url_as(user)).await.unwrap();
    let mut refusals = Vec::new();
    for statement in statements {
        match connection.execute(*statement).await {
            Ok(_) => refusals.push(format!("done: {statement}")),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    refusals
}

#[tokio::test]
async fn the_services_role_suffices_and_has_no_more_privileges() {
    let (database, owner) = migrated().await;
    let user = user_in(&database, "padan_service").await;
    let service = store(&database.url_as(&user));
    service.check().await.unwrap();
    service.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    assert!(service.templates().get(&nik(), &contract()).await.unwrap().is_some());
    service
        .audit_trail(Clock::Fixed("2031-05-06T07:08:09Z".parse().unwrap()))
        .record(event("a"))
        .await
        .unwrap();
    let window = EventWindow { since: "2031-05-06T07:00:00Z".parse().unwrap(), most: 1 };
    let query = TrialQuery {
        nik: nik(),
        client: "bank".parse().unwrap(),
        failed_faces: window,
        failed_faces_of_person: window,
        compared_faces_of_person: window,
        failed_fields: window,
    };
    assert_eq!(service.trial_history(&query).await.unwrap().failed_fields.len(), 1);
    let failures = service.client_failures(&query.client, [window; 2]).await.unwrap();
    assert_eq!(failures.map(|failures| failures.count), [1, 1]);
    assert_eq!(service.newest_enrolment().await.unwrap(), None);
    assert_eq!(service.excess_privileges().await.unwrap(), Vec::<String>::new());
    assert_eq!(owner.excess_privileges().await.unwrap(), ["is a superuser"]);
    for refusal in refusals(
        &database,
        &user,
        &[
            "DELETE FROM store.face_template",
            "TRUNCATE store.face_template",
            "DROP TABLE store.face_template",
            "CREATE TABLE store.mine (x int)",
            "UPDATE store.audit_event SET reason = 'VERIFIED'",
            "UPDATE store.audit_event_2031_05 SET reason = 'VERIFIED'",
            "DELETE FROM store.audit_event",
            "DELETE FROM store.audit_event_2031_05",
            "TRUNCATE store.audit_event",
            "DROP TABLE store.audit_event_2031_05",
            "ALTER TABLE store.audit_event DETACH PARTITION store.audit_event_2031_05",
            "SELECT request_id FROM store.audit_event",
            "UPDATE store.audit_chain SET seen = ''",
            "DELETE FROM store.audit_head",
            "UPDATE store.client SET disabled = false",
            "INSERT INTO store.client (name) VALUES ('mine')",
            "UPDATE store.active_model SET model_set = 'mine'",
            "DELETE FROM store.active_calibration",
            "UPDATE store.shadow_model SET share_millionths = 1",
            "DELETE FROM store.shadow_model",
            "DELETE FROM store.cohort_member",
            "UPDATE store.cohort_member SET sealed = NULL",
            "DELETE FROM store.shadow_count",
            "SELECT reached FROM store.enrolment_run",
            "UPDATE store.enrolment_run SET templates = 0",
            "INSERT INTO store.audit_anchor SELECT writer, 1, mac, now(), key_id, mac, '2020-01-01' FROM store.audit_chain",
            "SELECT store.drop_audit_month('audit_event_2031_05')",
            "SELECT store.drop_audit_heads()",
            "UPDATE store.audit_chain SET started_at = now()",
            "DELETE FROM store.audit_chain",
            "SELECT mac FROM store.audit_head",
            "DELETE FROM store.audit_end",
            "UPDATE store.audit_end SET sequence = 0",
            "UPDATE store._sqlx_migrations SET success = false",
        ],
    )
    .await
    {
        assert!(refusal.contains("permission denied") || refusal.contains("must be owner"), "{refusal}");
    }
    drop(service);
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn excess_privileges_are_reported() {
    let (database, _) = migrated().await;
    let operator = user_in(&database, "padan_operator").await;
    let excess = store(&database.url_as(&operator)).excess_privileges().await.unwrap();
    for expected in [
        "may DELETE on store.face_template",
        "may SELECT, UPDATE on store.audit_event",
        "may DELETE, INSERT, UPDATE on store.client",
        "may DELETE, INSERT, SELECT, UPDATE on store.enrolment_range",
        "may EXECUTE on store.drop_audit_month",
    ] {
        assert!(excess.iter().any(|line| line == expected), "{expected} is not in {excess:?}");
    }
    database.execute(&format!("ALTER ROLE {operator} CREATEROLE")).await;
    database.execute(&format!("ALTER TABLE store.face_template OWNER TO {operator}")).await;
    let excess = store(&database.url_as(&operator)).excess_privileges().await.unwrap();
    assert_eq!(excess[..2], ["may create roles or databases", "owns the tables"]);
    drop_user(&database, &operator).await;
}

#[tokio::test]
async fn every_privilege_beyond_the_services_role_is_reported() {
    let (database, _) = migrated().await;
    let user = user_in(&database, "padan_service").await;
    let month = chrono::Utc::now().format("store.audit_event_%Y_%m");
    database
        .execute(&format!(
            "GRANT UPDATE ON store.quota_use TO {user};
             GRANT DELETE ON store.quota_use TO {user};
             GRANT SELECT (mac) ON store.audit_head TO {user};
             GRANT TRUNCATE ON {month} TO {user};
             GRANT EXECUTE ON FUNCTION store.drop_audit_month TO {user};
             CREATE SEQUENCE store.later; GRANT USAGE ON SEQUENCE store.later TO {user};
             GRANT CREATE ON SCHEMA store TO {user}"
        ))
        .await;
    let excess = store(&database.url_as(&user)).excess_privileges().await.unwrap();
    assert_eq!(
        excess,
        [
            format!("may TRUNCATE on {month}"),
            "may SELECT on store.audit_head".to_owned(),
            "may EXECUTE on store.drop_audit_month".to_owned(),
            "may USAGE on store.later".to_owned(),
            "may DELETE on store.quota_use".to_owned(),
            "may CREATE on the schema store".to_owned(),
        ]
    );
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn an_auditor_sees_clients_and_enrolments_without_a_key() {
    let (database, owner) = migrated().await;
    let client = crate::clients::new_client("bank", "bank-user");
    assert!(administration(&owner).add_client(&client).await.unwrap());
    owner.enrolment(&contract(), std::time::Duration::from_mins(1)).begin("sface").await.unwrap();
    let user = user_in(&database, "padan_auditor").await;
    let mut settings = config(&database.url_as(&user));
    (settings.person_key, settings.template_keys, settings.audit_keys) = (None, None, None);
    let overview = Overview::open(&settings).unwrap();
    assert_eq!(overview.clients().await.unwrap().len(), 1);
    let shown = overview.client(&client.name).await.unwrap().unwrap();
    assert_eq!((shown.username, shown.old_password_until), (client.username, None));
    assert!(overview.client(&"unknown".parse().unwrap()).await.unwrap().is_none());
    for period in QuotaPeriod::ALL {
        assert_eq!(overview.quota_used(&client.name, period.current(&Clock::System)).await.unwrap(), 0);
    }
    assert_eq!(overview.active_model().await.unwrap(), None);
    assert_eq!(overview.enrolments().await.unwrap().len(), 1);
    // A missing privilege is not reported as an outage.
    let refused = store(&database.url_as(&user)).templates().get(&nik(), &contract()).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Forbidden(text) if text.contains("42501")), "{refused}");
    drop(overview);
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn the_auditors_role_reads_no_template() {
    let (database, owner) = migrated().await;
    let user = user_in(&database, "padan_auditor").await;
    let mut log = AuditLog::open(&config(&database.url_as(&user))).await.unwrap();
    assert_eq!(log.verify(Vec::new()).await.unwrap().faults, []);
    assert_eq!(log.usage(&AuditFilter::default()).await.unwrap(), []);
    assert_eq!(log.heads().await.unwrap(), []);
    owner
        .audit_trail(Clock::Fixed("2024-05-06T07:08:09Z".parse().unwrap()))
        .record(event("a"))
        .await
        .unwrap();
    let refused = log.prune("2025-01-01T00:00:00Z".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Forbidden(_)), "{refused}");
    drop(log);
    for refusal in refusals(&database, &user, &["SELECT FROM store.face_template"]).await {
        assert!(refusal.contains("permission denied"), "{refusal}");
    }
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn the_operators_role_may_forget_and_prune_but_not_rewrite() {
    let (database, owner) = migrated().await;
    let user = user_in(&database, "padan_operator").await;
    owner
        .audit_trail(Clock::Fixed("2024-05-06T07:08:09Z".parse().unwrap()))
        .record(event("a"))
        .await
        .unwrap();
    let operator = store(&database.url_as(&user));
    let trail = operator.audit_trail(Clock::System);
    trail.record(event("b")).await.unwrap();
    let forgotten = operator.forget(&nik(), "dpo", &trail).await.unwrap();
    assert_eq!(forgotten.audit_rows, 2);
    let mut log = AuditLog::open(&config(&database.url_as(&user))).await.unwrap();
    // The next month may have been created already.
    let pruned = log.prune("2025-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(pruned.deleted[0], "audit_event_2024_05");
    for refusal in refusals(
        &database,
        &user,
        &[
            "UPDATE store.audit_event SET reason = 'VERIFIED'",
            "DELETE FROM store.audit_event",
            "DELETE FROM store.audit_anchor",
            "DELETE FROM store.audit_head",
            "DELETE FROM store.audit_end",
            "ALTER TABLE store.audit_event DETACH PARTITION store.audit_event_2024_06",
            "UPDATE store.audit_chain SET seen = ''",
        ],
    )
    .await
    {
        assert!(refusal.contains("permission denied") || refusal.contains("must be owner"), "{refusal}");
    }
    drop((operator, trail, log));
    drop_user(&database, &user).await;
}

/// Roles belong to the server, so several databases are migrated at the same time.
#[tokio::test]
async fn several_stores_of_one_server_share_the_roles() {
    let (one, two, three) = tokio::join!(migrated(), migrated(), migrated());
    for (_, store) in [one, two, three] {
        store.check().await.unwrap();
    }
}
