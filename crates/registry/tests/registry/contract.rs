use padan_registry::{LookupRights, RegistryError, SampleRegistry};
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
    database.execute(include_str!("../../../../deploy/registry/citizen-of.sql")).await;
    let (role, enroller) =
        (format!("padan_reader_{}", std::process::id()), format!("padan_enroller_{}", std::process::id()));
    let reader = include_str!("../../../../deploy/registry/reader.sql")
        .replace("padan_reader", &role)
        .replace("padan_enroller", &enroller);
    database.execute(&reader).await;
    // The script can be run again after a change of the view.
    database.execute(&reader).await;
    database.admit(&role).await;
    database.admit(&enroller).await;
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
        "SELECT nik FROM padan.citizen LIMIT 1",
        "SELECT count(*) FROM padan.citizen",
        "SELECT nik FROM kependudukan.biodata",
        "TRUNCATE kependudukan.foto",
        "CREATE TABLE padan.mine (x int)",
        "CREATE TABLE kependudukan.mine (x int)",
    ] {
        let error = sqlx::query(forbidden).execute(&mut connection).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{error}");
    }
    drop(connection);
    assert_eq!(registry.lookup_rights().await, [Some(LookupRights { function: true, view: false })]);

    // Enrolment reads everybody, by a role of its own.
    assert!(registry.next_range(None, 10).await.unwrap_err().to_string().contains("permission denied"));
    let of_enrolment = crate::fixture::registry(&[&database.url_as(&enroller)]);
    of_enrolment.check().await.unwrap();
    assert!(of_enrolment.next_range(None, 10).await.unwrap().is_some());
    assert_eq!(of_enrolment.lookup_rights().await, [Some(LookupRights { function: true, view: true })]);
    database.execute(&format!("DROP OWNED BY {role}, {enroller}; DROP ROLE {role}, {enroller}")).await;
}

/// A site that was set up by an earlier release has only the view.
#[tokio::test]
async fn a_registry_without_the_function_is_read_by_the_view() {
    let fixture = Fixture::new().await;
    let registry = fixture.registry();
    let is_found = async || {
        let citizen = registry.citizen(&nik()).await.unwrap().is_some();
        let record = registry.civil_record(&nik()).await.unwrap().is_some();
        citizen && record && registry.portrait(&nik()).await.unwrap().is_some()
    };
    assert!(is_found().await);
    assert_eq!(registry.lookup_rights().await, [Some(LookupRights { function: true, view: true })]);
    // Also one whose function disappears while the service runs.
    fixture.database.execute("DROP FUNCTION padan.citizen_of").await;
    assert!(is_found().await);
    assert_eq!(registry.lookup_rights().await, [Some(LookupRights { function: false, view: true })]);
    registry.check().await.unwrap();
}

/// The function must not read the table: of a registry with hundreds of millions of people that takes minutes.
#[tokio::test]
async fn a_look_up_by_the_function_uses_the_index() {
    let fixture = Fixture::new().await;
    fixture
        .database
        .execute(
            "INSERT INTO civil_registry.person (nik, name, date_of_birth)
             SELECT lpad(number::text, 16, '0'), 'X', '1990-01-01' FROM generate_series(1, 5000) AS number;
             ANALYZE civil_registry.person",
        )
        .await;
    let mut connection = fixture.database.connect().await;
    let mut transaction = connection.begin().await.unwrap();
    // More often than the five times for which the server plans anew.
    for number in 1..=10 {
        let found = sqlx::query("SELECT name FROM padan.citizen_of($1)")
            .bind(format!("{number:016}"))
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(found.len(), 1);
    }
    let scans = sqlx::query(
        "SELECT seq_scan, idx_scan, seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'person'",
    )
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    let scans: [i64; 3] = [0, 1, 2].map(|column| scans.get(column));
    assert_eq!(scans, [0, 10, 0]);
}

/// The demo's registry has the function that sites install.
#[test]
fn the_function_of_sites_is_that_of_the_sample_registry() {
    let function = |text: &str| text[text.find("CREATE OR REPLACE FUNCTION").unwrap()..].to_owned();
    assert_eq!(
        function(include_str!("../../../../deploy/registry/citizen-of.sql")),
        function(include_str!("../../../../migrations/registry/0002_citizen_of.sql"))
    );
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

#[tokio::test]
async fn settings_of_the_database_do_not_change_how_the_view_is_understood() {
    let fixture = Fixture::new().await;
    for setting in [
        "quote_all_identifiers = on",
        "search_path = 'nowhere'",
        "bytea_output = 'escape'",
        "DateStyle = 'SQL, DMY'",
        "TimeZone = 'Asia/Kathmandu'",
        "standard_conforming_strings = off",
        "default_transaction_isolation = 'serializable'",
    ] {
        let statement = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {}', current_database()); END $$",
            setting.replace('\'', "''")
        );
        fixture.database.execute(&statement).await;
    }
    let registry = fixture.registry();
    registry.check().await.unwrap();
    let citizen = registry.citizen(&nik()).await.unwrap().unwrap();
    assert_eq!(citizen.date_of_birth.as_date(), "1987-03-14".parse().unwrap());
    assert_eq!(citizen.portrait_updated_at, Some("2024-05-06T07:08:09.123456Z".parse().unwrap()));
    let portrait = registry.portrait(&nik()).await.unwrap().unwrap();
    assert_eq!(portrait.bytes.as_deref(), Some(b"\xff\xd8\xff\xe0".as_slice()));
}
