//! A URL with several hosts, of which one is the primary.

use std::time::{Duration, Instant};

use padan_store::{AuditLog, Store, StoreError};
use padan_testing::{Proxy, refused_address};

use crate::fixture::{MAY, config, contract, migrated, nik, usable};

/// A URL with the hosts of several URLs, and all else from the last one.
fn hosts(urls: &[&str]) -> String {
    let place = |url: &str| {
        let after_user = url.rsplit('@').next().unwrap();
        after_user.trim_start_matches("postgres://").split('/').next().unwrap().to_owned()
    };
    let places: Vec<_> = urls.iter().map(|url| place(url)).collect();
    let last = urls.last().unwrap();
    last.replacen(&place(last), &places.join(","), 1)
}

#[tokio::test]
async fn the_primary_among_several_hosts_is_used() {
    let (database, _) = migrated().await;
    let standby = database.on_standby().await;
    let down = format!("postgres://{}/d", refused_address().await);
    let config = config(&hosts(&[&down, &standby.url(), &database.url()]));
    let store = Store::new(&config).unwrap();
    store.check().await.unwrap();
    store.templates().save(&nik(), &contract(), &usable(MAY, &[1.0])).await.unwrap();
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_some());
    // Commands, which have connections of their own.
    store.migrate().await.unwrap();
    AuditLog::open(&config).await.unwrap();
}

#[tokio::test]
async fn a_standby_alone_is_refused_with_a_reason() {
    let (database, _) = migrated().await;
    let standby = database.on_standby().await.url();
    let mark = if standby.contains('?') { '&' } else { '?' };
    for url in [hosts(&[&standby, &standby]), format!("{standby}{mark}target_session_attrs=primary")] {
        let error = Store::new(&config(&url)).unwrap().check().await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Unavailable(text) if text.contains("it is a standby")),
            "{error}"
        );
        let error = AuditLog::open(&config(&url)).await.err().unwrap();
        assert!(error.to_string().contains("it is a standby"), "{error}");
    }
}

#[tokio::test]
async fn a_primary_that_falls_silent_is_left_for_the_next_host() {
    let (database, _) = migrated().await;
    let first = Proxy::in_front_of(&database).await;
    let store = Store::new(&config(&hosts(&[first.url(), &database.url()]))).unwrap();
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_none());
    first.freeze();
    // At most the statement that was on the way, and one wait for a connection.
    let began = Instant::now();
    while store.templates().get(&nik(), &contract()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(5), "the second host is not asked");
    }
    let began = Instant::now();
    assert!(store.templates().get(&nik(), &contract()).await.unwrap().is_none());
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn urls_that_cannot_work_are_refused_without_a_connection() {
    let refusal = |url: &str| Store::new(&config(url)).unwrap_err().to_string();
    for wanted in ["standby", "any", "read-only", "prefer-standby"] {
        let text = refusal(&format!("postgres://localhost,127.0.0.1/d?target_session_attrs={wanted}"));
        assert!(text.contains("target_session_attrs"), "{text}");
    }
    // Each host must show a certificate.
    let text = refusal("postgres://u:s3cret@localhost,db.example/d");
    assert!(text.contains("db.example:5432/d is beyond this machine") && !text.contains("s3cret"), "{text}");
}
