use base64::{Engine as _, engine::general_purpose::STANDARD};
use prometheus::IntGauge;
use proptest::prelude::*;

use super::*;
use crate::{
    body_memory::BodyMemory,
    form::{FieldFault, Form},
};

const NAMES: FieldNames<'_> = FieldNames { all: &["nik", "name", "photo"], files: &["photo"] };

fn form(body: &[u8]) -> Result<Form, Refusal> {
    fields(body, NAMES, &HeldMemory::uncounted).map(Form::of_fields)
}

fn text(form: &Form, field: &str) -> Result<Option<String>, Refusal> {
    let parse = |text: &str| if text.is_empty() { Err(FieldFault::Missing) } else { Ok(text.to_owned()) };
    form.optional(field, parse)
}

fn photo(body: &str) -> Result<Vec<u8>, String> {
    let bytes = form(body.as_bytes()).and_then(|form| form.required_file("photo"));
    bytes.map(|bytes| bytes.to_vec()).map_err(|refusal| refusal.to_string())
}

fn refused(body: &[u8]) -> String {
    form(body).err().expect("a refusal").to_string()
}

#[test]
fn members_may_have_any_order_and_unknown_ones_any_value() {
    let body = r#" {"x":[1,{"y":null,"z":[true,-1.5e3,"\u00e9"]}],"photo":"QnVkaQ==",
        "n\u0061me":"Bu\u0064i \"S\"","x":2,"nik":"1"} "#;
    let read = form(body.as_bytes()).unwrap();
    assert_eq!(text(&read, "nik").unwrap().unwrap(), "1");
    assert_eq!(text(&read, "name").unwrap().unwrap(), "Budi \"S\"");
    assert_eq!(read.required_file("photo").unwrap(), "Budi");
    assert_eq!(text(&form(b"{}").unwrap(), "nik").unwrap(), None);
    assert!(form(b"\xef\xbb\xbf{}").is_ok(), "a byte order mark");
}

