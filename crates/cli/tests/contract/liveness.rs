//! What the commands and the service say about the networks for passive liveness.

use std::fs;

use bytes::Bytes;
use padan_test_service::{
    Answer, CREDENTIALS, Photos, file, liveness_models, liveness_settings, selfie_with_blue,
};
use reqwest::blocking::multipart::Form;
use serde_json::Value;
use tempfile::TempDir;

use crate::service::TestProgram;

const LIVENESS: &str = "/face/v1/passive-liveness";

fn judge(service: &TestProgram, photo: &Bytes) -> Answer {
    service.send_to(LIVENESS, Form::new().part("image", file(photo)))
}

fn readiness(service: &TestProgram) -> Value {
    serde_json::from_str(&service.get_from_operators("/readyz").1).unwrap()
}

fn service_with(set: &str, folder: &TempDir) -> TestProgram {
    TestProgram::with(&liveness_settings(set, folder))
}

#[test]
fn without_a_set_the_path_is_unknown() {
    let service = TestProgram::start();
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
    let (folder, installed) = (liveness_models(), tempfile::tempdir().unwrap());
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

#[test]
fn an_evaluation_counts_the_errors_on_attacks_and_on_living_persons() {
    let folder = liveness_models();
    let service = service_with("blue", &folder);
    let photos = tempfile::tempdir().unwrap();
    let put = |name: &str, photo: &bytes::Bytes| {
        let file = photos.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, photo).unwrap();
    };
    // The network takes blue photos for living persons. No two photos have the same bytes.
    let (living, attack) = ([215, 216, 217, 218, 219, 220], [0, 1, 2, 3]);
    for blue in living {
        put(&format!("bona-fide/{blue}.png"), &selfie_with_blue(blue));
    }
    for blue in &attack[..2] {
        put(&format!("bona-fide/{blue}.png"), &selfie_with_blue(*blue));
    }
    put("bona-fide/nobody.png", &Photos::without_face());
    for (at, blue) in [4, 5, 6, 221].into_iter().enumerate() {
        put(&format!("attack/print/{at}.png"), &selfie_with_blue(blue));
    }
    for (at, blue) in [222, 223, 7].into_iter().enumerate() {
        put(&format!("attack/screen/{at}.png"), &selfie_with_blue(blue));
    }
    put("attack/screen/two.png", &Photos::two_faces());
    put("notes.txt", &bytes::Bytes::from_static(b"x"));

    let (of, out) = (photos.path().display().to_string(), photos.path().join("out").display().to_string());
    let evaluated = service.command(&["evaluate", "--liveness", &of, "--out", &out]);
    let said = String::from_utf8(evaluated.stdout).unwrap();
    assert!(evaluated.status.success(), "{said}{}", String::from_utf8_lossy(&evaluated.stderr));
    let figures: Value =
        serde_json::from_slice(&fs::read(photos.path().join("out/evaluation.json")).unwrap()).unwrap();
    // Counted by hand; the bounds were computed in Python by bisection of the binomial distribution.
    let near = |rate: &Value, expected: [f64; 3]| {
        for (key, expected) in ["value", "low", "high"].into_iter().zip(expected) {
            assert!((rate[key].as_f64().unwrap() - expected).abs() < 1e-9, "{key} of {rate}");
        }
    };
    near(&figures["bona_fide"]["error_rate"], [0.25, 0.031_854_026_25, 0.650_855_794_413]);
    near(&figures["bona_fide"]["non_response_rate"], [1.0 / 9.0, 0.002_809_136_747, 0.482_496_514_917]);
    near(&figures["attacks"]["print"]["error_rate"], [0.25, 0.006_309_463_21, 0.805_879_550_317]);
    near(&figures["attacks"]["screen"]["error_rate"], [2.0 / 3.0, 0.094_299_324_05, 0.991_596_241_340]);
    near(&figures["attacks"]["screen"]["non_response_rate"], [0.25, 0.006_309_463_21, 0.805_879_550_317]);
    near(&figures["acer"], [0.458_333_333_333, 0.044_052_289_477, 0.845_007_346_795]);
    assert_eq!(figures["worst_kind"], "screen");
    assert_eq!(figures["non_responses"], serde_json::json!({ "NO_FACE": 1, "SEVERAL_FACES": 1 }));
    let page = fs::read_to_string(photos.path().join("out/report.html")).unwrap();
    for text in [&said, &page] {
        assert!(text.contains("This is no certified detection"), "{text}");
        assert!(
            text.contains("66.67 % (9.43 to 99.16)") && text.contains("45.83 % (4.41 to 84.50)"),
            "{text}"
        );
    }
    assert!(page.contains("notes.txt") && !page.contains("src=\"http"), "{page}");

    let refused = service.command(&[
        "evaluate",
        "--liveness",
        &of,
        "--set",
        "verification.liveness={gate=\"off\",at=0}",
    ]);
    assert!(!refused.status.success());
    let without = TestProgram::start().command(&["evaluate", "--liveness", &of]);
    let said = String::from_utf8(without.stderr).unwrap();
    assert!(!without.status.success() && said.contains("there is no liveness set to measure"), "{said}");
}

#[test]
fn a_gate_without_a_set_is_refused_before_the_start() {
    let service = TestProgram::start();
    assert_eq!(readiness(&service)["liveness_gate"], "off");
    let said = String::from_utf8(service.command(&["doctor"]).stdout).unwrap();
    assert!(said.contains("liveness gate of face verification: off"), "{said}");
    for gate in ["record", "refuse"] {
        let with_gate = service.settings().replace(
            "[verification.failed_fields]\n",
            &format!(
                "[verification]\nliveness = {{ gate = \"{gate}\", at = 0.5 }}\n[verification.failed_fields]\n"
            ),
        );
        assert!(with_gate.contains("liveness = "), "{with_gate}");
        for command in [&["config", "check"][..], &["serve"], &["doctor"]] {
            let refused = service.command_with_settings(command, &with_gate);
            let said =
                String::from_utf8(refused.stderr).unwrap() + &String::from_utf8(refused.stdout).unwrap();
            let expected = format!("verification.liveness.gate = \"{gate}\" needs a liveness set");
            assert!(!refused.status.success() && said.contains(&expected), "{command:?}: {said}");
        }
    }
}
