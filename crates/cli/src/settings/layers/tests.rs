use std::collections::BTreeSet;

use super::super::effective::is_set;
use super::*;

fn with_file(text: &str, variables: &[(&str, &str)]) -> Result<(Settings, EffectiveSettings), String> {
    with_flags(text, variables, &[])
}

fn with_flags(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[&str],
) -> Result<(Settings, EffectiveSettings), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    fs::write(&file, text).unwrap();
    let variables = variables.iter().filter_map(|(name, value)| Assignment::of_variable(name, value));
    let flags = flags.iter().map(|flag| flag.parse().unwrap());
    load(Some(&file), variables.chain(flags).collect())
        .map_err(|error| format!("{error:#}").replace(&folder.path().display().to_string(), ""))
}

#[test]
fn the_built_in_defaults_are_valid() {
    let (settings, _) = load(None, Vec::new()).unwrap();
    assert_eq!(settings.verification.names, padan_domain::NameRules::DEFAULT);
}

#[test]
fn one_rule_of_names_can_be_switched_off_in_each_layer() {
    let without_titles = padan_domain::NameRules { titles: false, ..padan_domain::NameRules::DEFAULT };
    for (text, variables) in [
        ("[verification]\nnames = { titles = false }\n", &[][..]),
        ("[verification.names]\ntitles = false\n", &[]),
        ("", &[("PADAN__VERIFICATION__NAMES__TITLES", "false")]),
    ] {
        assert_eq!(with_file(text, variables).unwrap().0.verification.names, without_titles, "{text}");
    }
    let error = with_file("[verification.names]\ntitels = false\n", &[]).unwrap_err();
    assert!(
        error.contains("verification.names.titels: unknown field `titels`, did you mean `titles`?"),
        "{error}"
    );
}

#[test]
fn a_date_is_refused_by_its_key() {
    for (text, key) in [
        ("[log]\nfilter = 1979-05-27T07:32:00Z\n", "log.filter"),
        ("[http.tls]\ncertificate_file = 1979-05-27\n", "http.tls.certificate_file"),
        ("[registry]\nurls = [\"a\", [07:32:00]]\n", "registry.urls"),
    ] {
        let error = with_file(text, &[]).unwrap_err();
        assert_eq!(
            error,
            format!("/site.toml: {key}: a date is not the value of any setting, put it in quotes")
        );
    }
}

#[test]
fn a_key_that_is_no_plain_word_is_an_unknown_one() {
    for key in ["\"a b\"", "\"port.x\"", "\"port[0]\"", "\"\""] {
        let error = with_file(&format!("[http]\n{key} = 1\n"), &[]).unwrap_err();
        assert!(error.contains("/site.toml: http.") && error.contains("unknown field"), "{key}: {error}");
    }
}