#[test]
fn base64_may_have_line_ends_a_prefix_and_escaped_slashes() {
    for sent in [
        "QnVkaQ==",
        "QnVkaQ",
        r"QnVk\r\naQ==\r\n",
        r"QnVk\naQ==",
        "data:image/jpeg;base64,QnVkaQ==",
        "Data:;BASE64,QnVkaQ==",
        "data:image/png;name=x;base64,QnVkaQ",
    ] {
        assert_eq!(photo(&format!(r#"{{"photo":"{sent}"}}"#)), Ok(b"Budi".to_vec()), "{sent}");
    }
    assert_eq!(photo(r#"{"photo":"\/\/\/\/"}"#), Ok(vec![0xff; 3]));
    for sent in ["Budi Santoso", "data:image/jpeg,QnVkaQ==", "data:base64,QnVkaQ==", "QnVk*aQ=", "____", "Q"]
    {
        let refusal = photo(&format!(r#"{{"photo":"{sent}"}}"#));
        assert_eq!(refusal, Err("photo is not valid base64".to_owned()), "{sent}");
    }
}

#[test]
fn a_field_without_a_value_is_missing() {
    let form = form(br#"{"nik":null,"name":"","photo":null}"#).unwrap();
    assert_eq!(text(&form, "nik").unwrap_err().to_string(), "nik is required");
    assert_eq!(text(&form, "name").unwrap_err().to_string(), "Invalid name format");
    assert_eq!(form.required_file("photo").unwrap_err().to_string(), "photo is required");
    assert_eq!(photo(r#"{"photo":""}"#), Err("photo is required".to_owned()));
    assert_eq!(photo("{}"), Err("photo is required".to_owned()));
}

#[test]
fn each_fault_has_its_own_words() {
    let deep = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(form(deep(15).as_bytes()).is_ok());
    // The array is a value too.
    let many = |values: usize| format!("{{\"x\":[{}0]}}", "0,".repeat(values - 1));
    assert!(form(many(9_999).as_bytes()).is_ok());
    for (body, words) in [
        (deep(16), "JSON body is nested too deeply"),
        (deep(100_000), "JSON body is nested too deeply"),
        ("{\"x\":".repeat(100_000), "JSON body is nested too deeply"),
        (many(10_000), "JSON body has too many values"),
        (format!("{{{}\"nik\":\"1\"}}", "\"\":0,".repeat(10_001)), "JSON body has too many values"),
        (format!("{{\"x\":[{}1]}}", "{\"a\":0},".repeat(4_000)), "JSON body has too many values"),
        (r#"{"nik":"1","n\u0069k":"2"}"#.into(), "nik occurs twice in the JSON body"),
        (r#"{"nik":null,"nik":"2"}"#.into(), "nik occurs twice in the JSON body"),
        (r#"{"nik":3174011403870000}"#.into(), "nik must be a JSON string"),
        (r#"{"nik":-1}"#.into(), "nik must be a JSON string"),
        (r#"{"nik":123456789012345678901234567890}"#.into(), "nik must be a JSON string"),
        (r#"{"name":true}"#.into(), "name must be a JSON string"),
        (r#"{"name":["x"]}"#.into(), "name must be a JSON string"),
        (r#"{"photo":{"data":"x"}}"#.into(), "photo must be a JSON string"),
        ("[]".into(), "JSON body is not an object"),
        ("\"nik\"".into(), "JSON body is not an object"),
        ("null".into(), "JSON body is not an object"),
        ("{".into(), "JSON body ends too early"),
        (r#"{"nik":"1"#.into(), "JSON body ends too early"),
        (r#"{"nik":"1"} x"#.into(), "Malformed JSON at line 1, column 13"),
        ("{'nik':'1'}".into(), "Malformed JSON at line 1, column 2"),
        (r#"{"nik":"1",}"#.into(), "Malformed JSON at line 1, column 12"),
        (r#"{"x":1e999999999}"#.into(), "Malformed JSON at line 1, column 16"),
        (r#"{"name":"\ud800"}"#.into(), "Malformed JSON at line 1, column 16"),
        ("{\"name\":\"a\nb\"}".into(), "Malformed JSON at line 2, column 0"),
    ] {
        assert_eq!(refused(body.as_bytes()), words, "{}", &body[..body.len().min(80)]);
    }
    assert_eq!(refused(b"{\"name\":\"B\xf9di\"}"), "JSON body is not valid UTF-8");
    assert_eq!(refused(b"\xff\xfe{\0}\0"), "JSON body is not valid UTF-8");
}

#[test]
fn a_long_text_is_refused_in_its_turn() {
    let body = format!(r#"{{"nik":"{}","name":"{}"}}"#, "1".repeat(4097), "é".repeat(2048));
    let form = form(body.as_bytes()).unwrap();
    assert_eq!(text(&form, "nik").unwrap_err().to_string(), "Invalid NIK number format");
    assert_eq!(text(&form, "name").unwrap().unwrap().len(), 4096);
}

#[test]
fn decoded_photos_and_escaped_strings_count_as_memory() {
    let shown = IntGauge::new("shown", "reserved bytes").unwrap();
    let memory = BodyMemory::new(1 << 20, 1 << 20, shown.clone());
    let read = |body: &str| fields(body.as_bytes(), NAMES, &|| memory.reservation());
    let photo = vec![7; 3000];
    let plain = format!(r#"{{"photo":"{}"}}"#, STANDARD.encode(&photo));
    let kept = read(&plain).unwrap();
    assert!((3000..4000).contains(&shown.get()), "{}", shown.get());
    drop(kept);
    assert_eq!(shown.get(), 0);
    memory.set_limits(8500, 8500);
    assert!(read(&plain).is_ok(), "4000 characters take 8000 bytes while they are decoded");
    // The same photo, with a string that the parser must copy.
    assert_eq!(
        read(&plain.replace("\"}", "\",\"x\":\"\\n\"}")).err().unwrap().to_string(),
        "Too many requests"
    );
    memory.set_limits(7500, 7500);
    assert_eq!(read(&plain).err().unwrap().to_string(), "Too many requests");
    assert_eq!(shown.get(), 0);
}

proptest! {
    #[test]
    fn any_photo_survives(data in proptest::collection::vec(any::<u8>(), 1..300), line in 1_usize..90) {
        let encoded = STANDARD.encode(&data);
        let lines: Vec<_> = encoded.as_bytes().chunks(line).map(|line| str::from_utf8(line).unwrap()).collect();
        prop_assert_eq!(photo(&format!(r#"{{"photo":"{}"}}"#, lines.join("\\r\\n"))), Ok(data));
    }

    #[test]
    fn any_text_survives(value in "\\PC{1,40}") {
        let body = serde_json::json!({ "name": value }).to_string();
        let read = text(&form(body.as_bytes()).unwrap(), "name").unwrap().unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn no_body_panics(body in "[\\[\\]{}\":,\\\\a-f0-9nul.eE+-]{0,60}") {
        let _ = form(body.as_bytes());
    }
}
