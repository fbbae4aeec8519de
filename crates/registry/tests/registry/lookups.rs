use chrono::Datelike as _;
use padan_domain::{BasicField, BirthDate, CitizenStatus, NameRules, NationalId, PersonName};
use padan_registry::RegistryError;

use crate::fixture::{Fixture, nik, person};

#[tokio::test]
async fn an_unknown_nik_is_none() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    let unknown = "3174011403879999".parse().unwrap();
    assert!(registry.citizen(&unknown).await.unwrap().is_none());
    assert!(registry.civil_record(&unknown).await.unwrap().is_none());
    assert!(registry.portrait(&unknown).await.unwrap().is_none());
}

#[tokio::test]
async fn a_known_nik_gives_its_record() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    let moment = "2024-05-06T07:08:09.123456Z".parse().unwrap();

    let citizen = registry.citizen(&nik()).await.unwrap().unwrap();
    assert!(citizen.name.compare(&PersonName::parse("BUDI SANTOSO").unwrap(), &NameRules::NONE).is_some());
    assert_eq!(citizen.date_of_birth.as_date(), "1987-03-14".parse().unwrap());
    assert_eq!(citizen.status, CitizenStatus::Active);
    assert_eq!(citizen.portrait_updated_at, Some(moment));

    let portrait = registry.portrait(&nik()).await.unwrap().unwrap();
    assert_eq!(portrait.bytes.as_deref(), Some(&b"\xff\xd8\xff\xe0"[..]));
    assert_eq!(portrait.updated_at, moment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_look_ups_get_their_own_person() {
    let mut fixture = Fixture::new().await;
    let niks: Vec<NationalId> = (0..16).map(|n| format!("31740114038701{n:02}").parse().unwrap()).collect();
    for (day, nik) in (1..).zip(&niks) {
        let mut other = person("Siti Aminah");
        other.nik = nik.clone();
        other.date_of_birth = other.date_of_birth.with_day(day).unwrap();
        fixture.sample.put(&other).await.unwrap();
    }
    let registry = fixture.registry();
    let lookups = (1..).zip(niks).cycle().take(160).map(|(day, nik)| {
        let registry = registry.clone();
        tokio::spawn(async move { (day, registry.citizen(&nik).await.unwrap().unwrap()) })
    });
    for lookup in lookups.collect::<Vec<_>>() {
        let (day, citizen) = lookup.await.unwrap();
        assert_eq!(citizen.date_of_birth.as_date().day(), day);
    }
    assert!(registry.figures()[0].pool.connections <= 2);
}

#[tokio::test]
async fn each_status_is_read() {
    let mut fixture = Fixture::new().await;
    let registry = fixture.registry();
    for status in
        [CitizenStatus::Active, CitizenStatus::Deceased, CitizenStatus::Duplicate, CitizenStatus::Inactive]
    {
        let mut changed = person("Budi Santoso");
        changed.status = status;
        fixture.sample.put(&changed).await.unwrap();
        assert_eq!(registry.citizen(&nik()).await.unwrap().unwrap().status, status);
        assert_eq!(registry.civil_record(&nik()).await.unwrap().unwrap().status, status);
    }
    assert_eq!(fixture.sample.count().await.unwrap(), 1, "a person was replaced, not added");
    fixture.sample.remove(&nik()).await.unwrap();
    assert!(registry.citizen(&nik()).await.unwrap().is_none());
}

#[tokio::test]
async fn null_and_empty_portraits_are_none() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    // A timestamp without a photo is the time when the photo was withdrawn.
    for assignment in [
        "portrait = NULL, portrait_updated_at = NULL",
        "portrait = NULL, portrait_updated_at = now()",
        "portrait = '', portrait_updated_at = NULL",
    ] {
        fixture.set(assignment).await;
        let citizen = registry.citizen(&nik()).await.unwrap().unwrap();
        assert_eq!(citizen.portrait_updated_at, None, "{assignment}");
        assert!(registry.portrait(&nik()).await.unwrap().is_none(), "{assignment}");
    }
}

#[tokio::test]
async fn null_and_blank_fields_are_none() {
    let fixture = Fixture::new().await;
    fixture.set("rt = '  '").await;
    let record = fixture.registry().civil_record(&nik()).await.unwrap().unwrap();
    assert_eq!(record.date_of_birth, BirthDate::from_record("1987-03-14".parse().unwrap()));
    assert_eq!(record.further.get(BasicField::Province), Some("DKI JAKARTA"));
    assert_eq!(record.further.get(BasicField::Rt), None, "blank");
    assert_eq!(record.further.get(BasicField::City), None, "null");
}

