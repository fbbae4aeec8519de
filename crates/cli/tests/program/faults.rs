//! What the program says when something is wrong, and when nobody reads what it says.

use std::{fs, os::fd::OwnedFd, process::Stdio};

use padan_testing::{stderr, stdout};

use crate::checkout::checkout;

const KEYS: &str =
    "person_key_file = 'person'\ntemplate_keys_file = 'templates'\naudit_keys_file = 'audit'\n";

#[test]
fn config_check_names_every_missing_file_and_the_client_of_the_demo() {
    let checkout = checkout();
    let text =
        format!("[clients]\ndemo = true\n[registry]\nurls_file = 'urls'\n[store]\nurl_file = 'url'\n{KEYS}");
    fs::write(checkout.path("site.toml"), text).unwrap();
    let output = checkout.run(&["config", "check", "--config", "site.toml"]);
    assert_eq!(output.status.code(), Some(1));
    for fault in [
        "clients.demo is only for `padan-demo`",
        "registry.urls_file, urls: No such file",
        "store.url_file, url: No such file",
        "store.person_key_file, person: No such file",
        "store.template_keys_file, templates: No such file",
        "store.audit_keys_file, audit: No such file",
    ] {
        assert!(stderr(&output).contains(fault), "no {fault:?} in {}", stderr(&output));
    }
    let doctor = checkout.run(&["doctor", "--config", "site.toml"]);
    let secrets = stdout(&doctor).lines().find(|line| line.contains(" secrets ")).unwrap().to_owned();
    assert!(
        secrets.starts_with("FAIL") && secrets.contains("store.audit_keys_file, audit: No such"),
        "{secrets}"
    );
}

#[test]
fn a_key_with_a_wrong_digit_is_named_with_its_file() {
    let checkout = checkout();
    let key = "0123456789abcdef".repeat(4);
    fs::write(checkout.path("person"), &key).unwrap();
    fs::write(checkout.path("templates"), key.replacen('0', "O", 1)).unwrap();
    fs::write(checkout.path("audit"), &key[1..]).unwrap();
    let text = format!(
        "[registry]\nurls = ['postgres://r@127.0.0.1/d']\n[store]\nurl = 'postgres://s@127.0.0.1/d'\n{KEYS}"
    );
    fs::write(checkout.path("site.toml"), text).unwrap();
    let output = checkout.run(&["config", "check", "--config", "site.toml"]);
    let faults = stderr(&output);
    for fault in [
        "store.template_keys_file, templates: has a character that is not a hexadecimal digit",
        "store.audit_keys_file, audit: has an odd number of hexadecimal digits",
    ] {
        assert!(faults.contains(fault), "no {fault:?} in {faults}");
    }
    assert!(!faults.contains("person") && !faults.contains(&key[2..]), "{faults}");
}

#[test]
fn config_check_names_every_wrong_key_of_a_file() {
    let checkout = checkout();
    fs::write(checkout.path("site.toml"), "[http]\nprot = 1\nbacklog = 0\n[store]\nurll = 'x'\n").unwrap();
    let output = checkout.run(&["config", "check", "--config", "site.toml"]);
    for key in ["`prot`", "http.backlog", "`urll`"] {
        assert!(stderr(&output).contains(key), "no {key} in {}", stderr(&output));
    }
}

#[test]
fn nothing_is_said_when_nobody_reads_it() {
    let checkout = checkout();
    for (arguments, both) in [
        (&["doctor"][..], false),
        (&["doctor"], true),
        (&["calibration", "show"], false),
        (&["config", "show"], false),
        (&["models", "list", "--json"], false),
        (&["models", "list"], true),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = checkout.command(arguments);
        if both {
            command.stderr(Stdio::from(OwnedFd::from(writer.try_clone().unwrap())));
        }
        command.stdout(Stdio::from(writer));
        // The reader is gone before the first line.
        drop(reader);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{arguments:?} {}", stderr(&output));
        assert!(
            !stderr(&output).contains("pipe") && !stderr(&output).contains("panicked"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn an_error_does_not_repeat_its_cause() {
    let checkout = checkout();
    for arguments in [
        &["evaluate", "--identities", "nowhere"][..],
        &["evaluate", "--pairs", "nowhere.csv", "--root", "."],
        &["evaluate", "--identities", "people", "--leave-out", "nowhere.csv"],
        &["serve", "--config", "nowhere.toml"],
    ] {
        let output = checkout.run(arguments);
        assert_eq!(stderr(&output).matches("No such file").count(), 1, "{arguments:?} {}", stderr(&output));
    }
}

#[test]
fn usage_takes_days_and_says_so() {
    let checkout = checkout();
    let output = checkout.run(&["usage", "--from", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected a day such as 2026-11-24"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("time such as"), "{}", stderr(&output));
}

#[test]
fn a_damaged_model_in_the_named_folder_is_not_replaced_by_another_one() {
    let checkout = checkout();
    let folder = checkout.path("models-of-the-site");
    fs::create_dir(&folder).unwrap();
    // The device decides which of the two is used.
    for file in ["sface.onnx", "sface.original.onnx"] {
        fs::write(folder.join(file), "damaged").unwrap();
    }
    let set = format!("inference.model_folder={}", folder.display());
    let output = checkout.run(&["models", "verify", "sface", "--set", &set]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let line = stdout(&output).lines().find(|line| line.starts_with("sface.onnx")).unwrap().to_owned();
    assert!(line.contains("WRONG") && line.contains("models-of-the-site"), "{line}");
    let portrait = "people/images/101_id.jpg";
    let output = checkout.run(&["compare", portrait, portrait, "--set", &set]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("models-of-the-site/sface."), "{}", stderr(&output));
}
