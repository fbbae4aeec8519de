//! All people who can be verified by their face, range by range, for enrolment ahead of the first verification.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{NationalId, NikPrefix, NikRange};
use sqlx::PgConnection;

use crate::{citizen::parse_moment, error::RegistryError, registry::Registry};

/// A person whose record is in force and who has a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// The NIK.
    pub nik: NationalId,
    /// When the photo last changed; `None` when the moment is invalid or the NIK is not unique, which breaks the
    /// contract.
    pub portrait_updated_at: Option<DateTime<Utc>>,
}

impl Registry {
    /// The next range of NIKs after a prefix, or the first range. It begins with the least NIK that exists and has
    /// about `people` people, or more when one prefix alone has more. `None` after the last range.
    ///
    /// Rows whose NIK is not 16 digits are skipped, here and in the roster: no request can name them.
    ///
    /// # Errors
    ///
    /// As for [`Registry::citizen`].
    pub async fn next_range(
        &self,
        after: Option<&NikPrefix>,
        people: u32,
    ) -> Result<Option<NikRange>, RegistryError> {
        let after = after.map(NikPrefix::highest_nik).unwrap_or_default();
        let ends = self.run(next_range, &(after, i64::from(people))).await?;
        let (Some(first), Some(last)) = (ends.first, ends.last) else {
            return Ok(None);
        };
        Ok(Some(NikRange {
            first: NikPrefix::of(&parse_nik(&first)?),
            last: NikPrefix::of(&parse_nik(&last)?),
        }))
    }

    /// The next people of a range after a NIK, or its first people: at most `limit`, in the order of their NIKs, each
    /// once. Empty after the last person.
    ///
    /// # Errors
    ///
    /// As for [`Registry::citizen`].
    pub async fn roster(
        &self,
        range: &NikRange,
        after: Option<&NationalId>,
        limit: u32,
    ) -> Result<Vec<RosterEntry>, RegistryError> {
        let page = Page {
            after: after.map_or(range.first.as_str(), NationalId::as_str).to_owned(),
            until: range.last.highest_nik(),
            limit: limit.into(),
        };
        let mut entries: Vec<RosterEntry> = Vec::new();
        for row in self.run(roster, &page).await? {
            let nik = parse_nik(&row.nik)?;
            match entries.last_mut() {
                Some(duplicate) if duplicate.nik == nik => duplicate.portrait_updated_at = None,
                _ => {
                    let moment = parse_moment(row.portrait_updated_at.as_deref()).ok();
                    entries.push(RosterEntry { nik, portrait_updated_at: moment });
                }
            }
        }
        Ok(entries)
    }

    /// The planner's estimate of how many records are in force: counting them would read them all. `None` on Citus, whose
    /// planner makes none.
    ///
    /// # Errors
    ///
    /// As for [`Registry::citizen`].
    pub async fn estimated_people(&self) -> Result<Option<u64>, RegistryError> {
        let plan = self.run(estimate, &()).await?;
        Ok(plan.first().and_then(Option::as_deref).and_then(rows_of))
    }
}

fn parse_nik(text: &str) -> Result<NationalId, RegistryError> {
    text.parse().map_err(|_| RegistryError::inconsistent("nik"))
}

/// The estimated number of rows in the first line of a plan: `Seq Scan on person  (cost=0.00..1.00 rows=12 ...`.
///
/// Citus writes 100,000 rows for every scan of a distributed table.
fn rows_of(plan: &str) -> Option<u64> {
    if plan.starts_with("Custom Scan (Citus") {
        return None;
    }
    plan.split_once(" rows=")?.1.split(' ').next()?.parse().ok()
}

struct EndsRow {
    first: Option<String>,
    last: Option<String>,
}

struct Page {
    after: String,
    until: String,
    limit: i64,
}

struct RosterRow {
    nik: String,
    portrait_updated_at: Option<String>,
}

fn next_range<'c>(
    connection: &'c mut PgConnection,
    (after, people): &'c (String, i64),
) -> BoxFuture<'c, sqlx::Result<EndsRow>> {
    sqlx::query_as!(
        EndsRow,
        r#"SELECT min(nik) AS "first?",
                  max(nik) AS "last?"
             FROM (SELECT nik
                     FROM padan.citizen
                    WHERE nik > $1
                      AND nik ~ '^[0-9]{16}$'
                    ORDER BY nik
                    LIMIT $2) AS ahead"#,
        after,
        people
    )
    .fetch_one(connection)
    .boxed()
}

fn roster<'c>(
    connection: &'c mut PgConnection,
    page: &'c Page,
) -> BoxFuture<'c, sqlx::Result<Vec<RosterRow>>> {
    sqlx::query_as!(
        RosterRow,
        r#"SELECT nik AS "nik!",
                  portrait_updated_at::text AS "portrait_updated_at?"
             FROM padan.citizen
            WHERE nik > $1
              AND nik <= $2
              AND nik ~ '^[0-9]{16}$'
              AND status = 'active'
              AND octet_length(portrait) > 0
            ORDER BY nik
            LIMIT $3"#,
        page.after,
        page.until,
        page.limit
    )
    .fetch_all(connection)
    .boxed()
}

fn estimate<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<Vec<Option<String>>>> {
    sqlx::query_scalar!("EXPLAIN SELECT nik FROM padan.citizen WHERE status = 'active'")
        .fetch_all(connection)
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planners_estimate_is_read() {
        let plan = "Index Scan using person_pkey on person  (cost=0.29..8.31 rows=280000000 width=17)";
        assert_eq!(rows_of(plan), Some(280_000_000));
        let citus = "Custom Scan (Citus Adaptive)  (cost=0.00..0.00 rows=100000 width=32)";
        assert_eq!(rows_of(citus), None);
        assert_eq!(rows_of("Filter: (status = 'active'::text)"), None);
    }
}
