//! Shutdown of the service, and reloading of its settings.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    time::{Duration, Instant},
};

use padan_test_service::{BUDI, CREDENTIALS, Claim, raw, text_fields};
use rustix::process::Signal;

use crate::service::TestProgram;

#[test]
fn readiness_ends_before_the_shutdown_and_requests_are_served_in_between() {
    let mut service = TestProgram::with("[http]\nshutdown_delay_seconds = 3\n");
    assert_eq!(service.get_from_operators("/readyz").0, 200);
    let began = Instant::now();
    service.signal(Signal::TERM);
    while service.get_from_operators("/readyz").0 == 200 {
        assert!(began.elapsed() < Duration::from_secs(2), "still ready");
    }
    assert!(service.get_from_operators("/readyz").1.contains("stopping"));
    assert_eq!(service.get_from_operators("/healthz").0, 200);
    // New connections are still accepted.
    let mut answered = 0;
    while began.elapsed() < Duration::from_secs(2) {
        let mut connection = service.connect();
        connection.write_all(b"GET /nowhere HTTP/1.1\r\nHost: padan\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("connection: close"), "{answer}");
        answered += 1;
    }
    assert!(answered > 0);
    assert!(service.process().wait().unwrap().success());
    assert!((3..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// The kernel's own view of the running service.
#[test]
fn the_service_leaves_no_core_dump() {
    let mut service = TestProgram::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.process().id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut service = TestProgram::with("[http]\nshutdown_delay_seconds = 60\n");
    let mut unfinished = service.connect();
    unfinished.write_all(b"POST /identity/v1/verification HTTP/1.1\r\nHost: padan\r\n").unwrap();
    let began = Instant::now();
    service.signal(Signal::TERM);
    service.wait_for_log("shutting down: no longer ready");
    service.signal(Signal::TERM);
    // 128 plus the number of SIGTERM.
    assert_eq!(service.process().wait().unwrap().code(), Some(143));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// The service has just begun to build the session for idle processors then, whose library says on stderr what it misses.
#[test]
fn a_stop_just_after_the_start_ends_without_a_fault() {
    for _ in 0..5 {
        let mut service =
            TestProgram::with_files_without_waiting("[http]\nshutdown_delay_seconds = 0\n", &[]);
        service.signal(Signal::TERM);
        let ended = service.process().wait().unwrap();
        let log = service.logged();
        assert!(ended.success(), "{ended}: {log}");
        assert!(!log.contains("[E:onnxruntime"), "{log}");
    }
}

#[test]
fn sighup_reloads_limits_and_log_levels_and_names_settings_that_need_a_restart() {
    let service = TestProgram::with("[http]\nbody_limit_bytes = 10000000\n");
    let hash = |service: &TestProgram| {
        let metrics = service.get_from_operators("/metrics").1;
        metrics.lines().find(|line| line.starts_with("padan_config_info")).unwrap().to_owned()
    };
    let at_start = hash(&service);
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    service.change_settings("body_limit_bytes = 10000000", "body_limit_bytes = 1000");
    service.change_settings("[log]\n", "[log]\nfilter = \"warn\"\n");
    // The new log level hides the end of the reload.
    service.signal(Signal::HUP);
    let began = Instant::now();
    while service.verify(&Claim::matching()).reason_code != "BODY_TOO_LARGE" {
        assert!(began.elapsed() < Duration::from_secs(20), "the limit has not changed");
    }
    assert_ne!(hash(&service), at_start);
    let lines = service.logged().lines().count();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "BODY_TOO_LARGE");
    assert_eq!(service.logged().lines().count(), lines, "a refusal is not logged as a warning");

    service.change_settings("filter = \"warn\"", "filter = \"info\"");
    service.change_settings("[http]\n", "[http]\nworkers = 3\n");
    service.reload();
    let log = service.logged();
    assert!(log.contains("take effect at the next start: http.workers"), "{log}");

    // TLS is turned on only at a start.
    service.change_settings(
        "[http]\n",
        "[http]\ntls = { certificate_file = \"c\", private_key_file = \"k\" }\n",
    );
    service.reload();
    assert!(service.logged().contains("turned on or off by a restart"), "{}", service.logged());

    service.change_settings("body_limit_bytes = 1000", "body_limit_bytes = \"many\"");
    service.reload();
    assert!(service.logged().contains("settings not reloaded"), "{}", service.logged());
    assert_eq!(service.verify(&Claim::matching()).reason_code, "BODY_TOO_LARGE");
    service.change_settings("body_limit_bytes = \"many\"", "body_limit_bytes = 10000000");
    service.change_clients("name = \"bank\"", "name = \"renamed\"");
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
}

#[test]
fn a_start_despite_pending_migrations_needs_a_flag() {
    let service = TestProgram::with("[http]\nport = 0\nadmin_port = 0\nshutdown_delay_seconds = 0\n");
    let remove_migration = "DELETE FROM store._sqlx_migrations WHERE version = 8";
    service.runtime.block_on(service.store.execute(remove_migration));
    let refused = service.command(&["serve"]);
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr.contains("lacks 1 migrations") && stderr.contains("padan migrate"), "{stderr}");
    let mut flagged = service.start_command(&["serve", "--despite-pending-migrations"]);
    let process = rustix::process::Pid::from_child(&flagged);
    let send = |signal| rustix::process::kill_process(process, signal).unwrap();
    let mut log = String::new();
    let mut lines = BufReader::new(flagged.stderr.take().unwrap());
    while !log.contains("\"serving\"") {
        let before = log.len();
        assert!(lines.read_line(&mut log).unwrap() > 0, "it ended:\n{log}");
        if log[before..].contains("starting although the store lacks migrations") {
            // The models are being loaded. The signal is handled when the service runs.
            send(Signal::HUP);
        }
    }
    while !log.contains("\"settings reloaded\"") {
        assert!(lines.read_line(&mut log).unwrap() > 0, "it ended:\n{log}");
    }
    send(Signal::TERM);
    assert!(flagged.wait().unwrap().success(), "{log}");
    assert!(log.contains("starting although the store lacks migrations"), "{log}");
}

#[test]
fn idle_connections_do_not_delay_the_shutdown() {
    let mut service = TestProgram::start();
    let form = text_fields(&[("nik", BUDI)]);
    let answer = service.request("POST", "/identity/v1/verification", CREDENTIALS).multipart(form).send();
    assert_eq!(answer.unwrap().status(), 200, "its connection is kept");
    let began = Instant::now();
    service.signal(Signal::TERM);
    assert!(service.process().wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_step_that_contradicts_the_pass_mark_is_refused() {
    let service = TestProgram::start();
    let checked = service.command(&["config", "check", "--set", "verification.percentage_step=10"]);
    let stderr = String::from_utf8(checked.stderr).unwrap();
    assert!(!checked.status.success() && stderr.contains("75 must be a multiple"), "{stderr}");
}

#[test]
fn requests_in_flight_are_answered_before_the_shutdown() {
    let mut service = TestProgram::start();
    let mut connection = service.connect();
    let body = raw::form();
    let headers = format!("{}{}Content-Length: {}\r\n", raw::CREDENTIALS, raw::FORM_TYPE, body.len());
    connection.write_all(raw::head(raw::PATH, &headers).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let pid = rustix::process::Pid::from_child(service.process());
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    connection.write_all(body.as_bytes()).unwrap();
    raw::assert_answer(&raw::read_answer(&mut connection), 200, "VERIFIED");
    let began = Instant::now();
    while service.process().try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(15), "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
}
