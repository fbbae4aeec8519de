//! Administration: each change leaves a row, and no service trusts a client that was changed in another way.

use std::{num::NonZeroU32, time::Duration};

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, ClientRules};
use padan_store::{
    AdminAct, Administration, AnnouncedAct, AuditFault, AuditFilter, AuditRow, ClientSecret, ClientSignature,
    Config, KeySet, Rotation, Store, StoreError,
};
use padan_testing::TestDatabase;
use serde_json::{Value, json};

use crate::{
    audit::{exported, verified},
    clients::new_client,
    fixture::{administration, config, contract, migrated, nik},
    roles::{drop_user, user_in},
};

fn bank() -> ClientName {
    "bank".parse().unwrap()
}

async fn add_bank(administration: &Administration) {
    assert!(administration.add_client(&new_client("bank", "bank-user")).await.unwrap());
}

async fn admin_rows(database: &TestDatabase) -> Vec<AuditRow> {
    let filter = AuditFilter { kind: Some("admin".to_owned()), ..AuditFilter::default() };
    exported(database, &filter).await
}

fn content(row: &AuditRow) -> Value {
    serde_json::from_str(&row.fields).unwrap()
}

/// When the bank was last changed.
async fn changed_at(store: &Store) -> DateTime<Utc> {
    store.clients().get(&bank()).await.unwrap().unwrap().changed_at
}

async fn faults(database: &TestDatabase) -> Vec<AuditFault> {
    verified(database, Vec::new()).await.faults
}

/// The reasons for which clients are refused, by name.
async fn refused(store: &Store) -> Vec<(String, ClientSignature)> {
    let refused = store.clients().all().await.unwrap().refused;
    refused.into_iter().map(|client| (client.name, client.signature)).collect()
}

fn rotation() -> Rotation {
    Rotation {
        name: bank(),
        password: ClientSecret::generate().ok(),
        api_key: None,
        keep_old: Duration::from_hours(1),
    }
}

#[tokio::test]
async fn each_change_leaves_one_row_with_the_state_before_and_after() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    administration.set_client_disabled(&bank(), true).await.unwrap();
    let read_at = changed_at(&store).await;
    administration.set_client_rules(&bank(), &ClientRules::default(), read_at).await.unwrap();
    administration.rotate_client(&rotation()).await.unwrap();
    administration.set_client_disabled(&bank(), false).await.unwrap();
    administration.sign_client(&bank()).await.unwrap();
    administration.remove_client(&bank()).await.unwrap();
    administration.activate_model("sface", &contract(), true).await.unwrap();
    let act =
        AnnouncedAct { act: AdminAct::AuditPruned, before: Value::Null, after: json!({ "kept_since": 1 }) };
    administration.announce(act).await.unwrap();
    let rows = admin_rows(&database).await;
    let acts: Vec<_> = rows.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(
        acts,
        [
            "CLIENT_ADDED",
            "CLIENT_DISABLED",
            "CLIENT_CHANGED",
            "CLIENT_ROTATED",
            "CLIENT_ENABLED",
            "CLIENT_SIGNED",
            "CLIENT_REMOVED",
            "MODEL_ACTIVATED",
            "AUDIT_PRUNED"
        ]
    );
    assert!(rows[..7].iter().all(|row| row.client.as_deref() == Some("bank") && row.person_key.is_none()));
    let contents: Vec<_> = rows.iter().map(content).collect();
    let role = database.texts("SELECT session_user::text").await.pop().unwrap();
    for content in &contents {
        assert_eq!((&content["database_role"], &content["os_user"]), (&json!(role), &json!("root")));
        assert_eq!((&content["login_user"], &content["host"]), (&json!("rina"), &json!("ops-1")));
    }
    let [added, disabled, changed, rotated, .., activated, pruned] = &contents[..] else { panic!() };
    assert_eq!((&added["command"], &added["before"]), (&json!("client add"), &Value::Null));
    assert_eq!(added["after"]["username"], "bank-user");
    assert_eq!(added["after"]["networks"], json!(["10.0.0.0/8", "2001:db8::/32"]));
    assert_eq!(
        (&disabled["before"]["disabled"], &disabled["after"]["disabled"]),
        (&false.into(), &true.into())
    );
    assert_eq!((&changed["before"]["burst"], &changed["after"]["burst"]), (&7.into(), &Value::Null));
    assert_eq!(rotated["after"]["new_secrets"], json!({ "password": true, "api_key": false }));
    assert_eq!(contents[6]["after"], Value::Null);
    assert_eq!(activated["after"]["force"], true);
    assert_eq!(pruned["after"], json!({ "kept_since": 1 }));
    assert_eq!(faults(&database).await, []);
}

