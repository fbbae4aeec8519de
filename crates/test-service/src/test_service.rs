use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    ops::Deref,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use padan_domain::{ClientRules, Clock, RequestRate};
use padan_store::{Administration, AuditFilter, AuditLog, ClientSecret, NewClient, NewOperator, UsageRow};
use padan_testing::TestDatabase;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    captured_log::LogOfService,
    running_service::RunningService,
    served::{Served, engine_of, open, operator},
    settings::{Settings, sections_of_databases, unlimited_trials},
    site::{Credentials, clients},
};

/// The URL of a database that cannot be reached.
const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/nowhere";

/// A service within the process of the test, with its databases. All end when the value is dropped.
///
/// It is made of the same parts as the program's, except that it does not follow the model, the calibration and the shadow
/// model that operators activate, and that its management interface computes no rates from the live measurement: the
/// program's own tests try these.
pub struct TestService {
    served: Served,
    running: RunningService,
    settings: Settings,
    clock: Clock,
    has_own_engine: bool,
    folder: TempDir,
    log: LogOfService,
}

/// A second service over the databases of a [`TestService`]. It ends when the value is dropped.
pub struct SecondService {
    _served: Served,
    /// The address of the public listener.
    pub address: SocketAddr,
}

/// How a [`TestService`] is to be started.
#[must_use]
pub struct Preparation<'a> {
    settings: &'a str,
    clock: Clock,
    has_own_engine: bool,
    has_own_registry: bool,
    is_managed: bool,
    unreachable: Option<Unreachable>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unreachable {
    Registry,
    Store,
}

impl Preparation<'_> {
    /// With another clock than the system's. Limits of credentials and rates keep the system's.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// With an engine that no other service of this process uses, for a test of what it counts.
    pub fn own_engine(self) -> Self {
        Self { has_own_engine: true, ..self }
    }

    /// With a registry that the test may change.
    pub fn own_registry(self) -> Self {
        Self { has_own_registry: true, ..self }
    }

    /// With the management interface.
    pub fn managed(self) -> Self {
        Self { is_managed: true, ..self }
    }

    /// With a registry that cannot be reached.
    pub fn without_registry(self) -> Self {
        Self { unreachable: Some(Unreachable::Registry), ..self }
    }

    /// With a store that cannot be reached.
    pub fn without_store(self) -> Self {
        Self { unreachable: Some(Unreachable::Store), ..self }
    }

    /// Starts the service, and waits until it is ready unless a database cannot be reached.
    pub fn start(self) -> TestService {
        let log = LogOfService::begin();
        let runtime = Runtime::new().unwrap();
        let (registry, store) = runtime.block_on(async {
            let store = TestDatabase::filled("store", async |database| {
                let settings =
                    Settings::merged(&[&sections_of_databases(NOWHERE, &database.url())], Path::new(""));
                open(&settings).migrate().await.unwrap();
            });
            let registry = if self.has_own_registry {
                RunningService::own_registry().await
            } else {
                RunningService::shared_registry().await
            };
            (registry, store.await)
        });
        let mut running = RunningService::not_listening(registry, store, runtime);
        let folder = tempfile::tempdir().unwrap();
        let settings = self.merged(&running, folder.path());
        let served = Served::start(&settings, self.clock, engine_of(&settings, self.has_own_engine));
        (running.address, running.admin) = (served.address, served.admin);
        if self.unreachable.is_none() {
            running.wait_until_ready();
        }
        let Self { clock, has_own_engine, .. } = self;
        TestService { served, running, settings, clock, has_own_engine, folder, log }
    }

    fn merged(&self, running: &RunningService, folder: &Path) -> Settings {
        fs::write(folder.join("clients.toml"), clients()).unwrap();
        let url_of = |database: &TestDatabase, which| {
            if self.unreachable == Some(which) { NOWHERE.to_owned() } else { database.url() }
        };
        let databases = sections_of_databases(
            &url_of(&running.registry, Unreachable::Registry),
            &url_of(&running.store, Unreachable::Store),
        );
        let of_file = "[clients]\nfile = \"clients.toml\"\n";
        let clients = if self.settings.contains("[clients]") { "" } else { of_file };
        let mut management = "";
        if self.is_managed {
            fs::write(folder.join("management-url"), running.store.url()).unwrap();
            management = "[http]\nmanagement = true\n[store]\nmanagement_url_file = \"management-url\"\n";
        }
        let unlimited = format!("{}\n{}", self.settings, unlimited_trials(self.settings));
        Settings::merged(&[&unlimited, clients, management, &databases], folder)
    }
}

impl TestService {
    /// Starts the service with the default settings.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts the service with these settings, in TOML.
    pub fn with(settings: &str) -> Self {
        Self::prepare(settings).start()
    }

    /// Starts the service with a registry that cannot be reached.
    pub fn without_registry() -> Self {
        Self::prepare("").without_registry().start()
    }

    /// Starts the service with a store that cannot be reached.
    pub fn without_store() -> Self {
        Self::prepare("").without_store().start()
    }

