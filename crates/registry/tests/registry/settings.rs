use padan_registry::{Config, Registry, RegistryError};
use secrecy::ExposeSecret as _;

use crate::fixture::config;

const SECTION: &str = "
    urls = ['postgres://reader@one/registry']
    allow_plaintext = false
    connect_timeout_ms = 1000
    statement_timeout_ms = 1500
    lock_timeout_ms = 500
    lookup_timeout_ms = 4000
    max_portrait_bytes = 16777216
    max_connections = 16
    idle_timeout_ms = 300000
    max_lifetime_ms = 1800000
    choose_by = 'order'
    retry_failed_after_ms = 5000
";

#[test]
fn urls_are_a_list_or_one_text_with_commas() {
    let urls = |value: &str| {
        let config: Config =
            toml::from_str(&SECTION.replace("['postgres://reader@one/registry']", value)).unwrap();
        config.urls.iter().map(|url| url.expose_secret().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(urls("['postgres://one', 'postgres://two']"), ["postgres://one", "postgres://two"]);
    assert_eq!(urls("'postgres://one, postgres://two,'"), ["postgres://one", "postgres://two"]);
    assert_eq!(urls("'postgres://one'"), ["postgres://one"]);
}

#[test]
fn unknown_keys_are_refused() {
    assert!(toml::from_str::<Config>(&format!("{SECTION}\nurl = 'postgres://one'")).is_err());
}

#[tokio::test]
async fn urls_come_from_one_source() {
    let path = std::env::temp_dir().join(format!("padan_registry_urls_{}", std::process::id()));
    let outcome = |urls: &[&str]| {
        let mut config = config(urls);
        config.urls_file = Some(path.clone());
        config.allow_plaintext = true;
        Registry::new(&config).map(|registry| format!("{registry:?}")).map_err(|error| error.to_string())
    };
    std::fs::write(&path, "postgres://reader:secret@one/registry\n\npostgres://reader:secret@two/registry\n")
        .unwrap();
    assert_eq!(outcome(&[]).unwrap(), r#"["one:5432/registry", "two:5432/registry"]"#);
    let both = outcome(&["postgres://reader@one/registry"]).unwrap_err();
    assert!(both.contains("registry.urls and registry.urls_file are both set"), "{both}");
    std::fs::write(&path, "postgres://one\nmysql://reader:secret@one/registry\n").unwrap();
    let wrong = outcome(&[]).unwrap_err();
    assert!(wrong.contains("number 2") && !wrong.contains("secret"), "{wrong}");
    std::fs::write(&path, "").unwrap();
    assert!(outcome(&[]).unwrap_err().contains("the file is empty"));
    std::fs::remove_file(&path).unwrap();
    assert!(outcome(&[]).unwrap_err().contains("registry.urls_file"));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_their_key() {
    let refusal = |change: &dyn Fn(&mut Config)| {
        let mut config = config(&["postgres://reader@localhost/registry"]);
        change(&mut config);
        match Registry::new(&config) {
            Err(RegistryError::Config(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    assert!(refusal(&|config| config.urls.clear()).contains("registry.urls"));
    assert!(refusal(&|config| config.urls.push("mysql://r:secret@h/d".into())).contains("number 2"));
    assert!(refusal(&|config| config.urls[0] = "postgres://r:secret@h:port/d".into()).contains("number 1"));
    assert!(!refusal(&|config| config.urls[0] = "postgres://r:secret@h:port/d".into()).contains("secret"));
    let plaintext = refusal(&|config| config.urls.push("postgres://r:secret@two/d?sslmode=require".into()));
    assert!(plaintext.contains("number 2") && plaintext.contains("registry.allow_plaintext"), "{plaintext}");
    assert!(!plaintext.contains("secret"), "{plaintext}");
    assert!(refusal(&|config| config.statement_timeout_ms = 0).contains("registry.statement_timeout_ms"));
    assert!(refusal(&|config| config.connect_timeout_ms = u64::MAX).contains("registry.connect_timeout_ms"));
    assert!(refusal(&|config| config.lookup_timeout_ms = 1199).contains("registry.lookup_timeout_ms"));
}