#[tokio::test]
async fn a_row_of_administration_has_no_secret() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    administration.rotate_client(&rotation()).await.unwrap();
    let hashes = database
        .texts(
            "SELECT encode(unnest(ARRAY[password_sha256, api_key_sha256, previous_password_sha256,
                                        secrets_digest]), 'hex')
               FROM store.client",
        )
        .await;
    assert_eq!(hashes.len(), 4);
    let rows: String = admin_rows(&database).await.iter().map(|row| row.fields.clone()).collect();
    assert!(hashes.iter().all(|hash| !rows.contains(hash.as_str())), "{rows}");
}

/// The operator's role without the privilege to add rows.
#[tokio::test]
async fn a_change_that_cannot_leave_its_row_is_not_made() {
    let (database, store) = migrated().await;
    add_bank(&administration(&store)).await;
    let before = database.texts("SELECT client::text FROM store.client").await;
    let rows = admin_rows(&database).await.len();
    // The beginning of the chain can be written, the row cannot.
    database
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'no row can be written'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON store.audit_event FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    let administration = administration(&store);
    let read_at = changed_at(&store).await;
    for changed in [
        administration.set_client_disabled(&bank(), true).await,
        administration.set_client_rules(&bank(), &ClientRules::default(), read_at).await,
        administration.rotate_client(&rotation()).await,
        administration.remove_client(&bank()).await,
        administration.sign_client(&bank()).await,
        administration.add_client(&new_client("shop", "shop-user")).await,
    ] {
        assert!(matches!(changed, Err(StoreError::Refused(_))), "{changed:?}");
    }
    administration.activate_model("sface", &contract(), false).await.unwrap_err();
    assert_eq!(database.texts("SELECT client::text FROM store.client").await, before);
    assert_eq!(store.active_model().await.unwrap(), None);
    assert_eq!(admin_rows(&database).await.len(), rows);
}

#[tokio::test]
async fn nothing_is_recorded_when_there_is_nothing_to_change() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    assert!(!administration.add_client(&new_client("bank", "other")).await.unwrap());
    assert!(!administration.add_client(&new_client("other", "bank-user")).await.unwrap());
    let other = "other".parse().unwrap();
    assert!(!administration.remove_client(&other).await.unwrap());
    assert!(!administration.sign_client(&other).await.unwrap());
    assert!(!administration.set_client_disabled(&other, true).await.unwrap());
    assert_eq!(admin_rows(&database).await.len(), 1);
}

/// A statement that changes a column of the row of `bank`.
fn change_of(column: &str) -> String {
    let value = match column {
        "name" | "username" => "'intruder'",
        "password_sha256" | "api_key_sha256" => "sha256('known to the intruder')",
        "previous_password_sha256" => {
            "sha256('known to the intruder'), previous_password_valid_until = now() + interval '1 day'"
        }
        "previous_api_key_sha256" => {
            "sha256('known to the intruder'), previous_api_key_valid_until = now() + interval '1 day'"
        }
        "previous_password_valid_until" => "previous_password_valid_until + interval '1 year'",
        "previous_api_key_valid_until" => "previous_api_key_valid_until + interval '1 year'",
        "disabled" => "NOT disabled",
        "sandbox" => "NOT sandbox",
        "allowed_networks" | "certificates" => "'{}'",
        "endpoints" | "daily_quota" => "NULL",
        "fields" => "'{default,no_kk}'",
        "requests_per_second" => "requests_per_second * 2",
        "burst" => "burst + 1",
        "monthly_quota" => "7",
        "created_at" | "changed_at" => "now() + interval '1 day'",
        "key_id" => "'01234567'",
        "mac" => "sha256('any')",
        other => panic!("a new column, {other}: is it signed?"),
    };
    format!("UPDATE store.client SET {column} = {value}")
}

