//! Operators' accounts: each change leaves a row, and no account counts that was changed in another way.

use chrono::TimeDelta;
use padan_domain::{OperatorName, OperatorRole};
use padan_store::{
    AuditFault, AuditFilter, AuditLog, ClientSecret, ClientSignature, NewOperator, NewSession,
    OperatorPassword, OperatorSettings, Overview, RowFault, Store, StoreError,
};
use padan_testing::TestDatabase;
use serde_json::Value;

use crate::{
    audit::{exported, verified},
    audit_forgery::{FormerOperatorRow, former_operator_mac},
    fixture::{administration, config, migrated, store},
    roles::{drop_user, refusals, user_in},
};

fn rina() -> OperatorName {
    "rina".parse().unwrap()
}

/// Adds an operator and returns its token.
async fn add(store: &Store, name: &str, role: OperatorRole) -> String {
    let token = ClientSecret::generate().unwrap();
    let shown = token.reveal().to_owned();
    let operator = NewOperator { name: name.parse().unwrap(), role, token, expires_at: None };
    assert!(administration(store).add_operator(&operator).await.unwrap());
    shown
}

async fn faults(database: &TestDatabase) -> Vec<AuditFault> {
    verified(database, Vec::new()).await.faults
}

/// The columns of an operator that the database does not compute.
const WRITTEN: &str =
    "name, role, token_sha256, expires_at, disabled, created_at, changed_at, key_id, mac, last_used_at,
     last_signed_in_at, password_hash, code_secret, code_key_id, credentials_changed_at, code_step";

#[tokio::test]
async fn an_operator_is_found_by_its_token_alone() {
    let (database, store) = migrated().await;
    let token = add(&store, "rina", OperatorRole::Auditor).await;
    let other = add(&store, "budi", OperatorRole::Support).await;
    let account = store.operators().of_token(token.as_bytes()).await.unwrap().unwrap();
    assert_eq!((account.name, account.role, account.disabled), (rina(), OperatorRole::Auditor, false));
    assert_eq!((account.expires_at, account.last_used_at), (None, None));
    let account = store.operators().of_token(other.as_bytes()).await.unwrap().unwrap();
    assert_eq!(account.role, OperatorRole::Support);
    for wrong in ["", "rina", &token[1..], &format!("{token}0"), &token.to_uppercase()] {
        assert_eq!(store.operators().of_token(wrong.as_bytes()).await.unwrap(), None, "{wrong}");
    }
    assert_eq!(store.operators().of_token(&[0xff, 0, 0x27]).await.unwrap(), None);
    // Only hashes are stored.
    let stored = database.texts("SELECT operator::text FROM store.operator").await.concat();
    assert!(!stored.contains(&token) && !stored.contains(&hex::encode(&token)), "{stored}");
}

