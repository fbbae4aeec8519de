use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use config::{Config, File, FileFormat};
use padan_verification::suggest_known_name;
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use super::{Assignment, Settings, redaction};

const DEFAULTS: &str = include_str!("../../../../config/default.toml");

/// The keys that name files and folders. In a file they are relative to the folder of that file.
const PATHS: &[(&str, &str)] = &[
    ("clients", "file"),
    ("http.tls", "certificate_file"),
    ("http.tls", "client_ca_file"),
    ("http.tls", "private_key_file"),
    ("inference", "model_folder"),
    ("inference", "runtime_library"),
    ("registry", "urls_file"),
    ("store", "audit_keys_file"),
    ("store", "person_key_file"),
    ("store", "template_keys_file"),
    ("store", "url_file"),
];

/// The merged settings as text, for people.
#[derive(Debug)]
pub(crate) struct Effective {
    table: Table,
    /// What the file sets, if there is one.
    file: Option<(String, Table)>,
    assignments: Vec<Assignment>,
}

impl Effective {
    /// Tells settings apart, secrets left out.
    pub(crate) fn hash(&self) -> Result<String> {
        let text = toml::to_string(&self.redacted()).context("the settings cannot be written as TOML")?;
        let digest = Sha256::digest(text.as_bytes());
        Ok(hex::encode(&digest[..8]))
    }

    /// The keys whose values are others than before, as `section.key`, by name.
    pub(crate) fn changed_keys(&self, before: &Self) -> Vec<String> {
        let (mut now, mut then) = (BTreeMap::new(), BTreeMap::new());
        flatten("", &self.table, &mut now);
        flatten("", &before.table, &mut then);
        let mut keys: Vec<_> = now.keys().chain(then.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().filter(|key| now.get(*key) != then.get(*key)).cloned().collect()
    }

    /// The layers in the order in which they were laid.
    pub(crate) fn sources(&self) -> Vec<&str> {
        let file = self.file.iter().map(|(name, _)| name.as_str());
        let assigned = self.assignments.iter().map(|assignment| assignment.name.as_str());
        ["built-in defaults"].into_iter().chain(file).chain(assigned).collect()
    }

    /// TOML with secrets blotted out, and behind each key where its value is from.
    pub(crate) fn annotated(&self) -> String {
        let mut text = String::new();
        self.annotate("", &self.redacted(), &mut text);
        text
    }

    fn annotate(&self, path: &str, table: &Table, text: &mut String) {
        let (tables, values): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_table());
        let within = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        if !values.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{path}]");
        }
        for (key, value) in values {
            let setting = format!("{key} = {value}");
            let _ = writeln!(text, "{setting:<50} # {}", self.origin(&within(key)));
        }
        for (key, value) in tables {
            if let Value::Table(table) = value {
                self.annotate(&within(key), table, text);
            }
        }
    }

    /// The last layer that sets a key.
    fn origin(&self, path: &str) -> &str {
        let assigned = self.assignments.iter().rev().find(|assignment| assignment.key == path);
        let in_file = || self.file.as_ref().filter(|(_, table)| is_set(table, path));
        assigned
            .map(|assignment| &*assignment.name)
            .or_else(|| in_file().map(|(name, _)| &**name))
            .unwrap_or("default")
    }

    fn redacted(&self) -> Table {
        redaction::redacted(self.table.clone())
    }
}

fn is_set(table: &Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.contains_key(path),
        Some((section, rest)) => {
            table.get(section).and_then(Value::as_table).is_some_and(|table| is_set(table, rest))
        }
    }
}

fn flatten<'a>(place: &str, table: &'a Table, into: &mut BTreeMap<String, &'a Value>) {
    for (key, value) in table {
        let place = format!("{place}{key}");
        match value {
            Value::Table(table) => flatten(&format!("{place}."), table, into),
            value => drop(into.insert(place, value)),
        }
    }
}