#[tokio::test]
async fn a_change_of_any_column_by_sql_is_refused_and_reported() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    let both = Rotation { api_key: ClientSecret::generate().ok(), ..rotation() };
    administration.rotate_client(&both).await.unwrap();
    database.execute("CREATE TABLE public.kept AS SELECT * FROM store.client").await;
    let columns = database
        .texts(
            "SELECT attname::text FROM pg_attribute
              WHERE attrelid = 'store.client'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        )
        .await;
    assert_eq!(columns.len(), 22);
    let operator = user_in(&database, "padan_operator").await;
    // The database refuses a change of the sandbox by itself; the signature covers it for whoever can turn that off.
    database
        .execute(&format!(
            "SET ROLE {operator};
             DO $$ BEGIN
                 UPDATE store.client SET sandbox = NOT sandbox, daily_quota = NULL, monthly_quota = NULL;
                 RAISE 'the database has let the operator change the sandbox';
             EXCEPTION WHEN raise_exception THEN
                 IF SQLERRM NOT LIKE '%stays what it is%' THEN RAISE; END IF;
             END $$"
        ))
        .await;
    database
        .execute(
            "ALTER TABLE store.client DISABLE TRIGGER sandbox_never_changes,
                                      DROP CONSTRAINT sandbox_has_no_quota",
        )
        .await;
    for column in &columns {
        crate::audit_attacks::run_as(&database, &operator, &change_of(column)).await;
        let clients = store.clients().all().await.unwrap();
        assert!(clients.trusted.is_empty(), "{column} can be changed");
        let found = faults(&database).await;
        let is_reported = |fault: &AuditFault| matches!(fault, AuditFault::ClientChanged { .. });
        assert!(found.iter().any(is_reported), "{column}: {found:?}");
        // The signature is renewed neither by another change nor unnoticed.
        let name = clients.refused[0].name.parse().unwrap();
        let refused = administration.set_client_disabled(&name, true).await.unwrap_err();
        assert!(matches!(refused, StoreError::ClientNotSigned { .. }), "{column}: {refused}");
        let restored = columns.iter().map(|column| format!("{column} = kept.{column}")).collect::<Vec<_>>();
        database.execute(&format!("UPDATE store.client SET {} FROM public.kept", restored.join(", "))).await;
        assert_eq!(store.clients().all().await.unwrap().trusted.len(), 1, "{column}");
    }
    assert_eq!(faults(&database).await, []);
    drop_user(&database, &operator).await;
}

#[tokio::test]
async fn clients_that_sql_adds_or_swaps_are_refused() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    administration.add_client(&new_client("shop", "shop-user")).await.unwrap();
    // A client of the intruder, with the signature of another one.
    database
        .execute(
            "INSERT INTO store.client (name, username, password_sha256, api_key_sha256)
             VALUES ('none', 'none', sha256('a'), sha256('b'));
             INSERT INTO store.client (name, username, password_sha256, api_key_sha256, key_id, mac)
             SELECT 'copied', 'copied', sha256('a'), sha256('b'), key_id, mac FROM store.client WHERE name = 'bank'",
        )
        .await;
    let expected =
        [("copied".to_owned(), ClientSignature::Wrong), ("none".to_owned(), ClientSignature::Missing)];
    assert_eq!(refused(&store).await, expected);
    // Each of two clients gets the other's secrets.
    database
        .execute(
            "DELETE FROM store.client WHERE name IN ('none', 'copied');
             UPDATE store.client AS one
                SET password_sha256 = other.password_sha256, api_key_sha256 = other.api_key_sha256,
                    key_id = other.key_id, mac = other.mac
               FROM store.client AS other WHERE other.name <> one.name",
        )
        .await;
    assert_eq!(refused(&store).await.len(), 2);
    // A row that was checked by somebody can be signed, which is recorded.
    assert!(administration.sign_client(&bank()).await.unwrap());
    assert_eq!(refused(&store).await.len(), 1);
    let signed = admin_rows(&database).await.pop().unwrap();
    assert_eq!(content(&signed)["before"]["signature"], "was changed by others than Padan");
    // Or removed.
    assert!(administration.remove_client(&"shop".parse().unwrap()).await.unwrap());
    assert_eq!(faults(&database).await, []);
}

#[tokio::test]
async fn a_computed_digest_that_the_owner_replaced_is_refused() {
    let (database, store) = migrated().await;
    add_bank(&administration(&store)).await;
    database
        .execute(
            "ALTER TABLE store.client ALTER COLUMN secrets_digest DROP EXPRESSION;
             UPDATE store.client SET password_sha256 = sha256('known to the intruder')",
        )
        .await;
    assert_eq!(refused(&store).await, [("bank".to_owned(), ClientSignature::Wrong)]);
}