#[tokio::test]
async fn each_change_leaves_one_row_and_takes_effect() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    let first = add(&store, "rina", OperatorRole::Support).await;
    let expires_at = "2030-01-02T03:04:05Z".parse().unwrap();
    let settings = OperatorSettings {
        role: Some(OperatorRole::Operator),
        expires_at: Some(Some(expires_at)),
        disabled: None,
    };
    assert!(administration.set_operator(&rina(), &settings).await.unwrap());
    let account = store.operators().of_token(first.as_bytes()).await.unwrap().unwrap();
    assert_eq!((account.role, account.expires_at), (OperatorRole::Operator, Some(expires_at)));
    let disabled = OperatorSettings { disabled: Some(true), ..OperatorSettings::default() };
    assert!(administration.set_operator(&rina(), &disabled).await.unwrap());
    let account = store.operators().of_token(first.as_bytes()).await.unwrap().unwrap();
    assert!(account.disabled && account.role == OperatorRole::Operator && account.expires_at.is_some());
    let second = ClientSecret::generate().unwrap();
    assert!(administration.rotate_operator(&rina(), &second).await.unwrap());
    assert_eq!(store.operators().of_token(first.as_bytes()).await.unwrap(), None);
    assert!(store.operators().of_token(second.reveal().as_bytes()).await.unwrap().is_some());
    assert!(administration.remove_operator(&rina()).await.unwrap());
    assert_eq!(store.operators().of_token(second.reveal().as_bytes()).await.unwrap(), None);

    let filter = AuditFilter { kind: Some("admin".to_owned()), ..AuditFilter::default() };
    let rows = exported(&database, &filter).await;
    let acts: Vec<_> = rows.iter().map(|row| row.reason.as_str()).collect();
    let expected =
        ["OPERATOR_ADDED", "OPERATOR_CHANGED", "OPERATOR_CHANGED", "OPERATOR_ROTATED", "OPERATOR_REMOVED"];
    assert_eq!(acts, expected);
    let contents: Vec<Value> = rows.iter().map(|row| serde_json::from_str(&row.fields).unwrap()).collect();
    assert!(contents.iter().all(|content| content["operator"]["name"] == "rina"), "{contents:?}");
    assert_eq!((&contents[0]["before"], &contents[4]["after"]), (&Value::Null, &Value::Null));
    assert_eq!(contents[1]["before"]["role"], "support");
    assert_eq!(contents[1]["after"]["role"], "operator");
    assert_eq!(contents[2]["after"]["disabled"], true);
    let recorded: String = rows.iter().map(|row| row.fields.clone()).collect();
    for token in [&first, second.reveal()] {
        let hash = database.texts(&format!("SELECT encode(sha256('{token}'), 'hex')")).await.concat();
        assert!(!recorded.contains(token) && !recorded.contains(&hash));
    }
    assert_eq!(faults(&database).await, []);
}

/// Where operators sign in through a provider, the store may have none: its other accounts are changed all the same.
#[tokio::test]
async fn only_the_last_operator_of_the_store_is_kept() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add(&store, "rina", OperatorRole::Support).await;
    let disabled = OperatorSettings { disabled: Some(true), ..OperatorSettings::default() };
    assert!(administration.set_operator_leaving_one(&rina(), &disabled).await.unwrap());
    add(&store, "budi", OperatorRole::Operator).await;
    add(&store, "dewi", OperatorRole::Operator).await;
    let [budi, dewi]: [OperatorName; 2] = ["budi", "dewi"].map(|name| name.parse().unwrap());
    assert!(administration.set_operator_leaving_one(&dewi, &disabled).await.unwrap());
    let changes = [
        disabled,
        OperatorSettings { role: Some(OperatorRole::Auditor), ..OperatorSettings::default() },
        OperatorSettings { expires_at: Some(Some(chrono::Utc::now())), ..OperatorSettings::default() },
    ];
    for change in changes {
        let refused = administration.set_operator_leaving_one(&budi, &change).await.unwrap_err();
        assert_eq!(refused, StoreError::LastOperator("budi".to_owned()), "{change:?}");
    }
    let later = Some(Some("2100-01-01T00:00:00Z".parse().unwrap()));
    let later = OperatorSettings { expires_at: later, ..OperatorSettings::default() };
    assert!(administration.set_operator_leaving_one(&budi, &later).await.unwrap());
    assert_eq!(exported(&database, &AuditFilter::default()).await.len(), 6);
    assert_eq!(faults(&database).await, []);
}

#[tokio::test]
async fn nothing_is_recorded_when_there_is_nothing_to_change() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add(&store, "rina", OperatorRole::Support).await;
    let again = NewOperator {
        name: rina(),
        role: OperatorRole::Operator,
        token: ClientSecret::generate().unwrap(),
        expires_at: None,
    };
    assert!(!administration.add_operator(&again).await.unwrap());
    let nobody = "nobody".parse().unwrap();
    assert!(!administration.set_operator(&nobody, &OperatorSettings::default()).await.unwrap());
    assert!(!administration.rotate_operator(&nobody, &again.token).await.unwrap());
    assert!(!administration.remove_operator(&nobody).await.unwrap());
    assert_eq!(exported(&database, &AuditFilter::default()).await.len(), 1);
    assert_eq!(store.operators().of_token(again.token.reveal().as_bytes()).await.unwrap(), None);
}

