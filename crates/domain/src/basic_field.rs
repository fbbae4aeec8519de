use std::{fmt, str::FromStr};

macro_rules! basic_fields {
    ($($variant:ident => $name:literal, $description:literal;)+) => {
        /// A field of basic verification besides the NIK, in the order of the form in the OpenAPI document.
        ///
        /// The order decides which difference is reported when several fields differ.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum BasicField {
            $(#[doc = $description] $variant,)+
        }

        impl BasicField {
            /// Every field, in the order of the form in the OpenAPI document.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The field's name in forms, in responses and as a column of the registry's view.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The content of the field, for the OpenAPI document.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)+ }
            }
        }
    };
}

basic_fields! {
    Name => "name", "The name as the card has it.";
    DateOfBirth => "date_of_birth", "`dd-mm-yyyy`, a day that exists and is not in the future.";
    FamilyCard => "no_kk", "The 16 digits of the family card's number.";
    MotherMaidenName => "mother_maiden_name", "The mother's maiden name.";
    PlaceOfBirth => "place_of_birth", "The place of birth.";
    Address => "address", "Street and number.";
    Gender => "gender", "`LAKI-LAKI` or `PEREMPUAN`.";
    MaritalStatus => "marital_status", "The marital status as the card has it.";
    JobType => "job_type", "The occupation as the card has it.";
    Province => "province", "The province.";
    City => "city", "The city or regency.";
    District => "district", "The district (kecamatan).";
    Subdistrict => "subdistrict", "The subdistrict (kelurahan or desa).";
    Rt => "rt", "The neighbourhood (RT); leading zeros do not matter.";
    Rw => "rw", "The community (RW); leading zeros do not matter.";
}

/// The text is not the name of a field of basic verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a field, such as mother_maiden_name, or default")]
pub struct UnknownField;

impl BasicField {
    /// Whether only clients to which the field was granted may have it compared: other services ask for these two to
    /// identify a person.
    pub fn needs_grant(self) -> bool {
        matches!(self, Self::FamilyCard | Self::MotherMaidenName)
    }
}

impl FromStr for BasicField {
    type Err = UnknownField;

    fn from_str(text: &str) -> Result<Self, UnknownField> {
        Self::ALL.iter().find(|field| field.as_str() == text).copied().ok_or(UnknownField)
    }
}

impl fmt::Display for BasicField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
