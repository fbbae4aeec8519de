//! Personal data and secrets are never logged, at any log level.

use std::io::{Read as _, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use padan_domain::{BasicField, CitizenStatus};
use padan_registry::{SamplePerson, SampleRegistry};
use padan_test_service::{
    Answer, CREDENTIALS, Claim, DISABLED, ELSEWHERE, PORTRAIT_CHANGED, Photos, text_fields,
};
use reqwest::blocking::multipart::{Form, Part};
use rustix::process::Signal;
use serde_json::Value;

use crate::service::TestProgram;

const FACE: &str = "/identity/v1/face-verification";
const BASIC: &str = "/identity/v1/verification";

/// A person whose data occur nowhere else.
const NIK: &str = "3273064211940002";
const NAME: &str = "Ratnasari Wulandari";
const UNKNOWN_NIK: &str = "3273064211940099";
const BORN: &str = "02-11-1994";
const BORN_IN_ISO: &str = "1994-11-02";
const FIELDS: [(BasicField, &str); 13] = [
    (BasicField::FamilyCard, "3273062001170023"),
    (BasicField::MotherMaidenName, "Kartikawati"),
    (BasicField::PlaceOfBirth, "Tasikmalaya"),
    (BasicField::Address, "Gang Melatiwangi 17"),
    (BasicField::Gender, "PEREMPUAN"),
    (BasicField::MaritalStatus, "Cerai Hidup"),
    (BasicField::JobType, "Penjahit"),
    (BasicField::Province, "Kalimantan Utara"),
    (BasicField::City, "Tanjungselor"),
    (BasicField::District, "Kuburajaya"),
    (BasicField::Subdistrict, "Sukamelang"),
    (BasicField::Rt, "017"),
    (BasicField::Rw, "093"),
];

/// Credentials that are wrong.
const GUESS: [&str; 3] = ["guessed-user", "guessed-password", "guessed-key"];

/// Planted in headers, paths and file names.
const PLANTED: &str = "planted-by-the-client";
/// Planted in a misspelt parameter of the databases' URLs, about which the driver logs a warning.
const PASSWORD: &str = "planted-database-password";

/// The person's data, without `rt` and `rw`, whose numbers occur in times as well.
fn personal_words() -> Vec<String> {
    let fields = FIELDS.iter().map(|(_, value)| *value).filter(|value| value.len() > 3);
    let whole = [NIK, UNKNOWN_NIK, NAME, BORN, BORN_IN_ISO, "Agustinus", "03-11-1994", "Bengkayang"];
    let texts = whole.into_iter().chain(fields);
    texts
        .flat_map(|text| text.split(' ').chain([text]))
        .filter(|word| word.len() > 3)
        .map(str::to_owned)
        .collect()
}

fn credential_words(credentials: &[&str; 3]) -> Vec<String> {
    let [user, password, key] = credentials;
    let basic = STANDARD.encode(format!("{user}:{password}"));
    [*user, password, key, basic.trim_end_matches('=')].map(str::to_owned).to_vec()
}

/// The first bytes of a file and some from its middle, in the forms in which bytes may be logged.
fn photo_words(photo: &[u8]) -> Vec<String> {
    let middle = photo.len() / 2 / 3 * 3;
    [&photo[..12], &photo[middle..middle + 12]]
        .into_iter()
        .flat_map(|bytes| {
            let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
            let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            [
                digits.concat(),
                digits.join(" "),
                digits.join(":"),
                numbers.join(", "),
                numbers.join(","),
                bytes.escape_ascii().to_string(),
                String::from_utf8_lossy(bytes).into_owned(),
                STANDARD.encode(bytes),
            ]
        })
        .collect()
}

/// The lines that contain one of the secrets, in upper or lower case.
fn lines_with<'l>(log: &'l str, secrets: &[String]) -> Vec<(String, &'l str)> {
    let secrets: Vec<_> = secrets.iter().map(|secret| (secret, secret.to_lowercase())).collect();
    log.lines()
        .flat_map(|line| {
            let lower = line.to_lowercase();
            let found: Vec<_> = secrets.iter().filter(|(_, word)| lower.contains(word)).collect();
            found.into_iter().map(|(secret, _)| ((*secret).clone(), line)).collect::<Vec<_>>()
        })
        .collect()
}