#[test]
fn a_variable_whose_name_is_no_key_is_named_in_one_line() {
    for name in ["PADAN__HTTP____PORT", "PADAN__HTTP__", "PADAN____PORT", "PADAN__HTTP__PO-RT"] {
        let error = with_file("", &[(name, "1")]).unwrap_err();
        assert!(error.starts_with(&format!("{name}: `")) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn the_example_for_production_is_valid() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/production.toml");
    load(Some(&file), Vec::new()).unwrap();
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let text = "[inference]\nmodel_set = \"from-file\"\nqueue_length = 7\n";
    let (settings, effective) = with_file(text, &[("PADAN__INFERENCE__QUEUE_LENGTH", "9")]).unwrap();
    assert_eq!(settings.inference.model_set, "from-file");
    assert_eq!(settings.inference.queue_length.get(), 9);
    assert_eq!(effective.layer_names().len(), 3);
}

#[test]
fn a_flag_overrides_the_environment_and_an_error_names_it() {
    let text = "[http]\nport = 1\n";
    let variables = [("PADAN__HTTP__PORT", "2"), ("PADAN__HTTP__BACKLOG", "9")];
    let (settings, _) = with_flags(text, &variables, &["http.port=3", "http.port=4"]).unwrap();
    assert_eq!((settings.http.port, settings.http.backlog.get()), (4, 9));
    let refused = |flag| with_flags(text, &variables, &["http.admin_port=5", flag]).unwrap_err();
    let error = refused("http.prot=3");
    assert!(
        error.contains("--set http.prot: http.prot: unknown field `prot`, did you mean `port`?"),
        "{error}"
    );
    let error = refused("http.port=many");
    assert!(error.contains("--set http.port: http.port"), "{error}");
}

#[test]
fn each_key_is_shown_with_the_layer_that_sets_it() {
    let text = "[http]\nport = 1\nbacklog = 9\n[verification]\nfailed_faces = { most = 3 }\n";
    let variables = [("PADAN__HTTP__PORT", "2"), ("PADAN__STORE__URL", "postgres://u:s3cret@h/d")];
    let (_, effective) = with_flags(text, &variables, &["http.admin_port=3"]).unwrap();
    let shown = effective.annotated();
    for (setting, origin) in [
        ("port = \"2\"", "PADAN__HTTP__PORT"),
        ("backlog = 9", "site.toml"),
        ("admin_port = \"3\"", "--set http.admin_port"),
        ("admin_address = \"127.0.0.1\"", "default"),
        ("url = \"postgres://u:(hidden)@h/d\"", "PADAN__STORE__URL"),
        ("most = 3", "site.toml"),
        ("window_seconds = 900", "default"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(&format!("{setting} "))).unwrap();
        assert!(line.ends_with(origin), "{line}");
    }
    let again: Table = shown.parse().unwrap();
    assert!(is_set(&again, "verification.failed_faces.most"), "what is shown is TOML: {shown}");
}

#[test]
fn an_error_names_an_unknown_key_and_its_layer() {
    let error = with_file("[inference]\nmodel_sett = \"x\"\n", &[]).unwrap_err();
    assert!(error.contains("/site.toml: inference"), "{error}");
    assert!(error.contains("unknown field `model_sett`, did you mean `model_set`?"), "{error}");
    let error = with_file("[inferense]\n", &[]).unwrap_err();
    assert!(error.contains("/site.toml: unknown section `inferense`, did you mean `inference`?"), "{error}");
    let error = with_file("[inference.quality]\nmax_yaws = 0.5\n", &[]).unwrap_err();
    assert!(error.contains("`max_yaws`, did you mean `max_yaw`?"), "{error}");
    let error =
        with_file("", &[("PADAN__HTTP__PROT", "1"), ("PADAN__INFERENCE__DEVICE", "cpu")]).unwrap_err();
    assert!(error.contains("PADAN__HTTP__PROT"), "{error}");
    assert!(error.contains("unknown field `prot`, did you mean `port`?"), "{error}");
    let error = with_file("", &[("PADAN__HTPP__PORT", "1")]).unwrap_err();
    assert!(error.contains("PADAN__HTPP__PORT: htpp: unknown field `htpp`, did you mean `http`?"), "{error}");
    let error = with_file("[http]\nshoe_size = 42\n", &[]).unwrap_err();
    assert!(error.contains("`shoe_size`, expected one of") && error.contains("`admin_port`"), "{error}");
}

#[test]
fn an_error_about_a_type_says_what_was_expected_and_found() {
    for (text, expected) in [
        ("queue_length = \"many\"", "inference.queue_length: expected an integer, found a string"),
        ("queue_length = [1]", "inference.queue_length: expected an integer, found a list"),
        ("queue_length = 0", "inference.queue_length: invalid value, expected a whole number from 1 on"),
        ("model_set = { a = 1 }", "inference.model_set: expected a string, found a table"),
    ] {
        let error = with_file(&format!("[inference]\n{text}\n"), &[]).unwrap_err();
        assert!(error.ends_with(&format!("/site.toml: {expected}")), "{error}");
    }
    let error = with_file("", &[("PADAN__INFERENCE__QUEUE_LENGTH", "many")]).unwrap_err();
    assert!(
        error.contains("PADAN__INFERENCE__QUEUE_LENGTH: inference.queue_length: expected an integer"),
        "{error}"
    );
}

#[test]
fn every_error_of_a_file_is_reported_at_once() {
    let text = "[http]\nprot = 1\nbacklog = 0\n[inference]\nqueue_length = \"many\"\nmodel_sett = \"x\"\n\
                [inference.quality]\nmax_yaws = 0.5\n[verification]\nbudget_ms = -1\n";
    let error = with_file(text, &[]).unwrap_err();
    for part in
        ["`prot`", "http.backlog", "inference.queue_length", "`model_sett`", "`max_yaws`", "budget_ms"]
    {
        assert!(error.contains(part), "no {part} in {error}");
    }
    assert_eq!(error.lines().count(), 6, "{error}");
    assert!(error.lines().all(|line| line.starts_with("/site.toml: ")), "{error}");
}

#[test]
fn a_syntax_error_names_the_line_and_does_not_quote_it() {
    let error = with_file("[store]\nurl = \"postgres://u:hidden@h/d\n", &[]).unwrap_err();
    assert!(error.contains("/site.toml, line 2"), "{error}");
    assert!(!error.contains("hidden"), "{error}");
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    let text = "[clients]\nfile = \"clients.toml\"\n[store]\nurl_file = \"store-url\"\n[registry]\nurls_file = \"urls\"\n";
    fs::write(&file, text).unwrap();
    let (settings, _) = load(Some(&file), Vec::new()).unwrap();
    assert_eq!(settings.store.url_file.unwrap(), folder.path().join("store-url"));
    assert_eq!(settings.registry.urls_file.unwrap(), folder.path().join("urls"));
    assert_eq!(settings.clients.file.unwrap(), folder.path().join("clients.toml"));
}

#[test]
fn changed_keys_are_listed_by_name() {
    let (_, before) = with_file("[http]\nport = 1\n[clients]\nfile = \"a\"\n", &[]).unwrap();
    let (_, now) = with_file("[http]\nport = 2\n[inference.limits]\nmax_side = 9\n", &[]).unwrap();
    assert_eq!(now.changed_keys(&before), ["clients.file", "http.port", "inference.limits.max_side"]);
    assert!(now.changed_keys(&now).is_empty());
    let with_nan = || with_file("[inference.quality]\nmax_yaw = nan\n", &[]).unwrap().1;
    assert!(with_nan().changed_keys(&with_nan()).is_empty());
}

#[test]
fn a_secret_under_the_wrong_key_is_not_quoted() {
    for text in [
        "registry = \"postgres://u:s3cret@h/d\"\n",
        "[store]\nurl = [\"postgres://u:s3cret, expected @h/d\"]\n",
        "[http]\nport = \"postgres://u:s3cret@h/d\"\n",
    ] {
        let error = with_file(text, &[]).unwrap_err();
        assert!(!error.contains("s3cret") && error.contains("/site.toml"), "{error}");
    }
    let error = with_file("", &[("PADAN__REGISTRY", "postgres://u:s3cret@h/d")]).unwrap_err();
    assert!(!error.contains("s3cret") && error.contains("PADAN__REGISTRY"), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    let text = "[registry]\nurls = [\"postgres://u:s3cret@replica/d\"]\n\
                [store]\nurl = \"postgres://u:s3cret@store/d\"\n";
    let (_, effective) = with_file(text, &[("PADAN__STORE__URL", "postgres://v:s3cret@other/d")]).unwrap();
    let shown = effective.annotated();
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("@replica/d") && shown.contains("@other/d"), "{shown}");
}

/// The keys of config/default.toml, set or commented out, as `section.key`, and whether a comment precedes each.
fn documented_keys() -> Vec<(String, bool)> {
    let (mut section, mut above, mut keys) = (String::new(), "", Vec::new());
    for line in DEFAULTS.lines() {
        let assignment = line.strip_prefix("# ").unwrap_or(line).split_once(" = ");
        if let Some(named) = line.strip_prefix('[') {
            named.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, value)) = assignment.filter(|(key, _)| is_key(key)) {
            let key = format!("{section}.{key}");
            let inner: Table = format!("value = {value}").parse().unwrap_or_default();
            let inner = inner.get("value").and_then(Value::as_table).into_iter().flat_map(Table::keys);
            keys.extend(inner.map(|inner| (format!("{key}.{inner}"), above.starts_with('#'))));
            keys.push((key, above.starts_with('#')));
        }
        above = line;
    }
    keys
}

fn is_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The keys of a table, taken from the error about a key that it does not have.
fn keys_known_in(table: &str) -> Vec<String> {
    let no_such_key = format!("{table}.no_such_key=1").parse().unwrap();
    let refusal = load(None, vec![no_such_key]).unwrap_err().to_string();
    let (_, known) = refusal.split_once(", expected ").unwrap_or_else(|| panic!("{table}: {refusal}"));
    known.split('`').skip(1).step_by(2).map(|key| format!("{table}.{key}")).collect()
}

fn tables(path: &str, table: &Table) -> Vec<String> {
    let inner = table.iter().filter_map(|(key, value)| Some((key, value.as_table()?)));
    let within = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    inner.flat_map(|(key, table)| [vec![within(key)], tables(&within(key), table)].concat()).collect()
}

#[test]
fn every_key_is_in_the_default_file_with_a_comment_above_it() {
    let documented = documented_keys();
    // A table may be in a comment only, as one without a default.
    let in_comments = documented.iter().filter_map(|(key, _)| Some(key.rsplit_once('.')?.0.to_owned()));
    let tables: BTreeSet<_> = in_comments.chain(tables("", &DEFAULTS.parse().unwrap())).collect();
    let known: Vec<_> = tables.iter().flat_map(|table| keys_known_in(table)).collect();
    assert!(known.len() > 90, "{known:?}");
    for key in known.iter().filter(|key| !tables.contains(*key)) {
        assert!(documented.iter().any(|(name, _)| name == key), "{key} is not in config/default.toml");
    }
    for (key, has_comment) in &documented {
        assert!(known.contains(key), "{key} is in config/default.toml, but no section has it");
        assert!(has_comment, "{key} has no comment above it in config/default.toml");
    }
}

#[test]
fn every_key_that_names_a_file_is_resolved_against_the_settings_file() {
    for (key, _) in documented_keys() {
        let is_path = ["file", "_folder", "_library"].iter().any(|end| key.ends_with(end));
        let is_listed = PATHS.iter().any(|(section, name)| key == format!("{section}.{name}"));
        assert_eq!(is_path, is_listed, "{key}");
    }
}
