use toml::{Table, Value};

/// Replaces a secret.
const HIDDEN: &str = "(hidden)";

/// Hides passwords in URLs, and every value whose key ends in `key`, `keys`, `secret`, `password` or `token`.
///
/// The rule uses the names of keys, so that it also covers secrets that are added later.
pub(super) fn redacted(table: Table) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let value = match value {
                Value::String(text) if text.is_empty() => Value::String(text),
                Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Array(_)
                    if is_secret(&key) =>
                {
                    HIDDEN.into()
                }
                Value::String(text) if key.ends_with("url") && !text.contains("://") => HIDDEN.into(),
                other => without_passwords(other),
            };
            (key, value)
        })
        .collect()
}

fn is_secret(key: &str) -> bool {
    ["key", "keys", "secret", "password", "token"].iter().any(|word| key.ends_with(word))
}

fn without_passwords(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(url_without_password(&text)),
        Value::Array(values) => Value::Array(values.into_iter().map(without_passwords).collect()),
        Value::Table(table) => Value::Table(redacted(table)),
        other => other,
    }
}

/// Hides the password in `scheme://user:password@host`, or in each of several such URLs separated by commas.
fn url_without_password(text: &str) -> String {
    // A password may contain a comma, but hardly this text.
    const NEXT: &str = ",postgres";
    text.split(NEXT).map(one_without_password).collect::<Vec<_>>().join(NEXT)
}

fn one_without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // A password may contain an unescaped `@` or other special characters. The last `@` separates the host, and only
    // the user is shown of what precedes it.
    let (user, rest) = match rest.rsplit_once('@') {
        None => (String::new(), rest),
        Some((user_and_password, host)) => {
            let user = user_and_password.split([':', '/', '?']).next().unwrap_or_default();
            (format!("{user}:{HIDDEN}@"), host)
        }
    };
    match rest.split_once('?') {
        Some((before, parameters)) if !parameters.split('&').all(is_harmless) => {
            format!("{scheme}://{user}{before}?{HIDDEN}")
        }
        _ => format!("{scheme}://{user}{rest}"),
    }
}

/// Returns whether a parameter of a URL cannot contain a secret.
fn is_harmless(parameter: &str) -> bool {
    let key = parameter.split('=').next().unwrap_or_default();
    ["application_name", "host", "port", "sslmode", "sslrootcert"].contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        redacted(text.parse().unwrap()).to_string()
    }

    #[test]
    fn passwords_and_keys_are_hidden_at_any_depth() {
        let text = shown(
            "urls = [\"postgres://a:s3@b/c\", \"plain\"]\nperson_key = \"s3\"\ntemplate_keys = [\"s3\"]\n\
             number_key = 9999\n[deep.er]\napi_token = \"s3\"\n\
             several = \"postgres://a:s3@b/c,postgres://d:s3@e/f\"\npath = \"/a/b\"\n",
        );
        assert!(!text.contains("s3") && !text.contains("9999"), "{text}");
        for kept in ["postgres://a:(hidden)@b/c", "plain", "/a/b", "@e/f"] {
            assert!(text.contains(kept), "{text}");
        }
    }

    #[test]
    fn a_password_with_an_at_sign_is_hidden_whole() {
        assert_eq!(url_without_password("postgres://a:x@y,z@host/d"), "postgres://a:(hidden)@host/d");
        assert_eq!(url_without_password("postgres://h/d?password=x"), "postgres://h/d?(hidden)");
        assert_eq!(url_without_password("https://h/d?token=x"), "https://h/d?(hidden)");
        assert_eq!(url_without_password("postgres://h/d?sslmode=require"), "postgres://h/d?sslmode=require");
        assert_eq!(url_without_password("postgres://u:my?password@h/d"), "postgres://u:(hidden)@h/d");
        assert_eq!(url_without_password("postgres://h/d?password=x@y"), "postgres://h:(hidden)@y");
        assert_eq!(shown("url = \"host=h password=x\""), "url = \"(hidden)\"\n");
    }

    #[test]
    fn the_file_that_holds_a_secret_is_shown() {
        for key in ["person_key_file", "url_file", "urls_file"] {
            assert!(shown(&format!("{key} = \"/etc/padan/secret\"")).contains("/etc/padan/secret"), "{key}");
        }
    }
}