#[tokio::test]
async fn a_row_that_sql_changed_is_refused_and_reported() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    let token = add(&store, "rina", OperatorRole::Support).await;
    database.execute(&format!("CREATE TABLE public.kept AS SELECT {WRITTEN} FROM store.operator")).await;
    let user = user_in(&database, "padan_operator").await;
    for change in [
        "role = 'operator'",
        "name = 'budi'",
        "expires_at = now() + interval '1 year'",
        "disabled = true",
        "created_at = now() + interval '1 day'",
        "changed_at = now() + interval '1 day'",
        "key_id = '01234567'",
        "mac = sha256('any')",
        "key_id = NULL, mac = NULL",
    ] {
        crate::audit_attacks::run_as(&database, &user, &format!("UPDATE store.operator SET {change}")).await;
        let refused = store.operators().of_token(token.as_bytes()).await.unwrap_err();
        assert!(matches!(refused, StoreError::OperatorNotSigned { .. }), "{change}: {refused}");
        let found = faults(&database).await;
        let is_reported =
            |fault: &AuditFault| matches!(fault, AuditFault::Operator { fault: RowFault::Changed(_), .. });
        assert!(found.iter().any(is_reported), "{change}: {found:?}");
        let name = if change.starts_with("name") { "budi".parse().unwrap() } else { rina() };
        let refused = administration.set_operator(&name, &OperatorSettings::default()).await.unwrap_err();
        assert!(matches!(refused, StoreError::OperatorNotSigned { .. }), "{change}: {refused}");
        let refused = administration.rotate_operator(&name, &ClientSecret::generate().unwrap()).await;
        assert!(matches!(refused, Err(StoreError::OperatorNotSigned { .. })), "{change}");
        database
            .execute(&format!(
                "DELETE FROM store.operator; INSERT INTO store.operator ({WRITTEN}) SELECT * FROM public.kept"
            ))
            .await;
    }
    assert_eq!(faults(&database).await, []);
    // An account of the intruder, with the signature of another one, and with a token that the intruder knows.
    database
        .execute(
            "INSERT INTO store.operator (name, role, token_sha256, key_id, mac)
             SELECT 'intruder', 'operator', sha256('known'), key_id, mac FROM public.kept",
        )
        .await;
    let refused = store.operators().of_token(b"known").await.unwrap_err();
    let expected =
        StoreError::OperatorNotSigned { name: "intruder".to_owned(), fault: ClientSignature::Wrong };
    assert_eq!(refused, expected);
    assert!(administration.remove_operator(&"intruder".parse().unwrap()).await.unwrap());
    assert_eq!(faults(&database).await, []);
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn a_restored_a_missing_and_an_unrecorded_row_show() {
    let (database, store) = migrated().await;
    let administration = administration(&store);
    add(&store, "rina", OperatorRole::Operator).await;
    database.execute(&format!("CREATE TABLE public.kept AS SELECT {WRITTEN} FROM store.operator")).await;
    let restore = &format!(
        "DELETE FROM store.operator; INSERT INTO store.operator ({WRITTEN}) SELECT * FROM public.kept"
    );
    let disabled = OperatorSettings { disabled: Some(true), ..OperatorSettings::default() };
    administration.set_operator(&rina(), &disabled).await.unwrap();
    database.execute(restore).await;
    let is_older = |found: &[AuditFault]| {
        matches!(found, [AuditFault::Operator { fault: RowFault::RolledBack { .. }, .. }])
    };
    let found = faults(&database).await;
    assert!(is_older(&found), "{found:?}");
    administration.remove_operator(&rina()).await.unwrap();
    assert_eq!(faults(&database).await, []);
    database.execute(restore).await;
    let found = faults(&database).await;
    assert!(is_older(&found), "{found:?}");
    database.execute("DELETE FROM store.operator").await;
    add(&store, "budi", OperatorRole::Operator).await;
    database.execute("DELETE FROM store.operator").await;
    let found = faults(&database).await;
    assert!(
        matches!(&found[..], [AuditFault::Operator { name, fault: RowFault::Missing }] if name == "budi"),
        "{found:?}"
    );
    assert!(found[0].to_string().starts_with("operator budi: it is not in store.operator"), "{found:?}");
}

