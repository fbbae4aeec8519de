//! Clients and quotas.

use std::time::Duration;

use padan_domain::{ClientName, ClientRules, Clock, GrantedFields, QuotaPeriod, RequestRate};
use padan_store::{ClientSecret, NewClient, QuotaRequest, Rotation, Store};

use crate::fixture::{administration, migrated};

fn name() -> ClientName {
    "bank".parse().unwrap()
}

pub(crate) fn new_client(name: &str, username: &str) -> NewClient {
    NewClient {
        name: name.parse().unwrap(),
        username: username.parse().unwrap(),
        password: ClientSecret::generate().unwrap(),
        api_key: ClientSecret::generate().unwrap(),
        is_sandbox: false,
        rules: ClientRules {
            networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            certificates: vec![
                "bank.example".parse().unwrap(),
                format!("sha256:{}", "0a".repeat(32)).parse().unwrap(),
            ],
            endpoints: Some(vec!["verification".parse().unwrap()]),
            fields: GrantedFields::parse(["default", "mother_maiden_name"]).unwrap(),
            rate: Some(RequestRate::new(2.5, Some(7)).unwrap()),
            daily_quota: 1000.try_into().ok(),
            monthly_quota: None,
        },
    }
}

#[tokio::test]
async fn a_client_is_read_as_it_was_added_and_its_names_are_unique() {
    let (_database, store) = migrated().await;
    let administration = administration(&store);
    let added = new_client("bank", "bank-user");
    assert!(administration.add_client(&added).await.unwrap());
    let stored = store.clients().get(&name()).await.unwrap().unwrap();
    assert_eq!((stored.username, stored.rules, stored.disabled), (added.username, added.rules, false));
    assert!(!administration.add_client(&new_client("bank", "other-user")).await.unwrap());
    assert!(!administration.add_client(&new_client("other", "bank-user")).await.unwrap());
    assert_eq!(store.clients().all().await.unwrap().trusted.len(), 1);
    assert!(store.clients().get(&"other".parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn changes_apply_to_the_named_client_only() {
    let (_database, store) = migrated().await;
    let administration = administration(&store);
    administration.add_client(&new_client("bank", "bank-user")).await.unwrap();
    let before = store.clients().get(&name()).await.unwrap().unwrap();
    assert!(administration.set_client_disabled(&name(), true).await.unwrap());
    let read_at = store.clients().get(&name()).await.unwrap().unwrap().changed_at;
    assert!(administration.set_client_rules(&name(), &ClientRules::default(), read_at).await.unwrap());
    let rotation = Rotation {
        name: name(),
        password: ClientSecret::generate().ok(),
        api_key: None,
        keep_old: Duration::from_hours(1),
    };
    assert!(administration.rotate_client(&rotation).await.unwrap());
    let after = store.clients().get(&name()).await.unwrap().unwrap();
    assert_eq!((after.disabled, after.rules), (true, ClientRules::default()));
    assert_eq!(after.password.previous.unwrap().0, before.password.current);
    assert_ne!(after.password.current, before.password.current);
    assert!(after.api_key == before.api_key);
    let at_once = Rotation { keep_old: Duration::ZERO, ..rotation };
    assert!(administration.rotate_client(&at_once).await.unwrap());
    assert!(store.clients().get(&name()).await.unwrap().unwrap().password.previous.is_none());
    assert!(administration.remove_client(&name()).await.unwrap());
    assert!(!administration.remove_client(&name()).await.unwrap());
    assert!(!administration.set_client_disabled(&name(), true).await.unwrap());
}

fn quota_request(quota: u32) -> QuotaRequest {
    let clock = Clock::Fixed("2026-11-24T05:00:00Z".parse().unwrap());
    QuotaRequest { client: name(), span: QuotaPeriod::Day.current(&clock), quota: quota.try_into().unwrap() }
}

async fn take_all(store: &Store, quota: u32) -> u64 {
    let mut taken = 0;
    loop {
        match store.quotas().take(&quota_request(quota)).await.unwrap().granted {
            0 => return taken,
            granted => taken += u64::from(granted),
        }
    }
}

#[tokio::test]
async fn concurrent_grants_add_up_to_the_quota() {
    for quota in [1, 7, 250, 1000] {
        let (_database, store) = migrated().await;
        let (one, two, three) =
            tokio::join!(take_all(&store, quota), take_all(&store, quota), take_all(&store, quota));
        assert_eq!(one + two + three, u64::from(quota));
        let span = quota_request(quota).span;
        assert_eq!(store.quotas().used(&name(), span).await.unwrap(), u64::from(quota));
        store.quotas().give_back(&name(), span, 1).await.unwrap();
        assert_eq!(store.quotas().take(&quota_request(quota)).await.unwrap().granted, 1);
        assert_eq!(store.quotas().take(&quota_request(quota)).await.unwrap().granted, 0);
    }
}
