//! What becomes of people whose templates cannot be read: a key was lost, or rows were damaged.

use crate::{
    served::{Claim, Served},
    site::BUDI,
};

/// The key of every served site, and another.
const FORMER: &str = "89abcdef01234567";
const LATTER: &str = "fedcba9876543210";

fn unreadable(served: &Served) -> String {
    let (_, metrics) = served.ask_operators("/metrics");
    metrics
        .lines()
        .find_map(|line| line.strip_prefix("padan_templates_unreadable_total "))
        .unwrap()
        .to_owned()
}

/// How many people a run of the enrolment embedded.
fn enrolled(served: &Served) -> u64 {
    let failures = served.folder().join("failures.csv");
    let output = served.command(&["enroll", "--failures", failures.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let before = said.split(" were embedded now").next().unwrap();
    before.split_whitespace().last().unwrap().parse().unwrap_or_else(|_| panic!("{said}"))
}

#[test]
fn a_lost_key_or_a_damaged_row_costs_one_embedding_and_turns_nobody_away() {
    let mut served = Served::start();
    let claim = Claim::true_one();
    assert_eq!(served.verify(&claim).reason_code, "VERIFIED");
    served.kill();
    served.change_settings(&format!("\"{FORMER}"), &format!("\"{LATTER}"));
    served.start_again();
    assert_eq!(served.verify(&claim).reason_code, "VERIFIED");
    assert_eq!(unreadable(&served), "1");
    assert_eq!(served.verify(&claim).reason_code, "VERIFIED");
    assert_eq!(unreadable(&served), "1", "it was kept anew");

    served.runtime.block_on(
        served.store.execute(
            "UPDATE store.face_template SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)",
        ),
    );
    assert_eq!(served.verify(&claim).reason_code, "VERIFIED");
    assert_eq!(served.verify(&claim).reason_code, "VERIFIED");
    assert_eq!(unreadable(&served), "2");
    let logged = served.logged();
    let told: Vec<_> = logged.lines().filter(|line| line.contains("a face template is made anew")).collect();
    assert_eq!(told.len(), 2, "{logged}");
    assert!(told[0].contains("which is not among store.template_keys"), "{}", told[0]);
    assert!(told[1].contains("has a value that Padan never writes"), "{}", told[1]);
    assert!(!logged.contains(BUDI), "{logged}");
}

#[test]
fn enrolment_makes_anew_what_was_sealed_with_a_key_that_is_lost() {
    let mut served = Served::start();
    assert_eq!(enrolled(&served), 2, "Budi, and one whose portrait is unusable");
    assert_eq!(enrolled(&served), 0);
    served.kill();
    served.change_settings(&format!("\"{FORMER}"), &format!("\"{LATTER}"));
    assert_eq!(enrolled(&served), 1, "that a portrait is unusable is not sealed");
    assert_eq!(enrolled(&served), 0);
    served.start_again();
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
    assert_eq!(unreadable(&served), "0");
}
