use std::{fmt, str::FromStr, sync::Arc};

/// The name of a client in logs, metrics, quotas and the audit trail: 1 to 64 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientName(Arc<str>);

/// The user name of a client's credentials: 1 to 128 visible ASCII characters without a colon, and not a published
/// default.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Username(Box<str>);

/// The text is not a client's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("name must be 1 to 64 visible ASCII characters, since logs and metrics show it")]
pub struct InvalidClientName;

/// Why a text is not a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUsername {
    /// It is empty, too long, or cannot be sent in Basic authentication.
    #[error("username must be 1 to 128 visible ASCII characters without a colon")]
    Malformed,
    /// It is a default of the public SDKs or the demo.
    #[error("username is a published default; choose another")]
    WellKnown,
}

/// The published default credentials of the public SDKs and of the demo.
pub const WELL_KNOWN_CREDENTIALS: [&str; 4] =
    ["default-username", "default-password", "default-api-key", "demo"];

impl ClientName {
    /// The name under which operators verify by hand. No client may have it.
    pub fn by_hand() -> Self {
        Self("console".into())
    }

    /// Whether operators verify by hand under this name.
    pub fn is_by_hand(&self) -> bool {
        &*self.0 == "console"
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientName {
    type Err = InvalidClientName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_visible(text, 64) { Ok(Self(text.into())) } else { Err(InvalidClientName) }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Username {
    /// The user name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = InvalidUsername;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_visible(text, 128) || text.contains(':') {
            Err(InvalidUsername::Malformed)
        } else if WELL_KNOWN_CREDENTIALS.contains(&text) {
            Err(InvalidUsername::WellKnown)
        } else {
            Ok(Self(text.into()))
        }
    }
}

fn is_visible(text: &str, max_len: usize) -> bool {
    (1..=max_len).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_visible() {
        for name in ["bank", "a", "Bank:Jakarta/2", &"x".repeat(64)] {
            assert_eq!(name.parse::<ClientName>().unwrap().as_str(), name);
        }
        for name in ["", "two words", "tab\t", "bänk", &"x".repeat(65)] {
            assert!(name.parse::<ClientName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn usernames_can_be_sent_and_are_not_published_defaults() {
        assert_eq!("bank-user".parse::<Username>().unwrap().as_str(), "bank-user");
        for username in ["", "a:b", "two words", &"x".repeat(129)] {
            assert_eq!(username.parse::<Username>(), Err(InvalidUsername::Malformed), "{username:?}");
        }
        for username in ["default-username", "default-password", "default-api-key", "demo"] {
            assert_eq!(username.parse::<Username>(), Err(InvalidUsername::WellKnown));
        }
    }
}
