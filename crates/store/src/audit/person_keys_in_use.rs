use padan_postgres::Selection;

/// The ids of person keys, other than the known ones, under which rows exist. Each chain names its key, so that one row
/// of each chain suffices and the table is not scanned.
pub(crate) fn other_person_keys(known: &[String]) -> impl Selection<Row = String> + use<> {
    sqlx::query_scalar!(
        r#"SELECT key.person_key_id AS "id!"
             FROM (SELECT DISTINCT person_key_id
                     FROM store.audit_chain
                    WHERE person_key_id <> ALL($1)
                      AND person_key_id <> '') AS key
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
}
