use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    App,
    dev::Server,
    middleware::{NormalizePath, TrailingSlash, from_fn},
    web,
};
use padan_verification::{BackgroundTasks, Clients, Management as UseCases, Verifier};

use crate::{
    activity::Activity,
    admission::Admission,
    config::Config,
    connections::Connections,
    console,
    controls::Controls,
    edge::Edge,
    limits::Limits,
    listener::Listener,
    management::{self, Management},
    metrics::Metrics,
    operators::{self, Stopping},
    routes,
    saturation::Saturation,
    tls::Certificates,
};

/// The service with both listeners bound and not yet answering.
pub struct Application {
    public: Server,
    operators: Server,
    public_address: SocketAddr,
    admin_address: SocketAddr,
    controls: Controls,
    stopping: Stopping,
    shutdown_delay: Duration,
    verifier: Arc<Verifier>,
    clients: Arc<Clients>,
    management: Option<Arc<UseCases>>,
    tasks: BackgroundTasks,
}

impl Application {
    /// Binds both listeners. The management interface is served if its use cases are given. Clients can connect when this returns; [`Self::run_until_stopped`] answers them, and
    /// watches the background tasks.
    ///
    /// # Errors
    ///
    /// When the settings contradict each other, a certificate cannot be used, or an address cannot be bound.
    pub fn build(
        config: &Config,
        verifier: Arc<Verifier>,
        clients: Arc<Clients>,
        management: Option<Arc<UseCases>>,
        mut tasks: BackgroundTasks,
    ) -> io::Result<Self> {
        config.validate()?;
        let certificates = Certificates::load(&config.tls)?;
        let metrics = Arc::new(Metrics::new().map_err(io::Error::other)?);
        let activity = Activity::starting();
        metrics.subscribe(&verifier, activity.clone());
        verifier.start_background_tasks(&mut tasks);
        let stopping = Stopping::default();
        let limits = Limits::new(config, &metrics);
        let edge = Edge {
            metrics: Arc::clone(&metrics),
            activity: activity.clone(),
            limits: limits.clone(),
            stopping: stopping.clone(),
        };
        let management = management.map(|use_cases| {
            Management::new(use_cases, Arc::clone(&verifier), limits.clone(), Arc::clone(&metrics), config)
        });
        let use_cases = management.as_ref().map(|management| Arc::clone(&management.use_cases));
        let observed = Observed {
            verifier: Arc::clone(&verifier),
            clients: Arc::clone(&clients),
            metrics: Arc::clone(&metrics),
            activity,
            stopping: stopping.clone(),
            saturation: limits.saturation.clone(),
            connections: limits.connections.clone(),
            management,
            has_console: config.console.enabled,
        };
        let (operators, admin_address) = operators_server(config, observed, &limits, certificates.as_ref())?;
        // Last, because the number of handshakes that a thread does at a time is that of the last listener.
        let (public, public_address) =
            public_server(config, edge, certificates.as_ref(), Arc::clone(&verifier), Arc::clone(&clients))?;
        let controls = Controls { limits, certificates, metrics };
        if let Some(certificates) = &controls.certificates {
            controls.report_expiry(certificates);
        }
        Ok(Self {
            public,
            operators,
            public_address,
            admin_address,
            controls,
            stopping,
            shutdown_delay: Duration::from_secs(config.shutdown_delay_seconds),
            verifier,
            clients,
            management: use_cases,
            tasks,
        })
    }

    /// The tasks that run beside the requests, to add further ones.
    pub fn background_tasks(&mut self) -> &mut BackgroundTasks {
        &mut self.tasks
    }

    /// The port of the public listener.
    pub fn port(&self) -> u16 {
        self.public_address.port()
    }

    /// The port of the operators' listener.
    pub fn admin_port(&self) -> u16 {
        self.admin_address.port()
    }

    /// The settings that can be changed while the service runs.
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Serves until `shutdown` is ready, then stops in this order:
    ///
    /// 1. `/readyz` says that the service is stopping. For the configured delay, requests are still served, so that
    ///    balancers have time to choose another service.
    /// 2. No new connection is accepted. Requests in flight may end within the configured time.
    /// 3. The audit trail is finished, and unused quota is returned to the store.
    ///
    /// When the future is dropped, the service stops at once.
    ///
    /// # Errors
    ///
    /// When a background task ends before `shutdown` is ready: the service stops in the same order, and the error names
    /// the task. When a listener fails.
    pub async fn run_until_stopped(mut self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (public, operators) = (self.public.handle(), self.operators.handle());
        let stop = async {
            let failed = tokio::select! {
                () = shutdown => None,
                ended = self.tasks.next_ended() => Some(ended),
            };
            if let Some(ended) = &failed {
                tracing::error!(task = ended.task, "stopping: {ended}");
            }
            self.stopping.begin();
            tokio::time::sleep(self.shutdown_delay).await;
            public.stop(true).await;
            operators.stop(false).await;
            failed.map_or(Ok(()), |ended| Err(io::Error::other(ended)))
        };
        let (served, observed, stopped) = tokio::join!(self.public, self.operators, stop);
        self.verifier.finish().await;
        self.clients.finish().await;
        if let Some(management) = &self.management {
            management.finish().await;
        }
        stopped.and(served).and(observed)
    }
}