#[tokio::test]
async fn the_services_role_has_no_right_to_operators_and_an_auditor_reads_them() {
    let (database, owner) = migrated().await;
    let token = add(&owner, "rina", OperatorRole::Support).await;
    let service = user_in(&database, "padan_service").await;
    let statements = [
        "SELECT name FROM store.operator",
        "UPDATE store.operator SET last_used_at = now()",
        "DELETE FROM store.operator",
    ];
    for refusal in refusals(&database, &service, &statements).await {
        assert!(refusal.contains("permission denied"), "{refusal}");
    }
    drop_user(&database, &service).await;

    let auditor = user_in(&database, "padan_auditor").await;
    let mut settings = config(&database.url_as(&auditor));
    (settings.person_key, settings.template_keys, settings.audit_keys) = (None, None, None);
    let overview = Overview::open(&settings).unwrap();
    assert_eq!(overview.operators().await.unwrap()[0].name, rina());
    let statements = ["UPDATE store.operator SET role = 'operator'", "DELETE FROM store.operator"];
    for refusal in refusals(&database, &auditor, &statements).await {
        assert!(refusal.contains("permission denied"), "{refusal}");
    }
    drop(overview);
    drop_user(&database, &auditor).await;

    let user = user_in(&database, "padan_operator").await;
    let operator = store(&database.url_as(&user));
    assert!(operator.operators().of_token(token.as_bytes()).await.unwrap().is_some());
    for _ in 0..2 {
        operator.operators().note_use(&rina()).await.unwrap();
    }
    let account = operator.operators().of_token(token.as_bytes()).await.unwrap().unwrap();
    let age = chrono::Utc::now() - account.last_used_at.unwrap();
    assert!((0..=120).contains(&age.num_seconds()), "{age}");
    let administration = administration(&operator);
    let disabled = OperatorSettings { disabled: Some(true), ..OperatorSettings::default() };
    assert!(administration.set_operator(&rina(), &disabled).await.unwrap());
    assert!(administration.remove_operator(&rina()).await.unwrap());
    drop((operator, administration));
    drop_user(&database, &user).await;
}

#[tokio::test]
async fn a_session_does_not_begin_with_credentials_that_were_replaced_after_they_were_checked() {
    let (_database, store) = migrated().await;
    add(&store, "rina", OperatorRole::Auditor).await;
    let administration = administration(&store);
    let set_password = async |text: &str| {
        let password: OperatorPassword = text.parse().unwrap();
        assert!(administration.set_operator_password(&rina(), password.hash().unwrap()).await.unwrap());
    };
    let begin = async |credentials_changed_at| {
        let lifetime = TimeDelta::hours(1);
        let new = NewSession { operator: rina(), lifetime, provider: None, credentials_changed_at };
        store.operators().begin_session(&new).await.unwrap()
    };
    let checked = async || {
        let account = store.operators().for_sign_in(&rina()).await.unwrap().unwrap();
        account.credentials_changed_at
    };
    set_password("correct horse battery").await;
    let before = checked().await;
    let (token, _) = begin(before).await.unwrap();
    assert!(store.operators().session(token.reveal().as_bytes()).await.unwrap().is_some());
    set_password("another horse battery").await;
    assert!(begin(before).await.is_none(), "the former password was checked");
    assert!(store.operators().session(token.reveal().as_bytes()).await.unwrap().is_none());
    let now = checked().await;
    assert!(begin(now).await.is_some());
    let disable = OperatorSettings { disabled: Some(true), ..OperatorSettings::default() };
    assert!(administration.set_operator(&rina(), &disable).await.unwrap());
    assert!(begin(now).await.is_none(), "it would count again once the account is enabled");
    assert!(administration.remove_operator(&rina()).await.unwrap());
    assert!(begin(now).await.is_none());
}

