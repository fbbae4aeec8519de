//! What packages and other programs take from the program: JSON documents, completions and manual pages.

use std::{collections::BTreeSet, fs};

use padan_testing::assert_documented;
use serde_json::Value;

use padan_testing::{Checkout, stderr, stdout};

use crate::checkout::checkout;

#[test]
fn commands_without_a_database_print_the_documented_fields() {
    let checkout = checkout();
    for (heading, code) in [
        ("models list", 0),
        ("models verify", 0),
        ("calibration show", 0),
        // Nothing is configured.
        ("config check", 1),
        ("doctor", 1),
    ] {
        let words: Vec<_> = heading.split(' ').chain(["--json"]).collect();
        let output = checkout.run(&words);
        let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_documented(heading, &document);
        assert_eq!(output.status.code(), Some(code), "{heading}: {document:#}");
    }
}

#[test]
fn a_setting_that_cannot_be_read_is_a_fault_in_the_document() {
    let checkout = checkout();
    let output = checkout.run(&["config", "check", "--json", "--set", "http.prot=1"]);
    let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&document["valid"], output.status.code()), (&false.into(), Some(1)));
    assert!(document["faults"][0].as_str().unwrap().contains("`prot`"), "{document:#}");
}

#[test]
fn an_error_is_text_or_json() {
    let checkout = checkout();
    let output = checkout.run(&["audit", "heads"]);
    assert!(stderr(&output).starts_with("padan: store.url is not set"), "{}", stderr(&output));
    let output = checkout.run(&["audit", "heads", "--json"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    let error: Value = serde_json::from_str(stderr(&output).lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["exit_code"], 1);
    assert!(error["error"]["message"].as_str().unwrap().starts_with("store.url is not set"), "{error}");
    let output = checkout.run(&["compare", "--json", "-", "-"]);
    let error: Value = serde_json::from_str(stderr(&output).lines().last().unwrap()).unwrap();
    assert_eq!((error["error"]["exit_code"].as_u64(), output.status.code()), (Some(4), Some(4)));
}

/// All commands, such as `audit verify`, by the program's own help.
fn commands(checkout: &Checkout, parent: &[&str]) -> BTreeSet<String> {
    let help = stdout(&checkout.run(&[parent, &["--help"]].concat()));
    let Some(list) = help.split("\nCommands:\n").nth(1) else { return BTreeSet::from([parent.join(" ")]) };
    list.lines()
        .take_while(|line| line.starts_with("  "))
        // A line that continues a description is indented further.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .flat_map(|name| commands(checkout, &[parent, &[name]].concat()))
        .collect()
}

#[test]
fn each_command_has_a_manual_page_with_its_exit_codes() {
    let checkout = checkout();
    let output = checkout.run(&["man", "pages"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let all = commands(&checkout, &[]);
    assert!(all.len() > 25, "{all:?}");
    for command in &all {
        let file = format!("pages/padan-{}.1", command.replace(' ', "-"));
        let page = fs::read_to_string(checkout.path(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        for part in [".SH NAME", ".SH SYNOPSIS", ".SH \"EXIT STATUS\"", "the command line was not understood"]
        {
            assert!(page.contains(part), "{file} lacks {part}");
        }
    }
    assert!(checkout.path("pages/padan.1").is_file());
    assert!(!checkout.path("pages/padan-man.1").exists(), "it is only for packages");
}

#[test]
fn shells_complete_every_command() {
    let checkout = checkout();
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&checkout.run(&["completions", shell]));
        for word in ["person", "forget", "older-than", "dry-run", "status"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
    let script = stdout(&checkout.run(&["completions", "bash"]));
    let complete = "\nCOMP_WORDS=(padan au); COMP_CWORD=1; _padan padan au padan; echo \"${COMPREPLY[@]}\"";
    fs::write(checkout.path("complete.sh"), script + complete).unwrap();
    let output = std::process::Command::new("bash").arg(checkout.path("complete.sh")).output().unwrap();
    assert_eq!(stdout(&output), "audit\n", "{}", stderr(&output));
}