async fn put_the_person(service: &TestProgram) {
    let person = SamplePerson {
        nik: NIK.parse().unwrap(),
        name: NAME.to_owned(),
        date_of_birth: BORN_IN_ISO.parse().unwrap(),
        status: CitizenStatus::Active,
        further: FIELDS.into_iter().map(|(field, text)| (field, text.to_owned())).collect(),
        portrait: Some((Photos::read("101_id.jpg"), PORTRAIT_CHANGED.parse().unwrap())),
    };
    SampleRegistry::connect(&service.registry.url().into()).await.unwrap().put(&person).await.unwrap();
}

/// Makes the registry's server send a notice with NIK and name for each row that is read.
async fn add_notices_to_view(service: &TestProgram) {
    let statements =
        "CREATE FUNCTION padan.raise_warning(nik text, name text) RETURNS boolean LANGUAGE plpgsql AS
                  $$ BEGIN RAISE WARNING 'read % %', nik, name; RETURN true; END $$;
                ALTER VIEW padan.citizen RENAME TO silent_citizen;
                CREATE VIEW padan.citizen AS
                  SELECT * FROM padan.silent_citizen WHERE padan.raise_warning(nik, name)";
    service.registry.execute(statements).await;
}

fn claim() -> Claim {
    Claim {
        nik: NIK.into(),
        name: NAME.into(),
        date_of_birth: BORN.into(),
        photo: Photos::read("101_s1.jpg"),
    }
}

/// Sends each kind of request, and returns the request ids of the answers.
fn send_everything(service: &TestProgram) -> Vec<String> {
    let mut answers = Vec::new();
    let mut expect = |reason_code: &str, answer: Answer| {
        assert_eq!(answer.reason_code, reason_code, "{}", answer.body);
        answers.push(id_of(&answer));
    };
    for (reason_code, claim) in [
        ("VERIFIED", claim()),
        ("NAME_MISMATCH", claim().name("Agustinus")),
        ("DOB_MISMATCH", claim().date_of_birth("03-11-1994")),
        ("NIK_NOT_FOUND", claim().nik(UNKNOWN_NIK)),
        ("FACE_MISMATCH", claim().photo(Photos::read("118_s1.jpg"))),
        ("NO_FACE", claim().photo(Photos::without_face())),
        ("UNSUPPORTED_IMAGE", claim().photo(NAME.as_bytes())),
        ("IMAGE_UNREADABLE", claim().photo(Photos::read("101_s1.jpg").slice(..9000))),
        ("INVALID_NIK", claim().nik(&NIK[1..])),
        ("INVALID_DOB", claim().date_of_birth(BORN_IN_ISO)),
        ("INVALID_NAME", claim().name(&NAME.repeat(20))),
    ] {
        expect(reason_code, service.verify(&claim));
    }
    let further = FIELDS.into_iter().map(|(field, text)| (field.as_str(), text));
    let basic: Vec<_> =
        [("nik", NIK), ("name", NAME), ("date_of_birth", BORN)].into_iter().chain(further).collect();
    expect("VERIFIED", service.send_to(BASIC, text_fields(&basic)));
    let elsewhere = text_fields(&[("nik", NIK), ("city", "Bengkayang"), ("address", "Gang Melatiwangi 71")]);
    expect("FIELD_MISMATCH", service.send_to(BASIC, elsewhere));
    expect("INVALID_FIELD", service.send_to(BASIC, text_fields(&[("nik", NIK), ("no_kk", NAME)])));

    let named = Part::bytes(Photos::read("101_s1.jpg").to_vec()).file_name(format!("{PLANTED} {NAME}.jpg"));
    let form = text_fields(&[("nik", NIK), ("name", NAME), (PLANTED, NAME), ("date_of_birth", BORN)]);
    expect("VERIFIED", service.send(form.part("face_image", named)));
    expect("MALFORMED_FORM", service.send(claim().form().text("nik", NIK)));
    expect("MALFORMED_FORM", service.send(Form::new().text(NAME, NIK)));
    expect("MISSING_FIELD", service.send(Form::new().text(PLANTED, NIK)));
    let cut = format!("--{PLANTED}\r\nContent-Disposition: form-data; name=\"nik\"\r\n\r\n{NIK}");
    let cut = |path| {
        let boundary = format!("multipart/form-data; boundary={PLANTED}");
        service.request("POST", path, CREDENTIALS).header("content-type", boundary).body(cut.clone())
    };
    expect("MALFORMED_FORM", cut(FACE).send().unwrap().into());
    expect("MALFORMED_FORM", cut(BASIC).send().unwrap().into());

    for (reason_code, credentials) in
        [("UNAUTHORIZED", GUESS), ("FORBIDDEN", DISABLED), ("FORBIDDEN", ELSEWHERE)]
    {
        let request = service.request("POST", FACE, credentials).multipart(claim().form());
        expect(reason_code, request.send().unwrap().into());
    }
    let planted = service
        .request("POST", &format!("/{PLANTED}/{NIK}?name={NAME}"), CREDENTIALS)
        .header("x-request-id", NIK)
        .header("user-agent", PLANTED)
        .header("referer", format!("http://bank.example/{NIK}"))
        .header("cookie", format!("session={PLANTED}"))
        .header("x-forwarded-host", PLANTED)
        .header("traceparent", format!("00-{}{NIK}-{NIK}-01", "a".repeat(16)))
        .header("accept-language", PLANTED);
    assert_eq!(planted.multipart(claim().form()).send().unwrap().status(), 404);
    assert!(service.request(PLANTED, BASIC, CREDENTIALS).send().unwrap().status().is_client_error());
    answers
}

