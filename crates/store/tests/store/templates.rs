use padan_domain::{Clock, ModelContractId, NationalId};
use padan_store::{Store, StoreError, StoredTemplate, TemplateContent};
use sqlx::Row as _;

use crate::{
    audit::event,
    fixture::{JUNE, MAY, config, contract, migrated, nik, unusable, usable},
};

#[tokio::test]
async fn a_template_is_read_back_bit_for_bit() {
    let (_database, store) = migrated().await;
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap(), None);
    let output: Vec<f32> = (0..128_u8).map(|i| f32::from(i).sin()).collect();
    for template in [usable(MAY, &output), unusable(JUNE, "NO_FACE")] {
        store.templates().save(&nik(), &contract(), &template).await.unwrap();
        assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap(), Some(template));
    }
}

#[tokio::test]
async fn an_unusable_photo_may_become_usable_by_a_newer_decoder() {
    let (database, store) = migrated().await;
    for (template, newer_helps) in [(unusable(MAY, "IMAGE_UNREADABLE"), true), (usable(JUNE, &[1.0]), false)]
    {
        store.templates().save(&nik(), &contract(), &template).await.unwrap();
        let stored = store.templates().get(&nik(), &contract()).await.unwrap().unwrap();
        let summary = store.templates().summaries(&[nik()], &contract()).await.unwrap().remove(0).unwrap();
        for (version, helps) in
            [(template.decoder_version, false), (template.decoder_version + 1, newer_helps)]
        {
            assert_eq!(stored.may_become_usable(version), helps);
            assert_eq!(summary.may_become_usable(version), helps);
        }
    }
    // A row of a program that does not know the column.
    database
        .execute(
            "DELETE FROM store.face_template;
             INSERT INTO store.face_template (person_key, contract_id, portrait_updated_at, unusable_reason)
             SELECT sha256('another'), 'abababababababab', now(), 'IMAGE_UNREADABLE'",
        )
        .await;
    assert_eq!(database.texts("SELECT decoder_version::text FROM store.face_template").await, ["0"]);
}

#[tokio::test]
async fn whether_a_face_is_covered_is_stored_and_may_be_unknown() {
    let (database, store) = migrated().await;
    for covered in [Some(true), Some(false), None] {
        let mut template = usable(MAY, &[3.0, 4.0]);
        let TemplateContent::Usable { covered: of_template, .. } = &mut template.content else { panic!() };
        *of_template = covered;
        store.templates().save(&nik(), &contract(), &template).await.unwrap();
        let stored = store.templates().get(&nik(), &contract()).await.unwrap().unwrap();
        let summary = store.templates().summaries(&[nik()], &contract()).await.unwrap().remove(0).unwrap();
        assert_eq!((stored.is_covered(), summary.covered), (covered == Some(true), covered));
        assert_eq!(summary.is_unjudged(), covered.is_none());
        assert_eq!(stored, template);
    }
    store.templates().save(&nik(), &contract(), &unusable(JUNE, "NO_FACE")).await.unwrap();
    let summary = store.templates().summaries(&[nik()], &contract()).await.unwrap().remove(0).unwrap();
    assert!(!summary.is_unjudged(), "there is no face to be judged");
    // A row of a program that does not know the column.
    database
        .execute(
            "DELETE FROM store.face_template;
             INSERT INTO store.face_template (person_key, contract_id, portrait_updated_at, unusable_reason)
             SELECT sha256('another'), 'abababababababab', now(), 'NO_FACE'",
        )
        .await;
    assert_eq!(
        database.texts("SELECT coalesce(covered::text, 'null') FROM store.face_template").await,
        ["null"]
    );
}

#[tokio::test]
async fn an_older_photo_does_not_replace_a_newer_one_within_an_hour() {
    let (_database, store) = migrated().await;
    let (older, newer) = (usable(MAY, &[3.0, 4.0]), usable(JUNE, &[4.0, 3.0]));
    store.templates().save(&nik(), &contract(), &newer).await.unwrap();
    store.templates().save(&nik(), &contract(), &older).await.unwrap();
    store.templates().save(&nik(), &contract(), &unusable(MAY, "NO_FACE")).await.unwrap();
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap(), Some(newer));

    let same_photo = unusable(JUNE, "FACE_TOO_SMALL");
    store.templates().save(&nik(), &contract(), &same_photo).await.unwrap();
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap(), Some(same_photo));
}

