//! How the running service handles connections and bodies that are early, late, chunked, too long or cut off.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use padan_test_service::{
    BUDI, Claim, TestService, ran_in_own_process,
    raw::{CREDENTIALS, FORM_TYPE, PATH, assert_answer, form, head, header, part, read_answer, with_length},
    text_fields,
};

const MIB: usize = 1024 * 1024;

#[test]
fn early_refusals_are_read_by_clients_that_still_send() {
    let service = TestService::start();
    // 40 MiB without credentials are read and answered, and the connection stays usable.
    let mut connection = service.connect();
    connection.write_all(&with_length("", &vec![b'x'; 40 * MIB])).unwrap();
    assert_answer(&read_answer(&mut connection), 401, "UNAUTHORIZED");
    connection.write_all(&with_length(CREDENTIALS, form().as_bytes())).unwrap();
    assert_answer(&read_answer(&mut connection), 200, "VERIFIED");
    connection.write_all(&with_length(CREDENTIALS, &vec![b'x'; 17 * MIB])).unwrap();
    assert_answer(&read_answer(&mut connection), 413, "BODY_TOO_LARGE");
    connection.write_all(head("/nowhere", "Content-Length: 5\r\n").as_bytes()).unwrap();
    connection.write_all(b"hello").unwrap();
    assert_answer(&read_answer(&mut connection), 404, "NOT_FOUND");

    // A client that announces more than the service drains gets an answer, and the connection is closed.
    let mut connection = service.connect();
    let announced = head(PATH, &format!("{FORM_TYPE}Content-Length: {}\r\n", 200 * MIB));
    connection.write_all(announced.as_bytes()).unwrap();
    connection.write_all(&vec![b'x'; 65 * MIB]).unwrap();
    let answer = read_answer(&mut connection);
    assert_answer(&answer, 401, "UNAUTHORIZED");
    assert_eq!(header(&answer.0, "connection").as_deref(), Some("close"));
}

#[test]
fn bodies_of_up_to_sixteen_mebibytes_are_accepted() {
    let service = TestService::start();
    let filled_to = |length: usize| {
        let (start, end) = (part("nik", BUDI), part("filler", "|") + "--b--\r\n");
        let filler = length - start.len() - end.len();
        start + &end.replacen('|', &"x".repeat(filler + 1), 1)
    };
    let mut connection = service.connect();
    connection.write_all(&with_length(CREDENTIALS, filled_to(16 * MIB).as_bytes())).unwrap();
    assert_answer(&read_answer(&mut connection), 200, "VERIFIED");
    connection.write_all(&with_length(CREDENTIALS, filled_to(16 * MIB + 1).as_bytes())).unwrap();
    assert_answer(&read_answer(&mut connection), 413, "BODY_TOO_LARGE");

    let chunked = |body: &str| {
        let headers = format!("{CREDENTIALS}{FORM_TYPE}Transfer-Encoding: chunked\r\n");
        let mut sent = head(PATH, &headers).into_bytes();
        for chunk in body.as_bytes().chunks(100_000) {
            sent.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            sent.extend_from_slice(chunk);
            sent.extend_from_slice(b"\r\n");
        }
        sent.extend_from_slice(b"0\r\n\r\n");
        sent
    };
    connection.write_all(&chunked(&filled_to(16 * MIB))).unwrap();
    assert_answer(&read_answer(&mut connection), 200, "VERIFIED");
    connection.write_all(&chunked(&filled_to(16 * MIB + 1))).unwrap();
    assert_answer(&read_answer(&mut connection), 413, "BODY_TOO_LARGE");
    connection.write_all(&chunked(&form())).unwrap();
    assert_answer(&read_answer(&mut connection), 200, "VERIFIED");
}

