//! A registry and a store of one size.

use std::num::NonZeroU32;

use anyhow::{Context as _, Result};
use padan_domain::ModelContractId;
use padan_registry::Registry;
use padan_store::Store;
use serde::Deserialize;

use crate::{niks::Nik, server::Server};

/// The seed of the people of all sites.
pub(crate) const SEED: u64 = 2020;

/// The registry and store of one size.
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) niks: Vec<Nik>,
    pub(crate) registry: Registry,
    pub(crate) store: Store,
}

/// The sections of `config/default.toml` that are needed here.
#[derive(Deserialize)]
struct Settings {
    registry: padan_registry::Config,
    store: padan_store::Config,
}

impl Site {
    /// Opens and checks registry and store, and loads them into the server's buffers.
    pub(crate) async fn open(server: &Server, name: &str) -> Result<Self> {
        let digits = name.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
        let people =
            digits.parse().with_context(|| format!("{name} does not begin with a number of people"))?;
        let databases = [format!("registry_{name}"), format!("store_{name}")];
        let settings = settings(&server.url_of(&databases[0]), &server.url_of(&databases[1]))?;
        let (registry, store) = (Registry::new(&settings.registry)?, Store::new(&settings.store)?);
        registry.check().await.with_context(|| format!("the registry {name}"))?;
        store.check().await.with_context(|| format!("the store {name}"))?;
        for database in databases {
            server.warm(&database).await?;
        }
        Ok(Self { name: name.to_owned(), niks: Nik::generate(people, SEED), registry, store })
    }
}

/// The store of a site, whose database need not exist yet.
pub(crate) fn store(server: &Server, name: &str) -> Result<Store> {
    let settings =
        settings(&server.url_of(&format!("registry_{name}")), &server.url_of(&format!("store_{name}")))?;
    Ok(Store::new(&settings.store)?)
}

/// The model contract of all generated templates.
pub(crate) fn contract() -> ModelContractId {
    ModelContractId::from_digest(&[0xab; 32])
}

/// The default settings with one permanent connection for each database. The keys are public, since the people are
/// generated.
fn settings(registry: &str, store: &str) -> Result<Settings> {
    let shipped = include_str!("../../config/default.toml");
    let mut settings: Settings = toml::from_str(shipped).context("config/default.toml")?;
    settings.registry.urls = vec![registry.into()];
    settings.store.url = store.into();
    settings.store.person_key = Some("0123456789abcdef".repeat(4).into());
    settings.store.template_keys = Some("89abcdef01234567".repeat(4).into());
    settings.store.audit_keys = Some("456789abcdef0123".repeat(4).into());
    let longest = u64::from(i32::MAX.unsigned_abs());
    for time in [
        &mut settings.registry.idle_timeout_ms,
        &mut settings.registry.max_lifetime_ms,
        &mut settings.store.idle_timeout_ms,
        &mut settings.store.max_lifetime_ms,
    ] {
        *time = longest;
    }
    settings.registry.max_connections = NonZeroU32::MIN;
    settings.store.max_connections = NonZeroU32::MIN;
    Ok(settings)
}
