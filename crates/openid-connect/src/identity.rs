use chrono::{DateTime, Utc};
use padan_domain::{OperatorName, OperatorRole};
use sha2::{Digest as _, Sha256};

/// Somebody whom the provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer.
    pub issuer: String,
    /// What the issuer calls the person, for ever.
    pub subject: String,
    /// The name of the account: of the subject alone, since people can often choose what their other claims say.
    pub account: OperatorName,
    /// What the name claim says. It is shown, and decides nothing.
    pub claimed_name: String,
    /// The role; `None` when no group of the person has one.
    pub role: Option<OperatorRole>,
    /// When the ID token expires.
    pub expires_at: DateTime<Utc>,
}

const MAX_NAME_CHARACTERS: usize = 80;

/// The name of the account of a subject. A subject that is too long for a name, or has other characters, is replaced by its
/// digest, which no subject can be confused with: the colon is none of the characters that are kept.
pub(crate) fn account_of(subject: &str) -> Option<OperatorName> {
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@|".contains(&byte);
    let prefix = OperatorName::PROVIDER_PREFIX;
    if subject.bytes().all(is_kept)
        && let Ok(name) = format!("{prefix}{subject}").parse()
    {
        return Some(name);
    }
    let digest = hex::encode(&Sha256::digest(subject)[..20]);
    format!("{prefix}sha256:{digest}").parse().ok()
}

/// A text that can be shown in one line: without control characters, marks of direction and the like.
pub(crate) fn shown_name(text: &str) -> String {
    let is_shown = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().filter(is_shown).take(MAX_NAME_CHARACTERS).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_has_an_account_of_its_own() {
        let name = |subject: &str| account_of(subject).unwrap().to_string();
        assert_eq!(name("248289761001"), "oidc:248289761001");
        assert_eq!(name("f47ac10b-58cc-4372-a567-0e02b2c3d479"), "oidc:f47ac10b-58cc-4372-a567-0e02b2c3d479");
        assert_eq!(name("auth0|5f7c8ec7"), "oidc:auth0|5f7c8ec7");
        // Computed with `printf %s "rina sari" | sha256sum`.
        let others = ["rina sari", "sha256:x", "a:b", "<b>", "rina\u{202e}", &"a".repeat(60)];
        let mut names: Vec<_> = others.iter().map(|subject| name(subject)).collect();
        assert!(names.iter().all(|name| name.starts_with("oidc:sha256:") && name.len() == 52), "{names:?}");
        names.dedup();
        assert_eq!(names.len(), others.len());
        assert_eq!(name(&"a".repeat(59)).len(), 64);
    }

    #[test]
    fn a_claimed_name_is_one_short_line() {
        assert_eq!(shown_name(" Rina\r\n Sari\u{202e}\u{200b} "), "Rina Sari");
        assert_eq!(shown_name(&"é".repeat(500)).chars().count(), 80);
        assert_eq!(shown_name("\u{0}\u{7}"), "");
    }
}
