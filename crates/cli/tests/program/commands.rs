//! The other commands, as an operator starts them.

use std::{
    fs,
    io::Write as _,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use padan_testing::{stderr, stdout};

use crate::checkout::checkout;
use serde_json::Value;

#[test]
fn compare_distinguishes_matches_mismatches_and_unusable_images() {
    let checkout = checkout();
    let portrait = "people/images/101_id.jpg";
    let output = checkout.run(&["compare", portrait, "people/images/101_s1.jpg"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("match (VERIFIED)"), "{}", stdout(&output));

    let output = checkout.run(&["compare", "--json", portrait, "people/images/118_s1.jpg"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let object: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["match"], false);
    assert_eq!(object["reason_code"], "FACE_MISMATCH");
    assert!(object["percentage"].as_f64().unwrap() < 75.0);
    assert!(object["a"]["milliseconds"]["embed"].as_f64().unwrap() > 0.0);

    fs::write(checkout.path("no-photo.jpg"), "not a photo").unwrap();
    for (a, b, which) in [
        (portrait, "no-photo.jpg", "image B"),
        ("no-photo.jpg", portrait, "image A"),
        (portrait, "nowhere.jpg", "image B"),
    ] {
        let output = checkout.run(&["compare", a, b]);
        assert_eq!(output.status.code(), Some(3), "{a} {b}");
        assert!(stderr(&output).contains(which), "{}", stderr(&output));
    }
    assert_eq!(checkout.run(&["compare", portrait]).status.code(), Some(2));
}

#[test]
fn compare_reads_pipes_and_standard_input() {
    let checkout = checkout();
    let portrait = "people/images/101_id.jpg";
    let selfie = checkout.path("people/images/101_s1.jpg");
    let pipe = checkout.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let written = {
        let (selfie, pipe) = (fs::read(&selfie).unwrap(), pipe.clone());
        std::thread::spawn(move || fs::write(pipe, selfie))
    };
    let output = checkout.run(&["compare", portrait, "pipe"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    written.join().unwrap().unwrap();

    let output = checkout
        .command(&["compare", "-", portrait])
        .stdin(fs::File::open(&selfie).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    // Standard input of a program that a service manager or a shell in a network started.
    let (mut sender, receiver) = UnixStream::pair().unwrap();
    let written = std::thread::spawn(move || sender.write_all(&fs::read(selfie).unwrap()));
    let output = (checkout.command(&["compare", portrait, "/dev/stdin"]))
        .stdin(OwnedFd::from(receiver))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    written.join().unwrap().unwrap();

    for arguments in [["compare", portrait, ""], ["compare", "", portrait]] {
        let output = checkout.run(&arguments);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(stderr(&output).contains("its path is empty"), "{}", stderr(&output));
    }

    let output = checkout.run(&["compare", portrait, "-"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("the file is empty"), "{}", stderr(&output));
    let output = checkout.run(&["compare", "-", "-"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("only one of the two photos"), "{}", stderr(&output));
}

#[test]
fn name_shows_what_two_names_are_reduced_to_and_by_which_rules() {
    let checkout = checkout();
    let output = checkout.run(&["name", "dr. Moh. Rizal, Sp.A(K)", "MUHAMMAD RIZAL"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "A         MUHAMMAD RIZAL (titles, spelling)\nB         MUHAMMAD RIZAL (no rule)\n\
         decision  match (titles, spelling)\n"
    );
    let off = ["--set", "verification.names.titles=false"];
    let output = checkout.run(&[&["name", "dr. Budi, M.Kom.", "Budi"], &off[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("A         DR BUDI M KOM (no rule)"), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("decision  no match\n"), "{}", stdout(&output));
    let output = checkout.run(&["name", "...", "Budi"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("A is not a name: expected a name with at least one letter"));
}

#[test]
fn the_former_form_of_the_setting_for_names_is_explained() {
    let checkout = checkout();
    fs::write(checkout.path("site.toml"), "[verification]\nnames = \"exact\"\n").unwrap();
    let output = checkout.run(&["config", "check", "--config", "site.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("site.toml: verification.names: \"exact\" is the former form"), "{text}");
    let set = checkout.run(&["name", "Budi", "Budi", "--set", "verification.names=exact"]);
    assert!(stderr(&set).contains("--set verification.names: verification.names"), "{}", stderr(&set));
}

#[test]
fn without_models_compare_says_how_to_install_them() {
    let checkout = checkout();
    fs::remove_file(checkout.path(".deps/models")).unwrap();
    let portrait = "people/images/101_id.jpg";
    let output = checkout.run(&["compare", portrait, portrait]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("padan models install sface"), "{}", stderr(&output));
}

#[test]
fn config_check_names_the_unknown_key() {
    let checkout = checkout();
    fs::write(checkout.path("site.toml"), "[http]\nprot = 1\n").unwrap();
    let output = checkout.run(&["config", "check", "--config", "site.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("site.toml: http") && stderr(&output).contains("`prot`"),
        "{}",
        stderr(&output)
    );
}

/// The driver reads the host and the mode of TLS from the environment if the URL has none.
#[test]
fn the_environment_does_not_get_around_tls_to_databases() {
    let checkout = checkout();
    let check = |registry: &str, variables: &[(&str, &str)]| {
        let key = |name: &str, digits: &str| format!("{name} = '{}'\n", digits.repeat(4));
        let keys = key("person_key", "0123456789abcdef")
            + &key("template_keys", "89abcdef01234567")
            + &key("audit_keys", "456789abcdef0123");
        let text =
            format!("[registry]\nurls = ['{registry}']\n[store]\nurl = 'postgres://s@127.0.0.1/d'\n{keys}");
        fs::write(checkout.path("site.toml"), text).unwrap();
        let mut command = checkout.command(&["config", "check", "--config", "site.toml"]);
        command.env_remove("PGHOST").env_remove("PGHOSTADDR").env_remove("PGSSLMODE");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let is_refused = stderr(&output).contains("db.example:5432/d is beyond this machine");
        assert_eq!(output.status.success(), !is_refused, "{registry} {variables:?}: {}", stderr(&output));
        output.status.success()
    };
    assert!(!check("postgres://r@db.example/d", &[]));
    assert!(check("postgres://r@db.example/d", &[("PGSSLMODE", "verify-full")]));
    assert!(!check("postgres://r@db.example/d", &[("PGSSLMODE", "require")]));
    assert!(!check("postgres://r@db.example/d", &[("PGSSLMODE", "verify-everything")]));
    assert!(!check("postgres://r@db.example/d?sslmode=prefer", &[("PGSSLMODE", "verify-full")]));
    assert!(check("postgres:///d", &[("PGHOST", "localhost")]));
    assert!(!check("postgres:///d", &[("PGHOST", "db.example")]));
    assert!(!check("postgres:///d", &[("PGHOST", "localhost"), ("PGHOSTADDR", "db.example")]));
    assert!(check("postgres:///d", &[("PGHOST", "db.example"), ("PGSSLMODE", "verify-ca")]));
    assert!(check("postgres://r@db.example/d", &[("PADAN__REGISTRY__ALLOW_PLAINTEXT", "true")]));
}

#[test]
fn config_check_reports_the_errors_that_a_start_would_report() {
    let checkout = checkout();
    fs::write(
        checkout.path("site.toml"),
        "[log]\nfilter = '=;!!'\n[inference]\nmodel_set = 'arcface'\n[store]\nurl = 'postgres://s@localhost/d'\nperson_key = 'abc'\n",
    )
    .unwrap();
    let output = checkout.run(&["config", "check", "--config", "site.toml"]);
    assert_eq!(output.status.code(), Some(1));
    for fault in ["log.filter", "registry.urls", "store.person_key", "arcface"] {
        assert!(stderr(&output).contains(fault), "{fault}: {}", stderr(&output));
    }
}

#[test]
fn config_show_names_the_layer_of_each_key() {
    let checkout = checkout();
    fs::write(checkout.path("site.toml"), "[http]\nport = 1\n[store]\nurl = 'postgres://s:hidden@h/d'\n")
        .unwrap();
    let words = ["config", "show", "--config", "site.toml", "--set", "inference.queue_length=7"];
    let output = checkout.command(&words).env("PADAN__HTTP__ADMIN_PORT", "2").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    for (setting, origin) in [
        ("port = 1", "# site.toml"),
        ("admin_port = \"2\"", "# PADAN__HTTP__ADMIN_PORT"),
        ("queue_length = \"7\"", "# --set inference.queue_length"),
        ("model_set = \"sface\"", "# default"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(&format!("{setting} "))).unwrap();
        assert!(line.ends_with(origin), "{line}");
    }
    assert!(!shown.contains("hidden@"), "{shown}");

    let output = checkout.run(&["config", "show", "--set", "http.prot=1"]);
    assert!(
        stderr(&output).contains("--set http.prot: http.prot: unknown field `prot`, did you mean `port`?")
    );
    assert_eq!(checkout.run(&["config", "show", "--set", "port=1"]).status.code(), Some(2));
}

#[test]
fn compare_refuses_devices_folders_and_files_that_are_too_large() {
    let checkout = checkout();
    let portrait = "people/images/101_id.jpg";
    for endless in ["/dev/zero", "people"] {
        let output = checkout.run(&["compare", portrait, endless]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    }
    let large = fs::File::create(checkout.path("large.jpg")).unwrap();
    large.set_len(17 << 20).unwrap();
    let output = checkout.run(&["compare", portrait, "large.jpg"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("16 MiB"), "{}", stderr(&output));
}

#[test]
fn the_doctor_fails_and_reports_what_is_missing() {
    let checkout = checkout();
    let output = checkout.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let report = stdout(&output);
    for line in [
        "ok    settings",
        "ok    clients",
        // Found in the checkout, where the service does not search.
        "warn  runtime",
        "warn  models",
        "ok    device",
        "ok    secrets",
        "FAIL  registry",
        "FAIL  store",
    ] {
        assert!(report.contains(line), "{report}");
    }
}

#[test]
fn serve_refuses_the_credentials_of_the_demo() {
    let checkout = checkout();
    let output = checkout.command(&["serve"]).env("PADAN__CLIENTS__DEMO", "true").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("clients.demo"), "{}", stderr(&output));
}

/// `make faults` has another program for this, with the feature `fault-points`.
#[test]
fn the_program_cannot_be_told_to_panic() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_padan")).unwrap();
    assert!(!program.windows(18).any(|bytes| bytes == b"PADAN_FAULT_POINTS"));
    // What is searched for is the text of a variable, as this one is.
    assert!(program.windows(7).any(|bytes| bytes == b"PADAN__"));
}
