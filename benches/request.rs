//! A complete request over a keep-alive connection, through the service and its databases.
//!
//! `padan-demo cluster --durable -- cargo bench -p padan-benches --bench request`. The person already has a template.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up panics with a message")]

mod service;

use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use padan_load::Size;
use tokio::runtime::Runtime;

use service::Site;

fn requests(criterion: &mut Criterion) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Runtime::new().expect("a runtime");
    // The site is kept, because dropping it deletes its databases.
    let (_site, service, client) = runtime.block_on(async {
        let site = Site::prepare().await;
        let service = site.serve();
        let client = service::client();
        // The first verification makes the template.
        service.verify(&client, Some(&service::selfie())).await;
        (site, service, client)
    });
    let mut group = criterion.benchmark_group("request");
    group.measurement_time(Duration::from_secs(5)).sample_size(50);
    let mut bench = |name: &str, selfie: Option<&Bytes>| {
        group.bench_function(name, |b| b.to_async(&runtime).iter(|| service.verify(&client, selfie)));
    };
    bench("fields", None);
    for size in Size::OF_PHONES {
        let enlarged = size.enlarge(&service::selfie()).expect("the selfie is a picture");
        bench(&format!("face of {size}"), Some(&enlarged));
    }
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
