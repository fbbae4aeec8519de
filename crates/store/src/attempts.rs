use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

/// Which failures are counted.
pub(crate) struct Failures {
    pub(crate) person: [u8; 32],
    pub(crate) client: String,
    pub(crate) since: DateTime<Utc>,
    pub(crate) most: i64,
}

/// When the last but so many of a client's faces for a person failed: `None` when fewer did. A face below the pass mark
/// counts whatever else was wrong, since its percentage was told.
pub(crate) fn last_but<'c>(
    connection: &'c mut PgConnection,
    Failures { person, client, since, most }: &'c Failures,
) -> BoxFuture<'c, sqlx::Result<Option<DateTime<Utc>>>> {
    sqlx::query_scalar!(
        "SELECT at
           FROM store.audit_event
          WHERE person_key = $1
            AND client = $2
            AND at > $3
            AND percentage < 75
            AND contract_id IS NOT NULL
          ORDER BY at DESC
         OFFSET $4
          LIMIT 1",
        person.as_slice(),
        client,
        since,
        most - 1
    )
    .fetch_optional(connection)
    .boxed()
}

#[cfg(test)]
mod tests {
    use padan_domain::Percentage;

    /// The mark is a literal, since PostgreSQL does not use a partial index for a bound parameter.
    #[test]
    fn the_statement_and_its_index_have_the_pass_mark() {
        let condition = format!("percentage < {}", Percentage::PASS_MARK.value());
        let migration = include_str!("../../../migrations/store/0004_audit.sql");
        assert!(include_str!("attempts.rs").contains(&format!("AND {condition}\n")));
        assert!(migration.contains(&format!("WHERE {condition} AND")));
    }
}
