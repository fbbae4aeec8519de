use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use config::{Config, File, FileFormat};
use padan_verification::suggest_known_name;
use toml::{Table, Value};

use super::{assignment::Assignment, effective::EffectiveSettings, sections::Settings};

const DEFAULTS: &str = include_str!("../../../../config/default.toml");

/// The keys that name files and folders. In a file they are relative to the folder of that file.
const PATHS: &[(&str, &str)] = &[
    ("clients", "file"),
    ("http.tls", "certificate_file"),
    ("http.tls", "client_ca_file"),
    ("http.tls", "private_key_file"),
    ("inference", "model_folder"),
    ("inference", "runtime_library"),
    ("openid_connect", "ca_file"),
    ("openid_connect", "client_secret_file"),
    ("registry", "urls_file"),
    ("store", "audit_keys_file"),
    ("store", "management_url_file"),
    ("store", "migrate_url_file"),
    ("store", "person_key_file"),
    ("store", "template_keys_file"),
    ("store", "url_file"),
];

/// Why the merged tables are not valid settings. The text names the wrong key.
#[derive(Debug, PartialEq, Eq)]
enum SectionsError {
    /// A section or a key does not exist.
    UnknownField(String),
    /// A value is missing, or has the wrong type or range.
    InvalidValue(String),
}

/// Merges the layers: defaults, file, then the assignments in their order. An error names the layer that causes it.
pub(super) fn load(
    file: Option<&Path>,
    assignments: Vec<Assignment>,
) -> Result<(Settings, EffectiveSettings)> {
    merge(file, file.map(read).transpose()?, assignments)
}

fn merge(
    file: Option<&Path>,
    from_file: Option<Table>,
    assignments: Vec<Assignment>,
) -> Result<(Settings, EffectiveSettings)> {
    let build = |assignments: &[Assignment]| -> Result<Config> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(table) = &from_file {
            builder = builder.add_source(File::from_str(&table.to_string(), FileFormat::Toml));
        }
        for assignment in assignments {
            let Assignment { name, key, value } = assignment;
            if !assignment.has_key() {
                bail!("{name}: `{key}` is no name of a setting, such as http.port");
            }
            builder = builder.set_override(key, value.as_str()).with_context(|| name.clone())?;
        }
        Ok(builder.build()?)
    };
    let only_file = build(&[])?;
    let mut errors = errors_of(only_file);
    // A variable or a flag may supply a value that the file lacks. An unknown field is always an error of the file.
    errors.retain(|error| assignments.is_empty() || matches!(error, SectionsError::UnknownField(_)));
    if !errors.is_empty() {
        let layer =
            file.map_or_else(|| "the built-in defaults".to_owned(), |file| file.display().to_string());
        let lines: Vec<_> = errors.iter().map(|error| format!("{layer}: {error}")).collect();
        bail!("{}", lines.join("\n"));
    }
    let merged = build(&assignments)?;
    let settings = sections(merged.clone()).map_err(|error| {
        let causes_it = |assignment: &&Assignment| {
            build(std::slice::from_ref(assignment))
                .is_ok_and(|config| sections(config).is_err_and(|alone| alone == error))
        };
        let culprit = assignments.iter().rev().find(causes_it);
        let culprit = culprit.map_or("the merged settings", |culprit| &*culprit.name);
        anyhow!("{culprit}: {error}")
    })?;
    let table = merged.try_deserialize().context("cannot show the settings as TOML")?;
    let file = file.map(|file| file.display().to_string()).zip(from_file);
    Ok((settings, EffectiveSettings { table, file, assignments }))
}

/// Every error of the merged tables. A key with an error is left out, to find the next one.
fn errors_of(merged: Config) -> Vec<SectionsError> {
    let mut errors = Vec::new();
    let Ok(mut table) = merged.clone().try_deserialize::<Table>() else { return errors };
    let defaults: Table = DEFAULTS.parse().unwrap_or_default();
    let mut next = Some(merged);
    while let Some(config) = next.take() {
        let Err((error, path)) = sections_and_path(config) else { break };
        errors.push(error);
        if replace(&mut table, &defaults, &path) {
            let source = File::from_str(&table.to_string(), FileFormat::Toml);
            next = Config::builder().add_source(source).build().ok();
        }
    }
    errors
}

