//! Passive liveness, with tiny networks that the tests make.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::blocking::multipart::Form;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{
    json::send_json,
    networks::{field, model, node, tensor, value},
    photos::Photos,
    service::{Answer, TestService, file},
    site::CREDENTIALS,
};

const LIVENESS: &str = "/face/v1/passive-liveness";

fn judge(service: &TestService, photo: &Bytes) -> Answer {
    service.send_to(LIVENESS, Form::new().part("image", file(photo)))
}

fn assert_result(answer: &Answer, spoof: &str, status: &str, code: &str) {
    let body =
        format!(r#"{{"status":"success","result":{{"spoof_percentage":{spoof},"status":"{status}"}}}}"#);
    answer.assert(200, code, &body);
}

/// A network whose logits are `weight` times the mean of the blue channel plus `offsets`. The weight counts for the class
/// of living persons.
fn network(weight: f32, offsets: [f32; 3]) -> Vec<u8> {
    let graph = [
        node("GlobalAveragePool", &["input"], "means"),
        node("Flatten", &["means"], "flat"),
        node("Gemm", &["flat", "weights", "offsets"], "logits"),
        field(2, "tiny"),
        tensor("weights", &[3, 3], &[0.0, weight, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        tensor("offsets", &[3], &offsets),
        value(11, "input", &[1, 3, 80, 80]),
        value(12, "logits", &[1, 3]),
    ];
    model(&graph.concat())
}

fn put(folder: &Path, name: &str, model: &[u8], set: &str) {
    fs::write(folder.join(format!("{name}.onnx")), model).unwrap();
    let digest = hex::encode(Sha256::digest(model));
    let manifest = format!(
        "version = 1\nname = \"{name}\"\ntitle = \"Tiny\"\ntask = \"liveness\"\nlicence = \"Apache-2.0\"\n\
         licence_note = \"None.\"\norigin = \"a test\"\n\
         [input]\nname = \"input\"\nwidth = 80\nheight = 80\ncolour = \"bgr\"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n\
         [liveness]\nfamily = \"minifasnet\"\noutput = \"logits\"\nscale = 2.7\n{set}\n\
         [[export]]\nfile = \"{name}.onnx\"\nsha256 = \"{digest}\"\n"
    );
    fs::write(folder.join(format!("{name}.toml")), manifest).unwrap();
}

/// A folder with two sets: `mean` of two constant networks, and `blue`, which takes blue photos for living persons.
pub(crate) fn models() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let set = |with: &str| format!("[liveness.set]\nwith = [{with}]\nmoderate_from = 0.3\nhigh_from = 0.7\n");
    put(folder.path(), "mean", &network(0.0, [0.0, 2.0, 1.0]), &set("\"other\""));
    put(folder.path(), "other", &network(0.0, [1.0, 0.0, 1.0]), "");
    put(folder.path(), "blue", &network(0.1, [0.0, -12.8, 0.0]), &set(""));
    folder
}

pub(crate) fn service_with(set: &str, folder: &TempDir) -> TestService {
    let path = folder.path().display();
    TestService::with(&format!("[inference]\nmodel_folder = \"{path}\"\nliveness_set = \"{set}\"\n"))
}

/// The selfie with another value for each pixel's blue.
pub(crate) fn selfie_with_blue(blue: u8) -> Bytes {
    let mut selfie = Photos::selfie();
    selfie.pixels_mut().for_each(|pixel| pixel.0[2] = pixel.0[2] / 8 + blue);
    Photos::png(&selfie)
}

#[test]
fn the_score_is_the_mean_of_the_networks() {
    let folder = models();
    let service = service_with("mean", &folder);
    // 1 - (exp(2) / (1 + exp(2) + exp(1)) + 1 / (1 + 2 exp(1))) / 2
    let selfie = Photos::read("101_s1.jpg");
    assert_result(&judge(&service, &selfie), "0.5897", "MODERATE", "SPOOF_MODERATE");
    let body = json!({ "image": STANDARD.encode(&selfie) }).to_string();
    assert_result(&send_json(&service, LIVENESS, body), "0.5897", "MODERATE", "SPOOF_MODERATE");
    assert_result(&judge(&service, &Photos::without_face()), "1.0", "face not detected", "FACE_NOT_DETECTED");
    assert_result(
        &judge(&service, &Photos::two_faces()),
        "1.0",
        "too many faces detected",
        "TOO_MANY_FACES_DETECTED",
    );
    judge(&service, &selfie.slice(..selfie.len() / 2)).assert_refused(
        400,
        "IMAGE_UNREADABLE",
        "image cannot be decoded",
    );
    judge(&service, &Bytes::from_static(b"GIF89a")).assert_refused(
        415,
        "UNSUPPORTED_IMAGE",
        "image must be PNG or JPEG",
    );
    let missing = service.send_to(LIVENESS, Form::new().text("x", "1"));
    missing.assert_refused(400, "MISSING_FIELD", "image is required");

    let exported = service.command(&["audit", "export", "--format", "jsonl"]);
    let exported = String::from_utf8(exported.stdout).unwrap();
    let rows = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows: Vec<_> = rows.filter(|row| row["kind"] == "request").collect();
    let of_kind = |reason: &str| rows.iter().filter(|row| row["reason"] == reason).count();
    assert_eq!((of_kind("SPOOF_MODERATE"), of_kind("FACE_NOT_DETECTED")), (2, 1));
    assert!(rows.iter().all(|row| row["endpoint"] == "passive-liveness" && row["person_key"].is_null()));
    let (_, metrics) = service.get_from_operators("/metrics");
    let steps = r#"padan_verification_step_duration_seconds_count{step="liveness"} 4"#;
    assert!(metrics.contains(steps), "{metrics}");
    assert!(metrics.contains("padan_http_body_bytes_held 0\n"), "{metrics}");
    let readiness: Value = serde_json::from_str(&service.get_from_operators("/readyz").1).unwrap();
    assert_eq!(readiness["liveness"], "mean");
    let wrong = service.request("POST", LIVENESS, [CREDENTIALS[0], CREDENTIALS[1], "wrong"]);
    let wrong = Answer::from(wrong.multipart(Form::new().part("image", file(&selfie))).send().unwrap());
    wrong.assert_refused(401, "UNAUTHORIZED", "Missing or wrong credentials");
    service.change_clients("allowed_networks = [\"127.0.0.0/8\"]", "endpoints = [\"face-match\"]");
    judge(&service, &selfie).assert_refused(403, "FORBIDDEN", "Client is not allowed");
}

#[test]
fn the_level_follows_the_pixels_of_the_face() {
    let folder = models();
    let service = service_with("blue", &folder);
    let spoof = |photo: &Bytes, code: &str| {
        let answer = judge(&service, photo);
        assert_eq!((answer.status, &*answer.reason_code), (200, code), "{}", answer.body);
        answer.json()["result"]["spoof_percentage"].as_f64().unwrap()
    };
    assert!(spoof(&selfie_with_blue(220), "SPOOF_LOW") < 0.01);
    assert!(spoof(&selfie_with_blue(0), "SPOOF_HIGH") > 0.99);
    // Another worker, and earlier photos, change nothing.
    let photo = selfie_with_blue(120);
    let first = judge(&service, &photo).body;
    for _ in 0..4 {
        assert_eq!(judge(&service, &photo).body, first);
    }
}

#[test]
fn without_a_set_the_path_is_unknown() {
    let service = TestService::start();
    judge(&service, &Photos::read("101_s1.jpg")).assert_refused(404, "NOT_FOUND", "Not found");
    for method in ["GET", "PUT"] {
        let answer = Answer::from(service.request(method, LIVENESS, CREDENTIALS).send().unwrap());
        answer.assert_refused(404, "NOT_FOUND", "Not found");
    }
    let document = service.client.get(format!("http://{}/openapi.json", service.address)).send().unwrap();
    assert!(Answer::from(document).json()["paths"][LIVENESS].is_null());
    let (status, body) = service.get_from_operators("/readyz");
    let readiness: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &readiness["liveness"]), (200, &"off: no liveness set".into()));
    let doctor = service.command(&["doctor"]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("no liveness set, so passive liveness is off"), "{said}");
}