#[tokio::test]
async fn an_older_row_of_a_client_shows() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    database.execute("CREATE TABLE public.kept AS SELECT * FROM store.client").await;
    administration.set_client_disabled(&bank(), true).await.unwrap();
    let restore = "DELETE FROM store.client;
        INSERT INTO store.client (name, username, password_sha256, api_key_sha256, disabled, allowed_networks,
               endpoints, requests_per_second, burst, daily_quota, monthly_quota, created_at, changed_at,
               certificates, fields, key_id, mac)
        SELECT name, username, password_sha256, api_key_sha256, disabled, allowed_networks, endpoints,
               requests_per_second, burst, daily_quota, monthly_quota, created_at, changed_at, certificates, fields,
               key_id, mac
          FROM public.kept";
    database.execute(restore).await;
    // The signature is right, since Padan wrote this row once.
    assert_eq!(refused(&store).await, []);
    let found = faults(&database).await;
    assert!(matches!(&found[..], [AuditFault::ClientRolledBack { name, .. }] if name == "bank"), "{found:?}");
    administration.remove_client(&bank()).await.unwrap();
    assert_eq!(faults(&database).await, []);
    database.execute(restore).await;
    let found = faults(&database).await;
    assert!(matches!(&found[..], [AuditFault::ClientRolledBack { .. }]), "{found:?}");
}

