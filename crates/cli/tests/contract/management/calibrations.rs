//! Calibrations that are activated through the interface.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use padan_inference::{CalibrationFile, Catalogue};
use padan_test_service::{Answer, Claim};
use serde_json::{Value, json};

use super::Managed;
use crate::cohort_scale;

const PREVIEW: &str = "/calibration/preview";
const ACTIVATION: &str = "/calibration/activation";

fn shipped() -> CalibrationFile {
    let catalogue = Catalogue::load(&[]).unwrap();
    catalogue.calibration(&catalogue.set("sface").unwrap()).unwrap()
}

/// The shipped calibration with higher cosines from the pass mark on.
fn stricter() -> CalibrationFile {
    let mut file = shipped();
    for point in file.points.iter_mut().filter(|point| point.percentage >= 75.0) {
        point.cosine = 0.5 + 0.5 * point.cosine;
    }
    file.pass_mark.cosine = file.calibration().unwrap().pass_cosine();
    file
}

/// The percentage of a cosine by linear interpolation between the points of the file.
fn interpolated(file: &CalibrationFile, cosine: f64) -> f64 {
    let pair = file.points.windows(2).find(|pair| pair[0].cosine <= cosine && cosine < pair[1].cosine);
    let [low, high] = pair.unwrap() else { panic!("two points") };
    low.percentage + (cosine - low.cosine) / (high.cosine - low.cosine) * (high.percentage - low.percentage)
}

fn sent(file: &CalibrationFile) -> Value {
    json!({ "file": file.to_toml().unwrap() })
}

fn close(value: &Value, expected: f64) -> bool {
    (value.as_f64().unwrap() - expected).abs() < 1e-6
}

impl Managed {
    pub(super) fn wait_for_calibration(&self, id: &str) {
        for _ in 0..60 {
            if self.get("operator", "/models")["in_use"]["calibration"] == id {
                return;
            }
            thread::sleep(Duration::from_millis(500));
        }
        panic!("calibration {id} does not serve:\n{}", self.service.logged());
    }

