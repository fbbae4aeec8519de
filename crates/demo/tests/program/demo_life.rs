//! A demo that keeps running: what it provides, and how it ends.

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use padan_testing::{Checkout, stderr, stdout};
use rustix::process::Signal;

use crate::fixture::{
    Demo, PROGRAM, TIME_TO_END, checkout, demo_once, padan, read_location, server_runs_in, start_demo,
};

#[test]
fn a_demo_serves_and_ends_with_sigterm() {
    let checkout = checkout();
    let mut demo = start_demo(&checkout, &[]);
    let (status, body) = demo.get_from_operators("/readyz");
    assert_eq!(status, 200, "{body}");

    let settings = checkout.path(".deps/demo/padan.toml");
    assert_eq!(fs::metadata(&settings).unwrap().permissions().mode() & 0o777, 0o600);
    let run = |words: &[&str]| {
        let words = [words, &["--config", ".deps/demo/padan.toml"]].concat();
        checkout.command_of(&padan(), &words).output().unwrap()
    };
    let doctor = run(&["doctor"]);
    assert!(doctor.status.success(), "{}", stdout(&doctor));
    assert_eq!(stdout(&doctor).lines().count(), 14, "{}", stdout(&doctor));
    let check = run(&["config", "check"]);
    assert!(
        !check.status.success() && stderr(&check).contains("clients.demo is only for `padan-demo`"),
        "{check:?}"
    );
    let shown = run(&["config", "show"]);
    assert!(stdout(&shown).contains("cluster_owner:(hidden)@"), "{}", stdout(&shown));
    let text = fs::read_to_string(&settings).unwrap();
    let password = text.split("cluster_owner:").nth(1).unwrap().split('@').next().unwrap();
    assert!(!stdout(&shown).contains(password));

    let port = demo.port.to_string();
    let second = checkout.run(&["run", "--once", "--port", &port, "--admin-port", "0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("another `padan-demo run` runs in this checkout"),
        "{}",
        stderr(&second)
    );
    assert_eq!(demo.get_from_operators("/readyz").0, 200, "the first keeps running");

    let cluster = read_location(&checkout.path(".deps/demo/cluster.where"));
    assert!(server_runs_in(&cluster));
    demo.signal(Signal::TERM);
    assert_eq!(demo.end(), Some(0));
    assert!(!server_runs_in(&cluster) && !cluster.exists());
    assert!(!checkout.path(".deps/demo").exists());
    assert!(TcpStream::connect(("127.0.0.1", demo.port)).is_err());
}

#[test]
fn ctrl_c_ends_a_demo_in_time_although_a_request_is_in_flight() {
    let checkout = checkout();
    let mut demo = start_demo(&checkout, &[]);
    // A client that has announced a body and never sends it.
    let mut idle = TcpStream::connect(("127.0.0.1", demo.port)).unwrap();
    std::io::Write::write_all(
        &mut idle,
        b"POST /identity/v1/face-verification HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n",
    )
    .unwrap();
    demo.signal(Signal::INT);
    assert_eq!(demo.end(), Some(0));
}

#[test]
fn a_signal_during_the_start_ends_a_demo() {
    let checkout = checkout();
    let mut process = checkout.command(&["run", "--port", "0", "--admin-port", "0"]).spawn().unwrap();
    let location_file = checkout.path(".deps/demo/cluster.where");
    let began = Instant::now();
    while !location_file.exists() {
        assert!(began.elapsed() < TIME_TO_END && process.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let cluster = read_location(&location_file);
    let mut demo = Demo { process, port: 0, admin_port: 0 };
    demo.signal(Signal::TERM);
    assert_eq!(demo.end(), Some(1));
    assert!(!cluster.exists() && !checkout.path(".deps/demo").exists());
}

#[test]
fn a_killed_demo_is_removed_by_the_next_one() {
    let checkout = checkout();
    let mut demo = start_demo(&checkout, &[]);
    let cluster = read_location(&checkout.path(".deps/demo/cluster.where"));
    demo.signal(Signal::KILL);
    assert_eq!(demo.end(), None);
    let next = demo_once(&checkout, &[]);
    assert!(next.status.success(), "{}{}", stdout(&next), stderr(&next));
    assert!(!server_runs_in(&cluster) && !cluster.exists());
    assert!(!checkout.path(".deps/demo").exists());
}

#[test]
fn a_cluster_lies_in_var_tmp_when_the_checkout_is_private_or_too_deep() {
    let is_root = rustix::process::geteuid().is_root();
    let deep = "deep".repeat(25);
    for (checkout, is_elsewhere) in [
        (Checkout::with_mode(PROGRAM, "checkout", 0o700), is_root),
        (Checkout::with_mode(PROGRAM, &deep, 0o755), true),
    ] {
        let mut demo = start_demo(&checkout, &[]);
        let cluster = read_location(&checkout.path(".deps/demo/cluster.where"));
        assert_eq!(cluster.starts_with("/var/tmp"), is_elsewhere, "{}", cluster.display());
        assert_eq!(fs::metadata(&cluster).unwrap().permissions().mode() & 0o777, 0o700);
        demo.signal(Signal::TERM);
        assert_eq!(demo.end(), Some(0));
        assert!(!cluster.exists());
    }
}