fn id_of(answer: &Answer) -> String {
    answer.headers["request-id"].to_str().unwrap().to_owned()
}

/// Sends requests that are not HTTP, or whose body is incomplete.
fn send_fragments(service: &TestProgram) {
    let head = format!("POST {FACE} HTTP/1.1\r\nHost: {PLANTED}\r\nAuthorization: Bearer {PLANTED}\r\n");
    for fragment in [
        format!("{NIK} {NAME}\r\n\r\n"),
        format!("{head}{NAME}\r\n\r\n"),
        format!("{head}Content-Length: 5000\r\n\r\nnik={NIK}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{NIK}\r\n"),
    ] {
        let mut connection = service.connect();
        connection.write_all(fragment.as_bytes()).unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = connection.read_to_end(&mut Vec::new());
    }
}

/// Adds a client, sends requests until its rate and its quota are exceeded, and returns its credentials.
fn exceed_limits(service: &TestProgram) -> [String; 3] {
    let rules = ["--rate", "1", "--burst", "2", "--daily-quota", "1", "--json"];
    let added =
        service.command(&[&["client", "add", "telco", "--username", "user-of-telco"], &rules[..]].concat());
    let secrets: Value = serde_json::from_slice(&added.stdout).unwrap();
    let secrets = ["username", "password", "api_key"].map(|key| secrets[key].as_str().unwrap().to_owned());
    let credentials = secrets.each_ref().map(String::as_str);
    let codes: Vec<_> = (0..3)
        .map(|_| {
            let form = text_fields(&[("nik", NIK), ("name", NAME)]);
            let answer: Answer =
                service.request("POST", BASIC, credentials).multipart(form).send().unwrap().into();
            answer.reason_code
        })
        .collect();
    assert_eq!(codes, ["VERIFIED", "QUOTA_EXCEEDED", "RATE_LIMITED"]);
    secrets
}

/// Sends requests during outages of the databases.
fn send_during_outages(service: &TestProgram) {
    let send_both = || {
        tokio::task::block_in_place(|| {
            let text = text_fields(&[("nik", NIK), ("name", NAME), ("date_of_birth", BORN)]);
            [service.verify(&claim()).status, service.send_to(BASIC, text).status]
        })
    };
    for database in [&service.registry, &service.store] {
        assert_eq!(service.runtime.block_on(database.unavailable_during(async { send_both() })), [503, 503]);
    }
    // A statement that exceeds its timeout.
    let locked = service.registry.locked_during("civil_registry.person", async { send_both() });
    assert_eq!(service.runtime.block_on(locked), [503, 503]);
}

/// What the service logged from its start to its end, and what may or must occur in it.
struct Logged {
    log: String,
    secrets: Vec<String>,
    request_ids: Vec<String>,
}