#[tokio::test]
async fn each_of_the_further_fields_comes_from_its_own_column() {
    let fixture = Fixture::new().await;
    let fields: Vec<_> = BasicField::ALL
        .iter()
        .filter(|field| !matches!(field, BasicField::Name | BasicField::DateOfBirth))
        .collect();
    for field in &fields {
        fixture.set(&format!("{0} = '{0}'", field.as_str())).await;
    }
    let further = fixture.registry().civil_record(&nik()).await.unwrap().unwrap().further;
    for field in fields {
        assert_eq!(further.get(*field), Some(field.as_str()));
    }
}

#[tokio::test]
async fn rows_that_break_the_contract_are_inconsistent() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    for (assignment, column) in [
        ("name = NULL", "name"),
        ("name = ''", "name"),
        ("name = ' . '", "name"),
        ("name = repeat('Budi ', 60)", "name"),
        ("date_of_birth = NULL", "date_of_birth"),
        ("date_of_birth = 'infinity'", "date_of_birth"),
        ("date_of_birth = '-infinity'", "date_of_birth"),
        ("date_of_birth = '0044-03-15 BC'", "date_of_birth"),
        ("date_of_birth = '5874897-01-01'", "date_of_birth"),
        ("status = NULL", "status"),
        ("status = ''", "status"),
        ("status = 'ACTIVE'", "status"),
        ("status = 'alive'", "status"),
        ("portrait_updated_at = NULL", "portrait_updated_at"),
        ("portrait_updated_at = 'infinity'", "portrait_updated_at"),
        ("portrait_updated_at = '-infinity'", "portrait_updated_at"),
        ("portrait_updated_at = '294276-01-01'", "portrait_updated_at"),
        ("portrait_updated_at = '0044-03-15 BC'", "portrait_updated_at"),
    ] {
        let untouched =
            "name = 'Budi', date_of_birth = '1987-03-14', status = 'active', portrait_updated_at = now()";
        fixture.set(untouched).await;
        fixture.set(assignment).await;
        let expected = RegistryError::Inconsistent { table: "padan.citizen", column };
        assert_eq!(registry.citizen(&nik()).await.unwrap_err(), expected, "{assignment}");
        if column == "portrait_updated_at" {
            assert_eq!(registry.portrait(&nik()).await.unwrap_err(), expected, "{assignment}");
            assert!(registry.civil_record(&nik()).await.is_ok(), "{assignment}");
        } else {
            assert_eq!(registry.civil_record(&nik()).await.unwrap_err(), expected, "{assignment}");
        }
    }
    assert!(registry.figures()[0].in_turn, "a row is at fault, not the replica");
}

#[tokio::test]
async fn a_nik_of_two_rows_is_inconsistent() {
    let fixture = Fixture::new().await;
    fixture
        .database
        .execute(
            "CREATE OR REPLACE VIEW padan.citizen AS
             SELECT nik, name, date_of_birth, status, no_kk, mother_maiden_name, place_of_birth, address,
                    gender, marital_status, job_type, province, city, district, subdistrict, rt, rw, portrait,
                    portrait_updated_at
               FROM civil_registry.person, generate_series(1, 3)",
        )
        .await;
    let registry = fixture.registry();
    let expected = RegistryError::Inconsistent { table: "padan.citizen", column: "nik" };
    assert_eq!(registry.citizen(&nik()).await.unwrap_err(), expected);
    assert_eq!(registry.civil_record(&nik()).await.unwrap_err(), expected);
    assert_eq!(registry.portrait(&nik()).await.unwrap_err(), expected);
}

#[tokio::test]
async fn debug_shows_no_personal_data() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    let printed = format!(
        "{:?} {:?} {:?} {:?}",
        registry.citizen(&nik()).await,
        registry.civil_record(&nik()).await,
        registry.portrait(&nik()).await,
        person("Budi Santoso"),
    );
    for secret in ["Budi", "BUDI", "1987", "3174", "JAKARTA", "255"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn a_portrait_above_the_limit_has_no_bytes() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    for (bytes, fetched) in [(1000, true), (1001, false)] {
        fixture.set(&format!("portrait = decode(repeat('00', {bytes}), 'hex')")).await;
        let portrait = registry.portrait(&nik()).await.unwrap().unwrap();
        assert_eq!(portrait.bytes.is_some(), fetched, "{bytes}");
    }
}

#[tokio::test]
async fn a_sample_registry_can_be_reduced_to_a_list() {
    let mut fixture = Fixture::new().await;
    let mut other = person("Agus Wijaya");
    other.nik = "3174011403870001".parse().unwrap();
    fixture.sample.put(&other).await.unwrap();
    assert_eq!(fixture.sample.count().await.unwrap(), 2);
    fixture.sample.keep_only(&["3174011403870001", "3174011403879999"]).await.unwrap();
    assert_eq!(fixture.sample.count().await.unwrap(), 1);
    assert!(fixture.registry().citizen(&nik()).await.unwrap().is_none());
}
