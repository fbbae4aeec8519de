//! The edge in front of handlers that misbehave, over real connections where bytes matter.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    num::NonZeroU32,
    sync::Mutex,
    time::Instant,
};

use actix_web::{
    App, HttpRequest,
    middleware::{NormalizePath, TrailingSlash, from_fn},
    web::{self, Bytes},
};

use super::*;
use crate::{
    config::{BodyLimits, ConnectionTimes, TcpKeepalive},
    field::FieldNames,
    form::Form,
    listener::Listener,
};

/// A server with test handlers behind the edge. It ends with the runtime of the test.
struct Served {
    address: SocketAddr,
    metrics: Arc<Metrics>,
}

fn limits() -> BodyLimits {
    BodyLimits {
        body_bytes: 64 * 1024,
        body_time: Duration::from_millis(400),
        body_bytes_per_second: 10_000,
        longest_body_time: Duration::from_secs(20),
        drain_bytes: 256 * 1024,
        drain_time: Duration::from_secs(2),
    }
}

fn serve() -> Served {
    serve_within(limits())
}

fn serve_within(limits: BodyLimits) -> Served {
    serve_as(limits, true)
}

fn serve_as(limits: BodyLimits, stops_when_client_leaves: bool) -> Served {
    let metrics = Arc::new(Metrics::new().unwrap());
    let edge = Edge {
        metrics: Arc::clone(&metrics),
        activity: Activity::starting(),
        limits: Limits::for_bodies(limits, 96 * 1024, &metrics),
        stopping: Stopping::default(),
    };
    let listener = Listener {
        name: "test",
        address: "127.0.0.1:0".parse().unwrap(),
        workers: 1,
        connections_per_worker: 100,
        backlog: NonZeroU32::MIN.saturating_add(100),
        times: ConnectionTimes {
            head: Duration::from_secs(5),
            keep_alive: Duration::from_secs(5),
            answer: Duration::from_secs(5),
        },
        tcp_keepalive: TcpKeepalive {
            idle_seconds: NonZeroU32::MIN,
            interval_seconds: NonZeroU32::MIN,
            probes: NonZeroU32::MIN,
        },
        shutdown_seconds: 1,
        stops_when_client_leaves,
        limits: edge.limits.clone(),
        metrics: Arc::clone(&metrics),
    };
    let served = listener.serve(None, move || {
        let edge = edge.clone();
        App::new()
            .wrap(from_fn(move |request, next| edge.clone().serve(request, next)))
            .wrap(NormalizePath::new(TrailingSlash::MergeOnly))
            .route("/panic", web::post().to(panics))
            .route("/panic-with-data", web::post().to(panics_with_data))
            .route("/form", web::post().to(reads_a_form))
            .route("/late-form", web::post().to(reads_a_form_late))
            .route("/deaf", web::post().to(reads_nothing))
            .route("/slow", web::post().to(takes_long))
            .route("/queue", web::post().to(queues_a_file))
            .configure(routes::public(true))
    });
    let (server, address) = served.unwrap();
    actix_web::rt::spawn(server);
    Served { address, metrics }
}

async fn panics() -> Result<&'static str, Refusal> {
    panic!("a literal message")
}

async fn panics_with_data(request: HttpRequest) -> Result<&'static str, Refusal> {
    let query = request.query_string().to_owned();
    panic!("cannot handle {query}")
}

const NIK: FieldNames<'_> = FieldNames { all: &["nik"], files: &[] };

async fn reads_a_form(request: HttpRequest, visit: Visit) -> Result<HttpResponse, Refusal> {
    let form = Form::read(visit.body(), &request, NIK).await?;
    let nik = form.required("nik", |text| Ok(text.to_owned()))?;
    Ok(crate::answer::respond(padan_domain::ReasonCode::Verified, &nik))
}

/// Begins to read when the whole form and the end of the client's bytes have arrived.
async fn reads_a_form_late(request: HttpRequest, visit: Visit) -> Result<HttpResponse, Refusal> {
    tokio::time::sleep(Duration::from_millis(150)).await;
    reads_a_form(request, visit).await
}

/// Where photos wait for workers.
static QUEUE: Mutex<Vec<Bytes>> = Mutex::new(Vec::new());

