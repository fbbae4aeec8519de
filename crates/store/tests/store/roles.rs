use padan_testing::TestDatabase;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::fixture::{MAY, contract, migrated, nik, store, usable};

/// A user of a site's own, in one of the roles.
async fn user_in(database: &TestDatabase, role: &str) -> String {
    let user = format!("padan_user_of_{role}_{}", std::process::id());
    database.execute(&format!("CREATE ROLE {user} LOGIN IN ROLE {role}")).await;
    database.admit(&user).await;
    user
}

async fn drop_user(database: &TestDatabase, user: &str) {
    database.execute(&format!("DROP OWNED BY {user}; DROP ROLE {user}")).await;
}

async fn refusals(database: &TestDatabase, user: &str, statements: &[&'static str]) -> Vec<String> {
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
async fn the_services_role_is_enough_and_no_more() {
    let (database, owner) = migrated().await;
    let user = user_in(&database, "padan_service").await;
    let service = store(&database.url_as(&user));
    service.check().await.unwrap();
    service.keep_template(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    assert!(service.template(&nik(), &contract()).await.unwrap().is_some());
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
async fn more_than_the_service_needs_is_told() {
    let (database, _) = migrated().await;
    let operator = user_in(&database, "padan_operator").await;
    let excess = store(&database.url_as(&operator)).excess_privileges().await.unwrap();
    assert_eq!(excess, ["may delete templates"]);
    database.execute(&format!("ALTER ROLE {operator} CREATEROLE")).await;
    database.execute(&format!("ALTER TABLE store.face_template OWNER TO {operator}")).await;
    let excess = store(&database.url_as(&operator)).excess_privileges().await.unwrap();
    assert_eq!(excess, ["may create roles or databases", "owns the tables", "may delete templates"]);
    drop_user(&database, &operator).await;
}

#[tokio::test]
async fn the_auditors_role_reads_no_template() {
    let (database, _) = migrated().await;
    let user = user_in(&database, "padan_auditor").await;
    for refusal in refusals(&database, &user, &["SELECT FROM store.face_template"]).await {
        assert!(refusal.contains("permission denied"), "{refusal}");
    }
    drop_user(&database, &user).await;
}

/// Roles belong to the server: stores beside each other are migrated at the same time.
#[tokio::test]
async fn several_stores_of_one_server_share_the_roles() {
    let (one, two, three) = tokio::join!(migrated(), migrated(), migrated());
    for (_, store) in [one, two, three] {
        store.check().await.unwrap();
    }
}
