//! A streaming standby.

use std::time::{Duration, Instant};

use padan_registry::{Registry, RegistryError};
use sqlx::{Connection as _, Executor as _};
use tokio::time::sleep;

use crate::fixture::{Fixture, nik, person, registry};

/// The SQLSTATE of a write in a read-only transaction.
const READ_ONLY: &str = "25006";

/// Measures the lag until it satisfies the condition.
async fn wait_for_lag(registry: &Registry, condition: impl Fn(f64) -> bool) -> f64 {
    let began = Instant::now();
    loop {
        registry.measure_lag().await;
        match registry.figures()[0].lag_seconds {
            Some(seconds) if condition(seconds) => return seconds,
            other => assert!(began.elapsed() < Duration::from_secs(30), "the lag stays {other:?}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_standby_is_read_and_follows_the_primary() {
    let mut fixture = Fixture::new().await;
    let mut standby = fixture.database.on_standby().await;
    let registry = registry(&[&standby.url()]);
    registry.check().await.unwrap();
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
    assert!(registry.portrait(&nik()).await.unwrap().is_some());
    fixture.sample.remove(&nik()).await.unwrap();
    standby.catch_up().await;
    assert!(registry.citizen(&nik()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_standby_refuses_all_writes() {
    let fixture = Fixture::new().await;
    fixture
        .database
        .execute(
            "CREATE TABLE trace (nik text);
             CREATE FUNCTION traced(text) RETURNS text LANGUAGE sql VOLATILE
                 AS 'INSERT INTO public.trace VALUES ($1) RETURNING nik';
             CREATE OR REPLACE VIEW padan.citizen AS
             SELECT nik, public.traced(name) AS name, date_of_birth, status, no_kk, mother_maiden_name,
                    place_of_birth, address, gender, marital_status, job_type, province, city, district,
                    subdistrict, rt, rw, portrait, portrait_updated_at
               FROM civil_registry.person",
        )
        .await;
    let standby = fixture.database.on_standby().await;
    let error = registry(&[&standby.url()]).citizen(&nik()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Unavailable(text) if text.contains(READ_ONLY)), "{error}");

    let mut superuser = standby.connect().await;
    let refused = superuser.execute("DELETE FROM civil_registry.person").await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), READ_ONLY);
    superuser.close().await.unwrap();
}

#[tokio::test]
async fn the_lag_grows_while_the_replay_is_paused() {
    let mut fixture = Fixture::new().await;
    let standby = fixture.database.on_standby().await;
    let registry = registry(&[&standby.url()]);
    wait_for_lag(&registry, |seconds| seconds < 1.0).await;
    // After this pause, the age of the last change exceeds the lag.
    sleep(Duration::from_secs(2)).await;
    wait_for_lag(&registry, |seconds| seconds < 1.0).await;
    let began = Instant::now();
    standby
        .paused_during(async {
            fixture.sample.put(&person("Agus Wijaya")).await.unwrap();
            let lag = wait_for_lag(&registry, |seconds| seconds > 1.0).await;
            assert!(lag < began.elapsed().as_secs_f64() + 1.5, "{lag} s after {:?}", began.elapsed());
            wait_for_lag(&registry, |seconds| seconds > lag + 1.0).await;
            assert!(registry.citizen(&nik()).await.unwrap().is_some(), "a standby that lags is still read");
        })
        .await;
    wait_for_lag(&registry, |seconds| seconds < 1.0).await;
}