/// Puts a file into the queue and waits for the result, as the handlers of photos do.
async fn queues_a_file(request: HttpRequest, visit: Visit) -> Result<&'static str, Refusal> {
    let form = Form::read(visit.body(), &request, NIK).await?;
    let file = form.required_file("nik")?;
    drop(form);
    QUEUE.lock().unwrap().push(file);
    takes_long().await
}

async fn reads_nothing() -> Result<&'static str, Refusal> {
    Err(Refusal::new(padan_domain::ReasonCode::Unauthorized))
}

async fn takes_long() -> Result<&'static str, Refusal> {
    tokio::time::sleep(Duration::from_secs(30)).await;
    Err(Refusal::new(padan_domain::ReasonCode::Internal))
}

impl Served {
    /// Sends bytes and returns what comes back until the answer is whole or the connection ends.
    async fn exchange(&self, sent: impl Into<Vec<u8>>) -> String {
        let (address, sent) = (self.address, sent.into());
        web::block(move || exchange(address, &sent)).await.unwrap()
    }
}

fn exchange(address: SocketAddr, sent: &[u8]) -> String {
    let mut connection = connect(address);
    connection.write_all(sent).unwrap();
    read_answer(&mut connection)
}

fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection
}

/// Reads one answer, by its Content-Length.
fn read_answer(connection: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Some(length) = header(head, "content-length")
            && body.len() >= length.parse::<usize>().unwrap()
        {
            return text;
        }
        match connection.read(&mut chunk) {
            Ok(0) | Err(_) => return text,
            Ok(count) => received.extend_from_slice(&chunk[..count]),
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn with_length(path: &str, body: &[u8]) -> Vec<u8> {
    post(path, &format!("Content-Length: {}\r\n", body.len()), body)
}

const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"nik\"\r\n\r\n3174\r\n--b--\r\n";
const FORM_TYPE: &str = "Content-Type: multipart/form-data; boundary=b\r\n";

fn form_with_length() -> Vec<u8> {
    post("/form", &format!("{FORM_TYPE}Content-Length: {}\r\n", FORM.len()), FORM.as_bytes())
}

#[track_caller]
fn assert_refused(answer: &str, status: &str, reason: padan_domain::ReasonCode) {
    assert_refused_because(answer, status, reason, reason.reason());
}

#[track_caller]
fn assert_refused_because(answer: &str, status: &str, reason: padan_domain::ReasonCode, text: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert_eq!(header(head, "reason-code").as_deref(), Some(reason.as_str()), "{answer}");
    assert!(header(head, "request-id").is_some(), "{answer}");
    assert_eq!(header(head, "content-type").as_deref(), Some("application/json"), "{answer}");
    let expected = format!("{{\"verification_status\":false,\"reason\":\"{text}\"}}");
    assert_eq!(body, expected);
}

use padan_domain::ReasonCode as Code;

#[actix_web::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let served = serve();
    for path in ["/panic", "/panic-with-data?name=Budi"] {
        let answer = served.exchange(with_length(path, &[b'x'; 5000])).await;
        assert_refused(&answer, "500", Code::Internal);
        assert!(!answer.contains("Budi") && !answer.contains("literal"));
    }
    // The server goes on.
    assert!(served.exchange(form_with_length()).await.starts_with("HTTP/1.1 200 "));
}

#[actix_web::test]
async fn paths_and_methods_that_are_none_are_answered_in_json() {
    let served = serve();
    assert_refused(&served.exchange(with_length("/nowhere", b"{}")).await, "404", Code::NotFound);
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "GET", "BREW"] {
        let request = format!("{method} /identity/v1/face-verification HTTP/1.1\r\nHost: test\r\n\r\n");
        let answer = served.exchange(request).await;
        assert_refused(&answer, "405", Code::MethodNotAllowed);
        assert_eq!(header(&answer, "allow").as_deref(), Some("POST"));
    }
    assert_refused(&served.exchange(with_length("/", b"{}")).await, "404", Code::NotFound);
    let answer = served.exchange(with_length("/openapi.json", b"")).await;
    assert_refused(&answer, "405", Code::MethodNotAllowed);
    assert_eq!(header(&answer, "allow").as_deref(), Some("GET, HEAD"));
}