    /// A service with these settings, which is not started yet.
    pub fn prepare(settings: &str) -> Preparation<'_> {
        let clock = Clock::System;
        Preparation {
            settings,
            clock,
            has_own_engine: false,
            has_own_registry: false,
            is_managed: false,
            unreachable: None,
        }
    }

    /// Starts a second service with the same settings and databases.
    pub fn start_second(&self) -> SecondService {
        let engine = engine_of(&self.settings, self.has_own_engine);
        let served = Served::start(&self.settings, self.clock, engine);
        self.wait_until_ready_at(served.admin);
        SecondService { address: served.address, _served: served }
    }

    /// Ends the service and starts it again, with the same settings and databases.
    pub fn restart(&mut self) {
        self.served =
            Served::start(&self.settings, self.clock, engine_of(&self.settings, self.has_own_engine));
        (self.running.address, self.running.admin) = (self.served.address, self.served.admin);
        self.running.wait_until_ready();
    }

    /// Changes the file of clients and reads it again.
    pub fn change_clients(&self, from: &str, to: &str) {
        let file = self.folder.path().join("clients.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&file, text.replace(from, to)).unwrap();
        self.served.clients.reload().unwrap();
    }

    /// Adds a client to the store, as `padan client add` does without further arguments.
    pub fn add_client(&self, name: &str) -> Credentials {
        let rate = Some(RequestRate::of_new_clients());
        self.add_client_with(name, ClientRules { rate, ..ClientRules::default() }, false)
    }

    /// Adds a client with these rules to the store.
    pub fn add_client_with(&self, name: &str, rules: ClientRules, is_sandbox: bool) -> Credentials {
        let client = NewClient {
            name: name.parse().unwrap(),
            username: name.parse().unwrap(),
            password: ClientSecret::generate().unwrap(),
            api_key: ClientSecret::generate().unwrap(),
            is_sandbox,
            rules,
        };
        self.administer(async |administration| assert!(administration.add_client(&client).await.unwrap()));
        [name.to_owned(), client.password.reveal().to_owned(), client.api_key.reveal().to_owned()]
    }

    /// Adds an operator in this role, and returns its token.
    pub fn add_operator(&self, name: &str, role: &str) -> String {
        let operator = NewOperator {
            name: name.parse().unwrap(),
            role: role.parse().unwrap(),
            token: ClientSecret::generate().unwrap(),
            expires_at: None,
        };
        self.administer(async |administration| {
            assert!(administration.add_operator(&operator).await.unwrap());
        });
        operator.token.reveal().to_owned()
    }

    /// Administers the store as somebody who runs a command.
    pub fn administer(&self, act: impl AsyncFnOnce(&Administration)) {
        self.running.runtime.block_on(async {
            let store = open(&self.settings);
            let administration = Administration::by(operator(), store.audit_trail(Clock::System));
            act(&administration).await;
            administration.finish().await;
        });
    }

    /// The faults of the audit trail.
    pub fn faults_of_audit_trail(&self) -> Vec<String> {
        let verified = async { AuditLog::open(&self.settings.store).await.unwrap().verify(Vec::new()).await };
        let report = self.running.runtime.block_on(verified).unwrap();
        report.faults.iter().map(ToString::to_string).collect()
    }

    /// What the service has logged so far, in JSON. The test must have asked
    /// [`ran_in_own_process`](crate::ran_in_own_process), because the log is that of the process.
    pub fn logged(&self) -> String {
        self.log.text()
    }

    /// Waits until the log contains these words.
    pub fn wait_for_log(&self, words: &str) {
        let began = Instant::now();
        while !self.logged().contains(words) {
            assert!(began.elapsed() < Duration::from_secs(30), "{words} is not in:\n{}", self.logged());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How often this endpoint gave an answer with this reason code.
    pub fn calls(&self, endpoint: &str, reason: &str) -> i64 {
        let is_counted = |row: &&UsageRow| row.endpoint == endpoint && row.reason == reason;
        self.usage().iter().filter(is_counted).map(|row| row.calls).sum()
    }

    /// The clients of the rows in the audit trail about a person.
    pub fn clients_that_asked_about(&self, nik: &str) -> Vec<String> {
        let filter = AuditFilter { nik: Some(nik.parse().unwrap()), ..AuditFilter::default() };
        let mut clients = Vec::new();
        let exported = async {
            let mut log = AuditLog::open(&self.settings.store).await.unwrap();
            log.export(&filter, |row| {
                clients.extend(row.client);
                Ok::<_, Infallible>(())
            })
            .await
        };
        let Ok(()) = self.running.runtime.block_on(exported).unwrap();
        clients
    }

    /// How often clients called, by client, day, endpoint and reason.
    pub fn usage(&self) -> Vec<UsageRow> {
        let counted = async {
            let mut log = AuditLog::open(&self.settings.store).await.unwrap();
            log.usage(&AuditFilter::default()).await
        };
        self.running.runtime.block_on(counted).unwrap()
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the service logged:\n{}", self.log.text());
        }
    }
}

impl Deref for TestService {
    type Target = RunningService;

    fn deref(&self) -> &RunningService {
        &self.running
    }
}
