use std::{fmt, str::FromStr};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use padan_domain::{BasicField, CitizenStatus, NationalId};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection as _, PgConnection, migrate::Migrator, postgres::PgConnectOptions};

use crate::{civil_record::FurtherFields, error::RegistryError};

/// A writable sample of a civil registry, for demo and tests. The service never uses it: a real registry has other
/// tables.
pub struct SampleRegistry(PgConnection);

/// An invented person.
#[derive(Clone)]
pub struct SamplePerson {
    /// The NIK.
    pub nik: NationalId,
    /// The name as it would be on the identity card.
    pub name: String,
    /// The date of birth.
    pub date_of_birth: NaiveDate,
    /// The state of the record.
    pub status: CitizenStatus,
    /// The other fields.
    pub further: FurtherFields,
    /// The photo as an encoded file, and when it changed; `None` for a person without one.
    pub portrait: Option<(Bytes, DateTime<Utc>)>,
}

impl fmt::Debug for SamplePerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SamplePerson")
    }
}

impl fmt::Debug for SampleRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SampleRegistry")
    }
}

impl SampleRegistry {
    /// The migrations that create the sample tables and the view.
    pub const MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/registry");

    /// Connects with a URL whose user may create schemas.
    ///
    /// # Errors
    ///
    /// When the URL cannot be parsed, or the server cannot be reached.
    pub async fn connect(url: &SecretString) -> Result<Self, RegistryError> {
        let options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|error| RegistryError::Config(error.to_string()))?
            .application_name("padan sample registry");
        PgConnection::connect_with(&options).await.map(Self).map_err(|error| unavailable(&error))
    }

    /// Creates the tables and the view; does nothing when they exist.
    ///
    /// # Errors
    ///
    /// When a migration fails.
    pub async fn migrate(&mut self) -> Result<(), RegistryError> {
        Self::MIGRATIONS
            .run_direct(None, &mut self.0, false)
            .await
            .map_err(|error| RegistryError::Unavailable(error.to_string()))
    }

    /// Adds a person, or replaces the one with the same NIK.
    ///
    /// # Errors
    ///
    /// When a statement fails.
    pub async fn put(&mut self, person: &SamplePerson) -> Result<(), RegistryError> {
        self.replace(person).await.map_err(|error| unavailable(&error))
    }

    async fn replace(&mut self, person: &SamplePerson) -> sqlx::Result<()> {
        let further = &person.further;
        let (portrait, portrait_updated_at) =
            person.portrait.as_ref().map(|(bytes, moment)| (bytes.as_ref(), *moment)).unzip();
        let mut transaction = self.0.begin().await?;
        sqlx::query!("DELETE FROM civil_registry.person WHERE nik = $1", person.nik.as_str())
            .execute(&mut *transaction)
            .await?;
        sqlx::query!(
            "INSERT INTO civil_registry.person
                      (nik, name, date_of_birth, status, no_kk, mother_maiden_name, place_of_birth, address,
                       gender, marital_status, job_type, province, city, district,
                       subdistrict, rt, rw, portrait, portrait_updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
            person.nik.as_str(),
            person.name,
            person.date_of_birth,
            status_word(person.status),
            further.get(BasicField::FamilyCard),
            further.get(BasicField::MotherMaidenName),
            further.get(BasicField::PlaceOfBirth),
            further.get(BasicField::Address),
            further.get(BasicField::Gender),
            further.get(BasicField::MaritalStatus),
            further.get(BasicField::JobType),
            further.get(BasicField::Province),
            further.get(BasicField::City),
            further.get(BasicField::District),
            further.get(BasicField::Subdistrict),
            further.get(BasicField::Rt),
            further.get(BasicField::Rw),
            portrait,
            portrait_updated_at,
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Removes the person of a NIK, if there is one.
    ///
    /// # Errors
    ///
    /// When the statement fails.
    pub async fn remove(&mut self, nik: &NationalId) -> Result<(), RegistryError> {
        sqlx::query!("DELETE FROM civil_registry.person WHERE nik = $1", nik.as_str())
            .execute(&mut self.0)
            .await
            .map(drop)
            .map_err(|error| unavailable(&error))
    }

    /// Removes all people except these.
    ///
    /// # Errors
    ///
    /// When the statement fails.
    pub async fn keep_only(&mut self, niks: &[&str]) -> Result<(), RegistryError> {
        sqlx::query!("DELETE FROM civil_registry.person WHERE nik <> ALL($1::text[])", niks as &[&str])
            .execute(&mut self.0)
            .await
            .map(drop)
            .map_err(|error| unavailable(&error))
    }

    /// The number of people.
    ///
    /// # Errors
    ///
    /// When the statement fails.
    pub async fn count(&mut self) -> Result<u64, RegistryError> {
        let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM civil_registry.person"#)
            .fetch_one(&mut self.0)
            .await
            .map_err(|error| unavailable(&error))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

fn status_word(status: CitizenStatus) -> &'static str {
    match status {
        CitizenStatus::Active => "active",
        CitizenStatus::Deceased => "deceased",
        CitizenStatus::Duplicate => "duplicate",
        CitizenStatus::Inactive => "inactive",
    }
}

fn unavailable(error: &sqlx::Error) -> RegistryError {
    RegistryError::Unavailable(error.to_string())
}
