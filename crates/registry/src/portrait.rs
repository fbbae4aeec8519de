use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::NationalId;
use sqlx::PgConnection;

use crate::{citizen::parse_moment, error::RegistryError, lookup::Lookup};

/// A person's photo in the registry: an encoded file, not yet decoded.
#[derive(Clone)]
pub struct Portrait {
    /// The file, never empty, in any format. `None` when it is larger than `max_portrait_bytes`.
    pub bytes: Option<Bytes>,
    /// When the photo last changed.
    pub updated_at: DateTime<Utc>,
}

impl fmt::Debug for Portrait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Portrait")
    }
}

pub(crate) struct PortraitRow {
    portrait: Option<Vec<u8>>,
    portrait_updated_at: Option<String>,
}

/// Whose portrait is read, and the size of the largest one.
pub(crate) struct PortraitQuery {
    pub(crate) nik: NationalId,
    pub(crate) max_bytes: i32,
}

pub(crate) const LOOKUP: Lookup<PortraitQuery, Vec<PortraitRow>> =
    Lookup { by_function: portrait_of, by_view: portrait_in_view };

macro_rules! statement {
    ($name:ident, $source:tt) => {
        fn $name<'c>(
            connection: &'c mut PgConnection,
            query: &'c PortraitQuery,
        ) -> BoxFuture<'c, sqlx::Result<Vec<PortraitRow>>> {
            sqlx::query_as!(
                PortraitRow,
                r#"SELECT CASE WHEN octet_length(portrait) <= $2 THEN portrait END AS "portrait?",
                          portrait_updated_at::text AS "portrait_updated_at?"
                     FROM "#
                    + $source,
                query.nik.as_str(),
                query.max_bytes
            )
            .fetch_all(connection)
            .boxed()
        }
    };
}

statement!(portrait_of, "padan.citizen_of($1) WHERE octet_length(portrait) > 0");
statement!(portrait_in_view, "padan.citizen WHERE nik = $1 AND octet_length(portrait) > 0 LIMIT 2");

impl TryFrom<PortraitRow> for Portrait {
    type Error = RegistryError;

    fn try_from(row: PortraitRow) -> Result<Self, RegistryError> {
        Ok(Self {
            bytes: row.portrait.map(Bytes::from),
            updated_at: parse_moment(row.portrait_updated_at.as_deref())?,
        })
    }
}
