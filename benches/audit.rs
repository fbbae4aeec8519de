//! The cost of the audit trail: the time until a row is durable, compared with the time until an answer.
//!
//! `padan-demo cluster --durable -- cargo bench -p padan-benches --bench audit`. The number of tasks that record rows
//! equals the number of callers that send requests. Rounds of rows and of requests alternate in one process, which is
//! also the client, over keep-alive connections.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up panics with a message")]
#![expect(clippy::print_stdout, reason = "the figures")]

mod service;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use padan_domain::{Clock, Endpoint, ReasonCode};
use padan_store::{AuditEvent, AuditTrail, RequestEnding};
use tokio::runtime::Runtime;

use service::{Service, Site};

const CALLERS: usize = 8;
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_secs(4);

/// The number of calls, and the sum of the time of all callers.
#[derive(Default)]
struct Total {
    calls: u64,
    seconds: f64,
}

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Runtime::new().expect("a runtime").block_on(measure());
}

async fn measure() {
    let site = Site::prepare().await;
    let (service, trail, selfie) = (site.serve(), site.store.audit_trail(Clock::System), service::selfie());
    for (what, selfie) in [("face", Some(&selfie)), ("fields", None)] {
        let (mut rows, mut answers) = (Total::default(), Total::default());
        for round in 0..=ROUNDS {
            let (recorded, answered) = (record_rows(&trail).await, send_requests(&service, selfie).await);
            // The first round warms up.
            if round > 0 {
                rows.add(&recorded);
                answers.add(&answered);
            }
        }
        let (row, answer) = (rows.milliseconds(), answers.milliseconds());
        println!(
            "{what}, {CALLERS} callers: a row is durable after {row:.2} ms, an answer comes after {answer:.2} ms: {:.1} %",
            100.0 * row / answer
        );
    }
}

/// Records rows by all callers for one round.
async fn record_rows(trail: &AuditTrail) -> Total {
    run_round(async || {
        let recorded = trail.record(event()).await;
        recorded.expect("the row is durable");
    })
    .await
}

/// Sends requests by all callers for one round.
async fn send_requests(service: &Service, selfie: Option<&Bytes>) -> Total {
    let client = service::client();
    run_round(async || service.verify(&client, selfie).await).await
}

/// Repeats a call by all callers concurrently until the round is over.
async fn run_round(call: impl AsyncFn()) -> Total {
    let (calls, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    let callers = (0..CALLERS).map(|_| async {
        while !over.load(Relaxed) {
            call().await;
            calls.fetch_add(1, Relaxed);
        }
    });
    let end = async {
        tokio::time::sleep(ROUND).await;
        over.store(true, Relaxed);
    };
    tokio::join!(join_all(callers), end);
    Total { calls: calls.into_inner(), seconds: began.elapsed().as_secs_f64() * CALLERS as f64 }
}

fn event() -> AuditEvent {
    AuditEvent {
        request_id: "01999999-9999-7999-8999-999999999999".to_owned(),
        client: "demo".parse().expect("a client's name"),
        is_sandbox: false,
        endpoint: Endpoint::FaceVerification,
        ending: RequestEnding::Answered(ReasonCode::Verified),
        nik: service::NIK.parse().ok(),
        nik_plausible: Some(true),
        fields: vec![("nik", Some(true)), ("name", Some(true)), ("date_of_birth", Some(true))],
        name_rules: Vec::new(),
        percentage: Some(82.04),
        compared_under: None,
        spoof: None,
        took: Duration::from_millis(30),
    }
}

impl Total {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.seconds += other.seconds;
    }

    fn milliseconds(&self) -> f64 {
        1000.0 * self.seconds / self.calls as f64
    }
}
