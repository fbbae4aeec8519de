use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::Server,
    middleware::{NormalizePath, TrailingSlash, from_fn},
    web,
};
use padan_verification::{Clients, Verifier};

use crate::{
    admission::Admission,
    body_memory::BodyMemory,
    config::Config,
    edge::Edge,
    metrics::Metrics,
    operators::{self, Stopping},
    routes,
    saturation::Saturation,
    trusted_proxies::TrustedProxies,
};

/// The service with both listeners bound and not yet answering.
pub struct Application {
    public: Server,
    operators: Server,
    public_address: SocketAddr,
    admin_address: SocketAddr,
    metrics: Arc<Metrics>,
    stopping: Stopping,
    verifier: Arc<Verifier>,
    clients: Arc<Clients>,
}

impl Application {
    /// Binds both listeners. Connections wait from here on and are answered by [`Self::run_until_stopped`].
    pub fn build(config: &Config, verifier: Arc<Verifier>, clients: Arc<Clients>) -> io::Result<Self> {
        let metrics = Arc::new(Metrics::new().map_err(io::Error::other)?);
        metrics.limit_in_flight(config.max_in_flight.get());
        metrics.look_on(&verifier);
        verifier.keep_sampling();
        let stopping = Stopping::default();
        let saturation = Saturation::new(config.saturated_seconds.get());
        let (public, public_address) = public_server(
            config,
            edge(config, &metrics, &saturation),
            Arc::clone(&verifier),
            Arc::clone(&clients),
        )?;
        let observed = Observed {
            verifier: Arc::clone(&verifier),
            clients: Arc::clone(&clients),
            metrics: Arc::clone(&metrics),
            stopping: stopping.clone(),
            saturation,
        };
        let (operators, admin_address) = operators_server(config, observed)?;
        Ok(Self { public, operators, public_address, admin_address, metrics, stopping, verifier, clients })
    }

    /// Lets `/metrics` tell what tells the settings apart.
    pub fn tell_settings(&self, hash: &str) {
        self.metrics.configured(hash);
    }

    /// The port of the public listener.
    pub fn port(&self) -> u16 {
        self.public_address.port()
    }

    /// The port of the operators' listener.
    pub fn admin_port(&self) -> u16 {
        self.admin_address.port()
    }

    /// Serves until `shutdown` is ready; then takes no more connections, lets requests end within the
    /// configured time, finishes the audit trail, hands back unused quota and
    /// returns. `/readyz` says that it is stopping meanwhile.
    pub async fn run_until_stopped(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (public, operators) = (self.public.handle(), self.operators.handle());
        let stop = async {
            shutdown.await;
            self.stopping.begin();
            public.stop(true).await;
            operators.stop(false).await;
        };
        let (served, observed, ()) = tokio::join!(self.public, self.operators, stop);
        self.verifier.finish().await;
        self.clients.finish().await;
        served.and(observed)
    }
}

/// What stands around every request of the public listener.
fn edge(config: &Config, metrics: &Arc<Metrics>, saturation: &Saturation) -> Edge {
    Edge {
        metrics: Arc::clone(metrics),
        limits: config.body_limits(),
        proxies: TrustedProxies::new(&config.trusted_proxies),
        memory: BodyMemory::new(
            config.body_memory_bytes.get(),
            metrics.limit_bodies(config.body_memory_bytes.get()),
        ),
        saturation: saturation.clone(),
    }
}

fn public_server(
    config: &Config,
    edge: Edge,
    verifier: Arc<Verifier>,
    clients: Arc<Clients>,
) -> io::Result<(Server, SocketAddr)> {
    let admission = Admission::new(clients, config.max_in_flight.get(), config.most_of_one_client());
    let server = HttpServer::new(move || {
        let edge = edge.clone();
        App::new()
            .app_data(web::Data::from(Arc::clone(&verifier)))
            .app_data(web::Data::new(admission.clone()))
            .wrap(from_fn(move |request, next| edge.clone().serve(request, next)))
            // Outermost, so that all that follows sees one path: clients join base URL and path with a slash.
            .wrap(NormalizePath::new(TrailingSlash::MergeOnly))
            .configure(routes::public)
    })
    .workers(config.workers.get())
    .max_connections(config.connections_per_worker.get())
    .backlog(config.backlog.get())
    .h1_allow_half_closed(!config.stop_when_client_leaves)
    .client_request_timeout(Duration::from_millis(config.head_timeout_ms.get()))
    .keep_alive(Duration::from_secs(config.keep_alive_seconds.get()))
    .shutdown_timeout(config.shutdown_timeout_seconds.get())
    .tcp_nodelay(true)
    .disable_signals()
    .bind(config.public())
    .map_err(|error| cannot_listen(config.public(), &error))?;
    let address = first_address(&server.addrs())?;
    Ok((server.run(), address))
}

/// What the operators' listener tells about.
struct Observed {
    verifier: Arc<Verifier>,
    clients: Arc<Clients>,
    metrics: Arc<Metrics>,
    stopping: Stopping,
    saturation: Saturation,
}

fn operators_server(config: &Config, observed: Observed) -> io::Result<(Server, SocketAddr)> {
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(operators::without_bodies))
            .app_data(web::Data::from(Arc::clone(&observed.verifier)))
            .app_data(web::Data::from(Arc::clone(&observed.clients)))
            .app_data(web::Data::from(Arc::clone(&observed.metrics)))
            .app_data(web::Data::new(observed.stopping.clone()))
            .app_data(web::Data::new(observed.saturation.clone()))
            .configure(operators::endpoints)
    })
    .workers(1)
    .shutdown_timeout(1)
    .disable_signals()
    .bind(config.admin())
    .map_err(|error| cannot_listen(config.admin(), &error))?;
    let address = first_address(&server.addrs())?;
    Ok((server.run(), address))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

fn first_address(addresses: &[SocketAddr]) -> io::Result<SocketAddr> {
    addresses.first().copied().ok_or_else(|| io::Error::other("a listener has no address"))
}