#[tokio::test]
async fn a_client_without_its_row_in_the_trail_shows() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    administration.add_client(&new_client("shop", "shop-user")).await.unwrap();
    database.execute("DELETE FROM store.client WHERE name = 'shop'").await;
    let found = faults(&database).await;
    assert!(matches!(&found[..], [AuditFault::ClientMissing(name)] if name == "shop"), "{found:?}");
    // Whoever has the audit key signs a row without recording it: here on another store with the same key.
    let (elsewhere, other) = migrated().await;
    let intruder = crate::fixture::administration(&other);
    add_bank(&intruder).await;
    let columns = "name, username, password_sha256, api_key_sha256, allowed_networks, endpoints, requests_per_second,
                   burst, daily_quota, monthly_quota, created_at, changed_at, certificates, fields, key_id, mac";
    let signed = elsewhere
        .texts(&format!(
            "SELECT format('INSERT INTO store.client ({columns}) SELECT {columns}
                              FROM jsonb_populate_record(NULL::store.client, %L)', to_jsonb(client))
               FROM store.client AS client"
        ))
        .await;
    database.execute(&format!("DELETE FROM store.client; {}", signed[0])).await;
    assert_eq!(refused(&store).await, []);
    let found = faults(&database).await;
    assert!(
        matches!(&found[..], [AuditFault::ClientUnrecorded { name, .. }, AuditFault::ClientMissing(_)]
            if name == "bank"),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_active_model_that_sql_changed_shows() {
    let (database, store) = migrated().await;
    let operator = user_in(&database, "padan_operator").await;
    let change = async |statement: &str| {
        crate::audit_attacks::run_as(&database, &operator, statement).await;
        faults(&database).await
    };
    // Nothing is recorded of what an older release activated.
    let insert = "INSERT INTO store.active_model (model_set, contract_id) VALUES ('sface', repeat('ab', 8))";
    assert_eq!(change(insert).await, []);
    let administration = administration(&store);
    administration.activate_model("sface", &contract(), false).await.unwrap();
    administration.activate_model("auraface", &contract(), false).await.unwrap();
    assert_eq!(faults(&database).await, []);
    let found = change("UPDATE store.active_model SET model_set = 'sface'").await;
    assert!(
        matches!(&found[..], [AuditFault::ModelUnrecorded { recorded, active: Some(active) }]
            if recorded == "auraface" && active == "sface"),
        "{found:?}"
    );
    let contract = "UPDATE store.active_model SET model_set = 'auraface', contract_id = repeat('0', 16)";
    assert!(matches!(change(contract).await[..], [AuditFault::ModelUnrecorded { .. }]));
    database.execute("DELETE FROM store.active_model").await;
    assert!(matches!(faults(&database).await[..], [AuditFault::ModelUnrecorded { active: None, .. }]));
    drop_user(&database, &operator).await;
}

#[tokio::test]
async fn a_key_that_is_missing_is_named_before_anything_is_done() {
    let (database, _) = migrated().await;
    let all = config(&database.url());
    for (keys, needed) in [
        (KeySet::All, &["person_key", "template_keys", "audit_keys"][..]),
        (KeySet::Audit, &["audit_keys"]),
        (KeySet::AuditAndPerson, &["person_key", "audit_keys"]),
        (KeySet::AuditAndTemplates, &["template_keys", "audit_keys"]),
    ] {
        let with = |given: &dyn Fn(&str) -> bool| {
            let mut config: Config = all.clone();
            for (name, key) in [
                ("person_key", &mut config.person_key),
                ("template_keys", &mut config.template_keys),
                ("audit_keys", &mut config.audit_keys),
            ] {
                if !given(name) {
                    *key = None;
                }
            }
            config
        };
        Store::open(&with(&|name| needed.contains(&name)), keys).unwrap();
        for missing in needed {
            let error = Store::open(&with(&|name| name != *missing), keys).unwrap_err().to_string();
            assert!(error.contains(&format!("store.{missing} is not set")), "{error}");
        }
    }
    let store = Store::open(&all, KeySet::Audit).unwrap();
    let error = store.templates().get(&nik(), &contract()).await.unwrap_err().to_string();
    assert!(error.contains("store.person_key is needed"), "{error}");
    let trail = store.audit_trail(padan_domain::Clock::System);
    let error = trail.record(crate::audit::event("a")).await.unwrap_err().to_string();
    assert!(error.contains("store.person_key is needed"), "{error}");
    // A chain without persons lacks no person key.
    add_bank(&administration(&store)).await;
    let searched = Store::open(&all, KeySet::AuditAndPerson).unwrap();
    assert_eq!(searched.unknown_person_keys().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_operators_and_an_auditors_role_suffice() {
    let (database, store) = migrated().await;
    let operator = user_in(&database, "padan_operator").await;
    let auditor = user_in(&database, "padan_auditor").await;
    let opened = |user: &str| Store::open(&config(&database.url_as(user)), KeySet::Audit).unwrap();
    let administration_by = |user: &str| administration(&opened(user));
    let by_operator = administration_by(&operator);
    add_bank(&by_operator).await;
    by_operator.set_client_disabled(&bank(), true).await.unwrap();
    let act = AnnouncedAct { act: AdminAct::AuditExported, before: Value::Null, after: Value::Null };
    let by_auditor = administration_by(&auditor);
    by_auditor.announce(act).await.unwrap();
    let refused = by_auditor.set_client_disabled(&bank(), false).await.unwrap_err();
    assert!(matches!(refused, StoreError::Forbidden(_)), "{refused}");
    let rows = admin_rows(&database).await;
    let roles: Vec<_> = rows.iter().map(|row| content(row)["database_role"].clone()).collect();
    assert_eq!(roles, [json!(operator), json!(operator), json!(auditor)]);
    assert_eq!(refused_names(&store).await, Vec::<String>::new());
    let mut log = padan_store::AuditLog::open(&config(&database.url_as(&auditor))).await.unwrap();
    assert_eq!(log.verify(Vec::new()).await.unwrap().faults, []);
    drop((by_operator, by_auditor, log));
    for user in [operator, auditor] {
        drop_user(&database, &user).await;
    }
}

async fn refused_names(store: &Store) -> Vec<String> {
    refused(store).await.into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn rules_that_were_computed_from_an_older_row_are_refused() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    let read_at = changed_at(&store).await;
    let with = |quota| ClientRules { daily_quota: NonZeroU32::new(quota), ..ClientRules::default() };
    assert!(administration.set_client_rules(&bank(), &with(7), read_at).await.unwrap());
    let rows = admin_rows(&database).await.len();
    assert_eq!(
        administration.set_client_rules(&bank(), &with(8), read_at).await,
        Err(StoreError::ClientChangedMeanwhile("bank".to_owned()))
    );
    // Another change than that of the rules counts as well: it may be a reason to decide otherwise.
    administration.set_client_disabled(&bank(), true).await.unwrap();
    assert_eq!(store.clients().get(&bank()).await.unwrap().unwrap().rules, with(7));
    assert_eq!(admin_rows(&database).await.len(), rows + 1, "a refused change leaves no row");
    let read_at = changed_at(&store).await;
    assert!(administration.set_client_rules(&bank(), &with(8), read_at).await.unwrap());
    assert_eq!(faults(&database).await, []);
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_made_or_refused() {
    let (_database, store) = migrated().await;
    let administration = administration(&store);
    add_bank(&administration).await;
    let read_at = changed_at(&store).await;
    let rules: Vec<_> = (1..=8)
        .map(|quota| ClientRules { daily_quota: NonZeroU32::new(quota), ..ClientRules::default() })
        .collect();
    let name = bank();
    let changes = rules.iter().map(|rules| administration.set_client_rules(&name, rules, read_at));
    let outcomes = futures_util::future::join_all(changes).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok(true)).count(), 1, "{outcomes:?}");
    let made = outcomes.iter().position(|outcome| *outcome == Ok(true)).unwrap();
    assert_eq!(store.clients().get(&bank()).await.unwrap().unwrap().rules, rules[made]);
}
