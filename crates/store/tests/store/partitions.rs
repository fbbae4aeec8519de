//! `deploy/store/partitions.sql` on a store that is in use.

use std::{
    path::Path,
    process::{Command, Output},
};

use padan_domain::{ModelContractId, NationalId};
use padan_store::{Pruning, Store, StoredTemplate, TemplateCopy};
use padan_testing::TestDatabase;
use sqlx::Connection as _;

use crate::fixture::{JUNE, MAY, config, contract, migrated, unusable, usable};

const PEOPLE: usize = 12_000;

fn person(number: usize) -> NationalId {
    format!("31740114{number:08}").parse().unwrap()
}

fn template(number: usize) -> StoredTemplate {
    if number % 10 == 9 { unusable(MAY, "NO_FACE") } else { usable(MAY, &[1.0, number as f32]) }
}

/// Fills the table by COPY.
async fn fill(database: &TestDatabase, store: &Store) {
    let mut connection = database.connect().await;
    let mut transaction = connection.begin().await.unwrap();
    sqlx::query("TRUNCATE store.face_template").execute(&mut *transaction).await.unwrap();
    let mut rows = TemplateCopy::new(&store.templates(), &contract());
    let mut copy = transaction.copy_in_raw(TemplateCopy::STATEMENT).await.unwrap();
    for number in 0..PEOPLE {
        rows.add(&person(number), &template(number)).unwrap();
        if number % 1000 == 0 {
            copy.send(rows.take()).await.unwrap();
        }
    }
    copy.send(rows.finish()).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), PEOPLE as u64);
    transaction.commit().await.unwrap();
}

/// Runs the file with psql, as an operator does.
fn partition(url: &str) -> Output {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/store/partitions.sql");
    // psql does not know the parameters that sqlx adds.
    let url = url.split('?').next().unwrap_or_default();
    let ran = Command::new("psql")
        .args(["--quiet", "--set", "ON_ERROR_STOP=1", "--set", "partitions=8", "--file"])
        .arg(file)
        .arg(url)
        .output();
    ran.unwrap_or_else(|error| panic!("psql: {error}; install postgresql-client"))
}

/// The person who is changed in a round: one with an embedding, from all parts of the table.
fn changed_in(round: usize) -> usize {
    round * 10 % PEOPLE
}

