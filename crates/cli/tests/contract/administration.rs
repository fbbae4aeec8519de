//! Administration by the commands: the row that each one leaves, the keys that it opens, and clients that others changed.

use std::{collections::BTreeSet, fs, thread, time::Duration};

use padan_test_service::{BUDI, project};
use serde_json::Value;

use crate::{clients::add, service::TestProgram};

/// A line of the table in docs/security.md.
#[derive(Debug, Clone)]
struct Documented {
    command: String,
    keys: String,
    role: String,
    row: String,
}

/// The table of commands in docs/security.md.
fn documented() -> Vec<Documented> {
    let text = fs::read_to_string(project().join("docs/security.md")).unwrap();
    let table = text.split("| command | keys | role | row |\n").nth(1).unwrap();
    let lines = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    lines
        .map(|line| {
            let mut cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
            let mut next = || cells.next().unwrap();
            let command = next().trim_matches('`').strip_prefix("padan ").unwrap().to_owned();
            Documented { command, keys: next(), role: next().trim_matches('`').to_owned(), row: next() }
        })
        .collect()
}

/// All commands of the program, by its own help.
fn commands(service: &TestProgram, parent: &[&str]) -> BTreeSet<String> {
    let help = service.command(&[parent, &["--help"]].concat()).stdout;
    let help = String::from_utf8(help).unwrap();
    let Some(list) = help.split("\nCommands:\n").nth(1) else { return BTreeSet::from([parent.join(" ")]) };
    list.lines()
        .take_while(|line| line.starts_with("  "))
        // A line that continues a description is indented further.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .flat_map(|name| commands(service, &[parent, &[name]].concat()))
        .collect()
}

/// The commands that use the store, in an order in which each can do its work, with their arguments.
const RUNS: [(&str, &[&str]); 41] = [
    ("doctor", &[]),
    ("client add", &["telco"]),
    ("client set", &["telco", "--no-rate"]),
    ("client disable", &["telco", "--dry-run"]),
    ("client disable", &["telco", "--yes"]),
    ("client enable", &["telco"]),
    ("client rotate", &["telco", "--yes"]),
    ("client sign", &["telco"]),
    ("client list", &[]),
    ("client show", &["telco"]),
    ("client remove", &["telco", "--yes"]),
    ("operator add", &["rina", "--role", "support"]),
    ("operator set", &["rina", "--role", "auditor", "--valid-for", "30d"]),
    ("operator rotate", &["rina", "--dry-run"]),
    ("operator rotate", &["rina", "--yes"]),
    ("operator end-sessions", &["rina", "--dry-run"]),
    ("operator list", &[]),
    ("operator remove", &["rina", "--dry-run"]),
    ("operator remove", &["rina", "--yes"]),
    ("enroll", &["--failures", "/dev/null"]),
    ("enroll", &["--status"]),
    ("enroll", &["--model", "mobilefacenet", "--failures", "/dev/null"]),
    ("models shadow", &["mobilefacenet"]),
    ("models activate", &["sface", "--force", "--dry-run"]),
    ("models activate", &["sface", "--force", "--yes"]),
    ("calibration activate", &["models/sface.calibration.toml"]),
    ("calibration live", &[]),
    ("templates prune", &["--dry-run"]),
    ("templates prune", &["--yes"]),
    ("keys rotate", &["--dry-run"]),
    ("keys rotate", &[]),
    ("audit export", &[]),
    ("audit export", &["--nik", BUDI]),
    ("audit verify", &[]),
    ("audit heads", &[]),
    ("audit prune", &["--older-than", "24months", "--dry-run"]),
    ("audit prune", &["--older-than", "24months", "--yes"]),
    ("person find", &["--nik", BUDI]),
    ("person forget", &["--nik", BUDI, "--dry-run"]),
    ("person forget", &["--nik", BUDI, "--yes"]),
    ("usage", &[]),
];

fn is_dry_run(arguments: &[&str]) -> bool {
    arguments.contains(&"--dry-run")
}

/// The row that a command leaves with these arguments, by the table.
fn row_of<'l>(line: &'l Documented, arguments: &[&str]) -> Option<&'l str> {
    if arguments.contains(&"--status") {
        return None;
    }
    if is_dry_run(arguments) {
        return line.row.split_once("`--dry-run`")?.1.split('`').nth(1);
    }
    line.row.split('`').nth(1).filter(|_| line.row.starts_with('`'))
}

