//! The people and the clients of the test services.

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use padan_domain::{BasicField, CitizenStatus};
use padan_registry::{FurtherFields, SamplePerson, SampleRegistry};
use padan_testing::TestDatabase;
use sha2::{Digest as _, Sha256};

use crate::photos::Photos;

/// The NIK of Budi, who is active and has a portrait.
pub const BUDI: &str = "3174011403870000";
/// A NIK that the registry does not have.
pub const UNKNOWN: &str = "3174011403870099";
/// The NIK of a person who has died.
pub const DECEASED: &str = "3201011106030000";
/// The NIK of a record that is a duplicate.
pub const DUPLICATE: &str = "6171026404920000";
/// The NIK of a record that is inactive.
pub const INACTIVE: &str = "3101010101900000";
/// The NIK of a person without a portrait.
pub const WITHOUT_PORTRAIT: &str = "3101010202910000";
/// The NIK of a person whose portrait is no photo.
pub const BROKEN_PORTRAIT: &str = "3101010303920000";
/// When the portraits were last changed.
pub const PORTRAIT_CHANGED: &str = "2026-01-05T03:04:05Z";

/// A client's user name, password and API key.
pub type Credentials = [String; 3];

/// User name, password and API key of a client that may call.
pub const CREDENTIALS: [&str; 3] = ["bank-user", "pass:word", "bank-key"];
/// Those of a client that is disabled.
pub const DISABLED: [&str; 3] = ["shop-user", "shop-password", "shop-key"];
/// Those of a client that may call from another network only.
pub const ELSEWHERE: [&str; 3] = ["branch-user", "branch-password", "branch-key"];

/// The file of clients.
pub fn clients() -> String {
    let hash = |secret: &str| hex::encode(Sha256::digest(secret.as_bytes()));
    let client = |name: &str, [user, password, key]: [&str; 3], more: &str| {
        format!(
            "[[client]]\nname = \"{name}\"\nusername = \"{user}\"\npassword_sha256 = \"{}\"\n\
             api_key_sha256 = \"{}\"\n{more}\n",
            hash(password),
            hash(key)
        )
    };
    client(
        "bank",
        CREDENTIALS,
        "allowed_networks = [\"127.0.0.0/8\"]\nfields = [\"default\", \"no_kk\", \"mother_maiden_name\"]",
    ) + &client("shop", DISABLED, "disabled = true")
        + &client("branch", ELSEWHERE, "allowed_networks = [\"192.0.2.0/24\"]")
}

/// Loads the people into the registry.
pub async fn fill(database: &TestDatabase) {
    let mut registry = SampleRegistry::connect(&database.url().into()).await.unwrap();
    registry.migrate().await.unwrap();
    let budi = SamplePerson {
        further: [
            (BasicField::FamilyCard, "3174012002050001"),
            (BasicField::MotherMaidenName, "Siti Ma'rufah"),
            (BasicField::Address, "Jl. Kebon Jeruk No. 7"),
            (BasicField::Gender, "LAKI-LAKI"),
            (BasicField::City, "Jakarta Selatan"),
            (BasicField::Rt, "003"),
        ]
        .map(|(field, text)| (field, text.to_owned()))
        .into_iter()
        .collect(),
        ..person(BUDI, "Budi Santoso", CitizenStatus::Active, Some("101_id.jpg"))
    };
    let garbage = (Bytes::from_static(b"no photo at all"), PORTRAIT_CHANGED.parse().unwrap());
    for person in [
        budi,
        person(DECEASED, "Ir. I Gusti Ngurah Wirawan", CitizenStatus::Deceased, Some("141_id.jpg")),
        person(DUPLICATE, "Siti Aminah", CitizenStatus::Duplicate, Some("142_id.jpg")),
        person(INACTIVE, "Budi Santoso", CitizenStatus::Inactive, Some("101_id.jpg")),
        person(WITHOUT_PORTRAIT, "Budi Santoso", CitizenStatus::Active, None),
        SamplePerson {
            portrait: Some(garbage),
            ..person(BROKEN_PORTRAIT, "Budi Santoso", CitizenStatus::Active, None)
        },
    ] {
        registry.put(&person).await.unwrap();
    }
}

/// Adds an active person with this portrait to the registry.
pub async fn add(database: &TestDatabase, nik: &str, portrait: Bytes) {
    let mut registry = SampleRegistry::connect(&database.url().into()).await.unwrap();
    let portrait = Some((portrait, PORTRAIT_CHANGED.parse().unwrap()));
    let person = SamplePerson { portrait, ..person(nik, "Orang Contoh", CitizenStatus::Active, None) };
    registry.put(&person).await.unwrap();
}

/// A person with Budi's date of birth.
pub fn person(nik: &str, name: &str, status: CitizenStatus, portrait: Option<&str>) -> SamplePerson {
    let changed: DateTime<Utc> = PORTRAIT_CHANGED.parse().unwrap();
    SamplePerson {
        nik: nik.parse().unwrap(),
        name: name.to_owned(),
        date_of_birth: NaiveDate::from_ymd_opt(1987, 3, 14).unwrap(),
        status,
        further: FurtherFields::default(),
        portrait: portrait.map(|file| (Photos::read(file), changed)),
    }
}
