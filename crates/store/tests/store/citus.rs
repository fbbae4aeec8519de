//! The statements on tables that a site may distribute have no construct that Citus refuses, so that no
//! Citus is needed to notice one. `make growth` tries all operations on Citus itself.

use std::{fs, path::Path};

use crate::fixture::migrated;

/// A construct, how it is recognised, and why it is refused.
struct Refusal {
    construct: &'static str,
    is_in: fn(&str) -> bool,
    reason: &'static str,
}

const REFUSED: [Refusal; 6] = [
    Refusal {
        construct: "LIMIT or OFFSET in a lateral subquery",
        is_in: |sql| bracketed_after(sql, "lateral").any(|part| has(part, "limit") || has(part, "offset")),
        reason: "each server would apply it to its own rows: `cannot push down this subquery`",
    },
    Refusal {
        construct: "a function of the time behind ON CONFLICT",
        is_in: |sql| sql.split_once("on conflict").is_some_and(|(_, rest)| reads_clock(rest)),
        reason: "`functions used in the DO UPDATE SET clause must be marked IMMUTABLE`",
    },
    Refusal {
        construct: "a write in a WITH clause",
        is_in: |sql| {
            bracketed_after(sql, "as").chain(bracketed_after(sql, "materialized")).any(|part| {
                ["delete from", "update", "insert into"]
                    .iter()
                    .any(|verb| part.trim_start().starts_with(verb))
            })
        },
        reason: "a WITH clause with a write is not run across servers",
    },
    Refusal {
        construct: "FOR UPDATE or FOR SHARE",
        is_in: |sql| sql.contains("for update") || sql.contains("for share"),
        reason: "`could not run distributed query with FOR UPDATE/SHARE commands` on more than one shard",
    },
    Refusal {
        construct: "another table of the store in the same statement",
        is_in: |sql| {
            sql.split("store.").skip(1).any(|rest| {
                rest.starts_with(|letter: char| letter.is_ascii_lowercase())
                    && !rest.starts_with("face_template")
            })
        },
        reason: "the other tables stay on one server, and a join would copy rows between servers",
    },
    Refusal {
        construct: "a change of person_key",
        is_in: |sql| sql.contains("set person_key ="),
        reason: "`modifying the partition value of rows is not allowed`",
    },
];

fn has(sql: &str, word: &str) -> bool {
    sql.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|found| found == word)
}

fn reads_clock(sql: &str) -> bool {
    ["now", "clock_timestamp", "statement_timestamp", "current_timestamp", "transaction_timestamp"]
        .iter()
        .any(|function| has(sql, function))
}

/// The texts in brackets directly after a word.
fn bracketed_after<'s>(sql: &'s str, word: &str) -> impl Iterator<Item = &'s str> {
    let opening = format!(" {word} (");
    let starts: Vec<_> = sql.match_indices(&opening).map(|(at, found)| at + found.len()).collect();
    starts.into_iter().map(|start| {
        let mut depth = 1;
        let end = sql[start..].find(|letter| {
            depth += match letter {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        &sql[start..end.map_or(sql.len(), |end| start + end)]
    })
}

/// In small letters, with single spaces.
fn normalised(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The constructs of a statement that Citus refuses.
fn refusals(sql: &str) -> Vec<String> {
    let sql = normalised(sql);
    let found = REFUSED.iter().filter(|refusal| (refusal.is_in)(&sql));
    found.map(|Refusal { construct, reason, .. }| format!("{construct}: {reason}")).collect()
}

/// The statements of `.sqlx` on templates, the one table of the store that is distributed. A look-up of the schema, such
/// as of privileges, is none.
fn statements_on_templates() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.sqlx");
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let queries = files.map(|text| {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["query"].as_str().unwrap().to_owned()
    });
    queries.filter(|sql| sql.replace("'store.face_template'", "").contains("store.face_template")).collect()
}

#[test]
fn statements_on_templates_have_no_construct_that_citus_refuses() {
    let statements = statements_on_templates();
    assert!(statements.len() >= 9, "only {} statements were found", statements.len());
    for statement in statements {
        assert_eq!(refusals(&statement), Vec::<String>::new(), "{statement}");
    }
}

#[test]
fn each_refused_construct_is_recognised() {
    for (statement, construct) in [
        (
            "SELECT * FROM unnest($1::bytea[]) AS asked (person_key),
                    LATERAL (SELECT * FROM store.face_template WHERE person_key = asked.person_key LIMIT 1) AS kept",
            "LIMIT or OFFSET",
        ),
        (
            "INSERT INTO store.face_template SELECT $1 ON CONFLICT (person_key, contract_id)
             DO UPDATE SET created_at = now()",
            "a function of the time",
        ),
        (
            "WITH gone AS (DELETE FROM store.face_template RETURNING 1) SELECT count(*) FROM gone",
            "a write in a WITH clause",
        ),
        ("SELECT FROM store.face_template FOR\n UPDATE", "FOR UPDATE"),
        (
            "DELETE FROM store.face_template WHERE contract_id NOT IN (SELECT contract_id FROM store.enrolment_run)",
            "another table",
        ),
        ("UPDATE store.face_template SET person_key = $1", "a change of person_key"),
    ] {
        let found = refusals(statement);
        assert_eq!(found.len(), 1, "{statement}: {found:?}");
        assert!(found[0].starts_with(construct), "{found:?}");
    }
    assert_eq!(refusals("SELECT now(), * FROM store.face_template LIMIT 3"), Vec::<String>::new());
}

#[tokio::test]
async fn every_unique_key_of_templates_holds_the_key_of_the_person() {
    let (database, _store) = migrated().await;
    let keys = "SELECT indexrelid::regclass::text FROM pg_index
                 WHERE indrelid = 'store.face_template'::regclass AND (indisunique OR indisexclusion)";
    assert_eq!(database.texts(keys).await, ["store.face_template_pkey"]);
    let without = format!(
        "{keys} AND NOT EXISTS (SELECT FROM pg_attribute
                                 WHERE attrelid = indrelid AND attnum = ANY(indkey) AND attname = 'person_key')"
    );
    assert_eq!(database.texts(&without).await, Vec::<String>::new());
    let references = "SELECT conname::text FROM pg_constraint
                       WHERE contype = 'f' AND 'store.face_template'::regclass IN (conrelid, confrelid)";
    assert_eq!(
        database.texts(references).await,
        Vec::<String>::new(),
        "the table could not be distributed alone"
    );
}
