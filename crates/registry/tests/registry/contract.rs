use padan_registry::{RegistryError, SampleRegistry};
use padan_testing::{TestDatabase, refused_address};
use sqlx::{Connection as _, Row as _};

use crate::fixture::{Fixture, nik, registry};

#[tokio::test]
async fn the_sample_registry_satisfies_the_contract() {
    let fixture = Fixture::new().await;
    fixture.registry().check().await.unwrap();
}

#[tokio::test]
async fn a_view_that_breaks_the_contract_is_described() {
    let fixture = Fixture::new().await;
    let columns = |replaced: &str, by: &str| {
        let all = "nik, name, date_of_birth, status, no_kk, mother_maiden_name, place_of_birth, address, \
                   gender, marital_status, job_type, province, city, district, subdistrict, rt, rw, portrait, \
                   portrait_updated_at";
        let list = all.replacen(replaced, by, 1);
        format!(
            "DROP VIEW padan.citizen; CREATE VIEW padan.citizen AS SELECT {list} FROM civil_registry.person"
        )
    };
    let registry = fixture.registry();
    for (statements, expected) in [
        (columns("job_type, ", ""), "padan.citizen has no column job_type"),
        (columns("nik,", "nik::char(16) AS nik,"), "padan.citizen.nik is character, expected text"),
        (
            columns("date_of_birth", "date_of_birth::text AS date_of_birth"),
            "padan.citizen.date_of_birth is text, expected date",
        ),
        (
            columns("portrait_updated_at", "portrait_updated_at::timestamp AS portrait_updated_at"),
            "is timestamp without time zone, expected timestamp with time zone",
        ),
        ("DROP VIEW padan.citizen".to_owned(), "there is no view padan.citizen"),
    ] {
        fixture.database.execute(&statements).await;
        let error = registry.check().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(matches!(error, RegistryError::Unavailable(_)));
    }
}

#[tokio::test]
async fn varchar_and_further_columns_are_allowed() {
    let fixture = Fixture::new().await;
    fixture
        .database
        .execute(
            "DROP VIEW padan.citizen;
             ALTER TABLE civil_registry.person ALTER COLUMN nik TYPE varchar(16);
             ALTER TABLE civil_registry.person ALTER COLUMN name TYPE varchar(60);
             CREATE VIEW padan.citizen AS SELECT *, 'x' AS more FROM civil_registry.person",
        )
        .await;
    let registry = fixture.registry();
    registry.check().await.unwrap();
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
}

#[tokio::test]
async fn each_replica_is_checked_and_one_valid_replica_suffices() {
    let fixture = Fixture::new().await;
    let refused = format!("postgres://reader@{}/registry", refused_address().await);
    let registry = registry(&[&refused, &fixture.database.url()]);
    registry.check().await.unwrap();
    let outcomes = registry.check_each().await;
    assert!(outcomes[0].1.is_err() && outcomes[1].1.is_ok(), "{outcomes:?}");
}

/// The example view for sites, over the example tables.
#[tokio::test]
async fn the_example_view_satisfies_the_contract_with_the_least_privileges() {
    let database = TestDatabase::create().await;
    database.execute(include_str!("../../../../deploy/registry/example-tables.sql")).await;
    database.execute(include_str!("../../../../deploy/registry/citizen-view.sql")).await;
    let role = format!("padan_reader_{}", std::process::id());
    let reader = include_str!("../../../../deploy/registry/reader.sql").replace("padan_reader", &role);
    database.execute(&reader).await;
    // The script can be run again after a change of the view.
    database.execute(&reader).await;
    database.admit(&role).await;
    database
        .execute(
            "INSERT INTO kependudukan.biodata (nik, nama_lgkp, tgl_lhr, flag_status)
                  VALUES (3174011403870000, 'BUDI SANTOSO', '1987-03-14', '0'),
                         (1103014505900000, 'SITI AMINAH', '1990-05-05', '1')",
        )
        .await;

    let registry = registry(&[&database.url_as(&role)]);
    registry.check().await.unwrap();
    assert!(registry.citizen(&nik()).await.unwrap().is_some());
    let deceased = registry.civil_record(&"1103014505900000".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(deceased.status, padan_domain::CitizenStatus::Deceased);

    let mut connection = sqlx::PgConnection::connect(&database.url_as(&role)).await.unwrap();
    // The privileges must suffice without the read-only default, which the role may turn off.
    sqlx::query("SET default_transaction_read_only = off").execute(&mut connection).await.unwrap();
    for forbidden in [
        "SELECT nik FROM kependudukan.biodata",
        "TRUNCATE kependudukan.foto",
        "CREATE TABLE padan.mine (x int)",
        "CREATE TABLE kependudukan.mine (x int)",
    ] {
        let error = sqlx::query(forbidden).execute(&mut connection).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{error}");
    }
    drop(connection);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_role_without_the_grant_is_reported() {
    let fixture = Fixture::new().await;
    let role = format!("padan_stranger_{}", std::process::id());
    fixture.database.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    fixture.database.admit(&role).await;
    let error = registry(&[&fixture.database.url_as(&role)]).check().await.unwrap_err();
    fixture.database.execute(&format!("DROP ROLE {role}")).await;
    assert!(error.to_string().contains("permission denied"), "{error}");
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let mut fixture = Fixture::new().await;
    fixture.sample.migrate().await.unwrap();
    let mut other = SampleRegistry::connect(&fixture.database.url().into()).await.unwrap();
    other.migrate().await.unwrap();
    let mut connection = fixture.database.connect().await;
    let tables = sqlx::query(
        "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY schemaname, tablename)
           FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(tables.get::<String, _>(0), "civil_registry._sqlx_migrations civil_registry.person");
}
