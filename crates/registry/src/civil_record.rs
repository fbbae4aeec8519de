use std::fmt;

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{BirthDate, CitizenStatus, NationalId, PersonName};
use sqlx::PgConnection;

use crate::{
    RegistryError,
    citizen::{parse_birth_date, parse_name, parse_status},
};

/// A person with every field that basic verification can compare.
#[derive(Debug, Clone)]
pub struct CivilRecord {
    /// The name as the registry has it.
    pub name: PersonName,
    /// The date of birth as the registry has it.
    pub date_of_birth: BirthDate,
    /// The state of the record.
    pub status: CitizenStatus,
    /// The other fields.
    pub further: FurtherFields,
}

/// The fields that a site may leave out. `None` means that the registry does not carry the field, for
/// nobody or for this person: null or blank in the view. The answer's field is then null. A text is never
/// blank.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FurtherFields {
    /// The number of the family card.
    pub no_kk: Option<String>,
    /// The mother's name before marriage.
    pub mother_maiden_name: Option<String>,
    /// The place of birth.
    pub place_of_birth: Option<String>,
    /// Street and number.
    pub address: Option<String>,
    /// The gender as on the card.
    pub gender: Option<String>,
    /// The marital status as on the card.
    pub marital_status: Option<String>,
    /// The occupation as on the card.
    pub job_type: Option<String>,
    /// The province.
    pub province: Option<String>,
    /// The kota or kabupaten.
    pub city: Option<String>,
    /// The kecamatan.
    pub district: Option<String>,
    /// The kelurahan or desa.
    pub subdistrict: Option<String>,
    /// The number of the neighbourhood.
    pub rt: Option<String>,
    /// The number of the group of neighbourhoods.
    pub rw: Option<String>,
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

pub(crate) fn query<'c>(
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
             FROM padan.citizen
            WHERE nik = $1
            LIMIT 2"#,
        nik.as_str()
    )
    .fetch_all(connection)
    .boxed()
}

impl TryFrom<CivilRecordRow> for CivilRecord {
    type Error = RegistryError;

    fn try_from(row: CivilRecordRow) -> Result<Self, RegistryError> {
        let carried = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Ok(Self {
            name: parse_name(row.name.as_deref())?,
            date_of_birth: parse_birth_date(row.date_of_birth.as_deref())?,
            status: parse_status(row.status.as_deref())?,
            further: FurtherFields {
                no_kk: carried(row.no_kk),
                mother_maiden_name: carried(row.mother_maiden_name),
                place_of_birth: carried(row.place_of_birth),
                address: carried(row.address),
                gender: carried(row.gender),
                marital_status: carried(row.marital_status),
                job_type: carried(row.job_type),
                province: carried(row.province),
                city: carried(row.city),
                district: carried(row.district),
                subdistrict: carried(row.subdistrict),
                rt: carried(row.rt),
                rw: carried(row.rw),
            },
        })
    }
}
