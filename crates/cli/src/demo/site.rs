use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{private_cluster::PrivateCluster, settings::Settings};

const REGISTRY: &str = "registry";
const STORE: &str = "store";
/// The databases that the demo's cluster gets.
pub(super) const DATABASES: &[&str] = &[REGISTRY, STORE];

/// The demo ends within 20 s, of which the databases need some.
const SHUTDOWN_SECONDS: i64 = 5;

/// The file of settings that the demo runs with, and what stands in it.
pub(super) struct Site {
    file: PathBuf,
    loaded_note: PathBuf,
    registry_url: String,
    store_url: String,
    keys: [String; 3],
}

impl Site {
    /// Writes the settings for a cluster into the claimed folder.
    pub(super) fn new(cluster: &PrivateCluster, port: u16, admin_port: u16) -> Result<Self> {
        let site = Self {
            file: cluster.claimed_folder().join("padan.toml"),
            loaded_note: cluster.folder().join("people-loaded"),
            registry_url: cluster.url(REGISTRY),
            store_url: cluster.url(STORE),
            keys: ["person", "template", "audit"].map(|purpose| key_for(purpose, cluster.secret())),
        };
        site.write_ports(port, admin_port)?;
        Ok(site)
    }

    /// The file of settings.
    pub(super) fn settings_file(&self) -> &Path {
        &self.file
    }

    /// The URL of the registry's database, for loading people.
    pub(super) fn registry_url(&self) -> &str {
        &self.registry_url
    }

    /// Where it is noted which people the registry holds.
    pub(super) fn loaded_note(&self) -> &Path {
        &self.loaded_note
    }

    /// Writes the settings with the ports in use. They hold passwords: only the owner may read them.
    pub(super) fn write_ports(&self, port: u16, admin_port: u16) -> Result<()> {
        let Self { registry_url, store_url, keys: [person_key, template_keys, audit_keys], .. } = self;
        let text = format!(
            "# The settings of the running `padan demo`. They go when it ends.\n\n\
             [http]\naddress = \"127.0.0.1\"\nport = {port}\nadmin_address = \"127.0.0.1\"\n\
             admin_port = {admin_port}\nshutdown_delay_seconds = 0\nshutdown_timeout_seconds = {SHUTDOWN_SECONDS}\n\n\
             [clients]\ndemo = true\n\n\
             [registry]\nurls = [\"{registry_url}\"]\n\n\
             [store]\nurl = \"{store_url}\"\nperson_key = \"{person_key}\"\n\
             template_keys = \"{template_keys}\"\naudit_keys = \"{audit_keys}\"\n"
        );
        let write = || {
            fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&self.file)?
                .write_all(text.as_bytes())
        };
        write().with_context(|| format!("cannot write {}", self.file.display()))
    }
}

/// A key of its own for each purpose, the same for as long as the cluster is kept.
fn key_for(purpose: &str, secret: &str) -> String {
    hex::encode(Sha256::new().chain_update(purpose).chain_update(secret).finalize())
}

/// The settings of an instance on free ports whose registry nobody answers for.
pub(super) fn cut_off(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.http.port = 0;
    settings.http.admin_port = 0;
    // Port 1 belongs to a service that no machine has offered for decades.
    settings.registry.urls = vec!["postgres://nobody@127.0.0.1:1/nowhere".into()];
    settings
}
