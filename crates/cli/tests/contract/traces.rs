//! Traces of requests.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use padan_test_service::{BUDI, CREDENTIALS, Claim};
use prost::Message as _;
use rustix::process::Signal;

use crate::service::TestProgram;

// From the example in the W3C recommendation.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

/// A trace collector that keeps the exported requests.
struct Collector {
    port: u16,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bodies: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || while take(connection.as_ref().unwrap(), &kept) {});
            }
        });
        Self { port, bodies }
    }

    /// The received spans, in the order of their ends.
    fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let requests = bodies.iter().map(|body| ExportTraceServiceRequest::decode(&**body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

/// Reads and answers one request of a connection; `false` at the connection's end.
fn take(mut connection: &TcpStream, kept: &Mutex<Vec<Vec<u8>>>) -> bool {
    let mut reader = BufReader::new(connection);
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    kept.lock().unwrap().push(body);
    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok()
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let find = |KeyValue { value, .. }: &KeyValue| match value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    };
    span.attributes.iter().find(|attribute| attribute.key == key).and_then(find)
}

/// Verifies Budi within a caller's trace, and returns the answer's `traceparent`.
fn verify(service: &TestProgram, traceparent: &str) -> Option<String> {
    let request = service.request("POST", "/identity/v1/face-verification", CREDENTIALS);
    let answer =
        request.header("traceparent", traceparent).multipart(Claim::matching().form()).send().unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers().get("traceparent").map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn a_request_is_exported_within_its_callers_trace_without_personal_data() {
    let collector = Collector::start();
    let mut service = TestProgram::with(&format!(
        "[traces]\nendpoint = \"http://127.0.0.1:{}\"\nsample_ratio = 0.0\n",
        collector.port
    ));
    let sampled = verify(&service, &format!("00-{TRACE}-{CALLERS_SPAN}-01")).unwrap();
    let not_sampled = verify(&service, &format!("00-{TRACE}-{CALLERS_SPAN}-00")).unwrap();
    assert!(
        not_sampled.starts_with(&format!("00-{TRACE}-")) && not_sampled.ends_with("-00"),
        "{not_sampled}"
    );
    assert!(service.logged().contains(&format!("\"trace\":\"{TRACE}\"")), "{}", service.logged());
    service.signal(Signal::TERM);
    assert!(service.process().wait().unwrap().success());

    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let requests = named("POST face-verification");
    assert_eq!(requests.len(), 1, "{spans:?}");
    let request = requests[0];
    let hexadecimal = |bytes: &[u8]| hex::encode(bytes);
    assert_eq!(hexadecimal(&request.trace_id), TRACE);
    assert_eq!(hexadecimal(&request.parent_span_id), CALLERS_SPAN);
    assert_eq!(sampled, format!("00-{TRACE}-{}-01", hexadecimal(&request.span_id)));
    assert_eq!(request.kind, i32::from(SpanKind::Server));
    for (key, value) in [
        ("padan.reason", "VERIFIED"),
        ("padan.client", "bank"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(attribute(request, key).as_deref(), Some(value), "{key}");
    }
    for step in ["registry", "template", "portrait", "enrolment", "keeping", "probe"] {
        let steps = named(step);
        assert_eq!(steps.len(), 1, "{step}");
        assert_eq!(hexadecimal(&steps[0].trace_id), TRACE);
        assert!(steps[0].start_time_unix_nano >= request.start_time_unix_nano);
    }
    let sent = collector.bodies.lock().unwrap().concat();
    for personal in [BUDI, "Budi", "Santoso", "14-03-1987", "1987-03-14", "pass:word", "bank-key"] {
        assert!(!String::from_utf8_lossy(&sent).contains(personal), "{personal}");
    }
    assert!(String::from_utf8_lossy(&sent).contains("VERIFIED"), "the exported text is searchable");
}

#[test]
fn requests_are_answered_without_a_collector_and_the_log_has_the_trace() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = format!("[traces]\nendpoint = \"http://127.0.0.1:{gone}\"\nsample_ratio = 1.0\n");
    let service = TestProgram::with(&settings);
    for _ in 0..3 {
        assert!(verify(&service, "of no form").is_some(), "the service starts a trace of its own");
    }
    let service = TestProgram::start();
    assert_eq!(verify(&service, &format!("00-{TRACE}-{CALLERS_SPAN}-01")), None);
    assert!(service.logged().contains(&format!("\"trace\":\"{TRACE}\"")), "{}", service.logged());
}