/// Lays the layers over each other: defaults, file, and the assignments in their order. An error names the layer that
/// brought the fault.
pub(super) fn load(file: Option<&Path>, assignments: Vec<Assignment>) -> Result<(Settings, Effective)> {
    let from_file = file.map(read).transpose()?;
    let build = |assignments: &[Assignment]| -> Result<Config> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(table) = &from_file {
            builder = builder.add_source(Config::try_from(table)?);
        }
        for Assignment { name, key, value } in assignments {
            builder = builder.set_override(key, value.as_str()).with_context(|| name.clone())?;
        }
        Ok(builder.build()?)
    };
    let only_file = build(&[])?;
    if let Err(error) = sections(only_file) {
        let place =
            file.map_or_else(|| "the built-in defaults".to_owned(), |file| file.display().to_string());
        // A variable or a flag may supply what the file lacks; what the file has and nobody knows is its own fault.
        if assignments.is_empty() || error.contains("unknown field") {
            bail!("{place}: {error}");
        }
    }
    let merged = build(&assignments)?;
    let settings = sections(merged.clone()).map_err(|error| {
        let brings_it = |assignment: &&Assignment| {
            build(std::slice::from_ref(assignment))
                .is_ok_and(|config| sections(config).is_err_and(|alone| alone == error))
        };
        let culprit = assignments.iter().rev().find(brings_it);
        let culprit = culprit.map_or("the settings together", |culprit| &*culprit.name);
        anyhow!("{culprit}: {error}")
    })?;
    let table = merged.try_deserialize().context("the settings cannot be shown as TOML")?;
    let file = file.map(|file| file.display().to_string()).zip(from_file);
    Ok((settings, Effective { table, file, assignments }))
}

/// Turns the merged tables into the sections' types, or says which key is wrong.
fn sections(merged: Config) -> Result<Settings, String> {
    serde_path_to_error::deserialize(merged).map_err(|error| {
        let path = error.path().to_string();
        let said = without_value(error.into_inner().to_string());
        // Where it is says the path, for all kinds of errors alike.
        let said = said.split_once(" for key `").map_or(&*said, |(said, _)| said);
        let said = suggest_known_name(said);
        if path == "." || path == "?" { said } else { format!("{path}: {said}") }
    })
}

/// A value of the wrong type may be a secret that landed in the wrong place: only what was expected is told.
fn without_value(said: String) -> String {
    let is_about_a_value = said.starts_with("invalid type: ") || said.starts_with("invalid value: ");
    match said.rfind(", expected ").filter(|_| is_about_a_value) {
        Some(at) => {
            format!("a value has another type than is expected{}", said[at..].replacen(", expected", ":", 1))
        }
        None => said,
    }
}

/// Reads a file of settings and makes its paths absolute or relative to where we are.
fn read(file: &Path) -> Result<Table> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The error's own text quotes the line, which may hold a password.
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        anyhow!("{}, line {line}: {}", file.display(), error.message())
    })?;
    refuse_unknown_sections(file, &table)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    for (section, key) in PATHS {
        let mut sections = section.split('.');
        let section_table = sections.next().and_then(|name| table.get_mut(name));
        let section_table =
            sections.fold(section_table, |table, name| table.and_then(|table| table.get_mut(name)));
        let value = section_table.and_then(|section| section.get_mut(*key));
        if let Some(Value::String(path)) = value
            && !path.is_empty()
        {
            let resolved: PathBuf = folder.join(&*path);
            resolved
                .to_str()
                .with_context(|| format!("{}: {section}.{key} is not UTF-8", file.display()))?
                .clone_into(path);
        }
    }
    Ok(table)
}

