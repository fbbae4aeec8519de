use toml::{Table, Value};

/// What stands in place of a secret.
const BLOT: &str = "(hidden)";

/// Blots out passwords in URLs, and every text whose key says that it is a secret.
///
/// The rule goes by names so that a section that gets a secret tomorrow is covered today: `..._key`, `..._keys`, `...secret`,
/// `...password` and `...token`.
pub(super) fn redacted(table: Table) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let value = match value {
                Value::String(text) if text.is_empty() => Value::String(text),
                Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Array(_)
                    if is_secret(&key) =>
                {
                    BLOT.into()
                }
                Value::String(text) if key.ends_with("url") && !text.contains("://") => BLOT.into(),
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

/// `scheme://user:password@host` keeps all but the password; so do several of them separated by commas.
fn url_without_password(text: &str) -> String {
    // A password may hold a comma, but hardly this.
    const NEXT: &str = ",postgres";
    text.split(NEXT).map(one_without_password).collect::<Vec<_>>().join(NEXT)
}

fn one_without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // A password may hold an `@`, or whatever else is special, that is not escaped: the last one counts, and of what is before
    // it the user alone is shown.
    let (user, rest) = match rest.rsplit_once('@') {
        None => (String::new(), rest),
        Some((user_and_password, host)) => {
            let user = user_and_password.split([':', '/', '?']).next().unwrap_or_default();
            (format!("{user}:{BLOT}@"), host)
        }
    };
    match rest.split_once('?') {
        Some((before, parameters)) if !parameters.split('&').all(is_harmless) => {
            format!("{scheme}://{user}{before}?{BLOT}")
        }
        _ => format!("{scheme}://{user}{rest}"),
    }
}

/// Whether a parameter of a URL is one that holds no secret.
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
    fn passwords_and_keys_are_blotted_out_at_any_depth() {
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
    fn the_place_of_a_key_is_shown() {
        for key in ["person_key_file", "url_file", "urls_file"] {
            assert!(shown(&format!("{key} = \"/etc/padan/secret\"")).contains("/etc/padan/secret"), "{key}");
        }
    }
}
