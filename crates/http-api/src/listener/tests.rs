//! Connections whose clients do not do their part, over real sockets.

mod served;

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Shutdown},
    time::Instant,
};

use rustls::server::{ClientHello, ResolvesServerCert};
use socket2::SockRef;

use self::served::{
    ANSWER_TIME, GET, HEAD_TIME, KEEP_ALIVE, LATENESS, Room, assert_late, assert_took, connect, connect_from,
    drip, is_served, listener, read_answer, serve, serve_with, until_closed,
};
use super::*;
use crate::{config::BodyLimits, trusted_proxies::TrustedProxies};

#[actix_web::test]
async fn a_head_that_is_not_completed_ends_the_connection_whichever_it_is() {
    let served = serve();
    for complete_before in 0..3 {
        let (answer, took) = served
            .client(move |address| {
                let mut connection = connect(address);
                for _ in 0..complete_before {
                    assert!(is_served(&mut connection));
                }
                connection.write_all(b"G").unwrap();
                until_closed(&mut connection)
            })
            .await;
        assert_late(&answer);
        assert_took(took, HEAD_TIME);
    }
    assert_eq!(served.cut("head"), 3);
    served.all_end().await;
}

#[actix_web::test]
async fn bytes_that_drip_do_not_extend_the_time_of_a_head() {
    let served = serve();
    for complete_before in 0..2 {
        let (answer, took) = served
            .client(move |address| {
                let mut connection = connect(address);
                for _ in 0..complete_before {
                    assert!(is_served(&mut connection));
                }
                let endless = format!("GET /ok HTTP/1.1\r\nX-Long: {}", "x".repeat(200));
                drip(&mut connection, endless.as_bytes())
            })
            .await;
        assert_late(&answer);
        assert_took(took, HEAD_TIME);
    }
    served.all_end().await;
}

#[actix_web::test]
async fn a_head_that_begins_in_the_packet_of_the_request_before_has_a_deadline_too() {
    let served = serve();
    let with_length = b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbodyG".to_vec();
    let chunked =
        b"POST /length HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\nG";
    for sent in
        [[GET, b"G"].concat(), [GET, GET, b"GET /ok HTTP/1.1\r\n"].concat(), with_length, chunked.to_vec()]
    {
        let (answers, took) = served
            .client(move |address| {
                let mut connection = connect(address);
                connection.write_all(&sent).unwrap();
                until_closed(&mut connection)
            })
            .await;
        assert!(answers.starts_with("HTTP/1.1 200 "), "{answers}");
        assert_late(&answers[answers.rfind("HTTP/1.1 ").unwrap()..]);
        assert_took(took, HEAD_TIME);
    }
    served.all_end().await;
}

#[actix_web::test]
async fn connections_on_which_nothing_is_sent_are_closed_without_a_byte() {
    let served = serve();
    let (answer, took) = served.client(|address| until_closed(&mut connect(address))).await;
    assert_eq!(answer, "");
    assert_took(took, HEAD_TIME);
    // An empty line after a request begins no head.
    for idle_bytes in ["", "\r\n"] {
        let (answer, took) = served
            .client(move |address| {
                let mut connection = connect(address);
                assert!(is_served(&mut connection) && is_served(&mut connection));
                connection.write_all(idle_bytes.as_bytes()).unwrap();
                until_closed(&mut connection)
            })
            .await;
        assert_eq!(answer, "");
        assert_took(took, KEEP_ALIVE);
    }
    let (answer, took) = served
        .client(|address| {
            let mut connection = connect(address);
            assert!(is_served(&mut connection));
            drip(&mut connection, &b"\r\n".repeat(60))
        })
        .await;
    assert_eq!(answer, "");
    assert_took(took, KEEP_ALIVE);
    assert_eq!(served.cut("head"), 0, "idle connections are no fault");
    served.all_end().await;
}

