use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use bytes::Bytes;
use padan_domain::{BasicField, CitizenStatus, NationalId};
use padan_registry::{Choice, Config, Registry, SamplePerson, SampleRegistry};
use padan_testing::TestDatabase;

pub(crate) const NIK: &str = "3174011403870000";

/// A database with the sample tables and one person, [`NIK`].
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) sample: SampleRegistry,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::create().await;
        let mut sample = SampleRegistry::connect(&database.url().into()).await.unwrap();
        sample.migrate().await.unwrap();
        sample.put(&person("Budi Santoso")).await.unwrap();
        Self { database, sample }
    }

    pub(crate) fn registry(&self) -> Registry {
        registry(&[&self.database.url()])
    }

    /// Changes the person's row by SQL, past the checks of the types.
    pub(crate) async fn set(&self, assignment: &str) {
        self.database.execute(&format!("UPDATE civil_registry.person SET {assignment}")).await;
    }
}

pub(crate) fn nik() -> NationalId {
    NIK.parse().unwrap()
}

pub(crate) fn person(name: &str) -> SamplePerson {
    SamplePerson {
        nik: nik(),
        name: name.to_owned(),
        date_of_birth: "1987-03-14".parse().unwrap(),
        status: CitizenStatus::Active,
        further: [(BasicField::Province, "DKI JAKARTA".to_owned())].into_iter().collect(),
        portrait: Some((
            Bytes::from_static(b"\xff\xd8\xff\xe0"),
            "2024-05-06T07:08:09.123456Z".parse().unwrap(),
        )),
    }
}

/// Settings with short limits, so that tests of a limit are short.
pub(crate) fn config(urls: &[&str]) -> Config {
    Config {
        urls: urls.iter().map(|url| (*url).into()).collect(),
        urls_file: None,
        allow_plaintext: false,
        connect_timeout_ms: 600,
        statement_timeout_ms: 600,
        lock_timeout_ms: 300,
        lookup_timeout_ms: 2500,
        max_portrait_bytes: NonZeroU32::new(1000).unwrap(),
        max_connections: NonZeroU32::new(2).unwrap(),
        idle_timeout_ms: 60_000,
        max_lifetime_ms: 60_000,
        max_lag_seconds: None,
        choose_by: Choice::Order,
        retry_failed_after_ms: 60_000,
    }
}

pub(crate) fn registry(urls: &[&str]) -> Registry {
    Registry::new(&config(urls)).unwrap()
}

/// The output of a future, and how long it took.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (future.await, begun.elapsed())
}