#[test]
fn unusual_but_valid_requests_are_answered() {
    let service = TestService::start();
    let mut connection = service.connect();
    // A client that waits for 100 Continue.
    let body = form();
    let headers =
        format!("{CREDENTIALS}{FORM_TYPE}Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
    connection.write_all(head(PATH, &headers).as_bytes()).unwrap();
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(body.as_bytes()).unwrap();
    assert_answer(&read_answer(&mut connection), 200, "VERIFIED");

    // Doubled slashes, a client's own id, a scheme in lower case, a body byte by byte.
    let credentials = CREDENTIALS.replace("Basic", "basic");
    let headers =
        format!("{credentials}{FORM_TYPE}x-request-id: order-7.a_B\r\nContent-Length: {}\r\n", body.len());
    connection.set_nodelay(true).unwrap();
    connection.write_all(head("//identity//v1/verification", &headers).as_bytes()).unwrap();
    for byte in body.as_bytes() {
        connection.write_all(&[*byte]).unwrap();
    }
    let answer = read_answer(&mut connection);
    assert_answer(&answer, 200, "VERIFIED");
    assert_eq!(header(&answer.0, "request-id").as_deref(), Some("order-7.a_B"));

    for refused_id in ["two words", "x".repeat(65).as_str(), "a/b"] {
        let headers = format!("x-request-id: {refused_id}\r\nContent-Length: 0\r\n");
        connection.write_all(head(PATH, &headers).as_bytes()).unwrap();
        let answer = read_answer(&mut connection);
        assert_answer(&answer, 401, "UNAUTHORIZED");
        assert_eq!(header(&answer.0, "request-id").unwrap().len(), 36);
    }

    // A header that is allowed once occurs twice.
    let doubled = format!("{CREDENTIALS}x-api-key: bank-key\r\n");
    connection.write_all(&with_length(&doubled, body.as_bytes())).unwrap();
    assert_answer(&read_answer(&mut connection), 401, "UNAUTHORIZED");

    // A HEAD request is refused for its method, without a body.
    connection
        .write_all(format!("HEAD {PATH} HTTP/1.1\r\nHost: padan\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("\r\n\r\n"), "{answer}");

    // Bytes that are not an HTTP request.
    let mut connection = service.connect();
    connection.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn malformed_and_incomplete_bodies_are_refused() {
    let service = TestService::start();
    let send_body_to = |service: &TestService, headers: &str, body: &[u8], cut: bool| {
        let mut connection = service.connect();
        connection.write_all(head(PATH, &format!("{CREDENTIALS}{headers}")).as_bytes()).unwrap();
        connection.write_all(body).unwrap();
        if cut {
            connection.shutdown(Shutdown::Write).unwrap();
        }
        read_answer(&mut connection)
    };
    let send_body = |headers: &str, body: &[u8]| send_body_to(&service, headers, body, false);
    let whole = form();
    for body in ["", "--b", &whole[..30], &whole[..whole.len() - 5], "no form at all"] {
        let headers = format!("{FORM_TYPE}Content-Length: {}\r\n", body.len());
        assert_answer(&send_body(&headers, body.as_bytes()), 400, "MALFORMED_FORM");
    }
    // Invalid chunks get an answer, and the connection is closed.
    let chunked = format!("{FORM_TYPE}Transfer-Encoding: chunked\r\n");
    let chunked_head = head(PATH, &format!("{CREDENTIALS}{chunked}"));
    for (together, apart) in [
        ("", "zz\r\nabc\r\n"),
        ("", "5\r\n--b\r\n\r\nzz\r\nabc\r\n"),
        ("zz\r\nabc\r\n", ""),
        ("", "fffffffffffffffff\r\n"),
    ] {
        let mut broken = service.connect();
        broken.write_all((chunked_head.clone() + together).as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        broken.write_all(apart.as_bytes()).unwrap();
        let answer = read_answer(&mut broken);
        assert_answer(&answer, 400, "MALFORMED_FORM");
        assert_eq!(answer.1, r#"{"verification_status":false,"reason":"Malformed multipart form"}"#);
        assert_eq!(header(&answer.0, "connection").as_deref(), Some("close"), "{}", answer.0);
        until_closed(&mut broken);
    }
    let no_boundary = format!("Content-Type: multipart/form-data\r\nContent-Length: {}\r\n", whole.len());
    assert_answer(&send_body(&no_boundary, whole.as_bytes()), 400, "MALFORMED_FORM");
    let recorded = service.calls("verification", "MALFORMED_FORM");
    assert_eq!(recorded, 10, "requests with invalid chunks have rows as well");
    // Less than announced, from a client that closes its side and waits for the answer.
    let patient = TestService::with("[http]\nstop_when_client_leaves = false\n");
    let send_body = |headers: &str, body: &[u8]| send_body_to(&patient, headers, body, true);
    let announced = format!("{FORM_TYPE}Content-Length: {}\r\n", whole.len() + 10);
    assert_answer(&send_body(&announced, whole.as_bytes()), 400, "MALFORMED_FORM");
    assert_answer(&send_body(&chunked, b"5\r\n--b\r\n"), 400, "MALFORMED_FORM");
}

#[test]
fn a_saturated_service_is_not_ready_until_requests_stop() {
    let service = TestService::with("[http]\nbody_memory_bytes = 1000\nsaturated_seconds = 2\n");
    assert_eq!(service.get_from_operators("/readyz").0, 200);
    let began = Instant::now();
    let (status, body) = loop {
        assert_eq!(
            service.verify(&Claim::matching()).reason_code,
            "OVERLOADED",
            "a selfie exceeds the memory for bodies"
        );
        let answer = service.get_from_operators("/readyz");
        if answer.0 == 503 || began.elapsed() > Duration::from_secs(20) {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(status, 503, "{body}");
    assert!(began.elapsed() >= Duration::from_secs(1) && body.contains("\"capacity\":\"full"), "{body}");
    assert!(service.get_from_operators("/metrics").1.contains("padan_ready{component=\"capacity\"} 0"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(service.get_from_operators("/readyz").0, 200);
}

#[test]
fn slow_bodies_time_out_and_a_full_service_refuses_requests() {
    let service = TestService::with("[http]\nmax_in_flight = 1\nbody_timeout_ms = 1500\n");
    let mut slow = service.connect();
    let body = form();
    let headers = format!("{CREDENTIALS}{FORM_TYPE}Content-Length: {}\r\n", body.len());
    slow.write_all(head(PATH, &headers).as_bytes()).unwrap();
    slow.write_all(&body.as_bytes()[..10]).unwrap();
    std::thread::sleep(Duration::from_millis(300));

    let mut second = service.connect();
    second.write_all(&with_length(CREDENTIALS, body.as_bytes())).unwrap();
    let full = read_answer(&mut second);
    assert_answer(&full, 429, "OVERLOADED");
    assert_eq!(header(&full.0, "retry-after").as_deref(), Some("1"));
    assert_eq!(full.1, r#"{"verification_status":false,"reason":"Too many requests"}"#);

    let late = read_answer(&mut slow);
    assert_answer(&late, 408, "REQUEST_TIMEOUT");
    assert_eq!(late.1, r#"{"verification_status":false,"reason":"Request timed out"}"#);
    assert_eq!(slow.read(&mut [0; 8]).unwrap(), 0, "the connection is closed");
    second.write_all(&with_length(CREDENTIALS, body.as_bytes())).unwrap();
    assert_answer(&read_answer(&mut second), 200, "VERIFIED");
}

#[test]
fn a_client_with_slow_bodies_does_not_use_up_the_share_of_others() {
    let service = TestService::with("[http]\nmax_in_flight = 4\nclient_share = 0.5\n");
    let telco = service.add_client("telco");
    let body = form();
    let headers = format!("{CREDENTIALS}{FORM_TYPE}Content-Length: {}\r\n", body.len());
    let mut slow: Vec<_> = (0..2)
        .map(|_| {
            let mut slow = service.connect();
            slow.write_all(head(PATH, &headers).as_bytes()).unwrap();
            slow
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let mut third = service.connect();
    third.write_all(&with_length(CREDENTIALS, body.as_bytes())).unwrap();
    let full = read_answer(&mut third);
    assert_answer(&full, 429, "OVERLOADED");
    assert_eq!(header(&full.0, "retry-after").as_deref(), Some("1"));
    let other = telco.each_ref().map(String::as_str);
    let answer =
        service.request("POST", PATH, other).multipart(text_fields(&[("nik", BUDI)])).send().unwrap();
    assert_eq!(answer.status(), 200, "others are admitted");
    for slow in &mut slow {
        slow.write_all(body.as_bytes()).unwrap();
        assert_answer(&read_answer(slow), 200, "VERIFIED");
    }
    third.write_all(&with_length(CREDENTIALS, body.as_bytes())).unwrap();
    assert_answer(&read_answer(&mut third), 200, "VERIFIED");
}

#[test]
fn a_client_that_announces_large_bodies_does_not_use_up_the_memory_of_others() {
    let service = TestService::with(
        "[http]\nbody_limit_bytes = 1000000\nbody_memory_bytes = 4000000\nclient_share = 0.5\nsaturated_seconds = 1\n",
    );
    let telco = service.add_client("telco");
    let headers = format!("{CREDENTIALS}{FORM_TYPE}Content-Length: 1000000\r\n");
    let open = || {
        let mut slow = service.connect();
        slow.write_all(head(PATH, &headers).as_bytes()).unwrap();
        slow
    };
    let held = [open(), open()];
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    // Longer than the service may be full before it says so.
    while began.elapsed() < Duration::from_secs(3) {
        assert_answer(&read_answer(&mut open()), 429, "OVERLOADED");
        std::thread::sleep(Duration::from_millis(50));
    }
    let other = telco.each_ref().map(String::as_str);
    let answer =
        service.request("POST", PATH, other).multipart(text_fields(&[("nik", BUDI)])).send().unwrap();
    assert_eq!(answer.status(), 200, "others are admitted");
    assert_eq!(
        service.get_from_operators("/readyz").0,
        200,
        "the share of one client does not saturate the service"
    );
    drop(held);
}

/// Reads until the connection is closed; returns the received text and the time that it took.
fn until_closed(connection: &mut TcpStream) -> (String, Duration) {
    let began = Instant::now();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut received = Vec::new();
    // A reset closes the connection as well.
    match connection.read_to_end(&mut received) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("still open: {error}"),
        _ => {}
    }
    (String::from_utf8_lossy(&received).into_owned(), began.elapsed())
}

#[test]
fn a_connection_with_an_endless_body_is_closed_after_the_answer() {
    let service = TestService::with("[http]\ndrain_timeout_ms = 500\nbody_timeout_ms = 500\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (headers, path, status) in [
        (chunked.to_owned(), PATH, "401"),
        (chunked.to_owned(), "/nowhere", "404"),
        (format!("{CREDENTIALS}{FORM_TYPE}{chunked}"), PATH, "408"),
        (format!("{FORM_TYPE}Content-Length: 1000\r\n"), PATH, "401"),
    ] {
        for trickle in [&b""[..], b"5\r\nabcde\r\n"] {
            let mut connection = service.connect();
            connection.write_all(head(path, &headers).as_bytes()).unwrap();
            connection.write_all(trickle).unwrap();
            let (received, took) = until_closed(&mut connection);
            assert!(received.starts_with(&format!("HTTP/1.1 {status} ")), "{received}");
            assert!(received.contains("connection: close"), "{received}");
            assert!(took < Duration::from_secs(8), "{path} {status}: {took:?}");
        }
    }
    let mut operators = TcpStream::connect(service.operators_address()).unwrap();
    operators.write_all(format!("GET /healthz HTTP/1.1\r\nHost: padan\r\n{chunked}\r\n").as_bytes()).unwrap();
    let (received, took) = until_closed(&mut operators);
    assert!(received.starts_with("HTTP/1.1 200 ") && took < Duration::from_secs(8), "{received} {took:?}");
}

#[test]
fn an_offered_protocol_upgrade_is_ignored_and_the_connection_closed() {
    let service = TestService::start();
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    for offer in [h2c, "Connection: upgrade\r\nUpgrade: foo\r\n", "Upgrade: websocket\r\n"] {
        let mut connection = service.connect();
        let began = Instant::now();
        connection.write_all(&with_length(&format!("{CREDENTIALS}{offer}"), form().as_bytes())).unwrap();
        let answer = read_answer(&mut connection);
        assert_answer(&answer, 200, "VERIFIED");
        assert_eq!(header(&answer.0, "connection").as_deref(), Some("close"), "{offer}: {}", answer.0);
        assert!(began.elapsed() < Duration::from_secs(5), "{offer}: {:?}", began.elapsed());
    }
}

#[test]
fn an_encoded_path_is_counted_as_its_endpoint() {
    let service = TestService::start();
    let mut connection = service.connect();
    let body = form();
    let encoded = head(
        "/identity/v1/%76erification",
        &format!("{CREDENTIALS}{FORM_TYPE}Content-Length: {}\r\n", body.len()),
    );
    connection.write_all(encoded.as_bytes()).unwrap();
    connection.write_all(body.as_bytes()).unwrap();
    assert_answer(&read_answer(&mut connection), 200, "VERIFIED");
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains("endpoint=\"verification\",reason=\"VERIFIED\""), "{metrics}");
}

#[test]
fn request_heads_that_never_end_are_refused() {
    if ran_in_own_process() {
        return;
    }
    let service = TestService::with("[http]\nhead_timeout_ms = 500\n");
    let mut slow = service.connect();
    slow.write_all(format!("POST {PATH} HTTP/1.1\r\nHost: pa").as_bytes()).unwrap();
    let (received, took) = until_closed(&mut slow);
    assert!(received.starts_with("HTTP/1.1 408 "), "{received}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(service.verify(&Claim::matching()).status == 200, "others are served");
    assert!(!service.logged().contains("ERROR"), "{}", service.logged());
}

/// Uses the default timeout, which is not exceeded when the machine stalls for half a second.
#[test]
fn request_heads_that_are_too_large_or_invalid_are_refused() {
    if ran_in_own_process() {
        return;
    }
    let service = TestService::start();
    let mut large = service.connect();
    // The server may close the connection before all of it is sent.
    let _ = large.write_all(head(PATH, &format!("x-filler: {}\r\n", "x".repeat(1 << 20))).as_bytes());
    let (received, _) = until_closed(&mut large);
    assert!(received.is_empty() || received.starts_with("HTTP/1.1 431 "), "{received}");

    let mut nonsense = service.connect();
    nonsense.write_all(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").unwrap();
    let (received, _) = until_closed(&mut nonsense);
    assert!(received.starts_with("HTTP/1.1 400 "), "{received}");
    assert!(service.verify(&Claim::matching()).status == 200, "others are served");
    assert!(!service.logged().contains("ERROR"), "{}", service.logged());
}
