use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{BasicField, NationalId};
use padan_postgres::Fault;
use sqlx::PgConnection;

use crate::{
    citizen, civil_record,
    error::RegistryError,
    lookup::Question,
    portrait::{self, PortraitQuery},
    replica::Replica,
};

/// The view's columns and their types by PostgreSQL's names. Further columns are ignored.
fn expected_columns() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let fields = BasicField::ALL.iter().map(|field| match field {
        BasicField::DateOfBirth => (field.as_str(), DATE),
        _ => (field.as_str(), TEXT),
    });
    [("nik", TEXT), ("status", TEXT), ("portrait", BYTES), ("portrait_updated_at", MOMENT)]
        .into_iter()
        .chain(fields)
}

const DATE: &[&str] = &["date"];
const BYTES: &[&str] = &["bytea"];
const MOMENT: &[&str] = &["timestamp with time zone"];
/// `char(16)` is not allowed: a comparison with text would not use an index on it.
const TEXT: &[&str] = &["text", "character varying"];

/// Checks that a replica has the view as the contract defines it, and that the role may read it.
///
/// Each query of the service is run for a NIK that is never issued, so that a missing grant or a failing cast is found
/// here and not by the first verification.
pub(crate) async fn check(replica: &Replica) -> Result<(), RegistryError> {
    let failed = |fault: Fault| {
        let text = format!("{}: {}", replica.name(), fault.text);
        if fault.is_timeout() { RegistryError::Timeout(text) } else { RegistryError::Unavailable(text) }
    };
    let columns = replica.run(columns, &()).await.map_err(failed)?;
    if let Some(violation) = contract_violation(&columns) {
        return Err(RegistryError::Unavailable(format!("{}: {violation}", replica.name())));
    }
    if let Ok(unused) = "0000000000000000".parse::<NationalId>() {
        replica.ask(&Question::Lookup(&citizen::LOOKUP), &unused).await.map_err(failed)?;
        replica.ask(&Question::Lookup(&civil_record::LOOKUP), &unused).await.map_err(failed)?;
        let query = PortraitQuery { nik: unused, max_bytes: 1 };
        replica.ask(&Question::Lookup(&portrait::LOOKUP), &query).await.map_err(failed)?;
    }
    Ok(())
}

struct ColumnRow {
    name: String,
    data_type: String,
}

fn columns<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Vec<ColumnRow>>> {
    sqlx::query_as!(
        ColumnRow,
        r#"SELECT attname::text AS "name!",
                  format_type(atttypid, NULL) AS "data_type!"
             FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('padan.citizen')
              AND attnum > 0
              AND NOT attisdropped"#
    )
    .fetch_all(connection)
    .boxed()
}

fn contract_violation(found: &[ColumnRow]) -> Option<String> {
    if found.is_empty() {
        return Some("there is no view padan.citizen: deploy/registry shows how to create it".into());
    }
    expected_columns().find_map(|(name, types)| {
        let Some(column) = found.iter().find(|column| column.name == name) else {
            return Some(format!("padan.citizen has no column {name}"));
        };
        // The server quotes some names of types with quote_all_identifiers.
        let data_type = column.data_type.replace('"', "");
        (!types.contains(&data_type.as_str())).then(|| {
            let expected = types.join(" or ");
            format!("padan.citizen.{name} is {data_type}, expected {expected}")
        })
    })
}