/// The settings of a key, and the line of the test's settings that has it.
const KEYS: [(&str, &str); 3] =
    [("audit", "audit_keys"), ("person", "person_key"), ("template", "template_keys")];

/// The test's settings with these keys alone, and the store's URL of this user.
fn settings(service: &TestProgram, keys: &[&str], url: &str) -> String {
    let lines = service.settings();
    let lines = lines.lines().filter(|line| {
        KEYS.iter().all(|(word, setting)| keys.contains(word) || !line.starts_with(&format!("{setting} = ")))
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    // Machines that run many tests at once are slow.
    let slow = "\nconnect_timeout_ms = 20000\nstatement_timeout_ms = 20000\naudit_timeout_ms = 60000\n";
    text.replace(&service.store.url(), url) + slow
}

/// The acts that operators' rows record, in order.
fn recorded(service: &TestProgram) -> Vec<String> {
    let acts = "SELECT reason FROM store.audit_event WHERE kind = 'admin' ORDER BY at, sequence";
    service.runtime.block_on(service.store.texts(acts))
}

/// Creates a user in each role, and returns their URLs by role.
fn users(service: &TestProgram) -> [(&'static str, String); 3] {
    ["padan_service", "padan_operator", "padan_auditor"].map(|role| {
        let user = format!("{role}_of_{}", std::process::id());
        service.runtime.block_on(async {
            service.store.execute(&format!("CREATE ROLE {user} LOGIN IN ROLE {role}")).await;
            service.store.admit(&user).await;
        });
        (role, service.store.url_as(&user))
    })
}

#[test]
fn every_command_is_documented_with_its_keys_and_its_row() {
    let service = TestProgram::start();
    let documented: BTreeSet<_> = documented().into_iter().map(|line| line.command).collect();
    assert_eq!(documented, commands(&service, &[]));
}

#[test]
fn each_command_leaves_its_row_and_needs_only_its_keys_and_its_role() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    assert_eq!(recorded(&service), ["STORE_MIGRATED"]);
    add(&service, "resident", &[]);
    let users = users(&service);
    let table = documented();
    for (command, arguments) in RUNS {
        let line = table.iter().find(|line| line.command == command).unwrap();
        let words: Vec<_> = command.split(' ').chain(arguments.iter().copied()).collect();
        let status = arguments.contains(&"--status");
        let needs_no_key = status || (is_dry_run(arguments) && line.row.contains("no key"));
        let with_nik = arguments.contains(&"--nik");
        let keys: Vec<_> = KEYS
            .map(|(word, _)| word)
            .into_iter()
            .filter(|word| {
                let (always, with) = line.keys.split_once(';').unwrap_or((&line.keys, ""));
                !needs_no_key && (always.contains(word) || (with_nik && with.contains(word)))
            })
            .collect();
        let url = &users.iter().find(|(role, _)| *role == line.role).unwrap().1;
        let before = recorded(&service);
        for missing in &keys {
            let others: Vec<_> = keys.iter().filter(|key| *key != missing).copied().collect();
            let refused = service.command_with_settings(&words, &settings(&service, &others, url));
            let setting = KEYS.iter().find(|(word, _)| word == missing).unwrap().1;
            let text =
                String::from_utf8(refused.stdout).unwrap() + &String::from_utf8(refused.stderr).unwrap();
            assert!(!refused.status.success(), "{command} without {missing}: {text}");
            assert!(text.contains(&format!("store.{setting} is not set")), "{command}: {text}");
        }
        assert_eq!(recorded(&service), before, "{command} left a row although it was refused");
        let done = service.command_with_settings(&words, &settings(&service, &keys, url));
        // The doctor reports the registry's user, who is the owner in this test.
        let text = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success() || command == "enroll", "{command}: {text}");
        let left = recorded(&service).split_off(before.len());
        let expected = row_of(line, arguments);
        assert_eq!(left, expected.into_iter().collect::<Vec<_>>(), "{command} {arguments:?}: {text}");
    }
    assert!(service.command(&["audit", "verify"]).status.success());
    for (role, _) in users {
        let user = format!("{role}_of_{}", std::process::id());
        service.runtime.block_on(service.store.execute(&format!("DROP OWNED BY {user}; DROP ROLE {user}")));
    }
}

/// Whatever a command would change or export, it does not while its row cannot be written.
#[test]
fn no_command_does_anything_without_its_row() {
    let service = TestProgram::start();
    add(&service, "telco", &[]);
    assert!(service.command(&["operator", "add", "rina", "--role", "support"]).status.success());
    service.runtime.block_on(service.store.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF NEW.kind = 'admin' THEN RAISE 'no row can be written'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON store.audit_event FOR EACH ROW EXECUTE FUNCTION refuse()",
    ));
    let state = || {
        let query = "SELECT client::text FROM store.client
                     UNION ALL SELECT operator::text FROM store.operator
                     UNION ALL SELECT active_model::text FROM store.active_model
                     UNION ALL SELECT active_calibration::text FROM store.active_calibration
                     UNION ALL SELECT shadow_model::text FROM store.shadow_model
                     UNION ALL SELECT enrolment_run::text FROM store.enrolment_run
                     UNION ALL SELECT face_template::text FROM store.face_template";
        service.runtime.block_on(service.store.texts(query))
    };
    let before = state();
    for (command, arguments) in RUNS {
        let line = documented().into_iter().find(|line| line.command == command).unwrap();
        if row_of(&line, arguments).is_none() {
            continue;
        }
        let arguments = arguments.iter().map(|word| match (command, *word) {
            ("client add", "telco") => "shop",
            ("operator add", "rina") => "dewi",
            (_, word) => word,
        });
        let words: Vec<_> = command.split(' ').chain(arguments).collect();
        let refused = service.command(&words);
        assert!(!refused.status.success(), "{command}");
        assert!(refused.stdout.is_empty(), "{command} printed {refused:?}");
    }
    assert_eq!(state(), before);
}

