//! Verifications and comparisons by hand.

use std::{
    io::Write as _,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use padan_test_service::{Claim, Photos, ran_in_own_process};
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

use super::Managed;

#[test]
fn a_verification_by_hand_is_that_of_a_client_with_how_it_came_about() {
    let managed = Managed::start();
    let claim = Claim::matching();
    let of_client: Value = serde_json::from_str(&managed.service.verify(&claim).body).unwrap();
    let (status, by_hand) = managed.send_form("support", "/verifications", claim.form());
    assert_eq!((status, &by_hand["reason_code"], &by_hand["status"]), (200, &json!("VERIFIED"), &json!(200)));
    assert_eq!(by_hand["answer"], of_client);
    let score = &by_hand["score"];
    assert_eq!((&score["pass_mark"], &score["passes"]), (&json!(75.0), &json!(true)));
    assert_eq!(score["percentage"], of_client["result"]["face_image_percentage"]);
    let rates =
        ["false_match_rate", "false_match_rate_at_pass_mark"].map(|rate| score[rate].as_f64().unwrap());
    assert!(rates[0] < rates[1] && (1e-6..1e-3).contains(&rates[1]), "{rates:?}");
    let names: Vec<_> = by_hand["fields"].as_array().unwrap().iter().map(|field| &field["field"]).collect();
    assert_eq!(names, ["nik", "name", "date_of_birth"]);
    // The face lies within the photo of 432 x 540 pixels, and its landmarks lie within its box.
    let photo = &by_hand["photo"];
    let [left, top, width, height] =
        ["left", "top", "width", "height"].map(|edge| photo["box"][edge].as_f64().unwrap());
    assert!(left > 0.0 && top > 0.0 && left + width < 432.0 && top + height < 540.0, "{photo}");
    for point in photo["landmarks"].as_array().unwrap() {
        let [x, y] = ["x", "y"].map(|axis| point[axis].as_f64().unwrap());
        assert!((left..left + width).contains(&x) && (top..top + height).contains(&y), "{photo}");
    }
    assert!(by_hand["steps"].as_array().unwrap().len() >= 6, "{}", by_hand["steps"]);
    assert_eq!(managed.acts(), ["VERIFIED_BY_HAND support-1"]);
    let search = json!({ "request_id": by_hand["request_id"] });
    let rows = &managed.post("support", "/requests/search", &search)["rows"];
    assert_eq!((&rows[0]["client"], &rows[0]["reason"]), (&json!("console"), &json!("VERIFIED")));
}

#[test]
fn a_refusal_by_hand_is_recorded_and_tells_what_a_client_would_have_got() {
    let managed = Managed::start();
    let refused = |claim: Claim| {
        let (status, by_hand) = managed.send_form("operator", "/verifications", claim.form());
        assert_eq!(status, 200);
        (
            by_hand["reason_code"].as_str().unwrap().to_owned(),
            by_hand["status"].clone(),
            by_hand["answer"].clone(),
        )
    };
    let malformed = refused(Claim { nik: "123".to_owned(), ..Claim::matching() });
    assert_eq!(malformed, ("INVALID_NIK".to_owned(), json!(400), Value::Null));
    let unreadable = refused(Claim { photo: b"\xff\xd8\xff".as_slice().into(), ..Claim::matching() });
    assert_eq!((unreadable.0.as_str(), unreadable.1), ("IMAGE_UNREADABLE", json!(400)));
    let other = refused(Claim { name: "Siti Aminah".to_owned(), ..Claim::matching() });
    assert_eq!((other.0.as_str(), other.1), ("NAME_MISMATCH", json!(200)));
    let reasons = "SELECT reason FROM store.audit_event WHERE client = 'console' ORDER BY at, sequence";
    let reasons = managed.service.runtime.block_on(managed.service.store.texts(reasons));
    assert_eq!(reasons, ["INVALID_NIK", "IMAGE_UNREADABLE", "NAME_MISMATCH"]);
    let (status, _) = managed.send_form("auditor", "/verifications", Claim::matching().form());
    assert_eq!(status, 403);
    let (status, body) = managed.ask("operator", "POST", "/clients", &json!({ "name": "console" }));
    assert_eq!((status, &body["code"]), (409, &json!("CONFLICT")), "its rows would be those of operators");
}

#[test]
fn two_photos_are_compared_by_hand() {
    let managed = Managed::start();
    let photo = || Part::bytes(Claim::matching().photo.to_vec()).file_name("photo.jpg");
    let form = Form::new().part("captured_image", photo()).part("stored_image", photo());
    let (status, by_hand) = managed.send_form("operator", "/comparisons", form);
    assert_eq!((status, &by_hand["reason_code"]), (200, &json!("MATCH")));
    assert_eq!(by_hand["photos"]["captured"], by_hand["photos"]["stored"]);
    assert!(by_hand["score"]["percentage"].as_f64().unwrap() > 99.0, "{by_hand}");
}

#[test]
fn only_some_bodies_with_photos_are_received_at_the_same_time() {
    let managed = Managed::start();
    let head = format!(
        "POST /admin/v1/verifications HTTP/1.1\r\nHost: padan\r\nAuthorization: Bearer {}\r\nContent-Length: 9000000\r\n\
         Content-Type: multipart/form-data; boundary=x\r\n\r\n",
        managed.tokens["operator"]
    );
    let begun = (0..4).map(|_| {
        let mut stream = TcpStream::connect(managed.service.admin.to_string()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    });
    let begun: Vec<_> = begun.collect();
    let by_hand = || managed.send_form("support", "/verifications", Claim::matching().form());
    thread::sleep(Duration::from_secs(1));
    let (status, body) = by_hand();
    assert_eq!((status, &body["code"]), (429, &json!("BUSY")));
    assert_eq!(managed.get("support", "/session")["role"], "support", "other requests are answered");
    drop(begun);
    let began = Instant::now();
    while by_hand().0 == 429 {
        assert!(began.elapsed() < Duration::from_secs(20), "places of callers who left are not free");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Width and height of a PNG file as a `data:` address.
fn size_of(picture: &Value) -> (u32, u32) {
    let encoded = picture.as_str().unwrap().strip_prefix("data:image/png;base64,").unwrap();
    let file = STANDARD.decode(encoded).unwrap();
    let decoded = image::load_from_memory_with_format(&file, image::ImageFormat::Png).unwrap();
    // It shows something.
    let luma = decoded.to_luma8();
    let (darkest, brightest) = (luma.iter().min().unwrap(), luma.iter().max().unwrap());
    assert!(brightest - darkest > 60, "{darkest} to {brightest}");
    (decoded.width(), decoded.height())
}

#[test]
fn faces_are_shown_to_the_roles_of_the_setting_alone() {
    if ran_in_own_process() {
        return;
    }
    let managed = Managed::with_own_registry("show_faces_to = [\"operator\"]\n");
    for (role, may) in [("operator", true), ("support", false), ("auditor", false)] {
        assert_eq!(managed.get(role, "/session")["show_faces"], may, "{role}");
    }
    let ask = |role: &str, claim: Claim| managed.send_form(role, "/verifications?faces=true", claim.form());
    let (status, by_hand) = ask("operator", Claim::matching());
    assert_eq!((status, &by_hand["reason_code"]), (200, &json!("VERIFIED")));
    assert_eq!(size_of(&by_hand["faces"]["probe"]), (112, 112));
    assert_eq!(size_of(&by_hand["faces"]["reference"]), (112, 112));
    assert_ne!(by_hand["faces"]["probe"], by_hand["faces"]["reference"], "they are different photos");
    assert_eq!(managed.acts(), ["VERIFIED_BY_HAND operator-1", "FACES_SHOWN operator-1"]);

    // Another role is refused, before anything is verified.
    assert_eq!(ask("support", Claim::matching()).0, 403);
    assert_eq!(managed.acts().len(), 2);
    // Nobody looks at portraits by number: name and date of birth have to be known, and the faces compared.
    for refused in [
        Claim { name: "Siti Aminah".to_owned(), ..Claim::matching() },
        Claim { date_of_birth: "15-03-1987".to_owned(), ..Claim::matching() },
        Claim { nik: "3174011403870999".to_owned(), ..Claim::matching() },
        Claim::matching().photo(Photos::without_face()),
    ] {
        let (status, by_hand) = ask("operator", refused);
        assert_eq!((status, &by_hand["faces"]), (200, &Value::Null), "{by_hand}");
    }
    // Without the wish there is no picture and no row.
    let (_, by_hand) = managed.send_form("operator", "/verifications", Claim::matching().form());
    assert_eq!((&by_hand["reason_code"], &by_hand["faces"]), (&json!("VERIFIED"), &Value::Null));
    let shown = managed.acts().iter().filter(|act| act.starts_with("FACES_SHOWN")).count();
    assert_eq!(shown, 1, "{:?}", managed.acts());

    let photo = || Part::bytes(Claim::matching().photo.to_vec()).file_name("photo.jpg");
    let form = Form::new().part("captured_image", photo()).part("stored_image", photo());
    let (_, compared) = managed.send_form("operator", "/comparisons?faces=true", form);
    assert_eq!(compared["faces"]["probe"], compared["faces"]["reference"], "one photo has one crop");
    assert_eq!(compared["faces"]["probe"], by_hand_probe(&ask("operator", Claim::matching()).1));
    // What is shown is neither stored nor logged.
    assert!(!managed.service.logged().contains("data:image"));

    managed.service.runtime.block_on(managed.service.registry.execute("ALTER SCHEMA padan RENAME TO hidden"));
    let (status, by_hand) = ask("operator", Claim::matching());
    assert_eq!((status, &by_hand["reason_code"]), (200, &json!("REGISTRY_UNAVAILABLE")));
    assert_eq!(by_hand["faces"], Value::Null);
}

fn by_hand_probe(by_hand: &Value) -> Value {
    by_hand["faces"]["probe"].clone()
}

/// The registry answers the verification and is gone when the portrait is to be shown: between both, the row of the look
/// is written, which a trigger delays here.
#[test]
fn a_registry_that_fails_before_the_portrait_is_shown_changes_no_result_and_leaves_nothing() {
    if ran_in_own_process() {
        return;
    }
    let managed =
        Managed::with_own_registry("show_faces_to = [\"operator\"]\n[store]\nstatement_timeout_ms = 20000\n");
    managed.execute(
        "CREATE FUNCTION delay() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF NEW.reason = 'FACES_SHOWN' THEN PERFORM pg_sleep(2); END IF; RETURN NEW; END $$;
         CREATE TRIGGER delay BEFORE INSERT ON store.audit_event FOR EACH ROW EXECUTE FUNCTION delay()",
    );
    let (service, runtime) = (&managed.service, &managed.service.runtime);
    let on_registry = |statement: &str| runtime.block_on(service.registry.execute(statement));
    let sleeping =
        "SELECT 'yes' FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    let ask = || managed.send_form("operator", "/verifications?faces=true", Claim::matching().form());
    // More often than requests with photos are answered at the same time: none of them keeps its place.
    for _ in 0..5 {
        let (status, by_hand) = thread::scope(|scope| {
            let asked = scope.spawn(ask);
            let began = Instant::now();
            while runtime.block_on(service.store.texts(sleeping)).is_empty() {
                assert!(began.elapsed() < Duration::from_secs(20), "no look is recorded");
                thread::sleep(Duration::from_millis(20));
            }
            on_registry("ALTER SCHEMA padan RENAME TO hidden");
            asked.join().unwrap()
        });
        assert_eq!(
            (status, &by_hand["reason_code"], &by_hand["status"]),
            (200, &json!("VERIFIED"), &json!(200))
        );
        assert_eq!(by_hand["score"]["passes"], true, "{by_hand}");
        let nothing = json!({ "probe": null, "reference": null, "fault": "REGISTRY_UNAVAILABLE" });
        assert_eq!(by_hand["faces"], nothing);
        on_registry("ALTER SCHEMA hidden RENAME TO padan");
    }
    let (_, by_hand) = ask();
    assert_eq!(size_of(&by_hand["faces"]["reference"]), (112, 112), "{}", by_hand["faces"]);
    let reasons = "SELECT reason FROM store.audit_event WHERE client = 'console' GROUP BY reason";
    assert_eq!(runtime.block_on(service.store.texts(reasons)), ["VERIFIED"]);
    let templates = "SELECT count(*)::text FROM store.face_template";
    assert_eq!(runtime.block_on(service.store.texts(templates)), ["1"]);
    let logged = service.logged();
    assert!(logged.contains("the faces of a verification by hand cannot be shown"));
    assert!(!logged.contains("data:image") && !logged.contains(&Claim::matching().nik));
    assert_eq!(service.faults_of_audit_trail(), Vec::<String>::new());
}