    /// The beginning of the answer to a body that is announced with this length and not sent.
    fn announced(&self, path: &str, bytes: usize) -> String {
        let mut stream = TcpStream::connect(self.service.admin).unwrap();
        let token = &self.tokens["operator"];
        let head = format!(
            "POST /admin/v1{path} HTTP/1.1\r\nHost: padan\r\nAuthorization: Bearer {token}\r\nContent-Length: {bytes}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }

    /// The calibration ids of verifications, oldest first.
    pub(super) fn recorded_calibrations(&self) -> Vec<String> {
        let query = "SELECT calibration_id FROM store.audit_event WHERE calibration_id IS NOT NULL ORDER BY at, sequence";
        self.service.runtime.block_on(self.service.store.texts(query))
    }

    fn verified(&self) -> Answer {
        self.service.verify(&Claim::matching())
    }
}

#[test]
fn a_calibration_is_activated_and_the_installed_one_comes_back() {
    let managed = Managed::start();
    let (installed, stricter) = (shipped(), stricter());
    let [old, new] = [&installed, &stricter].map(|file| file.pass_mark.cosine);
    let before = managed.verified();
    let preview = managed.post("operator", PREVIEW, &sent(&stricter));
    assert_eq!(
        preview["before"],
        json!({ "calibration": installed.id(), "pass_cosine": old, "score": "cosine" })
    );
    assert_eq!(
        preview["after"],
        json!({ "calibration": stricter.id(), "pass_cosine": new, "score": "cosine" })
    );
    assert_eq!((&preview["model_set"], &preview["changed"]), (&json!("sface"), &json!(true)));
    let former = &preview["former_pass_mark_is_now"];
    assert!(close(former, interpolated(&stricter, old)) && former.as_f64() < Some(75.0), "{preview}");
    let present = &preview["present_pass_mark_was"];
    assert!(close(present, interpolated(&installed, new)) && present.as_f64() > Some(75.0), "{preview}");
    assert_eq!(managed.acts(), Vec::<String>::new(), "looking changes nothing");
    assert_eq!(managed.get("operator", "/models")["in_use"]["calibration"], installed.id());

    assert_eq!(managed.post("operator", ACTIVATION, &sent(&stricter)), preview);
    managed.wait_for_calibration(&stricter.id());
    let during = managed.verified();
    assert!((during.percentage() - before.percentage()).abs() > 1.0, "{} {}", during.body, before.body);
    let back = json!({ "installed": "sface" });
    let expected = managed.post("operator", PREVIEW, &back);
    let returned = managed.post("operator", ACTIVATION, &back);
    assert_eq!(expected, returned);
    assert_eq!((&returned["before"], &returned["after"]), (&preview["after"], &preview["before"]));
    assert_eq!(returned["former_pass_mark_is_now"], preview["present_pass_mark_was"]);
    managed.wait_for_calibration(&installed.id());
    let after = managed.verified();
    assert!((after.percentage() - before.percentage()).abs() < 1e-6, "{} {}", after.body, before.body);
    assert_eq!(managed.recorded_calibrations(), [installed.id(), stricter.id(), installed.id()]);

    // It is in use already: nothing changes, and there is no row.
    assert_eq!(managed.post("operator", PREVIEW, &back)["changed"], false);
    assert_eq!(managed.post("operator", ACTIVATION, &back)["changed"], false);
    assert_eq!(managed.acts(), ["CALIBRATION_ACTIVATED operator-1", "CALIBRATION_ACTIVATED operator-1"]);
    managed.run(&["audit", "verify"]);
}

#[test]
fn what_cannot_be_activated_is_refused_and_changes_nothing() {
    let managed = Managed::start();
    let text = stricter().to_toml().unwrap();
    let pass_mark = format!("cosine = {}", stricter().pass_mark.cosine);
    assert!(text.contains(&pass_mark), "{text}");
    let replaced = |from: &str, to: &str| json!({ "file": text.replacen(from, to, 1) });
    let long = |bytes: usize| json!({ "file": format!("{text}#{}", "\"".repeat(bytes - text.len() - 1)) });
    let refused = [
        (json!({ "file": "version = 2" }), "is no calibration"),
        (json!({ "file": "" }), "is no calibration"),
        (json!({ "file": text[..text.len() / 2] }), "the calibration file"),
        (replaced("set = \"sface\"", "set = \"mobilefacenet\""), "made for mobilefacenet"),
        (replaced("set = \"sface\"", "set = \"other\""), "there is no model set \"other\""),
        (replaced(&pass_mark, "cosine = 0.5"), "was changed after it was made"),
        (sent(&cohort_scale::scale(&"ab".repeat(16))), "the store has no cohort abababab"),
        (long(1_000_001), "which no calibration has"),
        (json!({ "installed": "other" }), "there is no model set \"other\""),
        (json!({ "file": text, "installed": "sface" }), "either"),
        (json!({}), "either"),
        (json!({ "file": text, "force": true }), "not the object that the route takes"),
    ];
    for path in [PREVIEW, ACTIVATION] {
        for (body, reason) in &refused {
            let (status, answer) = managed.ask("operator", "POST", path, body);
            assert_eq!((status, &answer["code"]), (400, &json!("INVALID")), "{reason}: {answer}");
            let message = answer["message"].as_str().unwrap();
            assert!(message.contains(reason) && message.len() < 5000, "{reason}: {message}");
        }
        for role in ["support", "auditor"] {
            assert_eq!(managed.ask(role, "POST", path, &sent(&stricter())).0, 403);
        }
        assert!(managed.announced(path, 4_000_000).starts_with("HTTP/1.1 413 "));
    }
    assert_eq!(managed.acts(), Vec::<String>::new());
    assert_eq!(managed.verified().reason_code, "VERIFIED");
    assert_eq!(managed.recorded_calibrations(), [shipped().id()]);
    // A file may be as long as the store permits, however JSON writes it.
    assert_eq!(managed.post("operator", ACTIVATION, &long(1_000_000))["changed"], true);
    managed.wait_for_calibration(&stricter().id());
}

#[test]
fn a_former_calibration_that_sql_changed_is_replaced() {
    let managed = Managed::start();
    managed.post("operator", ACTIVATION, &sent(&stricter()));
    managed.execute("UPDATE store.active_calibration SET calibration_id = repeat('ab', 8)");
    let preview = managed.post("operator", PREVIEW, &sent(&stricter()));
    assert_eq!((&preview["before"], &preview["former_pass_mark_is_now"]), (&Value::Null, &Value::Null));
    assert_eq!(managed.post("operator", ACTIVATION, &sent(&stricter())), preview);
    let again = managed.post("operator", PREVIEW, &sent(&stricter()));
    assert_eq!(again["before"]["calibration"], stricter().id());
    managed.run(&["audit", "verify"]);
}