#[test]
fn a_client_that_others_changed_is_refused_until_it_is_signed() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    let credentials = add(&service, "telco", &["--network", "192.0.2.0/24"]);
    let execute = |statement: &str| service.runtime.block_on(service.store.execute(statement));
    service.wait_for(&credentials, "FORBIDDEN");
    service.wait_for_metric("padan_clients_not_signed", |clients| clients == 0.0);
    execute("CREATE TABLE public.kept AS SELECT * FROM store.client");

    execute("UPDATE store.client SET allowed_networks = '{}'");
    service.wait_for(&credentials, "UNAUTHORIZED");
    service.wait_for_log("the row of client telco was changed by others than Padan");
    service.wait_for_metric("padan_clients_not_signed", |clients| clients == 1.0);
    let doctor = service.command(&["doctor"]);
    assert!(String::from_utf8(doctor.stdout).unwrap().contains("the row of client telco"));
    let verified = service.command(&["audit", "verify"]);
    assert!(String::from_utf8(verified.stdout).unwrap().contains("client telco: its row"));
    let refused = service.command(&["client", "enable", "telco"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("padan client sign telco"));
    assert!(service.command(&["client", "sign", "telco"]).status.success());
    service.wait_for(&credentials, "VERIFIED");
    assert!(service.command(&["audit", "verify"]).status.success());

    // The row of before, which Padan signed, is older than the one that the service has seen.
    execute(
        "UPDATE store.client SET allowed_networks = kept.allowed_networks, changed_at = kept.changed_at,
                key_id = kept.key_id, mac = kept.mac FROM public.kept",
    );
    service.wait_for(&credentials, "UNAUTHORIZED");
    service.wait_for_log("an older row of client telco was restored");
    let verified = service.command(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1), "{verified:?}");
}

#[test]
fn clients_of_an_older_release_are_signed_by_the_migration_that_adds_signatures() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    let credentials = add(&service, "telco", &[]);
    add(&service, "shop", &[]);
    let execute = |statement: &str| service.runtime.block_on(service.store.execute(statement));
    execute(
        "ALTER TABLE store.client DROP COLUMN key_id, DROP COLUMN mac, DROP COLUMN secrets_digest;
         DELETE FROM store._sqlx_migrations WHERE version = 19",
    );
    let migrated = service.command(&["migrate"]);
    let stderr = String::from_utf8(migrated.stderr).unwrap();
    assert!(migrated.status.success(), "{stderr}");
    assert!(stderr.contains("The row of client telco was signed as it was found."), "{stderr}");
    let acts = recorded(&service).split_off(3);
    assert_eq!(acts, ["STORE_MIGRATED", "CLIENT_SIGNED", "CLIENT_SIGNED"]);
    service.wait_for(&credentials, "VERIFIED");
    assert!(service.command(&["audit", "verify"]).status.success());
    // What is added unsigned later is never signed by a migration.
    execute("UPDATE store.client SET key_id = NULL, mac = NULL");
    assert!(service.command(&["migrate"]).status.success());
    service.wait_for(&credentials, "UNAUTHORIZED");
    thread::sleep(Duration::from_millis(1500));
    service.wait_for(&credentials, "UNAUTHORIZED");
}

