//! A server with short deadlines, and clients of it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

use actix_web::{HttpRequest, HttpResponse, middleware::from_fn, web};
use padan_domain::ReasonCode;

use super::super::*;
use crate::{
    activity::Activity, answer::respond, config::BodyLimits, connections::Connections, edge::Edge,
    operators::Stopping, refusal::Refusal, visit::Visit,
};

pub(super) const HEAD_TIME: Duration = Duration::from_millis(400);
pub(super) const KEEP_ALIVE: Duration = Duration::from_millis(1500);
pub(super) const ANSWER_TIME: Duration = Duration::from_millis(600);
/// How much later than its deadline a connection may end on a busy machine.
pub(super) const LATENESS: Duration = Duration::from_millis(900);
pub(super) const GET: &[u8] = b"GET /ok HTTP/1.1\r\nHost: test\r\n\r\n";

pub(super) struct Served {
    address: SocketAddr,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
}

/// The limits of connections of a test server.
pub(super) struct Room {
    pub(super) connections: usize,
    pub(super) per_address: usize,
}

pub(super) fn serve() -> Served {
    serve_with(&Room { connections: 100, per_address: 0 }, None)
}

pub(super) fn serve_with(room: &Room, encryption: Option<ServerConfig>) -> Served {
    let metrics = Arc::new(Metrics::new().unwrap());
    let bodies = BodyLimits {
        body_bytes: 64 * 1024,
        body_time: Duration::from_secs(5),
        body_bytes_per_second: 10_000,
        longest_body_time: Duration::from_secs(5),
        drain_bytes: 256 * 1024,
        drain_time: Duration::from_secs(2),
    };
    let connections = Connections::new(room.connections, room.per_address, Duration::ZERO, &metrics);
    let limits = Limits::for_bodies(bodies, 96 * 1024, &metrics).with_connections(connections);
    let edge = Edge {
        metrics: Arc::clone(&metrics),
        activity: Activity::starting(),
        limits: limits.clone(),
        stopping: Stopping::default(),
    };
    let served = listener(room.connections, limits.clone(), &metrics).serve(encryption, move || {
        let edge = edge.clone();
        App::new()
            .wrap(from_fn(move |request, next| edge.clone().serve(request, next)))
            .route("/ok", web::get().to(answers))
            .route("/length", web::post().to(counts_its_body))
            .route("/large", web::get().to(answers_at_length))
            .route("/slow", web::get().to(takes_long))
    });
    let (server, address) = served.unwrap();
    actix_web::rt::spawn(server);
    Served { address, limits, metrics }
}

pub(super) fn listener(connections: usize, limits: Limits, metrics: &Arc<Metrics>) -> Listener {
    Listener {
        name: "test",
        address: "127.0.0.1:0".parse().unwrap(),
        workers: 1,
        connections_per_worker: connections,
        backlog: NonZeroU32::MIN.saturating_add(100),
        times: ConnectionTimes { head: HEAD_TIME, keep_alive: KEEP_ALIVE, answer: ANSWER_TIME },
        tcp_keepalive: TcpKeepalive {
            idle_seconds: NonZeroU32::MIN.saturating_add(40),
            interval_seconds: NonZeroU32::MIN.saturating_add(6),
            probes: NonZeroU32::MIN.saturating_add(2),
        },
        shutdown_seconds: 1,
        stops_when_client_leaves: true,
        limits,
        metrics: Arc::clone(metrics),
    }
}

async fn answers() -> HttpResponse {
    respond(ReasonCode::Served, &"ok")
}

async fn counts_its_body(request: HttpRequest, visit: Visit) -> Result<HttpResponse, Refusal> {
    let body = visit.body().read(&request).await?;
    Ok(respond(ReasonCode::Served, &body.len()))
}

/// More than all buffers on the way hold.
async fn answers_at_length() -> HttpResponse {
    respond(ReasonCode::Served, &"x".repeat(64 << 20))
}

async fn takes_long() -> HttpResponse {
    tokio::time::sleep(KEEP_ALIVE + HEAD_TIME).await;
    answers().await
}

impl Served {
    /// Does something as a client, on a thread of its own.
    pub(super) async fn client<T: Send + 'static>(
        &self,
        work: impl FnOnce(SocketAddr) -> T + Send + 'static,
    ) -> T {
        let address = self.address;
        web::block(move || work(address)).await.unwrap()
    }

    pub(super) fn cut(&self, why: &str) -> u64 {
        self.metrics.connections_refused(why).get()
    }

    pub(super) async fn all_end(&self) {
        let began = Instant::now();
        while self.metrics.connections().get() > 0 {
            assert!(began.elapsed() < Duration::from_secs(10), "{}", self.metrics.connections().get());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection
}

/// Connects from another address of the loopback.
pub(super) fn connect_from(last: u8, address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let connection = TcpStream::from(socket);
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection
}

/// Reads one answer, by its Content-Length, or what comes before the connection ends.
pub(super) fn read_answer(connection: &mut TcpStream) -> String {
    let mut answer = String::new();
    let mut byte = [0];
    loop {
        if let Some((head, body)) = answer.split_once("\r\n\r\n")
            && let Some((_, length)) = head.split_once("content-length: ")
            && body.len().to_string() == length.lines().next().unwrap()
        {
            return answer;
        }
        match connection.read(&mut byte) {
            Ok(1) => answer.push(byte[0].into()),
            _ => return answer,
        }
    }
}

fn get(connection: &mut TcpStream) -> String {
    connection.write_all(GET).unwrap();
    read_answer(connection)
}

pub(super) fn is_served(connection: &mut TcpStream) -> bool {
    get(connection).starts_with("HTTP/1.1 200 ")
}

/// What comes until the connection ends, and how long that takes.
pub(super) fn until_closed(connection: &mut TcpStream) -> (String, Duration) {
    let (began, mut received) = (Instant::now(), Vec::new());
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = connection.read(&mut chunk) {
        received.extend_from_slice(&chunk[..count]);
    }
    (String::from_utf8(received).unwrap(), began.elapsed())
}

#[track_caller]
pub(super) fn assert_took(took: Duration, expected: Duration) {
    // Clocks of both sides begin at slightly different times.
    let earliest = expected.saturating_sub(Duration::from_millis(60));
    assert!((earliest..expected + LATENESS).contains(&took), "{took:?} instead of {expected:?}");
}

#[track_caller]
pub(super) fn assert_late(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\ndate: "), "{answer}");
    assert!(head.contains("\r\nreason-code: REQUEST_TIMEOUT\r\n"), "{answer}");
    assert!(head.contains("\r\nconnection: close") && head.contains("\r\nrequest-id: "), "{answer}");
    assert_eq!(body, "{\"verification_status\":false,\"reason\":\"Request timed out\"}");
}

/// Sends single bytes until the connection ends.
pub(super) fn drip(connection: &mut TcpStream, bytes: &[u8]) -> (String, Duration) {
    let mut sending = connection.try_clone().unwrap();
    let bytes = bytes.to_vec();
    let sender = std::thread::spawn(move || {
        for byte in bytes {
            if sending.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(40));
        }
    });
    let ended = until_closed(connection);
    sender.join().unwrap();
    ended
}