/// A section without a key in it leaves no trace in the merged settings, so it is looked at here.
fn refuse_unknown_sections(file: &Path, table: &Table) -> Result<()> {
    let known: Table = DEFAULTS.parse().context("the built-in defaults")?;
    match table.keys().find(|section| !known.contains_key(*section)) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<_> = known.keys().map(|section| format!("`{section}`")).collect();
            let message = format!("unknown section `{unknown}`, expected one of {}", known.join(", "));
            bail!("{}: {}", file.display(), suggest_known_name(&message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, variables: &[(&str, &str)]) -> Result<(Settings, Effective), String> {
        with_flags(text, variables, &[])
    }

    fn with_flags(
        text: &str,
        variables: &[(&str, &str)],
        flags: &[&str],
    ) -> Result<(Settings, Effective), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.toml");
        fs::write(&file, text).unwrap();
        let variables = variables.iter().filter_map(|(name, value)| Assignment::of_variable(name, value));
        let flags = flags.iter().map(|flag| flag.parse().unwrap());
        load(Some(&file), variables.chain(flags).collect())
            .map_err(|error| format!("{error:#}").replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn the_built_in_defaults_are_in_order() {
        load(None, Vec::new()).unwrap();
    }

    #[test]
    fn an_example_for_production_is_in_order() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/production.toml");
        load(Some(&file), Vec::new()).unwrap();
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let text = "[inference]\nmodel_set = \"from-file\"\nqueue_length = 7\n";
        let (settings, effective) = with_file(text, &[("PADAN__INFERENCE__QUEUE_LENGTH", "9")]).unwrap();
        assert_eq!(settings.inference.model_set, "from-file");
        assert_eq!(settings.inference.queue_length.get(), 9);
        assert_eq!(effective.sources().len(), 3);
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_an_error_names_it() {
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
    fn each_key_is_shown_with_where_it_is_from() {
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
    fn an_unknown_key_is_named_with_its_place() {
        let error = with_file("[inference]\nmodel_sett = \"x\"\n", &[]).unwrap_err();
        assert!(error.contains("/site.toml: inference"), "{error}");
        assert!(error.contains("unknown field `model_sett`, did you mean `model_set`?"), "{error}");
        let error = with_file("[inferense]\n", &[]).unwrap_err();
        assert!(
            error.contains("/site.toml: unknown section `inferense`, did you mean `inference`?"),
            "{error}"
        );
        let error = with_file("[inference.quality]\nmax_yaws = 0.5\n", &[]).unwrap_err();
        assert!(error.contains("`max_yaws`, did you mean `max_yaw`?"), "{error}");
        let error =
            with_file("", &[("PADAN__HTTP__PROT", "1"), ("PADAN__INFERENCE__DEVICE", "cpu")]).unwrap_err();
        assert!(error.contains("PADAN__HTTP__PROT"), "{error}");
        assert!(error.contains("unknown field `prot`, did you mean `port`?"), "{error}");
        let error = with_file("", &[("PADAN__HTPP__PORT", "1")]).unwrap_err();
        assert!(
            error.contains("PADAN__HTPP__PORT: htpp: unknown field `htpp`, did you mean `http`?"),
            "{error}"
        );
        let error = with_file("[http]\nshoe_size = 42\n", &[]).unwrap_err();
        assert!(error.contains("`shoe_size`, expected one of") && error.contains("`admin_port`"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        let error = with_file("[inference]\nqueue_length = \"many\"\n", &[]).unwrap_err();
        assert!(error.contains("/site.toml") && error.contains("inference.queue_length"), "{error}");
        let error = with_file("", &[("PADAN__INFERENCE__QUEUE_LENGTH", "many")]).unwrap_err();
        assert!(error.contains("PADAN__INFERENCE__QUEUE_LENGTH"), "{error}");
    }

    #[test]
    fn a_syntax_error_shows_its_line_and_not_its_text() {
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
    fn what_changed_is_told_by_its_keys() {
        let (_, before) = with_file("[http]\nport = 1\n[clients]\nfile = \"a\"\n", &[]).unwrap();
        let (_, now) = with_file("[http]\nport = 2\n[inference.limits]\nmax_side = 9\n", &[]).unwrap();
        assert_eq!(now.changed_keys(&before), ["clients.file", "http.port", "inference.limits.max_side"]);
        assert!(now.changed_keys(&now).is_empty());
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_quoted() {
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
        let (_, effective) =
            with_file(text, &[("PADAN__STORE__URL", "postgres://v:s3cret@other/d")]).unwrap();
        let shown = effective.annotated();
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("@replica/d") && shown.contains("@other/d"), "{shown}");
    }

    /// The keys of config/default.toml, set or commented out, as `section.key`, and whether a comment stands above.
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

    /// The keys that the type of a table knows, as its refusal of another one lists them.
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
    fn every_key_that_is_known_is_in_the_defaults_with_a_comment_above_it() {
        let documented = documented_keys();
        let tables = tables("", &DEFAULTS.parse().unwrap());
        let known: Vec<_> = tables.iter().flat_map(|table| keys_known_in(table)).collect();
        assert!(known.len() > 90, "{known:?}");
        for key in known.iter().filter(|key| !tables.contains(key)) {
            assert!(documented.iter().any(|(name, _)| name == key), "{key} is not in config/default.toml");
        }
        for (key, has_comment) in &documented {
            assert!(known.contains(key), "{key} is in config/default.toml and not known");
            assert!(has_comment, "{key} has no comment above it in config/default.toml");
        }
    }

    #[test]
    fn every_key_that_names_a_file_is_relative_to_the_settings() {
        for (key, _) in documented_keys() {
            let is_path = ["file", "_folder", "_library"].iter().any(|end| key.ends_with(end));
            let is_listed = PATHS.iter().any(|(section, name)| key == format!("{section}.{name}"));
            assert_eq!(is_path, is_listed, "{key}");
        }
    }
}
