use std::{future::ready, io, net::SocketAddr, num::NonZeroU32, rc::Rc, sync::Arc, time::Duration};

use actix_http::{HttpServiceBuilder, KeepAlive};
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::{
    TlsError, max_concurrent_tls_connect,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse},
    rt::net::TcpStream,
};
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Type};

use crate::{
    config::{ConnectionTimes, TcpKeepalive},
    connection::{Connection, ConnectionSettings, Socket, Transport},
    connections::Cut,
    limits::Limits,
    metrics::Metrics,
    peer_certificate::PeerCertificate,
};

/// A listener. It is made of the parts of actix-web's `HttpServer`, which takes no [`Connection`].
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) workers: usize,
    pub(crate) connections_per_worker: usize,
    pub(crate) backlog: NonZeroU32,
    pub(crate) times: ConnectionTimes,
    pub(crate) tcp_keepalive: TcpKeepalive,
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
        let socket = self.bind()?;
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
        let head_time = self.times.head;
        // Called once by each worker.
        let http = move || {
            let stopping = stopping.clone();
            HttpServiceBuilder::<Connection, _>::default()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                // `Connection` has these limits, also for further heads.
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(Duration::ZERO)
                .client_disconnect_timeout(Duration::from_secs(1))
                .on_connect_ext(|connection: &Connection, data| {
                    data.insert(Rc::clone(connection.link()));
                    PeerCertificate::store(connection.transport(), data);
                })
                .h1::<_, BoxBody>(map_config(app(), |()| AppConfig::default()))
                .map_err(|_| ())
        };
        let limits = self.limits.clone();
        let accept = move || {
            let limits = limits.clone();
            fn_service(move |stream: TcpStream| ready(admit(stream, &limits)))
        };
        let connections = self.limits.connections.clone();
        let connect = move || {
            let settings = Rc::new(ConnectionSettings {
                stops_when_client_leaves: self.stops_when_client_leaves,
                times: self.times,
                limits: self.limits.clone(),
                metrics: Arc::clone(&self.metrics),
            });
            move |transport: Transport| {
                // `None` if the connection was reset already.
                let peer = transport.socket().peer_addr().ok();
                ready(Ok::<_, ()>((Connection::new(transport, Rc::clone(&settings)), peer)))
            }
        };
        let builder = match encryption {
            None => builder.listen(self.name, socket, move || {
                let connect = connect();
                let connect = fn_service(move |socket: Socket| connect(Transport::Plain(socket)));
                accept().and_then(connect).and_then(http())
            }),
            Some(mut encryption) => {
                encryption.alpn_protocols.insert(0, b"http/1.1".to_vec());
                builder.listen(self.name, socket, move || {
                    let connect = connect();
                    let mut acceptor = Acceptor::new(encryption.clone());
                    acceptor.set_handshake_timeout(head_time);
                    let connections = connections.clone();
                    let acceptor = acceptor.map_err(move |error| {
                        if matches!(error, TlsError::Timeout) {
                            connections.count_cut(Cut::Handshake);
                        }
                    });
                    let connect = fn_service(move |stream: TlsStream<Socket>| {
                        connect(Transport::Encrypted(Box::new(stream)))
                    });
                    accept().and_then(acceptor).and_then(connect).and_then(http())
                })
            }
        }?;
        Ok((builder.run(), address))
    }

    /// A listening socket. On Linux, accepted connections inherit its options.
    fn bind(&self) -> io::Result<std::net::TcpListener> {
        let socket =
            socket2::Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait until the connections of the former process are forgotten.
        socket.set_reuse_address(true)?;
        // An answer is one packet, which must not wait.
        socket.set_tcp_nodelay(true)?;
        let TcpKeepalive { idle_seconds, interval_seconds, probes } = self.tcp_keepalive;
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(idle_seconds.get().into()))
            .with_interval(Duration::from_secs(interval_seconds.get().into()))
            .with_retries(probes.get());
        socket.set_tcp_keepalive(&keepalive)?;
        // What the client has not read by then is given up by the system too, also after the connection was closed.
        socket.set_tcp_user_timeout(Some(self.times.answer))?;
        socket.bind(&self.address.into())?;
        socket.listen(i32::try_from(self.backlog.get()).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    }
}

/// Gives a new connection its place. `Err` when its address has too many, or it was reset already: it is closed, before
/// anything is read from it.
fn admit(stream: TcpStream, limits: &Limits) -> Result<Socket, ()> {
    let peer = stream.peer_addr().map_err(|_| ())?.ip();
    let is_proxy = limits.for_request().proxies.trusts(peer);
    let place = limits.connections.enter(peer, is_proxy).ok_or(())?;
    Ok(Socket::new(stream, place))
}

#[cfg(test)]
mod tests;