fn public_server(
    config: &Config,
    edge: Edge,
    certificates: Option<&Certificates>,
    verifier: Arc<Verifier>,
    clients: Arc<Clients>,
) -> io::Result<(Server, SocketAddr)> {
    let admission = Admission::new(
        clients,
        Arc::clone(&verifier),
        edge.limits.in_flight.clone(),
        config.tls.client_certificate_suffices,
    );
    let listener = Listener {
        name: "public",
        address: config.public(),
        workers: config.workers.get(),
        connections_per_worker: config.connections_per_worker.get(),
        backlog: config.backlog,
        times: config.connection_times(),
        tcp_keepalive: config.tcp_keepalive,
        shutdown_seconds: config.shutdown_timeout_seconds.get(),
        stops_when_client_leaves: config.stop_when_client_leaves,
        limits: edge.limits.clone(),
        metrics: Arc::clone(&edge.metrics),
    };
    // An engine that replaces this one is started with the same settings, so it has a liveness set if this one does.
    let has_liveness = verifier.liveness_set().is_some();
    let encryption = certificates.map(Certificates::for_clients).transpose().map_err(io::Error::other)?;
    let served = listener.serve(encryption, move || {
        let edge = edge.clone();
        App::new()
            .app_data(web::Data::from(Arc::clone(&verifier)))
            .app_data(web::Data::new(admission.clone()))
            .wrap(from_fn(move |request, next| edge.clone().serve(request, next)))
            // Outermost, so that all other layers see the normalised path: some clients send a doubled slash.
            .wrap(NormalizePath::new(TrailingSlash::MergeOnly))
            .configure(routes::public(has_liveness))
    });
    served.map_err(|error| cannot_listen(config.public(), &error))
}

/// Connections of the operators' listener. They take open files from the public one.
pub const OPERATORS_CONNECTIONS: usize = 512;
/// Those of one address. Browsers, probes and Prometheus need few.
const OPERATORS_CONNECTIONS_PER_ADDRESS: usize = 128;

/// The components that the operators' endpoints report on.
struct Observed {
    verifier: Arc<Verifier>,
    clients: Arc<Clients>,
    metrics: Arc<Metrics>,
    activity: Activity,
    stopping: Stopping,
    saturation: Saturation,
    connections: Connections,
    management: Option<Management>,
    has_console: bool,
}

fn operators_server(
    config: &Config,
    observed: Observed,
    limits: &Limits,
    certificates: Option<&Certificates>,
) -> io::Result<(Server, SocketAddr)> {
    let encryption = certificates
        .filter(|_| config.tls.admin)
        .map(Certificates::without_client_certificates)
        .transpose()
        .map_err(io::Error::other)?;
    // What the metrics say about connections and heads is about clients.
    let not_exported = Arc::new(Metrics::new().map_err(io::Error::other)?);
    let connections = Connections::new(
        OPERATORS_CONNECTIONS,
        OPERATORS_CONNECTIONS_PER_ADDRESS,
        Duration::ZERO,
        &not_exported,
    );
    let listener = Listener {
        name: "operators",
        address: config.admin(),
        workers: 1,
        connections_per_worker: OPERATORS_CONNECTIONS,
        backlog: config.backlog,
        times: config.connection_times(),
        tcp_keepalive: config.tcp_keepalive,
        shutdown_seconds: 1,
        stops_when_client_leaves: false,
        limits: limits.clone().with_connections(connections),
        metrics: not_exported,
    };
    let served = listener.serve(encryption, move || {
        App::new()
            .wrap(from_fn(operators::with_limited_bodies))
            .app_data(web::Data::from(Arc::clone(&observed.verifier)))
            .app_data(web::Data::from(Arc::clone(&observed.clients)))
            .app_data(web::Data::from(Arc::clone(&observed.metrics)))
            .app_data(web::Data::new(observed.activity.clone()))
            .app_data(web::Data::new(observed.stopping.clone()))
            .app_data(web::Data::new(observed.saturation.clone()))
            .app_data(web::Data::new(observed.connections.clone()))
            .configure(operators::endpoints)
            .configure(|config| {
                if let Some(management) = &observed.management {
                    config.app_data(web::Data::new(management.clone())).configure(management::endpoints);
                }
                if observed.has_console {
                    config.configure(console::endpoints);
                }
            })
    });
    served.map_err(|error| cannot_listen(config.admin(), &error))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}
