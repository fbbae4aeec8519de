use std::str::FromStr;

/// The state of a person's record in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CitizenStatus {
    /// The record is valid.
    Active,
    /// The person is registered as deceased.
    Deceased,
    /// The record is a duplicate of another.
    Duplicate,
    /// The record is no longer valid.
    Inactive,
}

/// The text is not a status of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected active, deceased, duplicate or inactive")]
pub struct UnknownCitizenStatus;

impl FromStr for CitizenStatus {
    type Err = UnknownCitizenStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "active" => Ok(Self::Active),
            "deceased" => Ok(Self::Deceased),
            "duplicate" => Ok(Self::Duplicate),
            "inactive" => Ok(Self::Inactive),
            _ => Err(UnknownCitizenStatus),
        }
    }
}
