//! How the service ends, and what it reads again while it runs.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    served::{Claim, Served, text_fields},
    site::{BUDI, CREDENTIALS},
};

#[test]
fn a_stop_is_told_before_it_begins_and_requests_are_served_meanwhile() {
    let mut served = Served::with("[http]\nshutdown_delay_seconds = 3\n");
    assert_eq!(served.ask_operators("/readyz").0, 200);
    let began = Instant::now();
    served.signal(Signal::TERM);
    while served.ask_operators("/readyz").0 == 200 {
        assert!(began.elapsed() < Duration::from_secs(2), "still ready");
    }
    assert!(served.ask_operators("/readyz").1.contains("stopping"));
    assert_eq!(served.ask_operators("/healthz").0, 200);
    // On a connection that begins now.
    let mut asked = 0;
    while began.elapsed() < Duration::from_secs(2) {
        let mut connection = served.connect();
        connection.write_all(b"GET /nowhere HTTP/1.1\r\nHost: padan\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("connection: close"), "{answer}");
        asked += 1;
    }
    assert!(asked > 0);
    assert!(served.process().wait().unwrap().success());
    assert!((3..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut served = Served::with("[http]\nshutdown_delay_seconds = 60\n");
    let mut unfinished = served.connect();
    unfinished.write_all(b"POST /identity/v1/verification HTTP/1.1\r\nHost: padan\r\n").unwrap();
    let began = Instant::now();
    served.signal(Signal::TERM);
    served.wait_for_log("ending: not ready any more");
    served.signal(Signal::TERM);
    // 128 and SIGTERM's number.
    assert_eq!(served.process().wait().unwrap().code(), Some(143));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_hangup_takes_up_limits_and_levels_and_says_what_it_does_not() {
    let served = Served::with("[http]\nbody_limit_bytes = 10000000\n");
    let hash = |served: &Served| {
        let metrics = served.ask_operators("/metrics").1;
        metrics.lines().find(|line| line.starts_with("padan_config_info")).unwrap().to_owned()
    };
    let at_start = hash(&served);
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
    served.change_settings("body_limit_bytes = 10000000", "body_limit_bytes = 1000");
    served.change_settings("[log]\n", "[log]\nfilter = \"warn\"\n");
    // At the new level nothing tells the end.
    served.signal(Signal::HUP);
    let began = Instant::now();
    while served.verify(&Claim::true_one()).reason_code != "BODY_TOO_LARGE" {
        assert!(began.elapsed() < Duration::from_secs(20), "the limit is as it was");
    }
    assert_ne!(hash(&served), at_start);
    let lines = served.logged().lines().count();
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "BODY_TOO_LARGE");
    assert_eq!(served.logged().lines().count(), lines, "a refusal is no warning");

    served.change_settings("filter = \"warn\"", "filter = \"info\"");
    served.change_settings("[http]\n", "[http]\nworkers = 3\n");
    served.read_again();
    let log = served.logged();
    assert!(log.contains("changed, but not before the next start: http.workers"), "{log}");

    // TLS begins with a start.
    served.change_settings(
        "[http]\n",
        "[http]\ntls = { certificate_file = \"c\", private_key_file = \"k\" }\n",
    );
    served.read_again();
    assert!(served.logged().contains("changes by a start"), "{}", served.logged());

    served.change_settings("body_limit_bytes = 1000", "body_limit_bytes = \"many\"");
    served.read_again();
    assert!(served.logged().contains("all stays as it was"), "{}", served.logged());
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "BODY_TOO_LARGE");
    served.change_settings("body_limit_bytes = \"many\"", "body_limit_bytes = 10000000");
    served.change_clients("name = \"bank\"", "name = \"renamed\"");
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
}

#[test]
fn a_start_despite_pending_migrations_has_to_be_asked_for() {
    let served = Served::with("[http]\nport = 0\nadmin_port = 0\nshutdown_delay_seconds = 0\n");
    let forget = "DELETE FROM store._sqlx_migrations WHERE version = 8";
    served.runtime.block_on(served.store.execute(forget));
    let refused = served.command(&["serve"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("lacks 1 of its migrations") && said.contains("padan migrate"), "{said}");
    let mut told = served.start_command(&["serve", "--despite-pending-migrations"]);
    let process = rustix::process::Pid::from_child(&told);
    let tell = |signal| rustix::process::kill_process(process, signal).unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(told.stderr.take().unwrap());
    while !said.contains("\"serving\"") {
        let before = said.len();
        assert!(lines.read_line(&mut said).unwrap() > 0, "it ended:\n{said}");
        if said[before..].contains("starting as told") {
            // While the models are loaded. It is taken up once there is something to take up.
            tell(Signal::HUP);
        }
    }
    while !said.contains("the settings were read again") {
        assert!(lines.read_line(&mut said).unwrap() > 0, "it ended:\n{said}");
    }
    tell(Signal::TERM);
    assert!(told.wait().unwrap().success() && said.contains("starting as told"), "{said}");
}

#[test]
fn connections_that_wait_for_the_next_request_do_not_hold_up_the_end() {
    let mut served = Served::start();
    let form = text_fields(&[("nik", BUDI)]);
    let answer = served.request("POST", "/identity/v1/verification", CREDENTIALS).multipart(form).send();
    assert_eq!(answer.unwrap().status(), 200, "its connection is kept");
    let began = Instant::now();
    served.signal(Signal::TERM);
    assert!(served.process().wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
