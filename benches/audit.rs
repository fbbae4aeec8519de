//! What the audit trail costs: the whole service with it and without it, in turns, in one process.
//!
//! `padan cluster --durable -- cargo bench -p padan-benches --bench audit`. Requests come over keep-alive connections
//! from the same process, which costs both sides the same.
#![expect(clippy::expect_used, reason = "a bench that lacks something ends at once and says what")]
#![expect(clippy::print_stdout, reason = "the figures")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{NaiveDate, Utc};
use futures_util::future::join_all;
use padan_domain::{CitizenStatus, Clock};
use padan_http_api::Application;
use padan_inference::Engine;
use padan_registry::{FurtherFields, Registry, SamplePerson, SampleRegistry};
use padan_store::Store;
use padan_testing::TestDatabase;
use padan_verification::{Clients, ClientsConfig, Verifier, VerifierParts};
use reqwest::multipart::{Form, Part};
use tokio::{runtime::Runtime, sync::oneshot};

const NIK: &str = "3174011403870000";
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_secs(4);

/// The sections of the shipped settings that are needed here.
#[derive(serde::Deserialize)]
struct Settings {
    http: padan_http_api::Config,
    registry: padan_registry::Config,
    store: padan_store::Config,
    inference: padan_inference::Config,
    verification: padan_verification::Config,
}

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Runtime::new().expect("a runtime").block_on(measure());
}

async fn measure() {
    let (registry, store) = (TestDatabase::create().await, TestDatabase::create().await);
    let settings = settings(&registry.url(), &store.url());
    fill(&registry).await;
    let kept = Store::new(&settings.store).expect("the store's settings work");
    kept.migrate().await.expect("the store is migrated");
    let engine = Engine::start(&settings.inference).expect("the models are installed by `make deps`");
    let served = [false, true].map(|audited| serve(&settings, &engine, &kept, audited));
    for (what, path) in [("face", "/identity/v1/face-verification"), ("fields", "/identity/v1/verification")]
    {
        let (mut counts, mut seconds) = ([0, 0], [0.0, 0.0]);
        for round in 0..=ROUNDS {
            for side in 0..2 {
                let (answered, took) = drive(served[side].0, path, what == "face").await;
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
    for (_, stop) in served {
        let _ = stop.send(());
    }
}

/// Requests that were answered 200, and the time it took.
async fn drive(port: u16, path: &str, face: bool) -> (u64, Duration) {
    let selfie = Bytes::from(fs::read(root("people/images/101_s1.jpg")).expect("people/images is there"));
    let url = format!("http://127.0.0.1:{port}{path}");
    let (answered, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    let connections = (0..CONNECTIONS).map(|_| async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        while !over.load(Relaxed) {
            let mut form =
                Form::new().text("nik", NIK).text("name", "Budi Santoso").text("date_of_birth", "14-03-1987");
            if face {
                form = form.part("face_image", Part::stream(selfie.clone()).file_name("blob"));
            }
            let request = client.post(&url).basic_auth("demo", Some("demo")).header("x-api-key", "demo");
            let answer = request.multipart(form).send().await.expect("the service answers");
            assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
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

/// A service on a port of its own.
fn serve(settings: &Settings, engine: &Engine, store: &Store, audited: bool) -> (u16, oneshot::Sender<()>) {
    let clock = Clock::System;
    let verifier = Verifier::new(VerifierParts {
        registry: Registry::new(&settings.registry).expect("the registry's settings work"),
        store: store.clone(),
        audit: audited.then(|| store.audit_trail(clock)),
        engine: engine.clone().into(),
        config: settings.verification.clone(),
        clock,
    });
    let clients =
        Clients::load(&ClientsConfig { demo: true, ..ClientsConfig::default() }).expect("the demo's client");
    let application =
        Application::build(&settings.http, Arc::new(verifier), Arc::new(clients)).expect("two free ports");
    let port = application.port();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(application.run_until_stopped(async {
        let _ = stopped.await;
    }));
    (port, stop)
}

async fn fill(database: &TestDatabase) {
    let mut registry =
        SampleRegistry::connect(&database.url().into()).await.expect("the registry's database");
    registry.migrate().await.expect("the registry is migrated");
    let portrait = Bytes::from(fs::read(root("people/images/101_id.jpg")).expect("people/images is there"));
    let person = SamplePerson {
        nik: NIK.parse().expect("16 digits"),
        name: "Budi Santoso".to_owned(),
        date_of_birth: NaiveDate::from_ymd_opt(1987, 3, 14).expect("a date"),
        status: CitizenStatus::Active,
        further: FurtherFields::default(),
        portrait: Some((portrait, Utc::now())),
    };
    registry.put(&person).await.expect("the person is loaded");
}

fn settings(registry: &str, store: &str) -> Settings {
    let shipped = fs::read_to_string(root("config/default.toml")).expect("config/default.toml is there");
    let mut settings: Settings = toml::from_str(&shipped).expect("the shipped settings parse");
    (settings.http.port, settings.http.admin_port) = (0, 0);
    settings.registry.urls = vec![registry.into()];
    settings.store.url = store.into();
    settings.store.person_key = Some("0123456789abcdef".repeat(4).into());
    settings.store.template_keys = Some("89abcdef01234567".repeat(4).into());
    settings.store.audit_keys = Some("456789abcdef0123".repeat(4).into());
    settings.inference.model_folder = Some(root(".deps/models"));
    settings.inference.runtime_library = Some(root(".deps/onnxruntime/libonnxruntime.so"));
    settings
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
