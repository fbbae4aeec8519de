use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

/// The ids of person keys besides these under which there are rows. A chain names its key, and there are few chains, so
/// that the rows need not be gone through; one row of a chain is enough.
pub(crate) fn person_keys_besides<'c>(
    connection: &'c mut PgConnection,
    known: &'c Vec<String>,
) -> BoxFuture<'c, sqlx::Result<Vec<String>>> {
    sqlx::query_scalar!(
        r#"SELECT key.person_key_id AS "id!"
             FROM (SELECT DISTINCT person_key_id
                     FROM store.audit_chain
                    WHERE person_key_id <> ALL($1)) AS key
            WHERE EXISTS (SELECT
                            FROM store.audit_chain AS chain
                           CROSS JOIN LATERAL (SELECT
                                                 FROM store.audit_event AS event
                                                WHERE event.writer = chain.writer
                                                  AND event.at >= chain.started_at
                                                ORDER BY sequence DESC
                                                LIMIT 1) AS last
                           WHERE chain.person_key_id = key.person_key_id)
            ORDER BY 1"#,
        known
    )
    .fetch_all(connection)
    .boxed()
}
