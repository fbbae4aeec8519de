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
    config::Config,
    controls::Controls,
    edge::Edge,
    limits::Limits,
    metrics::Metrics,
    operators::{self, Stopping},
    peer_certificate::PeerCertificate,
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
}

impl Application {
    /// Binds both listeners. Connections wait from here on and are answered by [`Self::run_until_stopped`].
    pub fn build(config: &Config, verifier: Arc<Verifier>, clients: Arc<Clients>) -> io::Result<Self> {
        config.validate()?;
        let certificates = Certificates::load(&config.tls)?;
        let metrics = Arc::new(Metrics::new().map_err(io::Error::other)?);
        metrics.subscribe(&verifier);
        verifier.start_sampling();
        let stopping = Stopping::default();
        let limits = Limits::new(config, &metrics);
        let edge = Edge { metrics: Arc::clone(&metrics), limits: limits.clone(), stopping: stopping.clone() };
        let (public, public_address) = public_server(
            config,
            (edge, certificates.as_ref()),
            Arc::clone(&verifier),
            Arc::clone(&clients),
        )?;
        let observed = Observed {
            verifier: Arc::clone(&verifier),
            clients: Arc::clone(&clients),
            metrics: Arc::clone(&metrics),
            stopping: stopping.clone(),
            saturation: limits.saturation.clone(),
        };
        let (operators, admin_address) = operators_server(config, observed, certificates.as_ref())?;
        let controls = Controls { limits, certificates, metrics };
        if let Some(certificates) = &controls.certificates {
            controls.tell_expiry(certificates);
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
        })
    }

    /// The port of the public listener.
    pub fn port(&self) -> u16 {
        self.public_address.port()
    }

    /// The port of the operators' listener.
    pub fn admin_port(&self) -> u16 {
        self.admin_address.port()
    }

    /// What can be changed while it serves.
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Serves until `shutdown` is ready. Then `/readyz` says that it is stopping, and requests are served for the
    /// configured delay, so that balancers look elsewhere first; then it takes no more connections, lets requests end within
    /// the configured time, finishes the audit trail, hands back unused quota and returns. Dropped before, it stops at once.
    pub async fn run_until_stopped(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (public, operators) = (self.public.handle(), self.operators.handle());
        let stop = async {
            shutdown.await;
            self.stopping.begin();
            tokio::time::sleep(self.shutdown_delay).await;
            public.stop(true).await;
            operators.stop(false).await;
        };
        let (served, observed, ()) = tokio::join!(self.public, self.operators, stop);
        self.verifier.finish().await;
        self.clients.finish().await;
        served.and(observed)
    }
}

fn public_server(
    config: &Config,
    (edge, certificates): (Edge, Option<&Certificates>),
    verifier: Arc<Verifier>,
    clients: Arc<Clients>,
) -> io::Result<(Server, SocketAddr)> {
    let admission = Admission::new(
        clients,
        Arc::clone(&verifier),
        edge.limits.in_flight.clone(),
        config.tls.client_certificate_suffices,
    );
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
    // By default 256 who are silent would shut everybody out.
    .max_connection_rate(config.connections_per_worker.get())
    .tls_handshake_timeout(Duration::from_millis(config.head_timeout_ms.get()))
    .on_connect(PeerCertificate::note)
    .disable_signals();
    let server = match certificates {
        Some(certificates) => {
            let encryption = certificates.for_clients().map_err(io::Error::other)?;
            server.bind_rustls_0_23(config.public(), encryption)
        }
        None => server.bind(config.public()),
    };
    let server = server.map_err(|error| cannot_listen(config.public(), &error))?;
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

fn operators_server(
    config: &Config,
    observed: Observed,
    certificates: Option<&Certificates>,
) -> io::Result<(Server, SocketAddr)> {
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
    .disable_signals();
    let server = match certificates.filter(|_| config.tls.admin) {
        Some(certificates) => {
            let encryption = certificates.without_client_certificates().map_err(io::Error::other)?;
            server.bind_rustls_0_23(config.admin(), encryption)
        }
        None => server.bind(config.admin()),
    };
    let server = server.map_err(|error| cannot_listen(config.admin(), &error))?;
    let address = first_address(&server.addrs())?;
    Ok((server.run(), address))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

fn first_address(addresses: &[SocketAddr]) -> io::Result<SocketAddr> {
    addresses.first().copied().ok_or_else(|| io::Error::other("a listener has no address"))
}
