use std::num::NonZeroU32;

use padan_domain::{Clock, Embedding, ModelContractId, NationalId};
use padan_store::{Administration, Config, Operator, Store, StoredTemplate, TemplateContent};
use padan_testing::TestDatabase;

/// A new, migrated database, and the store on it.
pub(crate) async fn migrated() -> (TestDatabase, Store) {
    let database = TestDatabase::create().await;
    let store = store(&database.url());
    store.migrate().await.unwrap();
    (database, store)
}

/// Settings with short limits, so that tests of a limit are short.
pub(crate) fn config(url: &str) -> Config {
    Config {
        url: url.into(),
        url_file: None,
        migrate_url_file: None,
        management_url_file: None,
        allow_plaintext: false,
        person_key: Some("0123456789abcdef".repeat(4).into()),
        person_key_file: None,
        template_keys: Some("89abcdef01234567".repeat(4).into()),
        template_keys_file: None,
        audit_keys: Some("456789abcdef0123".repeat(4).into()),
        audit_keys_file: None,
        audit_timeout_ms: 1500,
        connect_timeout_ms: 600,
        statement_timeout_ms: 600,
        lock_timeout_ms: 300,
        migration_lock_timeout_ms: 300,
        max_connections: NonZeroU32::new(2).unwrap(),
        idle_timeout_ms: 60_000,
        max_lifetime_ms: 60_000,
    }
}

pub(crate) fn store(url: &str) -> Store {
    Store::new(&config(url)).unwrap()
}

/// Administration by a made-up operator.
pub(crate) fn administration(store: &Store) -> Administration {
    let operator = Operator {
        os_user: "root".to_owned(),
        login_user: Some("rina".to_owned()),
        host: "ops-1".to_owned(),
        request: None,
    };
    Administration::by(operator, store.audit_trail(Clock::System))
}

pub(crate) fn nik() -> NationalId {
    "3174011403870000".parse().unwrap()
}

pub(crate) fn contract() -> ModelContractId {
    ModelContractId::from_digest(&[0xab; 32])
}

pub(crate) fn usable(updated: &str, output: &[f32]) -> StoredTemplate {
    StoredTemplate {
        portrait_updated_at: updated.parse().unwrap(),
        content: TemplateContent::Usable {
            embedding: Embedding::from_output(output).unwrap(),
            covered: Some(false),
        },
        decoder_version: 3,
    }
}

pub(crate) fn unusable(updated: &str, reason: &str) -> StoredTemplate {
    StoredTemplate {
        portrait_updated_at: updated.parse().unwrap(),
        content: TemplateContent::Unusable(reason.to_owned()),
        decoder_version: 3,
    }
}

pub(crate) const MAY: &str = "2024-05-06T07:08:09.123456Z";
pub(crate) const JUNE: &str = "2024-06-06T07:08:09.123456Z";