#[test]
fn the_rows_of_operators_are_exported() {
    let service = TestProgram::start();
    add(&service, "telco", &["--daily-quota", "7"]);
    let exported = service.command(&["audit", "export", "--format", "jsonl", "--kind", "admin"]).stdout;
    let exported = String::from_utf8(exported).unwrap();
    let rows: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let acts: Vec<_> = rows.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(acts, ["STORE_MIGRATED", "CLIENT_ADDED", "AUDIT_EXPORTED"]);
    let added = &rows[1];
    assert_eq!((&added["client"], &added["fields"]["after"]["daily_quota"]), (&"telco".into(), &7.into()));
    assert_eq!(rows[2]["fields"]["after"]["kind"], "admin");
    let uid = rustix::process::getuid().as_raw();
    let user = added["fields"]["os_user"].as_str().unwrap();
    assert!(if uid == 0 { user == "root" } else { !user.is_empty() }, "{user}");
}

#[test]
fn without_a_terminal_a_command_that_destroys_asks_for_yes() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    add(&service, "telco", &["--daily-quota", "7"]);
    assert!(service.command(&["operator", "add", "rina", "--role", "support"]).status.success());
    let accounts =
        "SELECT client::text FROM store.client UNION ALL SELECT operator::text FROM store.operator";
    let rows = || service.runtime.block_on(service.store.texts(accounts));
    let before = rows();
    for (command, plan) in [
        ("client disable telco", "Refuses all its requests with 403"),
        ("client rotate telco", "What is replaced becomes invalid within seconds"),
        ("client remove telco", "Deletes its secrets and limits"),
        ("operator rotate rina", "The next request with the old one is answered 401"),
        ("operator remove rina", "Deletes its role and token"),
        ("templates prune", "Deletes nothing"),
        ("audit prune --older-than 24months", "Deletes no month"),
        ("person forget --nik -", "Deletes 0 face templates of this person."),
    ] {
        let words: Vec<_> = command.split(' ').collect();
        let refused = service.command_with_input(&words, &format!("{BUDI}\n"));
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), refused.stdout.is_empty()), (Some(5), true), "{command}: {text}");
        assert!(
            text.contains(plan) && text.contains("--yes does it without a question"),
            "{command}: {text}"
        );
        let dry = service.command_with_input(&[&words[..], &["--dry-run"]].concat(), &format!("{BUDI}\n"));
        assert!(dry.status.success(), "{command}: {dry:?}");
        let printed = String::from_utf8(dry.stdout).unwrap();
        assert!(printed.contains(plan) && printed.contains("Keeps "), "{command}: {printed}");
    }
    assert_eq!(rows(), before);
    let unknown = service.command(&["client", "remove", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}

/// Two operators change different limits of one client at the same time.
#[test]
fn changes_of_limits_at_the_same_time_all_apply() {
    let service = TestProgram::start();
    add(&service, "telco", &[]);
    let changes =
        [["--daily-quota", "7"], ["--monthly-quota", "70"], ["--rate", "5"], ["--network", "10.0.0.0/8"]];
    let started: Vec<_> = changes
        .iter()
        .map(|change| service.start_command(&[&["client", "set", "telco"], &change[..]].concat()))
        .collect();
    for process in started {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let shown = service.command(&["client", "show", "telco", "--json"]).stdout;
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(
        (
            &shown["daily_quota"],
            &shown["monthly_quota"],
            &shown["requests_per_second"],
            &shown["networks"][0]
        ),
        (&7.into(), &70.into(), &5.0.into(), &"10.0.0.0/8".into())
    );
    assert!(service.command(&["audit", "verify"]).status.success());
}
