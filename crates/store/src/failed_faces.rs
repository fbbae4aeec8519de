use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

/// Selects the failed face comparisons of one client for one person.
pub(crate) struct FailedFaceQuery {
    pub(crate) person: [u8; 32],
    pub(crate) client: String,
    pub(crate) since: DateTime<Utc>,
    pub(crate) n: i64,
}

/// The time of the `n`-th latest failed face comparison; `None` when there are fewer. A face below the pass mark counts
/// even when another field was wrong, since the answer had its percentage.
pub(crate) fn nth_latest<'c>(
    connection: &'c mut PgConnection,
    FailedFaceQuery { person, client, since, n }: &'c FailedFaceQuery,
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
        n - 1
    )
    .fetch_optional(connection)
    .boxed()
}

#[cfg(test)]
mod tests {
    use padan_domain::Percentage;

    /// The statement has the pass mark as a literal, since PostgreSQL does not use a partial index for a bound
    /// parameter.
    #[test]
    fn the_statement_and_its_index_have_the_pass_mark() {
        let condition = format!("percentage < {}", Percentage::PASS_MARK.value());
        let migration = include_str!("../../../migrations/store/0004_audit.sql");
        assert!(include_str!("failed_faces.rs").contains(&format!("AND {condition}\n")));
        assert!(migration.contains(&format!("WHERE {condition} AND")));
    }
}
