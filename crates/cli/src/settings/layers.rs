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
    ("registry", "urls_file"),
    ("store", "audit_keys_file"),
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
        let layer =
            file.map_or_else(|| "the built-in defaults".to_owned(), |file| file.display().to_string());
        // A variable or a flag may supply a value that the file lacks. An unknown field is always an error of the file.
        if assignments.is_empty() || matches!(error, SectionsError::UnknownField(_)) {
            bail!("{layer}: {error}");
        }
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

/// Parses the merged tables as the types of the sections.
fn sections(merged: Config) -> Result<Settings, SectionsError> {
    serde_path_to_error::deserialize(merged).map_err(|error| {
        let path = error.path().to_string();
        let message = without_key_and_value(&error.into_inner().to_string());
        let is_unknown_field = message.starts_with("unknown field ");
        let message = suggest_known_name(&message);
        let text = if path == "." || path == "?" { message } else { format!("{path}: {message}") };
        if is_unknown_field { SectionsError::UnknownField(text) } else { SectionsError::InvalidValue(text) }
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
    let expected = without_key(expected);
    if let Some(found) = quoted.strip_prefix("invalid type: ") {
        format!("expected {expected}, found {}", kind_of(found))
    } else if quoted.starts_with("invalid value: ") {
        format!("invalid value, expected {expected}")
    } else {
        without_key(message)
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

/// Reads a file of settings and resolves its paths against its own folder.
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

#[cfg(test)]
mod tests;
