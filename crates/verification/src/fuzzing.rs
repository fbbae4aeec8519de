//! The fuzz target of this crate: a file of clients. Only in tests and in `make fuzz`.

use std::{collections::HashSet, path::Path};

use padan_domain::{Username, decode_text};

use crate::clients_file::{self, PublishedCredentials};

/// A value that stands for a secret in the seeds.
const SECRET: &str = "hunter2";

/// Reads a file of clients.
///
/// # Panics
///
/// When a property does not hold.
pub fn client_file(data: &[u8]) {
    match clients_file::parse(Path::new("clients.toml"), data, PublishedCredentials::Refused) {
        Ok(table) => {
            let names: HashSet<_> = table.values().map(|client| client.name.as_str()).collect();
            assert_eq!(names.len(), table.len(), "two clients have the same name");
            for (username, client) in &table {
                assert_eq!(*username, client.username, "a client is found under another name");
                let text = String::from_utf8_lossy(username);
                assert!(text.parse::<Username>().is_ok(), "a username cannot be sent");
            }
        }
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("clients.toml"), "the error does not name the file");
            assert!(!may_be_secret(data) || !error.contains(SECRET), "an error quotes a secret: {error}");
        }
    }
}

/// Whether the secret occurs, and only where values are, in no key and in no value of `name`, which errors quote.
fn may_be_secret(data: &[u8]) -> bool {
    let text = decode_text(data).unwrap_or_default();
    let is_named = text.contains(SECRET);
    is_named
        && text.lines().filter(|line| line.contains(SECRET)).all(|line| {
            line.split_once(" = \"").is_some_and(|(key, _)| {
                let is_key = key
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
                is_key && key != "name" && !key.contains(SECRET)
            })
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn short_round_of_client_file() {
        padan_fuzz_round::short_round("client_file", super::client_file);
    }
}
