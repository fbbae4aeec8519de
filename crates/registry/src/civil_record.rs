use std::{collections::BTreeMap, fmt};

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{BasicField, BirthDate, CitizenStatus, NationalId, PersonName};
use sqlx::PgConnection;

use crate::{
    citizen::{parse_birth_date, parse_name, parse_status},
    error::RegistryError,
    lookup::Lookup,
};

/// The fields of a person that basic verification can compare.
#[derive(Debug, Clone)]
pub struct CivilRecord {
    /// The name in the registry.
    pub name: PersonName,
    /// The date of birth in the registry.
    pub date_of_birth: BirthDate,
    /// The state of the record.
    pub status: CitizenStatus,
    /// The other fields.
    pub further: FurtherFields,
}

/// The fields besides name and date of birth, which a site may leave out.
///
/// A field is absent when it is null or blank in the view, for all people or for this person. The answer's field is
/// then null. A text that is present is never blank.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FurtherFields(BTreeMap<BasicField, String>);

impl FurtherFields {
    /// The registry's text of a field.
    pub fn get(&self, field: BasicField) -> Option<&str> {
        self.0.get(&field).map(String::as_str)
    }
}

impl FromIterator<(BasicField, String)> for FurtherFields {
    fn from_iter<T: IntoIterator<Item = (BasicField, String)>>(fields: T) -> Self {
        Self(fields.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect())
    }
}

impl fmt::Debug for FurtherFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FurtherFields")
    }
}

pub(crate) struct CivilRecordRow {
    name: Option<String>,
    date_of_birth: Option<String>,
    status: Option<String>,
    no_kk: Option<String>,
    mother_maiden_name: Option<String>,
    place_of_birth: Option<String>,
    address: Option<String>,
    gender: Option<String>,
    marital_status: Option<String>,
    job_type: Option<String>,
    province: Option<String>,
    city: Option<String>,
    district: Option<String>,
    subdistrict: Option<String>,
    rt: Option<String>,
    rw: Option<String>,
}

pub(crate) const LOOKUP: Lookup<NationalId, Vec<CivilRecordRow>> =
    Lookup { by_function: record_of, by_view: record_in_view };

macro_rules! statement {
    ($name:ident, $source:tt) => {
        fn $name<'c>(
            connection: &'c mut PgConnection,
            nik: &'c NationalId,
        ) -> BoxFuture<'c, sqlx::Result<Vec<CivilRecordRow>>> {
            sqlx::query_as!(
                CivilRecordRow,
                r#"SELECT name AS "name?",
                          date_of_birth::text AS "date_of_birth?",
                          status AS "status?",
                          no_kk AS "no_kk?",
                          mother_maiden_name AS "mother_maiden_name?",
                          place_of_birth AS "place_of_birth?",
                          address AS "address?",
                          gender AS "gender?",
                          marital_status AS "marital_status?",
                          job_type AS "job_type?",
                          province AS "province?",
                          city AS "city?",
                          district AS "district?",
                          subdistrict AS "subdistrict?",
                          rt AS "rt?",
                          rw AS "rw?"
                     FROM "#
                    + $source,
                nik.as_str()
            )
            .fetch_all(connection)
            .boxed()
        }
    };
}

statement!(record_of, "padan.citizen_of($1)");
statement!(record_in_view, "padan.citizen WHERE nik = $1 LIMIT 2");

impl TryFrom<CivilRecordRow> for CivilRecord {
    type Error = RegistryError;

    fn try_from(row: CivilRecordRow) -> Result<Self, RegistryError> {
        let further = [
            (BasicField::FamilyCard, row.no_kk),
            (BasicField::MotherMaidenName, row.mother_maiden_name),
            (BasicField::PlaceOfBirth, row.place_of_birth),
            (BasicField::Address, row.address),
            (BasicField::Gender, row.gender),
            (BasicField::MaritalStatus, row.marital_status),
            (BasicField::JobType, row.job_type),
            (BasicField::Province, row.province),
            (BasicField::City, row.city),
            (BasicField::District, row.district),
            (BasicField::Subdistrict, row.subdistrict),
            (BasicField::Rt, row.rt),
            (BasicField::Rw, row.rw),
        ];
        Ok(Self {
            name: parse_name(row.name.as_deref())?,
            date_of_birth: parse_birth_date(row.date_of_birth.as_deref())?,
            status: parse_status(row.status.as_deref())?,
            further: further.into_iter().filter_map(|(field, text)| Some((field, text?))).collect(),
        })
    }
}
