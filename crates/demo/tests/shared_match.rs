//! The face match of a running service, on pairs of the rendered people and of the photos of LFW beside the checkout.
//! `make test-shared` runs it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed, and the panic names the line"
)]

use std::{
    collections::HashMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use padan_domain::{Anchor, Calibration, Similarity};
use reqwest::blocking::{Client, multipart::Form};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const DEMO: &str = env!("CARGO_BIN_EXE_padan-demo");
const PAIRS: usize = 200;
/// One in ten of the 3,200 listed pairs of LFW is compared.
const LFW_STEP: usize = 10;

/// `padan-demo run`, which ends when this is dropped.
struct Demo {
    process: Child,
    port: u16,
}

impl Demo {
    fn start(client: &Client) -> Self {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, admin) = (port(), port());
        let process = Command::new(DEMO)
            .args(["run", "--port", &port.to_string(), "--admin-port", &admin.to_string()])
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

/// The program `padan`, which lies beside the demo's.
fn padan() -> PathBuf {
    let program = Path::new(DEMO).with_file_name("padan");
    assert!(program.is_file(), "the program is missing: run `cargo build --release --package padan`");
    program
}

fn client() -> Client {
    // A client needs a cryptography provider even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap()
}

#[test]
fn the_service_finds_what_the_program_finds() {
    let client = client();
    let demo = Demo::start(&client);
    let pairs = pairs();
    assert_eq!(pairs.len(), PAIRS);
    let (next, matches) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some([captured, stored]) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = by_service(&client, demo.port, captured, stored);
                    let result = answer.result();
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

/// The reason code and the body of an answer.
struct Answer {
    code: String,
    body: Value,
}

impl Answer {
    /// The result of a comparison.
    #[track_caller]
    fn result(&self) -> &Value {
        assert_eq!(self.body["status"], "success", "{}", self.body);
        &self.body["result"]
    }
}

fn by_service(client: &Client, port: u16, captured: &Path, stored: &Path) -> Answer {
    let form = Form::new().file("captured_image", captured).unwrap().file("stored_image", stored).unwrap();
    let answer = client
        .post(format!("http://127.0.0.1:{port}/face/v1/match"))
        .basic_auth("demo", Some("demo"))
        .header("x-api-key", "demo")
        .multipart(form)
        .send()
        .unwrap();
    let code = answer.headers()["reason-code"].to_str().unwrap().to_owned();
    Answer { code, body: serde_json::from_str(&answer.text().unwrap()).unwrap() }
}

/// The pairs of LFW, half of them of the same person, as lines of a list.
fn lfw_pairs(folder: &Path) -> Vec<String> {
    let lines = |list: &str| -> Vec<_> {
        let text = fs::read_to_string(folder.join(list)).unwrap();
        text.lines().skip(1).step_by(LFW_STEP).map(str::to_owned).collect()
    };
    [lines("pairsDevTest.csv"), lines("pairsDevTrain.csv")].concat()
}

/// What `padan evaluate` finds in listed pairs: their cosines, and the photos that break a rule of the service.
fn evaluation(folder: &Path, pairs: &[String]) -> Value {
    let work = tempfile::tempdir().unwrap();
    let (list, found) = (work.path().join("pairs.csv"), work.path().join("found.json"));
    fs::write(&list, format!("path_a,path_b,same\n{}\n", pairs.join("\n"))).unwrap();
    let status = Command::new(padan())
        .args(["evaluate", "--gates", "--pairs"])
        .arg(&list)
        .arg("--root")
        .arg(folder)
        .arg("--json")
        .arg(&found)
        .current_dir(project())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    serde_json::from_str(&fs::read_to_string(found).unwrap()).unwrap()
}

fn calibration() -> Calibration {
    let file = fs::read_to_string(project().join("models/sface.calibration.toml")).unwrap();
    let file: toml::Table = file.parse().unwrap();
    let number = |point: &toml::Value, key: &str| point[key].as_float().unwrap();
    let anchor = |point| Anchor { cosine: number(point, "cosine"), percentage: number(point, "percentage") };
    Calibration::new(file["point"].as_array().unwrap().iter().map(anchor).collect()).unwrap()
}

/// The code of an answer about a photo that breaks a rule.
fn code_of_unusable(reason: &str, photo: &str) -> String {
    match reason {
        "NO_FACE" => format!("NO_FACE_{photo}_IMG"),
        "SEVERAL_FACES" => format!("MANY_FACES_{photo}_IMG"),
        other => other.to_owned(),
    }
}

#[test]
fn the_decisions_on_real_photos_are_those_of_the_evaluation() {
    let client = client();
    let folder = project().join("../shared/faces/lfw-dev");
    let pairs = lfw_pairs(&folder);
    let found = evaluation(&folder, &pairs);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let unusable: HashMap<_, _> = found["turned_away"]
        .as_array()
        .unwrap()
        .iter()
        .map(|photo| (text(&photo["path"]), text(&photo["reason"])))
        .collect();
    let scores = found["scores"].as_array().unwrap();
    assert_eq!(scores.len(), pairs.len());
    let (calibration, demo) = (calibration(), Demo::start(&client));
    let mut counts = HashMap::<String, usize>::new();
    for score in scores {
        let [captured, stored] = ["path_a", "path_b"].map(|key| text(&score[key]));
        let answer = by_service(&client, demo.port, &folder.join(&captured), &folder.join(&stored));
        let place = format!("{captured} {stored}: {}", answer.body);
        let refused = [(&captured, "CAPTURED"), (&stored, "STORED")]
            .into_iter()
            .find_map(|(photo, word)| unusable.get(photo).map(|reason| code_of_unusable(reason, word)));
        let percentage = calibration.percentage(Similarity::from_cosine(score["cosine"].as_f64().unwrap()));
        if refused.is_none() {
            let hundredths = (percentage.shown() * 100.0).round();
            assert_eq!(answer.result()["match_percentage"].as_f64(), Some(hundredths / 1e4), "{place}");
        }
        let decided = if percentage.passes() { "MATCH" } else { "NOT_MATCH" };
        let expected = refused.unwrap_or_else(|| decided.to_owned());
        assert_eq!(answer.code, expected, "{place}");
        *counts.entry(answer.code).or_default() += 1;
    }
    println!("{} pairs of lfw-dev: {counts:?}", pairs.len());
    assert!(counts["MATCH"] > 80 && counts["NOT_MATCH"] > 80, "{counts:?}");
}

fn by_program(captured: &Path, stored: &Path) -> Value {
    let output = Command::new(padan())
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
