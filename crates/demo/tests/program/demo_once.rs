//! `padan-demo run --once`: the table, the exit code, and that nothing remains.

use std::{fmt::Write as _, fs};

use padan_testing::{stderr, stdout};

use crate::fixture::{checkout, demo_once, read_location, server_runs_in};

#[test]
fn all_eight_answers_are_as_documented_and_nothing_remains() {
    let checkout = checkout();
    let output = demo_once(&checkout, &[]);
    let table = stdout(&output);
    assert!(output.status.success(), "{table}{}", stderr(&output));
    for row in [
        "1  everything matches        200",
        "2  NIK not in the registry   200",
        "3  name differs              200",
        "4  date of birth differs     200",
        "5  selfie of another person  200",
        "6  malformed NIK             400",
        "7  malformed date of birth   400",
        "8  registry cannot answer    503",
        "All 8 answers are as documented.",
    ] {
        assert!(table.contains(row), "{row}\n{table}");
    }
    assert!(!checkout.path(".deps/demo").exists());
}

#[test]
fn the_demo_runs_with_thousands_of_people_without_selfies_and_strangers() {
    let checkout = checkout();
    let folder = checkout.path("many");
    fs::create_dir(&folder).unwrap();
    let portraits = ["101", "110", "114", "116"];
    for portrait in portraits {
        let name = format!("{portrait}_id.jpg");
        fs::copy(checkout.path("people/images").join(&name), folder.join(&name)).unwrap();
    }
    let mut list = String::from("nik,name,date_of_birth,status,portrait\n");
    for number in 0..3000 {
        let portrait = portraits[number % portraits.len()];
        writeln!(list, "31740114038{number:05},Orang Ke {number},1987-03-14,active,{portrait}_id.jpg")
            .unwrap();
    }
    fs::write(folder.join("people.csv"), list).unwrap();
    let output = demo_once(&checkout, &["--people", "many"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn the_demo_runs_with_a_single_person() {
    let checkout = checkout();
    let folder = checkout.path("one");
    fs::create_dir(&folder).unwrap();
    fs::copy(checkout.path("people/images/145_id.jpg"), folder.join("a b.jpg")).unwrap();
    let list =
        "nik,name,date_of_birth,status,portrait\n3305121908860000,Wahyu Prasetyo,1986-08-19,active,a b.jpg\n";
    fs::write(folder.join("people.csv"), list).unwrap();
    let output = demo_once(&checkout, &["--people", "one"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn an_invalid_list_is_refused_before_anything_is_started() {
    let checkout = checkout();
    let folder = checkout.path("bad");
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("people.csv"),
        "nik,name,date_of_birth,status,portrait\n3174011403870000,Budi,1987-03-14,active,../secret.jpg\n",
    )
    .unwrap();
    let output = demo_once(&checkout, &["--people", "bad"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("line 2: `../secret.jpg` is not a path below the folder"));
    let output = demo_once(&checkout, &["--people", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--people"));
    assert!(!checkout.path(".deps/demo").exists());
}

#[test]
fn a_kept_cluster_is_used_again() {
    use std::os::unix::fs::MetadataExt;
    let checkout = checkout();
    let identity = || {
        let root = read_location(&checkout.path(".deps/demo/kept.where"));
        (root.clone(), fs::metadata(root.join("data/PG_VERSION")).unwrap().ino())
    };
    assert!(demo_once(&checkout, &["--keep"]).status.success());
    let first = identity();
    assert!(!server_runs_in(&first.0));
    assert!(!checkout.path(".deps/demo/padan.toml").exists());
    // A run without --keep does not touch it.
    assert!(demo_once(&checkout, &[]).status.success());
    let output = demo_once(&checkout, &["--keep"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(identity(), first);
}

/// In a shell that is set up for a real site, the demo must not use that site's databases.
#[test]
fn the_demo_ignores_settings_in_the_environment() {
    let nowhere = "postgres://nobody@127.0.0.1:1/nowhere";
    let checkout = checkout();
    let output = checkout
        .command(&["run", "--once", "--port", "0", "--admin-port", "0"])
        .env("PADAN__STORE__URL", nowhere)
        .env("PADAN__REGISTRY__URLS", nowhere)
        .env("PADAN__HTTP__ADDRESS", "0.0.0.0")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}
