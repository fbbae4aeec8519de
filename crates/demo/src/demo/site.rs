use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::exchange::CREDENTIAL;
use crate::private_cluster::PrivateCluster;

const REGISTRY: &str = "registry";
const STORE: &str = "store";
/// The databases of the demo's cluster.
pub(super) const DATABASES: &[&str] = &[REGISTRY, STORE];

/// The demo has to end within 20 s, of which the databases need a part.
const SHUTDOWN_SECONDS: i64 = 5;

/// The settings file of the demo, and the values in it.
pub(super) struct Site {
    file: PathBuf,
    loaded_list_file: PathBuf,
    registry_url: String,
    store_url: String,
    person_key: String,
    template_key: String,
    audit_key: String,
    management_url_file: PathBuf,
    clients_file: PathBuf,
    operator_password: String,
}

impl Site {
    /// Writes the settings for a cluster into the claimed folder.
    pub(super) fn new(cluster: &PrivateCluster, port: u16, admin_port: u16) -> Result<Self> {
        let site = Self {
            file: cluster.claimed_folder().join("padan.toml"),
            loaded_list_file: cluster.folder().join("people-loaded"),
            registry_url: cluster.url(REGISTRY),
            store_url: cluster.url(STORE),
            person_key: key_for("person", cluster.secret()),
            template_key: key_for("template", cluster.secret()),
            audit_key: key_for("audit", cluster.secret()),
            management_url_file: cluster.folder().join("management-url"),
            clients_file: cluster.claimed_folder().join("clients.toml"),
            operator_password: key_for("operator", cluster.secret()).chars().take(20).collect(),
        };
        write_private(&site.management_url_file, &site.store_url)?;
        write_private(&site.clients_file, &client())?;
        site.write_ports(port, admin_port)?;
        Ok(site)
    }

    pub(super) fn settings_file(&self) -> &Path {
        &self.file
    }

    /// Where the list of people without a template is written.
    pub(super) fn enrolment_failures(&self) -> PathBuf {
        self.file.with_file_name("enrolment-failures.csv")
    }

    /// The URL of the registry's database, for loading people.
    pub(super) fn registry_url(&self) -> &str {
        &self.registry_url
    }

    /// The file that records which list of people the registry was loaded from.
    pub(super) fn loaded_list_file(&self) -> &Path {
        &self.loaded_list_file
    }

    /// The password of the operator who signs in to the console.
    pub(super) fn operator_password(&self) -> &str {
        &self.operator_password
    }

    /// Writes the settings with the ports in use. Only the owner may read the file, because it contains passwords.
    pub(super) fn write_ports(&self, port: u16, admin_port: u16) -> Result<()> {
        write_private(&self.file, &self.settings(port, admin_port, &self.registry_url))
    }

    /// Writes the settings of an instance on free ports that cannot reach its registry.
    pub(super) fn write_without_registry(&self) -> Result<PathBuf> {
        let file = self.file.with_file_name("without-registry.toml");
        // Nothing listens on port 1: its service, tcpmux, is obsolete.
        write_private(&file, &self.settings(0, 0, "postgres://nobody@127.0.0.1:1/nowhere"))?;
        Ok(file)
    }

    fn settings(&self, port: u16, admin_port: u16, registry_url: &str) -> String {
        let Self { store_url, person_key, template_key, audit_key, .. } = self;
        let (management_url_file, clients_file) =
            (self.management_url_file.display(), self.clients_file.display());
        format!(
            "# The settings of the running `padan-demo`. The file is removed when the demo ends.\n\n\
             [http]\naddress = \"127.0.0.1\"\nport = {port}\nadmin_address = \"127.0.0.1\"\n\
             admin_port = {admin_port}\nmanagement = true\nmanage_operators = true\nconsole = {{ enabled = true }}\nshutdown_delay_seconds = 0\n\
             shutdown_timeout_seconds = {SHUTDOWN_SECONDS}\n\n\
             [clients]\nfile = \"{clients_file}\"\ndemo = true\n\n\
             [registry]\nurls = [\"{registry_url}\"]\n\n\
             [store]\nurl = \"{store_url}\"\nperson_key = \"{person_key}\"\n\
             template_keys = \"{template_key}\"\naudit_keys = \"{audit_key}\"\n\
             management_url_file = \"{management_url_file}\"\n"
        )
    }
}

/// The only client, which may send every field.
fn client() -> String {
    let hash = hex::encode(Sha256::digest(CREDENTIAL));
    format!(
        "[[client]]\nname = \"{CREDENTIAL}\"\nusername = \"{CREDENTIAL}\"\npassword_sha256 = \"{hash}\"\n\
         api_key_sha256 = \"{hash}\"\nfields = [\"default\", \"no_kk\", \"mother_maiden_name\"]\n"
    )
}

/// Writes a file that only its owner can read.
fn write_private(file: &Path, text: &str) -> Result<()> {
    let write = || {
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file)?
            .write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// Derives a separate key for each purpose, which stays the same as long as the cluster is kept.
fn key_for(purpose: &str, secret: &str) -> String {
    hex::encode(Sha256::new().chain_update(purpose).chain_update(secret).finalize())
}