#[actix_web::test]
async fn whoever_opens_the_address_is_led_to_the_documentation() {
    let served = serve();
    for path in ["/", "//"] {
        let answer = served.exchange(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 302 "), "{head}");
        assert_eq!(header(head, "location").as_deref(), Some("docs"));
        assert_eq!(header(head, "reason-code").as_deref(), Some("OK"));
        assert_eq!(body, r#"{"documentation":"/docs"}"#);
    }
}

#[actix_web::test]
async fn an_audited_endpoint_without_admission_is_a_500() {
    let served = serve();
    for path in [
        "/identity/v1/face-verification",
        "/identity/v1/verification",
        "/face/v1/match",
        "/face/v1/passive-liveness",
    ] {
        let answer = served.exchange(with_length(path, b"{}")).await;
        assert_refused(&answer, "500", Code::Internal);
    }
}

#[actix_web::test]
async fn documents_need_no_credentials() {
    let served = serve();
    let document = served.exchange("GET //openapi.json HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (head, body) = document.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && header(head, "request-id").is_some());
    assert_eq!(header(head, "reason-code").as_deref(), Some("OK"));
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["info"]["title"], "Padan");

    for (file, media_type, words) in [
        ("/docs", "text/html; charset=utf-8", "src=\"docs.js\""),
        ("/docs.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ("/docs.js", "text/javascript; charset=utf-8", "fetch(\"openapi.json\""),
        ("/docs-elements.js", "text/javascript; charset=utf-8", "export function element"),
        ("/docs-try-it.js", "text/javascript; charset=utf-8", "export function tryItForm"),
        ("/docs-curl.js", "text/javascript; charset=utf-8", "export function curlCommand"),
    ] {
        let answer = served.exchange(format!("GET {file} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(header(head, "content-type").as_deref(), Some(media_type));
        assert_eq!(header(head, "x-content-type-options").as_deref(), Some("nosniff"));
        let policy = header(head, "content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert!(text.contains(words), "{text}");
        assert!(!text.contains("http://") && !text.contains("https://"), "nothing is loaded from elsewhere");
    }
}

#[actix_web::test]
async fn a_clients_own_id_is_echoed() {
    let served = serve();
    let request = |own: &str| post("/deaf", &format!("x-request-id: {own}\r\nContent-Length: 0\r\n"), b"");
    let answer = served.exchange(request("order-7")).await;
    assert_eq!(header(&answer, "request-id").as_deref(), Some("order-7"));
    let answer = served.exchange(request("order 7")).await;
    assert_eq!(header(&answer, "request-id").unwrap().len(), 36);
}

#[actix_web::test]
async fn slashes_that_were_doubled_are_one() {
    let served = serve();
    let answer = served.exchange(with_length("//deaf", b"")).await;
    assert_refused(&answer, "401", Code::Unauthorized);
    assert!(header(&answer, "www-authenticate").unwrap().starts_with("Basic"));
}

#[actix_web::test]
async fn an_unread_body_is_drained_and_the_connection_serves_on() {
    let served = serve();
    let address = served.address;
    let both = web::block(move || {
        let mut connection = connect(address);
        connection.write_all(&with_length("/deaf", &vec![b'x'; 200 * 1024])).unwrap();
        let first = read_answer(&mut connection);
        connection.write_all(&form_with_length()).unwrap();
        (first, read_answer(&mut connection))
    });
    let (first, second) = both.await.unwrap();
    assert_refused(&first, "401", Code::Unauthorized);
    assert!(second.starts_with("HTTP/1.1 200 "), "{second}");
}

#[actix_web::test]
async fn a_body_beyond_the_drain_limit_ends_the_connection_after_the_answer() {
    let served = serve();
    let announced = post("/deaf", "Content-Length: 900000\r\n", &vec![b'x'; 300 * 1024]);
    let answer = served.exchange(announced).await;
    assert_refused(&answer, "401", Code::Unauthorized);
    assert_eq!(header(&answer, "connection").as_deref(), Some("close"));
}

#[actix_web::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let served = serve();
    let body = vec![b'x'; 64 * 1024 + 1];
    let headers = format!("{FORM_TYPE}Content-Length: {}\r\n", body.len());
    let answer = served.exchange(post("/form", &headers, &body)).await;
    assert_refused(&answer, "413", Code::BodyTooLarge);

    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", body.len(), "x".repeat(body.len()));
    let headers = format!("{FORM_TYPE}Transfer-Encoding: chunked\r\n");
    let answer = served.exchange(post("/form", &headers, chunk.as_bytes())).await;
    assert_refused(&answer, "413", Code::BodyTooLarge);
}

#[actix_web::test]
async fn a_body_beyond_the_memory_of_all_is_429_and_what_ended_gives_it_back() {
    let served = serve_within(BodyLimits { body_time: Duration::from_secs(20), ..limits() });
    let headers = format!("{FORM_TYPE}Content-Length: 60000\r\n");
    // This one is on its way, and what it announced is set aside.
    let mut waiting = connect(served.address);
    waiting.write_all(&post("/form", &headers, b"--")).unwrap();
    let began = Instant::now();
    while served.metrics.body_bytes() < 60_000 {
        assert!(began.elapsed() < Duration::from_secs(10));
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = served.exchange(post("/form", &headers, &vec![b'x'; 60_000])).await;
    assert_refused(&answer, "429", Code::Overloaded);
    assert_eq!(header(&answer, "retry-after").as_deref(), Some("1"));
    let small = served.exchange(form_with_length()).await;
    assert!(small.starts_with("HTTP/1.1 200 "), "what fits is read: {small}");
    drop(waiting);
    while served.metrics.body_bytes() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "it is given back");
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_web::test]
async fn the_memory_of_a_photo_in_the_queue_stays_counted_when_its_client_leaves() {
    let encoded = "--b\r\nContent-Disposition: form-data; name=\"nik\"\r\n\
                   Content-Transfer-Encoding: base64\r\n\r\nMzE3NA==\r\n--b--\r\n";
    let long = [vec![b'x'; 20_000], format!("\r\n{FORM}").into_bytes()].concat();
    for (headers, body, least) in [
        // A part of the body keeps all of it.
        ("", long.clone(), 20_000),
        // Inflated, and decoded: the four bytes of the file.
        ("Content-Encoding: gzip\r\n", gzip(&long), 20_000),
        ("", encoded.as_bytes().to_vec(), 4),
    ] {
        let served = serve();
        let address = served.address;
        let headers = format!("{headers}{FORM_TYPE}Content-Length: {}\r\n", body.len());
        let request = post("/queue", &headers, &body);
        web::block(move || {
            let mut connection = connect(address);
            connection.write_all(&request).unwrap();
            let began = Instant::now();
            while QUEUE.lock().unwrap().is_empty() {
                assert!(began.elapsed() < Duration::from_secs(10), "the file is not queued");
                std::thread::sleep(Duration::from_millis(5));
            }
        })
        .await
        .unwrap();
        let began = Instant::now();
        while served.metrics.abandoned_from("unmatched") == 0 {
            assert!(began.elapsed() < Duration::from_secs(10), "the client has left");
            actix_web::rt::time::sleep(Duration::from_millis(5)).await;
        }
        let waiting = std::mem::take(&mut *QUEUE.lock().unwrap());
        assert_eq!(waiting[0], "3174");
        let held = served.metrics.body_bytes();
        assert!((least..40_000).contains(&held), "{held} bytes are counted for {least}");
        drop(waiting);
        assert_eq!(served.metrics.body_bytes(), 0);
    }
}

#[actix_web::test]
async fn chunked_forms_are_read() {
    let served = serve();
    let chunks: String = FORM.as_bytes().chunks(7).fold(String::new(), |chunks, chunk| {
        chunks + &format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk))
    });
    let headers = format!("{FORM_TYPE}Transfer-Encoding: chunked\r\n");
    let answer = served.exchange(post("/form", &headers, (chunks + "0\r\n\r\n").as_bytes())).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\"3174\""), "{answer}");

    let answer = served.exchange(post("/form", &headers, b"zz\r\nnot a chunk")).await;
    assert_refused(&answer, "400", Code::MalformedForm);
}

#[actix_web::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let served = serve();
    let address = served.address;
    let (interim, answer) = web::block(move || {
        let mut connection = connect(address);
        let headers = format!("{FORM_TYPE}Expect: 100-continue\r\nContent-Length: {}\r\n", FORM.len());
        connection.write_all(&post("/form", &headers, b"")).unwrap();
        let mut interim = [0; 25];
        connection.read_exact(&mut interim).unwrap();
        connection.write_all(FORM.as_bytes()).unwrap();
        (String::from_utf8(interim.to_vec()).unwrap(), read_answer(&mut connection))
    })
    .await
    .unwrap();
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_408_and_one_that_ends_early_400() {
    let served = serve();
    let address = served.address;
    let headers = format!("{FORM_TYPE}Content-Length: 500\r\n");
    let request = post("/form", &headers, FORM.as_bytes());
    let started = Instant::now();
    let answer = served.exchange(request.clone()).await;
    assert_refused(&answer, "408", Code::RequestTimeout);
    assert_eq!(header(&answer, "connection").as_deref(), Some("close"));
    assert!(started.elapsed() < Duration::from_secs(2), "what did not come is not waited for again");

    let answer = web::block(move || {
        let mut connection = connect(address);
        connection.write_all(&request).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        read_answer(&mut connection)
    });
    assert_refused(&answer.await.unwrap(), "400", Code::MalformedForm);
}

#[actix_web::test]
async fn only_multipart_and_json_are_taken() {
    let served = serve();
    let other_type = Code::UnsupportedMediaType.reason();
    for (headers, status, reason, text) in [
        ("Content-Type: application/problem+json\r\n", "415", Code::UnsupportedMediaType, other_type),
        ("Content-Type: application/json, text/plain\r\n", "415", Code::UnsupportedMediaType, other_type),
        (
            "Content-Type: application/json; charset=\"UTF-16\"\r\n",
            "415",
            Code::UnsupportedMediaType,
            "charset utf-16 of JSON is not supported: send UTF-8",
        ),
        (
            "Content-Type: Application/JSON ; version=1; Charset=UTF-8\r\n",
            "400",
            Code::MalformedForm,
            "Malformed JSON at line 1, column 2",
        ),
        ("", "415", Code::UnsupportedMediaType, other_type),
        ("Content-Type: multipart/mixed; boundary=b\r\n", "415", Code::UnsupportedMediaType, other_type),
        (
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Encoding: br\r\n",
            "415",
            Code::UnsupportedMediaType,
            "Content-Encoding br is not supported: send gzip or none",
        ),
        (
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Encoding: gzip, GZIP\r\n",
            "415",
            Code::UnsupportedMediaType,
            "Content-Encoding gzip, gzip is not supported: send gzip or none",
        ),
        (
            "Content-Type: multipart/form-data\r\n",
            "400",
            Code::MalformedForm,
            "Content-Type multipart/form-data has no boundary",
        ),
        (
            "Content-Type: multipart/form-data, boundary=b\r\n",
            "400",
            Code::MalformedForm,
            "Content-Type has a comma before boundary, where a semicolon must be",
        ),
        (
            "Content-Type: multipart/form-data; boundary=c\r\n",
            "400",
            Code::MalformedForm,
            "The boundary in Content-Type does not occur in the body",
        ),
    ] {
        let headers = format!("{headers}Content-Length: {}\r\n", FORM.len());
        let answer = served.exchange(post("/form", &headers, FORM.as_bytes())).await;
        assert_refused_because(&answer, status, reason, text);
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn compressed(body: &[u8]) -> Vec<u8> {
    post("/form", &format!("{FORM_TYPE}Content-Encoding: gzip\r\nContent-Length: {}\r\n", body.len()), body)
}

#[actix_web::test]
async fn a_form_in_gzip_is_read_within_the_limit_of_bodies() {
    let served = serve();
    let members = [gzip(&FORM.as_bytes()[..20]), gzip(&FORM.as_bytes()[20..])].concat();
    let padded = |length: usize| {
        gzip(&[vec![b'x'; length - FORM.len() - 2], format!("\r\n{FORM}").into_bytes()].concat())
    };
    for body in [gzip(FORM.as_bytes()), members, padded(64 * 1024)] {
        let answer = served.exchange(compressed(&body)).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\"3174\""), "{answer}");
    }
    assert_refused(&served.exchange(compressed(&padded(64 * 1024 + 1))).await, "413", Code::BodyTooLarge);
    let bomb = gzip(&vec![0; 32 << 20]);
    assert!(bomb.len() < 64 * 1024);
    assert_refused(&served.exchange(compressed(&bomb)).await, "413", Code::BodyTooLarge);
    let began = Instant::now();
    while served.metrics.body_bytes() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "the memory is not released");
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_web::test]
async fn data_that_is_no_gzip_is_refused() {
    let served = serve();
    let whole = gzip(FORM.as_bytes());
    for broken in [FORM.as_bytes(), &whole[..whole.len() - 1], b""] {
        let answer = served.exchange(compressed(broken)).await;
        let text = "Request body is not valid gzip, its Content-Encoding";
        assert_refused_because(&answer, "400", Code::MalformedForm, text);
    }
    let answer = served.exchange(compressed(&gzip(b"").repeat(17))).await;
    assert_refused_because(&answer, "400", Code::MalformedForm, "Request body has too many gzip members");
}

