//! What the audit trail costs: the whole service with it and without it, in turns, in one process.
//!
//! `padan cluster --durable -- cargo bench -p padan-benches --bench audit`. Requests come over keep-alive connections
//! from the same process, which costs both sides the same.
#![expect(clippy::expect_used, reason = "a bench that lacks something ends at once and says what")]
#![expect(clippy::print_stdout, reason = "the figures")]

mod service;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::runtime::Runtime;

use service::{Service, Site};

const CONNECTIONS: usize = 8;
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_secs(4);

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Runtime::new().expect("a runtime").block_on(measure());
}

async fn measure() {
    let site = Site::prepare().await;
    let served = [false, true].map(|audited| site.serve(audited));
    let selfie = service::selfie();
    for (what, selfie) in [("face", Some(&selfie)), ("fields", None)] {
        let (mut counts, mut seconds) = ([0, 0], [0.0, 0.0]);
        for round in 0..=ROUNDS {
            for side in 0..2 {
                let (answered, took) = drive(&served[side], selfie).await;
                // The first round warms up.
                if round > 0 {
                    counts[side] += answered;
                    seconds[side] += took.as_secs_f64();
                }
            }
        }
        let [without, with] = [0, 1].map(|side| counts[side] as f64 / seconds[side]);
        println!(
            "{what}: {without:.1} requests/s without the audit trail, {with:.1} with it: {:.1} %",
            100.0 * with / without
        );
    }
}

/// Requests that were answered 200, and the time it took.
async fn drive(service: &Service, selfie: Option<&Bytes>) -> (u64, Duration) {
    let (answered, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    let connections = (0..CONNECTIONS).map(|_| async {
        let client = service::client();
        while !over.load(Relaxed) {
            service.verify(&client, selfie).await;
            answered.fetch_add(1, Relaxed);
        }
    });
    let end = async {
        tokio::time::sleep(ROUND).await;
        over.store(true, Relaxed);
    };
    tokio::join!(join_all(connections), end);
    (answered.load(Relaxed), began.elapsed())
}