#[tokio::test]
async fn an_older_photo_replaces_a_newer_one_after_an_hour() {
    let (database, store) = migrated().await;
    let (older, newer) = (usable(MAY, &[3.0, 4.0]), usable(JUNE, &[4.0, 3.0]));
    store.templates().save(&nik(), &contract(), &newer).await.unwrap();
    let age = async |age| {
        database
            .execute(&format!("UPDATE store.face_template SET created_at = now() - interval '{age}'"))
            .await;
    };
    age("59 minutes").await;
    store.templates().save(&nik(), &contract(), &older).await.unwrap();
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap(), Some(newer));
    age("61 minutes").await;
    store.templates().save(&nik(), &contract(), &older).await.unwrap();
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap(), Some(older));
}

#[tokio::test]
async fn templates_of_other_people_contracts_and_keys_are_not_found() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();

    let other_person = "3174011403870001".parse().unwrap();
    assert_eq!(store.templates().get(&other_person, &contract()).await.unwrap(), None);
    let other_contract = ModelContractId::from_digest(&[0xac; 32]);
    assert_eq!(store.templates().get(&nik(), &other_contract).await.unwrap(), None);
    let mut config = config(&database.url());
    config.person_key = Some("fedcba9876543210".repeat(4).into());
    assert_eq!(Store::new(&config).unwrap().templates().get(&nik(), &contract()).await.unwrap(), None);
}

#[tokio::test]
async fn a_dump_contains_no_nik_and_no_embedding() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    store.audit_trail(Clock::System).record(event("a")).await.unwrap();
    let plain = hex::encode([0.6_f32, 0.8].map(f32::to_le_bytes).concat());
    let dump = database.dump();
    // The dump must contain the rows; otherwise the next assertions prove nothing.
    let person = "7a774364477e6c56b89838fd02cad572f1c93aee27fe4cdf89baec422bd7ea89";
    assert_eq!(dump.matches(person).count(), 2, "{dump}");
    assert!(!dump.contains(nik().as_str()) && !dump.contains(&hex::encode(nik().as_str())), "{dump}");
    assert!(!dump.contains(&plain[..8]) && !dump.contains(&plain[8..]), "{dump}");
}

#[tokio::test]
async fn concurrent_writers_leave_the_newest_template() {
    let (_database, store) = migrated().await;
    let months: Vec<_> = (1..=12_u8)
        .map(|month| usable(&format!("2024-{month:02}-01T00:00:00Z"), &[f32::from(month), 1.0]))
        .collect();
    let writers = months.iter().rev().map(|template| {
        let (store, template) = (store.clone(), template.clone());
        tokio::spawn(async move { store.templates().save(&nik(), &contract(), &template).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap().as_ref(), months.last());
}

#[tokio::test]
async fn rows_that_padan_never_writes_are_inconsistent() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    // Without the constraints, which refuse some of these rows, reading must still detect them.
    database
        .execute(
            "ALTER TABLE store.face_template DROP CONSTRAINT sealed_is_whole_floats;
             ALTER TABLE store.face_template DROP CONSTRAINT either_sealed_or_reason",
        )
        .await;
    for (assignment, column) in [
        (r"sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)", "sealed"),
        (r"sealed = substring(sealed for 32)", "sealed"),
        (r"sealed = ''", "sealed"),
        ("portrait_updated_at = portrait_updated_at + interval '1 microsecond'", "sealed"),
        ("key_id = NULL", "unusable_reason"),
        ("sealed = NULL", "unusable_reason"),
        ("unusable_reason = 'NO_FACE'", "unusable_reason"),
    ] {
        store.templates().save(&nik(), &contract(), &usable(JUNE, &[3.0, 4.0])).await.unwrap();
        database.execute(&format!("UPDATE store.face_template SET {assignment}")).await;
        let expected = StoreError::Inconsistent { table: "store.face_template", column };
        assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap_err(), expected, "{assignment}");
        database.execute(&format!("UPDATE store.face_template SET portrait_updated_at = '{MAY}'")).await;
    }
    let replacement = usable(JUNE, &[3.0, 4.0]);
    store.templates().save(&nik(), &contract(), &replacement).await.unwrap();
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap(), Some(replacement));
}

