//! The face match of a running service on 200 pairs of the rendered people beside the checkout. `make test-shared` runs
//! it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed, and the panic names the line"
)]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::{Client, multipart::Form};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PAIRS: usize = 200;

/// `padan demo`, which ends when this is dropped.
struct Demo {
    process: Child,
    port: u16,
}

impl Demo {
    fn start(client: &Client) -> Self {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, admin) = (port(), port());
        let process = Command::new(env!("CARGO_BIN_EXE_padan"))
            .args(["demo", "--port", &port.to_string(), "--admin-port", &admin.to_string()])
            .current_dir(project())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let demo = Self { process, port };
        let began = Instant::now();
        let is_ready = || {
            let answer = client.get(format!("http://127.0.0.1:{admin}/readyz")).send();
            answer.is_ok_and(|answer| answer.status() == 200)
        };
        while !is_ready() {
            assert!(began.elapsed() < Duration::from_mins(3), "the demo does not start");
            thread::sleep(Duration::from_millis(200));
        }
        demo
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}

#[test]
fn the_service_finds_what_the_program_finds() {
    // A client needs a cryptography provider even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap();
    let demo = Demo::start(&client);
    let pairs = pairs();
    assert_eq!(pairs.len(), PAIRS);
    let (next, matches) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some([captured, stored]) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = by_service(&client, demo.port, captured, stored);
                    let found = by_program(captured, stored);
                    let hundredths = (found["shown_percentage"].as_f64().unwrap() * 100.0).round();
                    let place = format!("{} {}", captured.display(), stored.display());
                    assert_eq!(result["match_percentage"].as_f64(), Some(hundredths / 1e4), "{place}");
                    let is_match = found["match"].as_bool().unwrap();
                    assert_eq!(result["match_status_code"] == "MATCH", is_match, "{place}");
                    matches.fetch_add(usize::from(is_match), Ordering::Relaxed);
                }
            });
        }
    });
    let matches = matches.into_inner();
    assert!((20..PAIRS - 20).contains(&matches), "{matches} pairs match");
}

/// Selfies and ID photos, of the same person and of different persons.
fn pairs() -> Vec<[PathBuf; 2]> {
    let folder = project().join("../shared/people/images");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let is_portrait = |file: &&PathBuf| file.to_string_lossy().ends_with("_id.jpg");
    let (portraits, selfies): (Vec<_>, Vec<_>) = files.iter().partition(is_portrait);
    let person = |file: &Path| file.file_name().unwrap().to_string_lossy()[..3].to_owned();
    let all = selfies.iter().flat_map(|selfie| portraits.iter().map(move |portrait| [selfie, portrait]));
    let (genuine, impostor): (Vec<_>, Vec<_>) = all.partition(|[one, other]| person(one) == person(other));
    let impostor = impostor.iter().step_by(2).take(PAIRS - genuine.len());
    genuine.iter().chain(impostor).map(|[one, other]| [one.to_path_buf(), other.to_path_buf()]).collect()
}

fn by_service(client: &Client, port: u16, captured: &Path, stored: &Path) -> Value {
    let form = Form::new().file("captured_image", captured).unwrap().file("stored_image", stored).unwrap();
    let answer = client
        .post(format!("http://127.0.0.1:{port}/face/v1/match"))
        .basic_auth("demo", Some("demo"))
        .header("x-api-key", "demo")
        .multipart(form)
        .send()
        .unwrap();
    let body: Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
    assert_eq!(body["status"], "success", "{body}");
    body["result"].clone()
}

fn by_program(captured: &Path, stored: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_padan"))
        .args(["compare", "--json"])
        .args([stored, captured])
        .env("PADAN__INFERENCE__WORKERS", "1")
        .current_dir(project())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