/// Replaces a key by its default, or removes it if it has none. False if that changes nothing.
fn replace(table: &mut Table, defaults: &Table, path: &str) -> bool {
    let (name, below) = path.split_once('.').map_or((path, None), |(name, below)| (name, Some(below)));
    let default = defaults.get(name);
    match (below, table.get_mut(name), default) {
        (Some(below), Some(Value::Table(inner)), Some(Value::Table(defaults))) => {
            replace(inner, defaults, below)
        }
        (Some(below), Some(Value::Table(inner)), _) => replace(inner, &Table::new(), below),
        (_, Some(value), Some(default)) if value != default => {
            *value = default.clone();
            true
        }
        (_, Some(_), None) => table.remove(name).is_some(),
        _ => false,
    }
}

/// Parses the merged tables as the types of the sections.
fn sections(merged: Config) -> Result<Settings, SectionsError> {
    sections_and_path(merged).map_err(|(error, _)| error)
}

/// Parses the merged tables. An error comes with the path of the key.
fn sections_and_path(merged: Config) -> Result<Settings, (SectionsError, String)> {
    serde_path_to_error::deserialize(merged).map_err(|error| {
        let path = error.path().to_string();
        let message = without_key_and_value(&error.into_inner().to_string());
        let is_unknown_field = message.starts_with("unknown field ");
        let message = suggest_known_name(&message);
        let text = if path == "." || path == "?" { message } else { format!("{path}: {message}") };
        let error = if is_unknown_field {
            SectionsError::UnknownField(text)
        } else {
            SectionsError::InvalidValue(text)
        };
        (error, path)
    })
}

impl fmt::Display for SectionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField(text) | Self::InvalidValue(text) => f.write_str(text),
        }
    }
}

/// Removes the key from an error, because the path precedes the message, and the value that an error about a wrong type
/// quotes, because it may be a secret under the wrong key.
fn without_key_and_value(message: &str) -> String {
    let without_key = |text: &str| text.split_once(" for key `").map_or(text, |(text, _)| text).to_owned();
    let Some((quoted, expected)) = message.rsplit_once(", expected ") else { return without_key(message) };
    let expected = in_words(&without_key(expected));
    if let Some(found) = quoted.strip_prefix("invalid type: ") {
        format!("expected {expected}, found {}", kind_of(found))
    } else if quoted.starts_with("invalid value: ") {
        format!("invalid value, expected {expected}")
    } else {
        without_key(message)
    }
}

/// What serde calls a type of Rust, in words.
fn in_words(expected: &str) -> String {
    match expected {
        "a nonzero usize" | "a nonzero u64" | "a nonzero u32" | "a nonzero u16" | "a nonzero u8" => {
            "a whole number from 1 on".to_owned()
        }
        other => other.to_owned(),
    }
}

/// Names the type in serde's description of a value, such as ``integer `5` ``.
fn kind_of(found: &str) -> &'static str {
    let kinds = [
        ("string", "a string"),
        ("boolean", "a boolean"),
        ("floating point", "a decimal number"),
        ("integer", "an integer"),
        ("64-bit integer", "an integer"),
        ("64-bit unsigned integer", "an integer"),
        ("128-bit integer", "an integer"),
        ("128-bit unsigned integer", "an integer"),
        ("sequence", "a list"),
        ("map", "a table"),
        ("unit", "no value"),
    ];
    let kind = kinds.iter().find(|(prefix, _)| found.starts_with(prefix));
    kind.map_or("a value of another type", |(_, kind)| kind)
}

/// Reads a file of settings.
fn read(file: &Path) -> Result<Table> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(file, &text)
}

/// Parses the text of a file of settings and resolves its paths against its own folder.
fn parse(file: &Path, text: &str) -> Result<Table> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The error's own text quotes the line, which may hold a password.
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        anyhow!("{}, line {line}: {}", file.display(), error.message())
    })?;
    refuse_unknown_sections(file, &table)?;
    if let Some(key) = key_of_a_date(&table) {
        bail!("{}: {key}: a date is not the value of any setting, put it in quotes", file.display());
    }
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

/// Merging drops a section without keys, so unknown sections have to be found before merging.
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

/// The first key whose value is a date or has one. No setting is one, and merging would take its text instead.
fn key_of_a_date(table: &Table) -> Option<String> {
    fn has_date(value: &Value) -> bool {
        match value {
            Value::Datetime(_) => true,
            Value::Array(values) => values.iter().any(has_date),
            Value::Table(table) => key_of_a_date(table).is_some(),
            _ => false,
        }
    }
    table.iter().find_map(|(key, value)| match value {
        Value::Table(inner) => key_of_a_date(inner).map(|below| format!("{key}.{below}")),
        other => has_date(other).then(|| key.clone()),
    })
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
