use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use chrono::{NaiveDate, TimeDelta};
use padan_domain::Clock;
use padan_http_api::Application;
use padan_inference::{Engine, PhotoReader, model_folders};
use padan_registry::Registry;
use padan_store::{KeySet, LiveCounts, Operator, Store};
use padan_verification::{
    BackgroundTasks, Clients, EngineInUse, LiveMarks, LiveRates, Management, ManagementParts, Provider,
    Sandbox, SessionTimes, Verifier, VerifierParts,
};
use parking_lot::Mutex;
use tokio::{runtime::Runtime, sync::oneshot, time::timeout};

use crate::settings::Settings;

/// How long a service that ends may take to answer what is in flight.
const ENDING: Duration = Duration::from_secs(2);

/// An application that serves in a thread of its own. It ends when the value is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) clients: Arc<Clients>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(crate) fn start(settings: &Settings, clock: Clock, engine: Engine) -> Self {
        let (tell, told) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let settings = settings.clone();
        let thread = thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async {
                let (application, clients) = build(&settings, clock, engine);
                tell.send((application.port(), application.admin_port(), clients)).unwrap();
                serve(application, ended).await;
            });
            runtime.shutdown_background();
        });
        let (port, admin, clients) = told.recv().unwrap();
        let [address, admin] = [port, admin].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Self { address, admin, clients, end: Some(end), thread: Some(thread) }
    }
}

/// Serves until the end, and then for a moment what is in flight.
async fn serve(application: Application, ended: oneshot::Receiver<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut served = Box::pin(application.run_until_stopped(async { drop(stopped.await) }));
    tokio::select! {
        ended_early = &mut served => panic!("the service ended by itself: {ended_early:?}"),
        _ = ended => {}
    }
    drop(stop);
    // An error here is that of a connection which the test left open.
    let _ = timeout(ENDING, served).await;
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the service panicked");
        }
    }
}

/// The service of these settings, with both listeners bound.
fn build(settings: &Settings, clock: Clock, engine: Engine) -> (Application, Arc<Clients>) {
    let store = open(settings);
    let mut tasks = BackgroundTasks::default();
    let clients = Arc::new(Clients::load_with_store(&settings.clients, &store, &mut tasks).unwrap());
    let verifier = Arc::new(Verifier::new(VerifierParts {
        registry: Registry::new(&settings.registry).unwrap(),
        audit: store.audit_trail(clock),
        store,
        engine: EngineInUse::new(engine),
        config: settings.verification.clone(),
        clock,
        sandbox: Sandbox::new(&settings.verification, clock, PhotoReader::new(&settings.inference)),
    }));
    let management = settings.http.management.then(|| Arc::new(management(settings, clock)));
    if let Some(management) = &management {
        tasks.spawn("old exports", Arc::clone(management).remove_old_exports());
    }
    let application =
        Application::build(&settings.http, verifier, Arc::clone(&clients), management, tasks).unwrap();
    // The program computes it from all settings.
    application.controls().set_settings_hash("of a test");
    (application, clients)
}

fn management(settings: &Settings, clock: Clock) -> Management {
    let seconds = |seconds: u32| TimeDelta::seconds(seconds.into());
    let provider = &settings.openid_connect;
    Management::new(ManagementParts {
        store: settings.store.for_management().unwrap(),
        process: operator(),
        model_folders: model_folders(&settings.inference),
        failed_tokens: settings.clients.failed_credentials,
        provider: provider.enabled.then(|| Provider::new(provider).unwrap()),
        sessions: SessionTimes {
            idle: seconds(settings.http.session_idle_seconds.get()),
            lifetime: seconds(settings.http.session_seconds.get()),
        },
        measure_live: nothing_measured,
        clock,
    })
    .unwrap()
}

fn nothing_measured(_: &LiveCounts, _: &LiveMarks, from: NaiveDate) -> LiveRates {
    LiveRates { from, comparisons: 0, points: Vec::new() }
}

/// The engine of most services, which those of one process share: its models take longer to load than most tests run.
static USUAL_ENGINE: Mutex<Option<Engine>> = Mutex::new(None);

pub(crate) fn engine_of(settings: &Settings, has_own_engine: bool) -> Engine {
    let start = || Engine::start(&settings.inference).unwrap();
    if has_own_engine || !settings.has_usual_engine {
        return start();
    }
    USUAL_ENGINE.lock().get_or_insert_with(start).clone()
}

pub(crate) fn open(settings: &Settings) -> Store {
    Store::open(&settings.store, KeySet::All).unwrap()
}

/// Who runs the test, as the audit trail records it.
pub(crate) fn operator() -> Operator {
    Operator { os_user: "test".to_owned(), login_user: None, host: "test".to_owned(), request: None }
}
