use padan_store::{Config, Store, StoreError};

use crate::fixture::config;

const SECTION: &str = "
    url = 'postgres://service@one/store'
    allow_plaintext = false
    audit_timeout_ms = 2000
    connect_timeout_ms = 1000
    statement_timeout_ms = 1500
    lock_timeout_ms = 1000
    migration_lock_timeout_ms = 5000
    max_connections = 16
    idle_timeout_ms = 300000
    max_lifetime_ms = 1800000
";

#[test]
fn unknown_keys_are_refused() {
    let config: Config = toml::from_str(SECTION).unwrap();
    assert!(config.person_key.is_none() && config.person_key_file.is_none());
    assert!(toml::from_str::<Config>(&format!("{SECTION}\nurls = []")).is_err());
}

#[tokio::test]
async fn the_person_key_comes_from_one_source() {
    let key = "0123456789abcdef".repeat(4);
    let path = std::env::temp_dir().join(format!("padan_person_key_{}", std::process::id()));
    std::fs::write(&path, format!("{key}\n")).unwrap();
    let outcome = |in_settings: bool, in_file: bool| {
        let mut config = config("postgres://service@localhost/store");
        config.person_key = in_settings.then(|| key.clone().into());
        config.person_key_file = in_file.then(|| path.clone());
        Store::new(&config)
    };
    assert!(outcome(true, false).is_ok() && outcome(false, true).is_ok());
    for (refused, expected) in
        [(outcome(true, true), "both set"), (outcome(false, false), "openssl rand -hex 32")]
    {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(outcome(false, true).unwrap_err().to_string().contains("store.person_key_file"));
}

#[tokio::test]
async fn the_url_comes_from_one_source() {
    let path = std::env::temp_dir().join(format!("padan_store_url_{}", std::process::id()));
    let outcome = |url: &str| {
        let mut config = config(url);
        config.url_file = Some(path.clone());
        config.allow_plaintext = true;
        Store::new(&config).map(|store| format!("{store:?}")).map_err(|error| error.to_string())
    };
    std::fs::write(&path, "postgres://service:secret@one/store\n").unwrap();
    assert_eq!(outcome("").unwrap(), "Store(\"one:5432/store\")");
    let both = outcome("postgres://service@one/store").unwrap_err();
    assert!(both.contains("store.url and store.url_file are both set"), "{both}");
    std::fs::write(&path, "mysql://service:secret@one/store\n").unwrap();
    let wrong = outcome("").unwrap_err();
    assert!(wrong.contains("store.url is not a postgres:// URL") && !wrong.contains("secret"), "{wrong}");
    std::fs::write(&path, "\n").unwrap();
    assert!(outcome("").unwrap_err().contains("the file is empty"));
    std::fs::remove_file(&path).unwrap();
    assert!(outcome("").unwrap_err().contains("store.url_file"));
    let neither = Store::new(&config("")).unwrap_err().to_string();
    assert!(neither.contains("store.url_file") && neither.contains("PADAN__STORE__URL"), "{neither}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_their_key() {
    let refusal = |change: &dyn Fn(&mut Config)| {
        let mut config = config("postgres://service@localhost/store");
        change(&mut config);
        match Store::new(&config) {
            Err(StoreError::Config(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    assert!(refusal(&|config| config.url = "mysql://s:secret@one/store".into()).contains("store.url"));
    let text = refusal(&|config| config.url = "postgres://s:secret@one:port/store".into());
    assert!(text.contains("store.url") && !text.contains("secret"), "{text}");
    let plaintext = refusal(&|config| config.url = "postgres://s:secret@one/store?sslmode=require".into());
    assert!(plaintext.contains("store.allow_plaintext") && !plaintext.contains("secret"), "{plaintext}");
    assert!(refusal(&|config| config.statement_timeout_ms = 0).contains("store.statement_timeout_ms"));
    assert!(refusal(&|config| config.person_key = Some("abc".into())).contains("store.person_key"));
    assert!(refusal(&|config| config.template_keys = Some("abc".into())).contains("store.template_keys"));
    assert!(refusal(&|config| config.audit_keys = Some("abc".into())).contains("store.audit_keys"));
    assert!(refusal(&|config| config.audit_timeout_ms = 0).contains("store.audit_timeout_ms"));
    assert!(refusal(&|config| config.template_keys = None).contains("PADAN__STORE__TEMPLATE_KEYS"));
}
