use std::{fmt, str::FromStr};

use anyhow::{Context as _, Result, ensure};

/// The prefix of variables that are settings. `PADAN_CONFIG`, with a single underscore, is not one of them.
const VARIABLE_PREFIX: &str = "PADAN__";

/// One key set by an environment variable or a `--set` flag.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// Its name for error messages: `PADAN__HTTP__PORT` or `--set http.port`.
    pub(super) name: String,
    /// `http.port`.
    pub(super) key: String,
    pub(super) value: String,
}

impl Assignment {
    /// Parses an environment variable; `None` when its name lacks the prefix of a setting.
    pub(super) fn of_variable(name: &str, value: &str) -> Option<Self> {
        let key = name.strip_prefix(VARIABLE_PREFIX)?.to_lowercase().replace("__", ".");
        Some(Self { name: name.to_owned(), key, value: value.to_owned() })
    }

    /// Whether the key has a section, and only names between its dots.
    pub(super) fn has_key(&self) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = |name: &str| !name.is_empty() && name.chars().all(is_plain);
        self.key.contains('.') && self.key.split('.').all(is_name)
    }
}

impl FromStr for Assignment {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        const EXPECTED: &str = "expected SECTION.KEY=VALUE, such as http.port=8080";
        let (key, value) = text.split_once('=').context(EXPECTED)?;
        let assignment = Self { name: format!("--set {key}"), key: key.to_owned(), value: value.to_owned() };
        ensure!(assignment.has_key(), EXPECTED);
        Ok(assignment)
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Assignment").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_flags_name_keys() {
        let variable = Assignment::of_variable("PADAN__INFERENCE__LIMITS__MAX_SIDE", "9").unwrap();
        assert_eq!((&*variable.key, &*variable.value), ("inference.limits.max_side", "9"));
        assert_eq!(Assignment::of_variable("PADAN_CONFIG", "x"), None);
        let flag: Assignment = "registry.urls=postgres://r@h/d?sslmode=disable".parse().unwrap();
        assert_eq!((&*flag.name, &*flag.key), ("--set registry.urls", "registry.urls"));
        assert_eq!(flag.value, "postgres://r@h/d?sslmode=disable");
    }

    #[test]
    fn text_that_is_not_an_assignment_is_refused() {
        for text in [
            "http.port",
            "port=1",
            "http.port 1=2",
            "registry.urls[0]=x",
            "=1",
            "http.=1",
            ".port=1",
            "http..port=1",
        ] {
            assert!(text.parse::<Assignment>().is_err(), "{text}");
        }
    }
}