#[actix_web::test]
async fn inflated_bodies_share_the_memory_of_all_bodies() {
    let served = serve_within(BodyLimits { body_bytes: 200 * 1024, ..limits() });
    // The limit of all bodies together is 96 kB.
    assert_refused(&served.exchange(compressed(&gzip(&vec![0; 150 * 1024]))).await, "429", Code::Overloaded);
}

/// Sends a form of 60 kB in `pieces`, and reads the answer.
fn trickle(address: SocketAddr, pieces: usize, pause: Duration) -> String {
    let body = [vec![b'x'; 60_000 - FORM.len()], format!("\r\n{FORM}").into_bytes()].concat();
    let mut connection = connect(address);
    let headers = format!("{FORM_TYPE}Content-Length: {}\r\n", body.len());
    connection.write_all(&post("/form", &headers, b"")).unwrap();
    for piece in body.chunks(body.len().div_ceil(pieces)) {
        std::thread::sleep(pause);
        // The connection may be closed already.
        if connection.write_all(piece).is_err() {
            break;
        }
    }
    read_answer(&mut connection)
}

#[actix_web::test]
async fn a_slow_body_is_read_as_long_as_its_bytes_keep_coming() {
    // 60 kB in 0.8 s are slower than 400 ms allow, and faster than 10 kB a second from then on.
    let address = serve().address;
    let answer = web::block(move || trickle(address, 16, Duration::from_millis(50))).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let limited =
        serve_within(BodyLimits { longest_body_time: Duration::from_millis(500), ..limits() }).address;
    let answer = web::block(move || trickle(limited, 16, Duration::from_millis(50))).await.unwrap();
    assert_refused(&answer, "408", Code::RequestTimeout);

    let slower = serve_within(BodyLimits { body_bytes_per_second: 1_000_000, ..limits() }).address;
    let answer = web::block(move || trickle(slower, 16, Duration::from_millis(50))).await.unwrap();
    assert_refused(&answer, "408", Code::RequestTimeout);
}

