//! A pooler between the service and the registry, and connections that no longer fit the server.

use std::time::Duration;

use padan_registry::{Config, Registry, RegistryError};
use padan_testing::{Proxy, SharingPooler};

use crate::fixture::{Fixture, config, nik, person, registry, timed};

/// Settings with long limits, for an outcome that must not be a timeout on a busy machine.
fn patient(urls: &[&str]) -> Config {
    let limits = config(urls);
    Config { connect_timeout_ms: 5000, statement_timeout_ms: 5000, lookup_timeout_ms: 20_000, ..limits }
}

/// The sample's view with one column changed: an expression, and its name.
fn view_with(column: &str, expression: &str) -> String {
    let columns = "nik, name, date_of_birth, status, no_kk, mother_maiden_name, place_of_birth, address, gender,
        marital_status, job_type, province, city, district, subdistrict, rt, rw, portrait, portrait_updated_at";
    let columns: Vec<_> = columns
        .split(',')
        .map(str::trim)
        .map(|name| if name == column { format!("{expression} AS {name}") } else { name.to_owned() })
        .collect();
    format!("CREATE VIEW padan.citizen AS SELECT {} FROM civil_registry.person", columns.join(", "))
}

/// Replaces the view, and drops the function that reads it.
async fn replace_view(fixture: &Fixture, column: &str, expression: &str) {
    let view = view_with(column, expression);
    fixture
        .database
        .execute(&format!("DROP FUNCTION IF EXISTS padan.citizen_of(text); DROP VIEW padan.citizen; {view}"))
        .await;
}

async fn slow_view(fixture: &Fixture) {
    fixture
        .database
        .execute(
            "CREATE FUNCTION public.slowly(value text) RETURNS text LANGUAGE plpgsql VOLATILE AS
             $$ BEGIN PERFORM pg_sleep(5); RETURN value; END $$",
        )
        .await;
    replace_view(fixture, "name", "public.slowly(name)").await;
}

#[tokio::test]
async fn a_column_that_changes_its_type_costs_no_look_up() {
    let fixture = Fixture::new().await;
    replace_view(&fixture, "name", "name").await;
    let registry = fixture.registry();
    let found = async || {
        let citizen = nik();
        let (one, other) = tokio::join!(registry.citizen(&citizen), registry.civil_record(&citizen));
        one.unwrap().is_some() && other.unwrap().is_some()
    };
    // One change right after the other, each when both connections have prepared statements of both kinds.
    for round in 0..10 {
        for _ in 0..4 {
            assert!(found().await);
        }
        replace_view(&fixture, "name", if round % 2 == 0 { "name::varchar(100)" } else { "name" }).await;
    }
    assert!(found().await);
    assert!(registry.figures()[0].in_turn);
    registry.check().await.unwrap();
}

#[tokio::test]
async fn without_start_up_options_each_transaction_is_read_only() {
    let fixture = Fixture::new().await;
    let pooler = Proxy::dropping_options(&fixture.database).await;
    let registry = registry(&[pooler.url()]);
    registry.check().await.unwrap();
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
    assert!(registry.figures()[0].pool.is_pooled);
    fixture
        .database
        .execute(
            "CREATE TABLE trace (nik text);
             CREATE FUNCTION public.traced(text) RETURNS text LANGUAGE sql VOLATILE
                 AS 'INSERT INTO public.trace VALUES ($1) RETURNING nik'",
        )
        .await;
    replace_view(&fixture, "name", "public.traced(name)").await;
    let error = registry.citizen(&nik()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Unavailable(text) if text.contains("25006")), "{error}");
    assert_eq!(fixture.database.texts("SELECT nik FROM trace").await, Vec::<String>::new());
}

#[tokio::test]
async fn without_start_up_options_each_statement_has_its_time_limit() {
    let fixture = Fixture::new().await;
    let pooler = Proxy::dropping_options(&fixture.database).await;
    slow_view(&fixture).await;
    let (outcome, took) = timed(registry(&[pooler.url()]).citizen(&nik())).await;
    let error = outcome.unwrap_err();
    assert!(matches!(&error, RegistryError::Timeout(text) if text.contains("57014")), "{error}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test]
async fn a_limit_that_the_server_shows_differently_is_set_in_each_transaction() {
    let fixture = Fixture::new().await;
    let pooler = Proxy::replacing(&fixture.database, "statement_timeout=600", "statement_timeout=9000").await;
    slow_view(&fixture).await;
    let registry = registry(&[pooler.url()]);
    let error = registry.citizen(&nik()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Timeout(text) if text.contains("57014")), "{error}");
    assert!(registry.figures()[0].pool.is_pooled);
}

#[tokio::test]
async fn connections_without_a_pooler_keep_their_session() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
    assert!(!registry.figures()[0].pool.is_pooled);
}

#[tokio::test]
async fn a_pooler_that_mixes_statements_up_is_refused() {
    let fixture = Fixture::new().await;
    let pooler = SharingPooler::in_front_of(&fixture.database).await;
    let registry = Registry::new(&patient(&[pooler.url()])).unwrap();
    let error = registry.citizen(&nik()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Unavailable(text) if text.contains("pool_mode")), "{error}");
    let error = registry.check().await.unwrap_err();
    assert!(error.to_string().contains("max_prepared_statements"), "{error}");
}

#[tokio::test]
async fn a_pooler_that_mixes_statements_up_never_gives_the_record_of_another_person() {
    let mut fixture = Fixture::new().await;
    let niks: Vec<padan_domain::NationalId> =
        (0..8).map(|n| format!("31740114038700{n:02}").parse().unwrap()).collect();
    for nik in &niks {
        let mut other = person(nik.as_str());
        other.nik = nik.clone();
        fixture.sample.put(&other).await.unwrap();
    }
    let pooler = SharingPooler::in_front_of(&fixture.database).await;
    let mut config = patient(&[pooler.url()]);
    config.max_connections = 4.try_into().unwrap();
    config.retry_failed_after_ms = 1;
    let registry = Registry::new(&config).unwrap();
    for round in 0..10 {
        let asked = niks.iter().map(|nik| {
            let registry = &registry;
            async move {
                if round % 2 == 0 {
                    registry.civil_record(nik).await.map(|found| found.is_none())
                } else {
                    registry.citizen(nik).await.map(|found| found.is_none())
                }
            }
        });
        for outcome in futures_util::future::join_all(asked).await {
            assert!(outcome.is_err(), "a statement was run through a pooler that mixes statements up");
        }
    }
}