#[actix_web::test]
async fn a_client_that_keeps_to_the_times_keeps_its_connection() {
    let served = serve();
    served
        .client(|address| {
            let mut connection = connect(address);
            for pause in [HEAD_TIME / 2, HEAD_TIME * 2, KEEP_ALIVE / 2] {
                std::thread::sleep(pause);
                let (first, rest) = GET.split_at(9);
                connection.write_all(first).unwrap();
                std::thread::sleep(HEAD_TIME / 4);
                connection.write_all(rest).unwrap();
                assert!(read_answer(&mut connection).starts_with("HTTP/1.1 200 "));
            }
            connection.write_all(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            let answer = read_answer(&mut connection);
            assert!(answer.starts_with("HTTP/1.1 200 "), "an answer that takes long is waited for: {answer}");
        })
        .await;
}

#[actix_web::test]
async fn half_closed_connections_end() {
    let served = serve();
    for sent in [&b""[..], b"G", b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nhalf"] {
        for complete_before in 0..2 {
            let (_, took) = served
                .client(move |address| {
                    let mut connection = connect(address);
                    for _ in 0..complete_before {
                        assert!(is_served(&mut connection));
                    }
                    connection.write_all(sent).unwrap();
                    connection.shutdown(Shutdown::Write).unwrap();
                    until_closed(&mut connection)
                })
                .await;
            assert!(took < LATENESS, "{took:?}");
        }
    }
    served.all_end().await;
}

#[actix_web::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let served = serve();
    let large = b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n".to_vec();
    let pipelined = large.repeat(20);
    for (sent, reads) in [(large.clone(), false), (pipelined, false), (large, true)] {
        let before = served.cut("answer");
        let (_kept, began) = served
            .client(move |address| {
                let mut connection = connect(address);
                connection.write_all(&sent).unwrap();
                // The answer begins.
                connection.read_exact(&mut [0]).unwrap();
                let began = Instant::now();
                // Reading a little does not help.
                while reads && began.elapsed() < 2 * ANSWER_TIME {
                    let _ = connection.read(&mut [0; 64]);
                    std::thread::sleep(Duration::from_millis(20));
                }
                (connection, began)
            })
            .await;
        served.all_end().await;
        let latest = ANSWER_TIME + LATENESS + if reads { ANSWER_TIME } else { Duration::ZERO };
        assert!(began.elapsed() < latest, "{:?}", began.elapsed());
        assert_eq!(served.cut("answer"), before + 1);
    }
    let whole = served
        .client(|address| {
            let mut connection = connect(address);
            connection.write_all(b"GET /large HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).unwrap();
            answer.len()
        })
        .await;
    assert!(whole > 64 << 20, "a client that reads gets all of it: {whole}");
}

#[actix_web::test]
async fn an_address_beyond_its_connections_is_refused_and_others_are_served() {
    let served = serve_with(&Room { connections: 100, per_address: 3 }, None);
    let held = served
        .client(|address| {
            let mut held: Vec<_> = (0..3).map(|_| connect(address)).collect();
            assert!(held.iter_mut().all(is_served));
            let (answer, took) = until_closed(&mut connect(address));
            assert_eq!(answer, "", "it is closed without an answer");
            assert!(took < HEAD_TIME, "at once: {took:?}");
            assert!(is_served(&mut connect_from(2, address)), "another address");
            assert!(held.iter_mut().all(is_served), "those that were there before");
            held
        })
        .await;
    assert_eq!(served.cut("address"), 1);
    drop(held);
    served.all_end().await;
    assert!(served.client(|address| is_served(&mut connect(address))).await);
}

#[actix_web::test]
async fn a_trusted_proxy_has_as_many_connections_as_it_needs() {
    let served = serve_with(&Room { connections: 100, per_address: 2 }, None);
    let proxy = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
    served.limits.trust(TrustedProxies::new(&[proxy.into()]));
    served
        .client(|address| {
            let mut proxied: Vec<_> = (0..10).map(|_| connect_from(3, address)).collect();
            assert!(proxied.iter_mut().all(is_served));
            let mut direct: Vec<_> = (0..2).map(|_| connect(address)).collect();
            assert!(direct.iter_mut().all(is_served));
            assert_eq!(until_closed(&mut connect(address)).0, "");
        })
        .await;
}

#[actix_web::test]
async fn as_many_silent_connections_as_the_limit_shut_nobody_out_for_long() {
    let served = serve_with(&Room { connections: 20, per_address: 0 }, None);
    let held = served
        .client(|address| {
            let mut held: Vec<_> = (0..20).map(|_| connect(address)).collect();
            for connection in &mut held {
                assert!(is_served(connection));
                connection.write_all(b"G").unwrap();
            }
            held
        })
        .await;
    assert_eq!(served.metrics.connections().get(), 20);
    assert_eq!(served.limits.connections.are_full(), Some(20), "readiness says so");
    let began = Instant::now();
    assert!(served.client(|address| is_served(&mut connect_from(2, address))).await);
    // The clients have a second to read the answer to their heads.
    let latest = HEAD_TIME + Duration::from_secs(1) + LATENESS;
    assert!(began.elapsed() < latest, "{:?}", began.elapsed());
    served.all_end().await;
    assert_eq!(served.limits.connections.are_full(), None);
    drop(held);
}

/// A server that never comes to need its certificate.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
}

#[actix_web::test]
async fn a_tls_handshake_that_is_not_completed_ends_the_connection() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let encryption = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(NoCertificate));
    let served = serve_with(&Room { connections: 100, per_address: 2 }, Some(encryption));
    // The beginning of a record with a ClientHello of 512 bytes.
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[7; 300]].concat();
    for (number, sent) in [Vec::new(), hello[..1].to_vec(), hello.clone()].into_iter().enumerate() {
        let (answer, took) = served
            .client(move |address| {
                let mut connection = connect(address);
                connection.write_all(&sent).unwrap();
                until_closed(&mut connection)
            })
            .await;
        assert_eq!(answer, "");
        assert_took(took, HEAD_TIME);
        assert_eq!(served.cut("handshake"), number as u64 + 1);
    }
    let (_, took) = served.client(move |address| drip(&mut connect(address), &hello)).await;
    assert_took(took, HEAD_TIME);
    served
        .client(|address| {
            let _held = [connect(address), connect(address)];
            let (_, took) = until_closed(&mut connect(address));
            assert!(took < HEAD_TIME, "connections count before their handshake: {took:?}");
        })
        .await;
    served.all_end().await;
}

#[test]
fn accepted_connections_have_the_options_of_the_settings() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let limits = Limits::for_bodies(BodyLimits::NONE, 1, &metrics);
    let listening = listener(1, limits, &metrics).bind().unwrap();
    let _client = connect(listening.local_addr().unwrap());
    let (accepted, _) = listening.accept().unwrap();
    let socket = SockRef::from(&accepted);
    assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(41));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(ANSWER_TIME));
}
