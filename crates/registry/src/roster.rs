//! Everybody who can be compared, range by range, for enrolment ahead of the first verification.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{NationalId, NikPrefix, NikRange};
use sqlx::PgConnection;

use crate::{citizen::parse_moment, error::RegistryError, registry::Registry};

/// Somebody whose record is in force and who has a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// The NIK.
    pub nik: NationalId,
    /// When the photo last changed; `None` when the row breaks the contract, in its moment or by being one of several.
    pub portrait_updated_at: Option<DateTime<Utc>>,
}

impl Registry {
    /// The next range of NIKs after a prefix, or the first one: it begins with the least NIK that there is and holds
    /// about so many people, more where a single prefix has more. `None` behind the last.
    ///
    /// Rows whose NIK is not 16 digits are passed over, here and in the roster: nobody can ask for them.
    pub async fn next_range(
        &self,
        after: Option<&NikPrefix>,
        people: u32,
    ) -> Result<Option<NikRange>, RegistryError> {
        let place = after.map(NikPrefix::greatest_nik).unwrap_or_default();
        let ends = self.ask(next_range, &(place, i64::from(people))).await?;
        let (Some(first), Some(last)) = (ends.first, ends.last) else {
            return Ok(None);
        };
        Ok(Some(NikRange {
            first: NikPrefix::of(&parse_nik(&first)?),
            last: NikPrefix::of(&parse_nik(&last)?),
        }))
    }

    /// The next people of a range after a NIK, or its first ones, in the order of their NIKs and each once; none behind
    /// the last.
    pub async fn roster(
        &self,
        range: &NikRange,
        after: Option<&NationalId>,
        most: u32,
    ) -> Result<Vec<RosterEntry>, RegistryError> {
        let page = Page {
            after: after.map_or(range.first.as_str(), NationalId::as_str).to_owned(),
            until: range.last.greatest_nik(),
            most: most.into(),
        };
        let mut entries: Vec<RosterEntry> = Vec::new();
        for row in self.ask(roster, &page).await? {
            let nik = parse_nik(&row.nik)?;
            match entries.last_mut() {
                Some(twin) if twin.nik == nik => twin.portrait_updated_at = None,
                _ => {
                    let moment = parse_moment(row.portrait_updated_at.as_deref()).ok();
                    entries.push(RosterEntry { nik, portrait_updated_at: moment });
                }
            }
        }
        Ok(entries)
    }

    /// About how many people's records are in force, as the server's planner has it: counting them would read them all.
    pub async fn estimated_people(&self) -> Result<Option<u64>, RegistryError> {
        let plan = self.ask(estimate, &()).await?;
        Ok(plan.first().and_then(Option::as_deref).and_then(rows_of))
    }
}

fn parse_nik(text: &str) -> Result<NationalId, RegistryError> {
    text.parse().map_err(|_| RegistryError::inconsistent("nik"))
}

/// The planner's number of rows, out of the first line of a plan: `Seq Scan on person  (cost=0.00..1.00 rows=12 ...`.
fn rows_of(plan: &str) -> Option<u64> {
    plan.split_once(" rows=")?.1.split(' ').next()?.parse().ok()
}

struct EndsRow {
    first: Option<String>,
    last: Option<String>,
}

struct Page {
    after: String,
    until: String,
    most: i64,
}

struct RosterRow {
    nik: String,
    portrait_updated_at: Option<String>,
}

fn next_range<'c>(
    connection: &'c mut PgConnection,
    (place, people): &'c (String, i64),
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
        place,
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
        page.most
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
    fn the_planners_number_is_read() {
        let plan = "Index Scan using person_pkey on person  (cost=0.29..8.31 rows=280000000 width=17)";
        assert_eq!(rows_of(plan), Some(280_000_000));
        assert_eq!(rows_of("Filter: (status = 'active'::text)"), None);
    }
}
