use chrono::{DateTime, NaiveDate, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{BirthDate, CitizenStatus, NationalId, PersonName};
use sqlx::PgConnection;

use crate::{error::RegistryError, lookup::Lookup};

/// The fields of a person that every verification needs.
#[derive(Debug, Clone)]
pub struct Citizen {
    /// The name in the registry.
    pub name: PersonName,
    /// The date of birth in the registry.
    pub date_of_birth: BirthDate,
    /// The state of the record.
    pub status: CitizenStatus,
    /// When the photo last changed; `None` when there is no photo.
    pub portrait_updated_at: Option<DateTime<Utc>>,
}

pub(crate) struct CitizenRow {
    name: Option<String>,
    date_of_birth: Option<String>,
    status: Option<String>,
    has_portrait: bool,
    portrait_updated_at: Option<String>,
}

/// Reads the row of a NIK, and a second one if there is one.
///
/// Here and in the other queries, dates and timestamps are text: decoding `infinity`, or a year out of chrono's range,
/// would panic, and the registry's values are not under our control.
pub(crate) const LOOKUP: Lookup<NationalId, Vec<CitizenRow>> =
    Lookup { by_function: citizen_of, by_view: citizen_in_view };

macro_rules! statement {
    ($name:ident, $source:tt) => {
        fn $name<'c>(
            connection: &'c mut PgConnection,
            nik: &'c NationalId,
        ) -> BoxFuture<'c, sqlx::Result<Vec<CitizenRow>>> {
            sqlx::query_as!(
                CitizenRow,
                r#"SELECT name AS "name?",
                          date_of_birth::text AS "date_of_birth?",
                          status AS "status?",
                          coalesce(octet_length(portrait), 0) > 0 AS "has_portrait!",
                          portrait_updated_at::text AS "portrait_updated_at?"
                     FROM "#
                    + $source,
                nik.as_str()
            )
            .fetch_all(connection)
            .boxed()
        }
    };
}

statement!(citizen_of, "padan.citizen_of($1)");
statement!(citizen_in_view, "padan.citizen WHERE nik = $1 LIMIT 2");

impl TryFrom<CitizenRow> for Citizen {
    type Error = RegistryError;

    fn try_from(row: CitizenRow) -> Result<Self, RegistryError> {
        let portrait_updated_at = match (row.has_portrait, row.portrait_updated_at) {
            (false, _) => None,
            (true, moment) => Some(parse_moment(moment.as_deref())?),
        };
        Ok(Self {
            name: parse_name(row.name.as_deref())?,
            date_of_birth: parse_birth_date(row.date_of_birth.as_deref())?,
            status: parse_status(row.status.as_deref())?,
            portrait_updated_at,
        })
    }
}

pub(crate) fn parse_name(text: Option<&str>) -> Result<PersonName, RegistryError> {
    text.and_then(|text| PersonName::parse(text).ok()).ok_or(RegistryError::inconsistent("name"))
}

pub(crate) fn parse_birth_date(text: Option<&str>) -> Result<BirthDate, RegistryError> {
    text.and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
        .map(BirthDate::from_record)
        .ok_or(RegistryError::inconsistent("date_of_birth"))
}

pub(crate) fn parse_status(text: Option<&str>) -> Result<CitizenStatus, RegistryError> {
    text.and_then(|text| text.parse().ok()).ok_or(RegistryError::inconsistent("status"))
}

/// The time at which a portrait changed. The store accepts the years 1 to 9999.
pub(crate) fn parse_moment(text: Option<&str>) -> Result<DateTime<Utc>, RegistryError> {
    use chrono::Datelike as _;
    text.and_then(|text| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok())
        .map(|moment| moment.to_utc())
        .filter(|moment| (1..=9999).contains(&moment.year()))
        .ok_or(RegistryError::inconsistent("portrait_updated_at"))
}