#[tokio::test]
async fn a_template_cannot_be_decrypted_in_another_row() {
    let (database, store) = migrated().await;
    let other_person = "3174011403870001".parse().unwrap();
    for (nik, output) in [(&nik(), [3.0, 4.0]), (&other_person, [4.0, 3.0])] {
        store.templates().save(nik, &contract(), &usable(MAY, &output)).await.unwrap();
    }
    database
        .execute(
            "UPDATE store.face_template AS a SET sealed = b.sealed
               FROM store.face_template AS b WHERE a.person_key <> b.person_key",
        )
        .await;
    let expected = StoreError::Inconsistent { table: "store.face_template", column: "sealed" };
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap_err(), expected);
    assert_eq!(store.templates().get(&other_person, &contract()).await.unwrap_err(), expected);
}

/// Whoever can write to the table, but has no key, must not be able to refuse a person.
#[tokio::test]
async fn a_reason_that_was_not_sealed_for_the_row_is_not_believed() {
    let (database, store) = migrated().await;
    let other_person = "3174011403870001".parse().unwrap();
    let save = async |nik: &NationalId, template: &StoredTemplate| {
        store.templates().save(nik, &contract(), template).await.unwrap();
    };
    let summary = async |nik: &NationalId| {
        store.templates().summaries(std::slice::from_ref(nik), &contract()).await.unwrap().remove(0).unwrap()
    };
    save(&nik(), &unusable(MAY, "NO_FACE")).await;
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap(), Some(unusable(MAY, "NO_FACE")));
    assert!(summary(&nik()).await.is_readable);

    // Without a seal, as earlier programs wrote it, the row counts as none.
    let unsealed = "key_id = NULL, sealed = NULL";
    // With the seal of another reason, photo, decoder or person it is damaged.
    let of_another_person = "sealed = (SELECT sealed FROM store.face_template AS other
                                        WHERE other.person_key <> changed.person_key)";
    for (assignment, expected) in [
        (unsealed, Ok(None)),
        ("unusable_reason = 'FACE_TOO_SMALL'", Err("unusable_reason")),
        ("portrait_updated_at = portrait_updated_at - interval '1 microsecond'", Err("unusable_reason")),
        ("decoder_version = decoder_version + 1", Err("unusable_reason")),
        (of_another_person, Err("unusable_reason")),
    ] {
        save(&nik(), &unusable(JUNE, "NO_FACE")).await;
        save(&other_person, &unusable(JUNE, "NO_FACE")).await;
        let of_nik = "person_key = (SELECT person_key FROM store.face_template ORDER BY person_key LIMIT 1)";
        database
            .execute(&format!("UPDATE store.face_template AS changed SET {assignment} WHERE {of_nik}"))
            .await;
        let mut changed = Vec::new();
        for nik in [&nik(), &other_person] {
            let found = store.templates().get(nik, &contract()).await;
            let is_intact = found == Ok(Some(unusable(JUNE, "NO_FACE")));
            assert_eq!(summary(nik).await.is_readable, is_intact, "{assignment}");
            if !is_intact {
                changed.push(found);
            }
        }
        let expected =
            expected.map_err(|column| StoreError::Inconsistent { table: "store.face_template", column });
        assert_eq!(changed, [expected], "{assignment}");
        database.execute("DELETE FROM store.face_template").await;
    }

    // An embedding cannot be turned into a reason, whose seal is that of no text.
    save(&nik(), &usable(JUNE, &[3.0, 4.0])).await;
    let turned =
        "UPDATE store.face_template SET unusable_reason = 'NO_FACE', sealed = substring(sealed for 28)";
    database.execute(turned).await;
    let expected = StoreError::Inconsistent { table: "store.face_template", column: "unusable_reason" };
    assert_eq!(store.templates().get(&nik(), &contract()).await.unwrap_err(), expected);
}

