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

impl FromStr for CitizenStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "active" => Ok(Self::Active),
            "deceased" => Ok(Self::Deceased),
            "duplicate" => Ok(Self::Duplicate),
            "inactive" => Ok(Self::Inactive),
            _ => Err(()),
        }
    }
}
