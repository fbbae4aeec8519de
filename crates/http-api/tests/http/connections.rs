//! Connections that clients keep without using them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use padan_test_service::{TestService, ran_in_own_process};

/// A request without credentials, whose answer has no body.
const REQUEST: &[u8] = b"HEAD /identity/v1/face-verification HTTP/1.1\r\nHost: padan\r\n\r\n";

/// Sends a request and reads the head of the answer, or what comes before the connection ends.
fn request(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    if connection.write_all(REQUEST).is_ok() {
        while !answer.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|count| count > 0) {
            answer.push(byte[0]);
        }
    }
    String::from_utf8(answer).unwrap()
}

fn is_answered(connection: &mut TcpStream) -> bool {
    request(connection).starts_with("HTTP/1.1 405 ")
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_further_head_has_the_deadline_of_the_first() {
    if ran_in_own_process() {
        return;
    }
    let service = TestService::with("[http]\nhead_timeout_ms = 500\n");
    let mut connection = service.connect();
    assert!(is_answered(&mut connection) && is_answered(&mut connection));
    connection.write_all(b"P").unwrap();
    let began = Instant::now();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("reason-code: REQUEST_TIMEOUT\r\n"),
        "{answer}"
    );
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains("padan_http_connections_refused_total{reason=\"head\"} 1"), "{metrics}");
    assert!(!service.logged().contains("ERROR"), "{}", service.logged());
}

#[test]
fn an_address_has_as_many_connections_as_the_settings_allow() {
    if ran_in_own_process() {
        return;
    }
    let service = TestService::with("[http]\nconnections_per_address = 3\n");
    let mut held: Vec<_> = (0..3).map(|_| service.connect()).collect();
    assert!(held.iter_mut().all(is_answered));
    assert_eq!(request(&mut service.connect()), "", "it is closed without an answer");
    let (_, metrics) = service.get_from_operators("/metrics");
    for line in [
        "padan_http_connections 3\n",
        "padan_http_connections_limit 8192\n",
        "padan_http_connections_refused_total{reason=\"address\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(service.logged().contains("too many connections from one address"), "{}", service.logged());
    drop(held);
    wait_until("there is room again", || is_answered(&mut service.connect()));
}

#[test]
fn a_service_whose_connections_are_all_in_use_is_not_ready() {
    let service =
        TestService::with("[http]\nworkers = 1\nconnections_per_worker = 4\nsaturated_seconds = 1\n");
    assert_eq!(service.get_from_operators("/readyz").0, 200);
    let mut held: Vec<_> = (0..4).map(|_| service.connect()).collect();
    assert!(held.iter_mut().all(is_answered));
    wait_until("it is full", || service.get_from_operators("/readyz").0 == 503);
    let (_, body) = service.get_from_operators("/readyz");
    assert!(body.contains("\"connections\":\"full: all 4 connections are in use\""), "{body}");
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains("padan_ready{component=\"connections\"} 0"), "{metrics}");
    drop(held);
    wait_until("it has room", || service.get_from_operators("/readyz").0 == 200);
}

#[test]
fn the_operators_listener_has_deadlines_and_a_limit_for_an_address_of_its_own() {
    let service = TestService::with("[http]\nhead_timeout_ms = 1500\nkeep_alive_seconds = 30\n");
    let connect = || {
        let connection = TcpStream::connect(service.operators_address()).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        connection
    };
    let is_alive = |connection: &mut TcpStream| {
        let asked = connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: padan\r\n\r\n");
        let mut answer = [0; 1024];
        asked.is_ok()
            && connection.read(&mut answer).is_ok_and(|count| answer[..count].starts_with(b"HTTP/1.1 200 "))
    };
    // The connection that asked whether the service is ready may be one of the 128.
    let ask = || {
        let mut connection = connect();
        (is_alive(&mut connection), connection)
    };
    let mut held: Vec<_> = std::iter::repeat_with(ask)
        .take_while(|(is_alive, _)| *is_alive)
        .map(|(_, connection)| connection)
        .take(129)
        .collect();
    assert!((120..=128).contains(&held.len()), "{}", held.len());
    assert!(service.logged().contains("too many connections from one address"), "{}", service.logged());
    // The clients' connections are others.
    assert!(is_answered(&mut service.connect()));
    // One byte of a second head holds a connection for the time of a head.
    let mut slow = held.pop().unwrap();
    slow.write_all(b"G").unwrap();
    let began = Instant::now();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    wait_until("there is room again", || is_alive(&mut connect()));
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains("padan_http_connections_refused_total{reason=\"head\"} 0"), "{metrics}");
}