#[actix_web::test]
async fn bytes_that_are_no_request_get_a_bare_400() {
    let served = serve();
    let answer = served.exchange("\x16\x03\x01 hello\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[actix_web::test]
async fn a_head_request_gets_the_head_alone() {
    let served = serve();
    let address = served.address;
    let answer = web::block(move || {
        let mut connection = connect(address);
        connection
            .write_all(b"HEAD /identity/v1/verification HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(header(&answer, "reason-code").as_deref(), Some("METHOD_NOT_ALLOWED"));
}

#[actix_web::test]
async fn a_panic_is_counted_and_what_is_in_flight_returns_to_nothing() {
    let served = serve();
    served.exchange(with_length("/panic", b"")).await;
    served.exchange(with_length("/deaf", b"")).await;
    assert_eq!(served.metrics.in_flight().get(), 0);
}

#[actix_web::test]
async fn work_stops_when_the_client_leaves() {
    let served = serve();
    let address = served.address;
    let request = with_length("/slow", b"");
    web::block(move || connect(address).write_all(&request).unwrap()).await.unwrap();
    let left = || served.metrics.abandoned_from("unmatched") == 1 && served.metrics.in_flight().get() == 0;
    let started = Instant::now();
    while !left() {
        assert!(started.elapsed() < Duration::from_secs(5), "the handler was not cancelled");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends requests, closes the sending side, and reads all that comes back.
fn half_closed(address: SocketAddr, sent: &[u8]) -> String {
    let mut connection = connect(address);
    connection.write_all(sent).unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    let mut received = String::new();
    connection.read_to_string(&mut received).unwrap();
    received
}

/// A form of `length` bytes.
fn long_form(path: &str, length: usize) -> Vec<u8> {
    let body = [vec![b'x'; length - FORM.len() - 2], format!("\r\n{FORM}").into_bytes()].concat();
    post(path, &format!("{FORM_TYPE}Content-Length: {}\r\n", body.len()), &body)
}

#[actix_web::test]
async fn a_client_that_closes_its_sending_side_and_waits_gets_its_answer() {
    for stops_when_client_leaves in [true, false] {
        let limits = BodyLimits { body_bytes: 1 << 20, body_time: Duration::from_secs(5), ..limits() };
        let served = serve_as(limits, stops_when_client_leaves);
        let address = served.address;
        for path in ["/form", "/late-form"] {
            // Up to what the memory of this server holds, above all buffers on the way.
            for length in [200, 5_000, 40_000, 90_000] {
                let answer =
                    web::block(move || half_closed(address, &long_form(path, length))).await.unwrap();
                assert!(
                    answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\"3174\""),
                    "{path} {length}: {answer}"
                );
            }
        }
        let http_1_0 =
            String::from_utf8(long_form("/late-form", 200)).unwrap().replace("HTTP/1.1", "HTTP/1.0");
        let answer = web::block(move || half_closed(address, http_1_0.as_bytes())).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\"3174\""), "{answer}");
        assert_eq!(served.metrics.abandoned_from("unmatched"), 0);
    }
}

#[actix_web::test]
async fn requests_in_a_row_before_the_sending_side_is_closed_are_all_answered() {
    let address = serve().address;
    let sent = [form_with_length(), long_form("/late-form", 200), form_with_length()].concat();
    let answers = web::block(move || half_closed(address, &sent)).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
    assert_eq!(answers.matches("HTTP/").count(), 3, "{answers}");
}

#[actix_web::test]
async fn an_idle_connection_that_is_closed_gets_no_bytes() {
    let address = serve().address;
    let received = web::block(move || half_closed(address, b"")).await.unwrap();
    assert_eq!(received, "");
    let received =
        web::block(move || half_closed(address, b"POST /form HTTP/1.1\r\nHost: te")).await.unwrap();
    assert_eq!(received, "");
}

#[actix_web::test]
async fn a_client_that_leaves_inside_its_body_is_counted_as_gone() {
    let served = serve_within(BodyLimits { body_time: Duration::from_secs(20), ..limits() });
    let address = served.address;
    let request = post("/form", &format!("{FORM_TYPE}Content-Length: 500\r\n"), FORM.as_bytes());
    web::block(move || connect(address).write_all(&request).unwrap()).await.unwrap();
    let started = Instant::now();
    while served.metrics.abandoned_from("unmatched") == 0 {
        assert!(started.elapsed() < Duration::from_secs(5), "it is waited for");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn a_head_that_is_too_large_is_refused_in_json() {
    let served = serve();
    let many = "x-mesh: 1\r\n".repeat(110);
    let long = format!("x-long: {}\r\n", "x".repeat(1 << 20));
    for (headers, body) in
        [(many.clone(), FORM.as_bytes().to_vec()), (long, Vec::new()), (many, vec![b'x'; 200_000])]
    {
        let headers = format!("{headers}{FORM_TYPE}Content-Length: {}\r\n", body.len());
        let answer = served.exchange(post("/form", &headers, &body)).await;
        assert_refused(&answer, "431", Code::HeadersTooLarge);
        assert_eq!(header(&answer, "connection").as_deref(), Some("close"));
        assert!(header(&answer, "date").unwrap().ends_with("GMT"), "{answer}");
    }
    let most = format!("{}{FORM_TYPE}Content-Length: {}\r\n", "x-mesh: 1\r\n".repeat(93), FORM.len());
    let answer = served.exchange(post("/form", &most, FORM.as_bytes())).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "96 headers are read: {answer}");
}