/// The properties of the table on which later migrations and programs may rely.
async fn traits(database: &TestDatabase) -> Vec<String> {
    database
        .texts(
            "SELECT concat_ws(' ', grantee, privilege_type) FROM information_schema.role_table_grants
              WHERE table_schema = 'store' AND table_name = 'face_template'
             UNION ALL
             SELECT concat_ws(' ', conname, pg_get_constraintdef(oid)) FROM pg_constraint
              WHERE conrelid = 'store.face_template'::regclass
             UNION ALL
             SELECT concat_ws(' ', attnum, attname, format_type(atttypid, atttypmod), attstorage, attnotnull,
                              col_description(attrelid, attnum), obj_description(attrelid))
               FROM pg_attribute
              WHERE attrelid = 'store.face_template'::regclass AND attnum > 0 AND NOT attisdropped
             ORDER BY 1",
        )
        .await
        .into_iter()
        // A dropped column leaves a gap in the column numbers of its table.
        .map(|line| line.trim_start_matches(|letter: char| letter.is_ascii_digit()).to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_partitioned_while_services_write() {
    let (database, store) = migrated().await;
    fill(&database, &store).await;
    let mut before = traits(&database).await;
    before.sort();

    let url = database.url();
    let mut partitioning = tokio::task::spawn_blocking(move || partition(&url));
    // Meanwhile templates are changed, added and removed. A changed template is never removed.
    let mut superuser = database.connect().await;
    let (mut rounds, mut gone) = (0, Vec::<String>::new());
    let output = loop {
        if partitioning.is_finished() {
            break (&mut partitioning).await.unwrap();
        }
        for number in [changed_in(rounds), PEOPLE + rounds] {
            let newer = usable(JUNE, &[2.0, number as f32]);
            store.templates().save(&person(number), &contract(), &newer).await.unwrap();
        }
        rounds += 1;
        let deleted: Vec<String> = sqlx::query_scalar(
            "DELETE FROM store.face_template WHERE person_key IN (
                 SELECT person_key FROM store.face_template WHERE unusable_reason IS NOT NULL LIMIT 1)
             RETURNING encode(person_key, 'hex')",
        )
        .fetch_all(&mut superuser)
        .await
        .unwrap();
        gone.extend(deleted);
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(rounds > 1, "no template was changed meanwhile");

    let mut after = traits(&database).await;
    after.sort();
    assert_eq!(before, after);
    let left = database.texts("SELECT encode(person_key, 'hex') FROM store.face_template").await;
    assert_eq!(left.len(), PEOPLE + rounds - gone.len());
    assert!(!left.iter().any(|person| gone.contains(person)), "a deleted template is back");
    for number in (0..rounds).flat_map(|round| [changed_in(round), PEOPLE + round]) {
        let newer = usable(JUNE, &[2.0, number as f32]);
        assert_eq!(
            store.templates().get(&person(number), &contract()).await.unwrap(),
            Some(newer),
            "{number}"
        );
    }
    assert_eq!(store.templates().get(&person(1), &contract()).await.unwrap(), Some(template(1)));

    let again = partition(&database.url());
    assert!(String::from_utf8_lossy(&again.stderr).contains("partitions already"));
}

#[tokio::test]
async fn templates_are_read_and_written_in_partitions() {
    let (database, store) = migrated().await;
    fill(&database, &store).await;
    let output = partition(&database.url());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    database.execute("DROP TABLE store.face_template_whole").await;

    store.check().await.unwrap();
    let counted = store.templates().counts().await.unwrap();
    assert_eq!(counted.iter().map(|count| count.templates).sum::<u64>(), PEOPLE as u64);
    for number in [0, 9, PEOPLE - 1] {
        assert_eq!(
            store.templates().get(&person(number), &contract()).await.unwrap(),
            Some(template(number))
        );
    }
    let niks = [person(3), person(19), person(PEOPLE)];
    let summaries = store.templates().summaries(&niks, &contract()).await.unwrap();
    assert_eq!(summaries[1].as_ref().and_then(|summary| summary.unusable_reason.as_deref()), Some("NO_FACE"));
    assert!(summaries[0].is_some() && summaries[2].is_none());
    store.templates().save(&person(3), &contract(), &usable(JUNE, &[3.0])).await.unwrap();
    store.templates().save(&person(3), &contract(), &usable(MAY, &[4.0])).await.unwrap();
    assert_eq!(store.templates().get(&person(3), &contract()).await.unwrap(), Some(usable(JUNE, &[3.0])));

    let mut rotated = config(&database.url());
    rotated.template_keys =
        Some(format!("{},{}", "76543210fedcba98".repeat(4), "89abcdef01234567".repeat(4)).into());
    let rotated = Store::new(&rotated).unwrap();
    let done = rotated.templates().reseal(async |_| ()).await.unwrap();
    assert_eq!((done.seen, done.resealed), (12_000, 12_000));
    assert_eq!(rotated.templates().get(&person(0), &contract()).await.unwrap(), Some(template(0)));

    // Later migrations can still change the table.
    database.execute("DELETE FROM store._sqlx_migrations WHERE version = 7").await;
    store.migrate().await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    database
        .execute(
            "ALTER TABLE store.face_template DROP COLUMN unusable_reason CASCADE,
                 ADD COLUMN later bytea,
                 ADD CONSTRAINT later_is_short CHECK (octet_length(later) < 9);
             ALTER TABLE store.face_template ALTER COLUMN later SET STORAGE EXTERNAL;
             GRANT SELECT (later) ON store.face_template TO padan_auditor;
             ALTER TABLE store.face_template DROP CONSTRAINT later_is_short, DROP COLUMN later,
                 ADD COLUMN unusable_reason text",
        )
        .await;
    let kept = ModelContractId::from_digest(&[1; 32]);
    let pruned = store.templates().prune(&Pruning { only: None, kept }, async |_| ()).await.unwrap();
    assert_eq!((pruned.seen, pruned.deleted), (12_000, 12_000));
}
