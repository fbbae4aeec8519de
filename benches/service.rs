//! A complete service within the benchmark's process, with one person in the registry.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use chrono::{NaiveDate, Utc};
use padan_domain::{CitizenStatus, Clock};
use padan_http_api::Application;
use padan_inference::{Engine, PhotoReader};
use padan_registry::{FurtherFields, Registry, SamplePerson, SampleRegistry};
use padan_store::Store;
use padan_testing::TestDatabase;
use padan_verification::{BackgroundTasks, Clients, ClientsConfig, Sandbox, Verifier, VerifierParts};
use reqwest::{
    Client,
    multipart::{Form, Part},
};
use tempfile::NamedTempFile;
use tokio::sync::oneshot;

pub(crate) const NIK: &str = "3174011403870000";
const USERNAME: &str = "bench";
const PASSWORD: &str = "bench password";
const API_KEY: &str = "bench key";
/// The only client. Its digests are those of `printf 'bench password' | sha256sum` and the same with the key.
const CLIENTS: &str = r#"
[[client]]
name = "bench"
username = "bench"
password_sha256 = "bc2fcca475c6eabf6af10ecaca8ae19656566a83700766704a847f83516cbc06"
api_key_sha256 = "ef2898e1a0b0a310bb385135236bb6e9ad196377165bdcc8730b149135fe7101"
"#;

/// The settings, databases and models that the services of a benchmark share.
pub(crate) struct Site {
    settings: Settings,
    pub(crate) store: Store,
    engine: Engine,
    // The databases are deleted when this is dropped.
    _databases: [TestDatabase; 2],
}

/// The sections of the shipped settings that a benchmark uses.
#[derive(serde::Deserialize)]
struct Settings {
    http: padan_http_api::Config,
    registry: padan_registry::Config,
    store: padan_store::Config,
    inference: padan_inference::Config,
    verification: padan_verification::Config,
}

/// A running service, which stops when this is dropped.
pub(crate) struct Service {
    port: u16,
    _stop: oneshot::Sender<()>,
}

impl Site {
    /// Creates databases on the server of `PADAN_TEST_DATABASE_URL`, and completes the shipped settings as a site does.
    pub(crate) async fn prepare() -> Self {
        let databases = [TestDatabase::create().await, TestDatabase::create().await];
        let [registry, store] = &databases;
        let settings = settings(&registry.url(), &store.url());
        fill(registry).await;
        let store = Store::new(&settings.store).expect("the store's settings work");
        store.migrate().await.expect("the store is migrated");
        let engine = Engine::start(&settings.inference).expect("the models are installed by `make deps`");
        Self { settings, store, engine, _databases: databases }
    }

    /// Starts a service on a free port.
    pub(crate) fn serve(&self) -> Service {
        let clock = Clock::System;
        let mut verification = self.settings.verification.clone();
        // One person is verified again and again.
        verification.compared_faces_of_person.most = 0;
        let verifier = Verifier::new(VerifierParts {
            registry: Registry::new(&self.settings.registry).expect("the registry's settings work"),
            store: self.store.clone(),
            audit: self.store.audit_trail(clock),
            engine: self.engine.clone().into(),
            sandbox: Sandbox::new(&verification, clock, PhotoReader::new(&self.settings.inference)),
            config: verification,
            clock,
        });
        let application = Application::build(
            &self.settings.http,
            Arc::new(verifier),
            Arc::new(clients()),
            None,
            BackgroundTasks::default(),
        )
        .expect("two free ports");
        let port = application.port();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(application.run_until_stopped(async {
            let _ = stopped.await;
        }));
        Service { port, _stop: stop }
    }
}

impl Service {
    /// Verifies the person of the registry, with a selfie or without one.
    pub(crate) async fn verify(&self, client: &Client, selfie: Option<&Bytes>) {
        let mut form =
            Form::new().text("nik", NIK).text("name", "Budi Santoso").text("date_of_birth", "14-03-1987");
        let endpoint = if selfie.is_some() { "face-verification" } else { "verification" };
        if let Some(selfie) = selfie {
            form = form.part("face_image", Part::stream(selfie.clone()).file_name("blob"));
        }
        let url = format!("http://127.0.0.1:{}/identity/v1/{endpoint}", self.port);
        let request = client.post(url).basic_auth(USERNAME, Some(PASSWORD)).header("x-api-key", API_KEY);
        let answer = request.multipart(form).send().await.expect("the service answers");
        let status = answer.status();
        // The body is read to its end, so that the connection is reused.
        let text = answer.text().await;
        assert_eq!(status, 200, "{text:?}");
    }
}

/// The clients of the service.
fn clients() -> Clients {
    let file = NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), CLIENTS).expect("the temporary file is written");
    let config = ClientsConfig { file: Some(file.path().to_owned()), ..ClientsConfig::default() };
    Clients::load(&config).expect("the client")
}

/// A client that keeps its connections open.
pub(crate) fn client() -> Client {
    Client::builder().no_proxy().build().expect("a client")
}

/// The person's rendered selfie.
pub(crate) fn selfie() -> Bytes {
    fs::read(root("people/images/101_s1.jpg")).expect("people/images is there").into()
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
