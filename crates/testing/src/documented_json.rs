//! Compares what a command prints with `--json` with docs/json-output.md.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

/// The fields of a table with their types.
type Fields = BTreeMap<String, Vec<String>>;

/// Fails unless the document has exactly the fields that the page lists for the command, such as `audit verify`, with the
/// types that it names. Nothing is said about the objects of a list that is empty or null.
///
/// # Panics
///
/// When the page and the document differ.
pub fn assert_documented(command: &str, document: &Value) {
    let documented = documented(command);
    assert!(!documented.is_empty(), "docs/json-output.md has no table for `padan {command}`");
    let mut found = Vec::new();
    leaves(document, String::new(), &mut found);
    for (path, kind) in found {
        if kind == "null" && documented.keys().any(|known| is_below(known, &path)) {
            continue;
        }
        let types = documented.get(&path).unwrap_or_else(|| panic!("{command}: {path} is not documented"));
        assert!(
            types.iter().any(|known| known == kind),
            "{command}: {path} is {kind}, documented as {types:?}"
        );
    }
    for path in documented.keys() {
        assert!(has(document, path), "{command}: {path} is documented and not there: {document:#}");
    }
}

fn documented(command: &str) -> Fields {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json-output.md");
    let page = fs::read_to_string(file).unwrap_or_default();
    let heading = format!("\n## `padan {command}`\n");
    let section = page.split(&heading).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let (path, rest) = row.split_once("` | ")?;
        let types = rest.split(" | ").next()?.split(" or ").map(str::to_owned).collect();
        Some((path.to_owned(), types))
    })
    .collect()
}

/// The values that are neither objects nor lists, with their paths and types.
fn leaves(value: &Value, path: String, found: &mut Vec<(String, &'static str)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(value, format!("{path}{dot}{name}"), found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| leaves(value, format!("{path}[]"), found)),
        Value::Null => found.push((path, "null")),
        Value::Bool(_) => found.push((path, "boolean")),
        Value::Number(_) => found.push((path, "number")),
        Value::String(_) => found.push((path, "string")),
    }
}

/// Whether a path is that of a part of what another one names.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.') || rest.starts_with('['))
}

/// Whether the path leads to a value, to null or to an empty list.
fn has(value: &Value, path: &str) -> bool {
    if path.is_empty() || value.is_null() {
        return true;
    }
    if let Some(rest) = path.strip_prefix("[]") {
        let rest = rest.trim_start_matches('.');
        return value.as_array().is_some_and(|values| values.iter().all(|value| has(value, rest)));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    value.get(name).is_some_and(|value| has(value, rest.trim_start_matches('.')))
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use serde_json::json;

    use super::*;

    fn is_documented(document: Value) -> bool {
        catch_unwind(move || assert_documented("audit heads", &document)).is_ok()
    }

    #[test]
    fn a_document_has_the_fields_of_its_table() {
        let head = json!({ "writer": "a", "sequence": 1, "mac": "b" });
        assert!(is_documented(json!({ "heads": [head] })));
        assert!(is_documented(json!({ "heads": [] })));
        let mut further = head.clone();
        further["at"] = json!("2026-11-29T00:00:00Z");
        assert!(!is_documented(json!({ "heads": [head, further] })), "a field is not documented");
        assert!(!is_documented(json!({ "heads": [{ "writer": "a", "sequence": 1 }] })), "a field is missing");
        assert!(
            !is_documented(json!({ "heads": [{ "writer": "a", "sequence": "1", "mac": "b" }] })),
            "a type"
        );
        assert!(!is_documented(json!({})), "the list is missing");
    }
}