#[tokio::test]
async fn a_browser_is_recognised_by_one_spelling_of_its_text() {
    let (_database, store) = migrated().await;
    let operators = store.operators();
    let device = operators.new_device(&rina()).unwrap();
    assert!(operators.is_device_of(&rina(), &device));
    for (at, letter) in device.char_indices().filter(|(_, letter)| letter.is_ascii_lowercase()) {
        let mut spelled = device.clone();
        spelled.replace_range(at..=at, &letter.to_uppercase().to_string());
        assert!(!operators.is_device_of(&rina(), &spelled), "{spelled}");
    }
}

#[tokio::test]
async fn a_row_that_a_former_release_signed_counts_once_it_is_signed_again() {
    let (database, store) = migrated().await;
    let token = add(&store, "rina", OperatorRole::Auditor).await;
    let administration = administration(&store);
    let password: OperatorPassword = "correct horse battery".parse().unwrap();
    assert!(administration.set_operator_password(&rina(), password.hash().unwrap()).await.unwrap());
    let texts = database
        .texts(
            "SELECT unnest(ARRAY[encode(token_sha256, 'hex'), password_hash,
                                 (extract(epoch FROM created_at) * 1000000)::bigint::text,
                                 (extract(epoch FROM changed_at) * 1000000)::bigint::text,
                                 (extract(epoch FROM credentials_changed_at) * 1000000)::bigint::text])
               FROM store.operator",
        )
        .await;
    let time = |at: usize| texts[at].parse().unwrap();
    let former = former_operator_mac(&FormerOperatorRow {
        name: "rina",
        role: "auditor",
        token_sha256: &hex::decode(&texts[0]).unwrap(),
        times: [time(2), time(3), time(4)],
        password_hash: &texts[1],
    });
    database.execute(&format!("UPDATE store.operator SET mac = '\\x{}'", hex::encode(former))).await;
    let refused = store.operators().of_token(token.as_bytes()).await;
    assert!(matches!(refused, Err(StoreError::OperatorNotSigned { .. })), "{refused:?}");
    assert_eq!(store.operators().with_former_signatures().await.unwrap(), [rina()]);

    assert!(administration.sign_operator(&rina()).await.unwrap());
    assert!(store.operators().of_token(token.as_bytes()).await.unwrap().unwrap().has_password);
    assert!(store.operators().for_sign_in(&rina()).await.unwrap().unwrap().password.is_some());
    assert_eq!(store.operators().with_former_signatures().await.unwrap(), []);
    assert_eq!(faults(&database).await, []);
    // What somebody else wrote is not signed.
    database.execute("UPDATE store.operator SET role = 'operator'").await;
    assert_eq!(store.operators().with_former_signatures().await.unwrap(), []);
    let refused = administration.sign_operator(&rina()).await;
    assert!(matches!(refused, Err(StoreError::OperatorNotSigned { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_auditors_role_verifies_operators_and_reads_none_of_their_secrets() {
    let (database, owner) = migrated().await;
    add(&owner, "rina", OperatorRole::Operator).await;
    let password: OperatorPassword = "correct horse battery".parse().unwrap();
    let set = administration(&owner).set_operator_password(&rina(), password.hash().unwrap()).await;
    assert!(set.unwrap());
    let user = user_in(&database, "padan_auditor").await;
    let secrets = [
        "SELECT password_hash FROM store.operator",
        "SELECT code_secret FROM store.operator",
        "SELECT * FROM store.operator",
        "SELECT FROM store.operator WHERE password_hash LIKE '%a%'",
    ];
    for refusal in refusals(&database, &user, &secrets).await {
        assert!(refusal.contains("permission denied"), "{refusal}");
    }
    let overview = Overview::open(&config(&database.url_as(&user))).unwrap();
    assert!(overview.operators().await.unwrap()[0].has_password);
    let verify = async || {
        let mut log = AuditLog::open(&config(&database.url_as(&user))).await.unwrap();
        log.verify(Vec::new()).await.unwrap().faults
    };
    assert_eq!(verify().await, []);
    database.execute("UPDATE store.operator SET password_hash = '$argon2id$another'").await;
    assert!(matches!(&verify().await[..], [AuditFault::Operator { fault: RowFault::Changed(_), .. }]));
    drop_user(&database, &user).await;
}
