//! Long work: exports and enrolments that go on without the browser, and that can be continued after a process was killed.

use padan_test_service::{BUDI, Claim, EXPORTS};
use reqwest::blocking::Response;
use serde_json::{Value, json};

use super::Managed;

#[test]
fn an_export_is_prepared_kept_encrypted_downloaded_and_removed() {
    let managed = Managed::start();
    for _ in 0..3 {
        managed.service.verify(&Claim::matching());
    }
    let job = managed.exported(&json!({ "kind": "request", "nik": BUDI }));
    assert_eq!((&job["rows"], &job["operator"]), (&json!(3), &json!("auditor-1")));
    assert_eq!(job["criteria"]["one_person"], true);
    assert!(!job.to_string().contains(BUDI), "{job}");
    let (status, text) = managed.file(&job);
    assert_eq!(status, 200);
    let streamed = json!({ "kind": "request", "nik": BUDI });
    let streamed =
        managed.send(&managed.tokens["auditor"], "POST", "/audit/exports", &streamed).text().unwrap();
    assert_eq!(text, streamed, "the same rows as the export that is streamed");
    assert_eq!((text.lines().count() as u64, text.len() as u64), (3, job["bytes"].as_u64().unwrap()));
    // At rest the rows are ciphertext, and the person is gone with the end of the export.
    let at_rest = managed.one("SELECT encode(sealed, 'escape') FROM store.export_part");
    assert!(at_rest.len() > 500 && !at_rest.contains("VERIFIED") && !at_rest.contains(BUDI), "{at_rest}");
    assert_eq!(
        managed.one("SELECT coalesce(key_id, '') || coalesce(encode(sealed_nik, 'hex'), '') FROM store.job"),
        ""
    );
    let table = managed.one("SELECT row_to_json(job)::text FROM store.job");
    assert!(!table.contains(BUDI), "{table}");
    // A changed part is not taken for a right one.
    managed.execute("UPDATE store.export_part SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)");
    let path = format!("{EXPORTS}/{}/file", job["id"].as_str().unwrap());
    // The connection breaks before the head of the answer is sent, or after.
    let answer = managed.try_send(&managed.tokens["auditor"], "GET", &path, &Value::Null);
    assert!(answer.and_then(Response::text).is_err(), "a transfer of a changed part is not complete");

    let path = format!("{EXPORTS}/{}", job["id"].as_str().unwrap());
    for (role, expected) in [("support", 403), ("operator", 403), ("auditor", 204), ("auditor", 404)] {
        assert_eq!(managed.ask(role, "DELETE", &path, &Value::Null).0, expected, "{role}");
    }
    assert_eq!(managed.file(&job).0, 404);
    assert_eq!(managed.one("SELECT count(*)::text FROM store.export_part"), "0");
    let acts = managed.acts();
    for act in ["AUDIT_EXPORTED", "AUDIT_EXPORT_DOWNLOADED", "AUDIT_EXPORT_REMOVED"] {
        assert!(acts.contains(&format!("{act} auditor-1")), "{act}: {acts:?}");
    }
    let recorded = managed.one("SELECT string_agg(fields, ' ') FROM store.audit_event WHERE kind = 'admin'");
    assert!(recorded.contains(job["id"].as_str().unwrap()) && !recorded.contains(BUDI), "{recorded}");
}

#[test]
fn an_interrupted_export_goes_on_after_its_last_row() {
    let managed = Managed::start();
    for _ in 0..4 {
        managed.service.verify(&Claim::matching());
    }
    let job = managed.exported(&json!({ "kind": "request" }));
    let whole = managed.file(&job).1;
    // As if the process had been killed when two rows were written: a second export has the first two of the rows.
    let third =
        "(SELECT at FROM store.audit_event WHERE kind = 'request' ORDER BY at, sequence OFFSET 2 LIMIT 1)";
    let to = managed
        .one(&format!("SELECT to_char({third} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"));
    let half = managed.exported(&json!({ "kind": "request", "to": to }));
    assert_eq!(half["rows"], 2);
    let id = half["id"].as_str().unwrap();
    managed.execute(&format!(
        "UPDATE store.job SET state = 'open', ended_at = NULL, kept_until = NULL, lease_until = now() - interval '1 second',
                subject = (SELECT subject FROM store.job WHERE id = '{}') WHERE id = '{id}'",
        job["id"].as_str().unwrap()
    ));
    let interrupted = managed.wait_for_job("auditor", EXPORTS, &half["id"], "interrupted");
    assert_eq!(interrupted["rows"], 2);
    assert_eq!(managed.file(&half).0, 404, "a part is not given for the whole");
    managed.post("auditor", &format!("{EXPORTS}/{id}/continuation"), &json!({}));
    let done = managed.wait_for_job("auditor", EXPORTS, &half["id"], "done");
    assert_eq!(done["rows"], 4);
    assert_eq!(managed.file(&half).1, whole);
    let (status, _) = managed.ask("auditor", "POST", &format!("{EXPORTS}/{id}/continuation"), &json!({}));
    assert_eq!(status, 409, "it is complete");
}

#[test]
fn only_so_many_files_are_kept() {
    let managed = Managed::start();
    for _ in 0..8 {
        managed.exported(&json!({ "kind": "forget" }));
    }
    let (status, answer) = managed.ask("auditor", "POST", EXPORTS, &json!({}));
    assert_eq!((status, &answer["code"]), (429, &json!("BUSY")));
    let wrong = json!({ "nik": "123" });
    assert_eq!(managed.ask("auditor", "POST", EXPORTS, &wrong).0, 400);
}
