use std::{fs, path::Path};

use padan_inference::CurrentFolder;
use serde::Deserialize;
use toml::{Table, Value};

use crate::project::project;

/// The sections of the settings that a service within the test's process has. The program has those of its own as well.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Settings {
    pub(crate) http: padan_http_api::Config,
    pub(crate) openid_connect: padan_verification::OpenIdConnectConfig,
    pub(crate) clients: padan_verification::ClientsConfig,
    pub(crate) verification: padan_verification::Config,
    pub(crate) registry: padan_registry::Config,
    pub(crate) store: padan_store::Config,
    pub(crate) inference: padan_inference::Config,
    /// Whether the section `[inference]` is that of most services.
    #[serde(skip)]
    pub(crate) has_usual_engine: bool,
}

/// The settings that name files.
const FILES: [(&str, &str); 2] = [("clients", "file"), ("store", "management_url_file")];

impl Settings {
    /// The defaults with what these texts set, the later ones on top. Files are in `folder`.
    pub(crate) fn merged(texts: &[&str], folder: &Path) -> Self {
        let mut table: Table =
            fs::read_to_string(project().join("config/default.toml")).unwrap().parse().unwrap();
        merge(&mut table, &every_test());
        let usual = table["inference"].clone();
        for text in texts {
            merge(&mut table, &text.parse().unwrap_or_else(|error| panic!("{error}:\n{text}")));
        }
        for (section, key) in FILES {
            if let Some(Value::String(file)) = table[section].get_mut(key) {
                *file = path_of(&folder.join(&*file));
            }
        }
        let has_usual_engine = table["inference"] == usual;
        let mut settings: Self = table.try_into().unwrap_or_else(|error| panic!("{error}: {texts:?}"));
        settings.inference.current_folder = CurrentFolder::Ignored;
        settings.has_usual_engine = has_usual_engine;
        settings
    }
}

/// What all services of tests have. The device is the same on every machine, so that expected metrics do not depend on the
/// processor. No load balancer needs time to notice the shutdown.
fn every_test() -> Table {
    let installed = |path: &str| Value::String(path_of(&project().join(".deps").join(path)));
    let mut table: Table =
        "http = { port = 0, admin_port = 0, shutdown_delay_seconds = 0 }\ninference = { device = \"cpu\" }\n"
            .parse()
            .unwrap();
    let inference = table["inference"].as_table_mut().unwrap();
    inference.insert("model_folder".to_owned(), installed("models"));
    inference.insert("runtime_library".to_owned(), installed("onnxruntime/libonnxruntime.so"));
    table
}

/// A path as the text of a setting.
fn path_of(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn merge(into: &mut Table, from: &Table) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

/// The limits of trials that the settings do not mention, turned off: tests ask about few persons, and often.
pub fn unlimited_trials(settings: &str) -> String {
    let off = "most = 0, window_seconds = 86400";
    let fields =
        ["person", "person_long", "client", "client_long"].map(|key| format!("{key} = {{ {off} }}\n"));
    let of_person = off.replace(", ", "\n");
    [
        ("failed_fields", fields.concat()),
        ("failed_faces_of_person", format!("{of_person}\n")),
        ("compared_faces_of_person", format!("{of_person}\n")),
    ]
    .into_iter()
    .filter(|(key, _)| !settings.contains(key))
    .map(|(key, text)| format!("[verification.{key}]\n{text}\n"))
    .collect::<Vec<_>>()
    .concat()
}

/// The sections `[registry]` and `[store]` of a service with these databases.
pub fn sections_of_databases(registry: &str, store: &str) -> String {
    let [person, template, audit] =
        ["0123456789abcdef", "89abcdef01234567", "456789abcdef0123"].map(|digits| digits.repeat(4));
    format!(
        "[registry]\nurls = [\"{registry}\"]\n\n[store]\nurl = \"{store}\"\nperson_key = \"{person}\"\n\
         template_keys = \"{template}\"\naudit_keys = \"{audit}\"\n"
    )
}