#[tokio::test]
async fn the_error_names_the_missing_key_of_a_row() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    let mut config = config(&database.url());
    config.template_keys = Some("76543210fedcba98".repeat(4).into());
    let other = Store::new(&config).unwrap();
    let error = other.templates().get(&nik(), &contract()).await.unwrap_err();
    let key_id: String = sqlx::query("SELECT key_id FROM store.face_template")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap()
        .get(0);
    assert_eq!(error, StoreError::UnknownKey(key_id));
}

#[tokio::test]
async fn the_constraints_refuse_invalid_rows() {
    let (database, store) = migrated().await;
    store.templates().save(&nik(), &contract(), &usable(MAY, &[3.0, 4.0])).await.unwrap();
    for assignment in [
        r"person_key = '\x00'",
        "contract_id = 'AB00000000000001'",
        "contract_id = ''",
        "portrait_updated_at = 'infinity'",
        "portrait_updated_at = '-infinity'",
        "portrait_updated_at = '10000-01-01'",
        r"sealed = ''",
        "sealed = substring(sealed for 31)",
        "sealed = NULL",
        "key_id = NULL",
        "key_id = 'ABCDEF01'",
        "unusable_reason = 'NO_FACE'",
        "sealed = NULL, key_id = NULL, unusable_reason = ''",
        "sealed = NULL, key_id = NULL, unusable_reason = 'Budi Santoso'",
        "sealed = NULL, unusable_reason = 'NO_FACE'",
    ] {
        let statement = sqlx::AssertSqlSafe(format!("UPDATE store.face_template SET {assignment}"));
        let error = sqlx::query(statement).execute(&mut database.connect().await).await.unwrap_err();
        let refusal = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap();
        assert!(["23514", "23502"].contains(&&*refusal), "{assignment}: {error}");
    }
}

#[tokio::test]
async fn a_small_table_is_counted_and_a_large_one_estimated() {
    let (database, store) = migrated().await;
    let counts = async || {
        let counts = store.templates().counts().await.unwrap();
        let mut counts: Vec<_> = counts.into_iter().map(|count| (count.contract, count.templates)).collect();
        counts.sort();
        counts
    };
    assert_eq!(counts().await, []);
    store.templates().save(&nik(), &contract(), &usable(MAY, &[1.0])).await.unwrap();
    assert_eq!(counts().await, [(contract().as_str().to_owned(), 1)]);

    let many = |contract: &str, people: u32| {
        format!(
            "INSERT INTO store.face_template (person_key, contract_id, portrait_updated_at, unusable_reason)
             SELECT sha256(person::text::bytea), '{contract}', now(), 'NO_FACE'
               FROM generate_series(1, {people}) AS person;"
        )
    };
    let two = many("00000000000000aa", 40_000) + &many("00000000000000bb", 20_000);
    database.execute(&(two + "ANALYZE store.face_template")).await;
    let estimated = counts().await;
    for ((contract, templates), (expected, about)) in
        estimated.iter().zip([("00000000000000aa", 40_000_u64), ("00000000000000bb", 20_000)])
    {
        assert!(contract == expected && templates.abs_diff(about) < about / 20, "{estimated:?}");
    }
}

#[tokio::test]
async fn the_tally_of_the_newest_enrolment_is_read() {
    let (database, store) = migrated().await;
    assert_eq!(store.newest_enrolment().await.unwrap(), None);
    database
        .execute(
            "INSERT INTO store.enrolment_run (contract_id, model_set, started_at, templates, covered, unusable, failed)
             VALUES ('00000000000000aa', 'old', now() - interval '1 day', 9, 9, 9, 9),
                    ('00000000000000bb', 'new', now(), 7, 3, 2, 1)",
        )
        .await;
    let tally = store.newest_enrolment().await.unwrap().unwrap();
    assert_eq!((tally.templates, tally.covered, tally.unusable, tally.failed), (7, 3, 2, 1));
}