fn everything_logged(format: &str) -> Logged {
    let trace = "trace,sqlx=trace,sqlx::query=trace,actix_http=trace";
    let mut service = TestProgram::with(&format!("[log]\nformat = \"{format}\"\nfilter = \"{trace}\"\n"));
    service.runtime.block_on(async {
        put_the_person(&service).await;
        add_notices_to_view(&service).await;
    });
    let added = exceed_limits(&service);
    let request_ids = send_everything(&service);
    send_fragments(&service);
    service.change_clients("disabled = true", "disabled = false");
    send_during_outages(&service);
    stop(&mut service);
    let mut log = service.logged();

    // At the start of the service, the driver logs warnings about parameters that it does not know.
    for database in [&service.registry, &service.store] {
        let url = database.url();
        let mark = if url.contains('?') { '&' } else { '?' };
        service.change_settings(&url, &format!("{url}{mark}pasword={PASSWORD}"));
    }
    service.restart();
    assert_eq!(service.verify(&claim()).reason_code, "VERIFIED");
    stop(&mut service);
    log += &service.logged();

    let added = added.each_ref().map(String::as_str);
    let mut secrets = vec![PLANTED.to_owned(), PASSWORD.to_owned()];
    secrets.extend(personal_words());
    secrets
        .extend([&CREDENTIALS, &DISABLED, &ELSEWHERE, &GUESS, &added].into_iter().flat_map(credential_words));
    secrets.extend(
        ["101_s1.jpg", "101_id.jpg", "118_s1.jpg"].iter().flat_map(|name| photo_words(&Photos::read(name))),
    );
    for url in [service.registry.url(), service.store.url()] {
        let credentials = url.split("://").nth(1).unwrap().split('@').next().unwrap();
        secrets.extend(credentials.split(':').skip(1).map(str::to_owned));
    }
    let keys = ["0123456789abcdef", "89abcdef01234567", "456789abcdef0123"];
    secrets.extend(keys.map(|key| key.repeat(4)));
    Logged { log, secrets, request_ids }
}

fn stop(service: &mut TestProgram) {
    service.signal(Signal::TERM);
    assert!(service.process().wait().unwrap().success());
}

#[track_caller]
fn assert_no_secrets(logged: &Logged) {
    let Logged { log, secrets, request_ids } = logged;
    assert!(secrets.len() > 50 && secrets.iter().all(|secret| secret.len() > 3), "{secrets:?}");
    let leaks = lines_with(log, secrets);
    assert!(leaks.is_empty(), "{leaks:#?}");
    // The search works: it finds the line of each request.
    assert!(request_ids.len() > 20);
    for id in request_ids {
        assert!(!lines_with(log, std::slice::from_ref(id)).is_empty(), "{id} is in no line");
    }
}

#[test]
fn a_json_log_has_no_personal_data_and_no_secrets_at_any_level() {
    let logged = everything_logged("json");
    assert_no_secrets(&logged);
    let Logged { log, request_ids: ids, .. } = logged;

    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for id in &ids {
        let answered: Vec<_> =
            events.iter().filter(|event| event["id"] == **id && event["message"] == "answered").collect();
        let [answered] = &*answered else { panic!("{id} has {} lines", answered.len()) };
        assert!(answered["reason"].is_string() && answered["steps"].is_string(), "{answered}");
        assert!(answered["ms"].is_number() && answered["client"].is_string(), "{answered}");
    }
    let verified = events.iter().find(|event| event["id"] == *ids[0]).unwrap();
    assert!(verified["steps"].as_str().unwrap().contains("embed="), "{verified}");
}

#[test]
fn a_text_log_has_no_personal_data_and_no_secrets_at_any_level() {
    let logged = everything_logged("text");
    assert_no_secrets(&logged);
    let Logged { log, request_ids, .. } = logged;
    for id in &request_ids {
        let answered =
            log.lines().filter(|line| line.contains(id.as_str()) && line.contains("answered")).count();
        assert_eq!(answered, 1, "{id}");
    }
}

#[test]
fn events_within_a_request_have_its_id() {
    let service = TestProgram::start();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    let damage = "UPDATE store.face_template SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)";
    service.runtime.block_on(service.store.execute(damage));
    let id = id_of(&service.verify(&Claim::matching()));
    let log = service.logged();
    let line = log.lines().find(|line| line.contains("a face template is made again")).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    assert_eq!(event["span"]["id"], *id, "{line}");
}