#[test]
fn a_set_is_installed_from_a_folder_and_a_missing_one_is_an_error() {
    let (folder, installed) = (models(), tempfile::tempdir().unwrap());
    let service = service_with("mean", &folder);
    for name in ["mean", "other"] {
        let manifest = format!("{name}.toml");
        fs::copy(folder.path().join(&manifest), installed.path().join(&manifest)).unwrap();
    }
    let (from, to) = (folder.path().display().to_string(), installed.path().display().to_string());
    let install = service.command(&["models", "install", "mean", "--from", &from, "--to", &to]);
    assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    for file in ["mean.onnx", "other.onnx"] {
        assert!(installed.path().join(file).is_file(), "{file}");
    }
    let listed = String::from_utf8(service.command(&["models", "list"]).stdout).unwrap();
    assert!(listed.contains("minifasnet-v1se") && listed.contains("no certified detection"), "{listed}");
    let said = String::from_utf8(service.command(&["doctor"]).stdout).unwrap();
    assert!(said.contains("liveness set mean, whose error rates on attacks are not measured"), "{said}");
    fs::remove_file(folder.path().join("other.onnx")).unwrap();
    let doctor = service.command(&["doctor"]);
    assert!(!doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    let serve = service.command(&["serve"]);
    let error = String::from_utf8(serve.stderr).unwrap();
    assert!(!serve.status.success() && error.contains("other.onnx"), "{error}");
}
