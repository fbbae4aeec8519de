use std::{fmt, str::FromStr, sync::Arc};

/// The name of an operator's account in logs and the audit trail: 1 to 64 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorName(Arc<str>);

/// The text is not the name of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of an operator must be 1 to 64 visible ASCII characters, since the audit trail shows it")]
pub struct InvalidOperatorName;

/// What an operator may do. No role includes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperatorRole {
    /// Answers the questions of clients about their requests.
    Support,
    /// Administers clients, models and stored data.
    Operator,
    /// Reads and exports everything that is recorded, and changes nothing.
    Auditor,
}

/// The text is not the name of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of the roles support, operator and auditor")]
pub struct UnknownOperatorRole;

impl OperatorName {
    /// How the names of people begin whom a provider knows. No operator in the store may be added under such a name.
    pub const PROVIDER_PREFIX: &str = "oidc:";

    /// Whether the name is one of a person whom a provider knows, or could be taken for one.
    pub fn is_of_provider(&self) -> bool {
        let length = Self::PROVIDER_PREFIX.len();
        self.0.get(..length).is_some_and(|start| start.eq_ignore_ascii_case(Self::PROVIDER_PREFIX))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OperatorName {
    type Err = InvalidOperatorName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_visible = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_visible { Ok(Self(text.into())) } else { Err(InvalidOperatorName) }
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl OperatorRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Support, Self::Operator, Self::Auditor];

    /// Its name in commands, answers and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

impl FromStr for OperatorRole {
    type Err = UnknownOperatorRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownOperatorRole)
    }
}

impl fmt::Display for OperatorRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_and_short() {
        for name in ["rina", "rina@bank.example", &"a".repeat(64)] {
            assert_eq!(name.parse::<OperatorName>().unwrap().as_str(), name);
        }
        for wrong in ["", "two words", "tab\t", "é", &"a".repeat(65)] {
            assert!(wrong.parse::<OperatorName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_role_reads_its_own_name_only() {
        for role in OperatorRole::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("Auditor".parse::<OperatorRole>(), Err(UnknownOperatorRole));
    }
}
