use std::time::Duration;

use padan_domain::ClientName;
use padan_store::{AuditFilter, AuditLog, CpuUse};

use crate::fixture::{config, migrated};

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

#[tokio::test]
async fn processor_time_is_summed_by_client_and_day() {
    let (database, store) = migrated().await;
    let [bank, shop]: [ClientName; 2] = ["bank", "shop"].map(|name| name.parse().unwrap());
    let (monday, tuesday) = (day("2031-05-05"), day("2031-05-06"));
    let time = |milliseconds: u64| Duration::from_micros(milliseconds * 1000 + 7);
    store.add_cpu_use(monday, &[(shop.clone(), time(20)), (bank.clone(), time(2500))]).await.unwrap();
    store.add_cpu_use(monday, &[(bank.clone(), time(40))]).await.unwrap();
    store.add_cpu_use(tuesday, &[(bank.clone(), time(1))]).await.unwrap();
    store.add_cpu_use(tuesday, &[]).await.unwrap();

    let mut log = AuditLog::open(&config(&database.url())).await.unwrap();
    let row = |client: &str, day, microseconds| CpuUse { client: client.to_owned(), day, microseconds };
    let all = [row("bank", monday, 2_540_014), row("bank", tuesday, 1007), row("shop", monday, 20_007)];
    assert_eq!(log.cpu_use(&AuditFilter::default()).await.unwrap(), all);
    let of_bank = AuditFilter { client: Some("bank".to_owned()), ..AuditFilter::default() };
    assert_eq!(log.cpu_use(&of_bank).await.unwrap(), all[..2]);
    // Midnight in Jakarta.
    let midnight = "2031-05-05T17:00:00Z".parse().unwrap();
    let from = AuditFilter { from: Some(midnight), ..AuditFilter::default() };
    assert_eq!(log.cpu_use(&from).await.unwrap(), all[1..2]);
    let to = AuditFilter { to: Some(midnight), ..AuditFilter::default() };
    assert_eq!(log.cpu_use(&to).await.unwrap(), [all[0].clone(), all[2].clone()]);
}

#[tokio::test]
async fn processes_that_add_at_the_same_time_lose_nothing() {
    let (database, store) = migrated().await;
    let names: Vec<ClientName> = (0..20).map(|number| format!("client-{number}").parse().unwrap()).collect();
    let adding = (0..16).map(|number| {
        let (store, mut used) = (store.clone(), names.clone());
        // Each in another order.
        used.rotate_left(number);
        let used: Vec<_> = used.into_iter().map(|name| (name, Duration::from_micros(3))).collect();
        tokio::spawn(async move { store.add_cpu_use(day("2031-05-05"), &used).await })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.unwrap().unwrap();
    }
    let mut log = AuditLog::open(&config(&database.url())).await.unwrap();
    let rows = log.cpu_use(&AuditFilter::default()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.microseconds).collect::<Vec<_>>(), [48; 20]);
}
