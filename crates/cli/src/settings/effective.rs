use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use super::{assignment::Assignment, redaction};

/// The merged settings as text, with the layer that each value comes from.
#[derive(Debug)]
pub(crate) struct EffectiveSettings {
    pub(super) table: Table,
    /// The file's name and what it sets, if there is a file.
    pub(super) file: Option<(String, Table)>,
    pub(super) assignments: Vec<Assignment>,
}

impl EffectiveSettings {
    /// Returns a hash of everything but the secrets. It shows whether two processes have the same settings.
    pub(crate) fn hash(&self) -> Result<String> {
        let text = toml::to_string(&self.redacted()).context("cannot write the settings as TOML")?;
        let digest = Sha256::digest(text.as_bytes());
        Ok(hex::encode(&digest[..8]))
    }

    /// Returns the keys whose values differ from `before`, as `section.key`, sorted.
    pub(crate) fn changed_keys(&self, before: &Self) -> Vec<String> {
        let (mut now, mut then) = (BTreeMap::new(), BTreeMap::new());
        flatten("", &self.table, &mut now);
        flatten("", &before.table, &mut then);
        let mut keys: Vec<_> = now.keys().chain(then.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().filter(|key| now.get(*key) != then.get(*key)).cloned().collect()
    }

    /// Returns the names of the layers, the first one overridden by those that follow.
    pub(crate) fn layer_names(&self) -> Vec<&str> {
        let file = self.file.iter().map(|(name, _)| name.as_str());
        let assigned = self.assignments.iter().map(|assignment| assignment.name.as_str());
        ["built-in defaults"].into_iter().chain(file).chain(assigned).collect()
    }

    /// Returns TOML with secrets hidden, and after each value a comment that names its layer.
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

    /// Returns the name of the last layer that sets a key.
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

pub(super) fn is_set(table: &Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.contains_key(path),
        Some((section, rest)) => {
            table.get(section).and_then(Value::as_table).is_some_and(|table| is_set(table, rest))
        }
    }
}

/// Collects the texts of all values. A number that is none, `nan`, differs from itself, but its text does not.
fn flatten(prefix: &str, table: &Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        match value {
            Value::Table(table) => flatten(&format!("{path}."), table, into),
            value => drop(into.insert(path, value.to_string())),
        }
    }
}
