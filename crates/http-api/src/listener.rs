use std::{io, net::SocketAddr, num::NonZeroU32, rc::Rc, sync::Arc, time::Duration};

use actix_http::HttpServiceBuilder;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::{
    max_concurrent_tls_connect,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse},
    rt::net::TcpStream,
};
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    connection::{Connection, ConnectionSettings, Transport},
    limits::Limits,
    metrics::Metrics,
    peer_certificate::PeerCertificate,
};

/// The public listener. It is made of the parts of actix-web's `HttpServer`, which takes no [`Connection`].
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) workers: usize,
    pub(crate) connections_per_worker: usize,
    pub(crate) backlog: NonZeroU32,
    pub(crate) head_time: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) shutdown_seconds: u64,
    pub(crate) stops_when_client_leaves: bool,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
}

impl Listener {
    /// Binds the listener and serves `app` on it, with TLS if `encryption` is given. Returns the bound address.
    pub(crate) fn serve<T>(
        self,
        encryption: Option<ServerConfig>,
        app: impl Fn() -> App<T> + Send + Clone + 'static,
    ) -> io::Result<(Server, SocketAddr)>
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<BoxBody>,
                Error = Error,
                InitError = (),
            > + 'static,
        T::Future: 'static,
    {
        let socket = bind(self.address, self.backlog)?;
        let address = socket.local_addr()?;
        // The default is 256, so that 256 silent connections would exclude all other clients.
        max_concurrent_tls_connect(self.connections_per_worker);
        let builder = Server::build()
            .workers(self.workers)
            .max_concurrent_connections(self.connections_per_worker)
            .backlog(self.backlog.get())
            .shutdown_timeout(self.shutdown_seconds)
            .disable_signals();
        let stopping = builder.graceful_shutdown_signal();
        let head_time = self.head_time;
        // Called once by each worker.
        let http = move || {
            let stopping = stopping.clone();
            HttpServiceBuilder::<Connection, _>::default()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(self.keep_alive)
                .client_request_timeout(head_time)
                .client_disconnect_timeout(Duration::from_secs(1))
                .on_connect_ext(|connection: &Connection, data| {
                    data.insert(Rc::clone(connection.link()));
                    PeerCertificate::store(connection.transport(), data);
                })
                .h1::<_, BoxBody>(map_config(app(), |()| AppConfig::default()))
                .map_err(|_| ())
        };
        let connect = move || {
            let settings = Rc::new(ConnectionSettings {
                stops_when_client_leaves: self.stops_when_client_leaves,
                limits: self.limits.clone(),
                metrics: Arc::clone(&self.metrics),
            });
            move |transport: Transport, peer: Option<SocketAddr>| {
                (Connection::new(transport, Rc::clone(&settings)), peer)
            }
        };
        let builder = match encryption {
            None => builder.listen("public", socket, move || {
                let connect = connect();
                let accept = fn_service(move |stream: TcpStream| {
                    let peer = prepare(&stream);
                    let connection = connect(Transport::Plain(stream), peer);
                    async move { Ok::<_, ()>(connection) }
                });
                accept.and_then(http())
            }),
            Some(mut encryption) => {
                encryption.alpn_protocols.insert(0, b"http/1.1".to_vec());
                builder.listen("public", socket, move || {
                    let connect = connect();
                    let mut acceptor = Acceptor::new(encryption.clone());
                    acceptor.set_handshake_timeout(head_time);
                    let accept = fn_service(move |stream: TlsStream<TcpStream>| {
                        let peer = prepare(stream.get_ref().0);
                        let connection = connect(Transport::Encrypted(Box::new(stream)), peer);
                        async move { Ok::<_, ()>(connection) }
                    });
                    acceptor.map_err(|_| ()).and_then(accept).and_then(http())
                })
            }
        }?;
        Ok((builder.run(), address))
    }
}

/// Prepares a new connection. Returns the peer's address, `None` if the connection was reset already.
fn prepare(stream: &TcpStream) -> Option<SocketAddr> {
    // An answer is one packet, which must not wait. A failure only costs time.
    let _ = stream.set_nodelay(true);
    stream.peer_addr().ok()
}

/// A listening socket.
fn bind(address: SocketAddr, backlog: NonZeroU32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait until the connections of the former process are forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog.get()).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}
