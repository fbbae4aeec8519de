use std::{fs, num::NonZeroU32, time::Duration};

use padan_domain::{Clock, Endpoint, QuotaPeriod};
use padan_store::{Config, Store};
use padan_testing::TestDatabase;
use padan_verification::{BackgroundTasks, Caller, Clients, ClientsConfig, Credentials, Presented};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

/// How long the store takes to grant a part of a month's quota.
const STORE_TAKES: Duration = Duration::from_millis(400);
/// The part that the store grants of a quota of 1000.
const GRANT: u64 = 10;

struct Fixture {
    store: Store,
    clients: Clients,
    caller: Caller,
    // Dropped with its contents.
    _database: TestDatabase,
}

impl Fixture {
    /// A client with a quota of 1000 requests a day and a month, and a store that is slow to grant the month's.
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let store = Store::new(&config(&database.url())).unwrap();
        store.migrate().await.unwrap();
        let delay = format!(
            "CREATE FUNCTION store.delay() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep({}); RETURN NEW; END $$;
             CREATE TRIGGER delay BEFORE INSERT ON store.quota_use
                 FOR EACH ROW WHEN (NEW.period = 'month') EXECUTE FUNCTION store.delay()",
            STORE_TAKES.as_secs_f64()
        );
        database.execute(&delay).await;
        let clients = clients(&store);
        let credentials = Credentials { username: b"bank-user", password: b"password", api_key: b"key" };
        let presented = Presented {
            credentials: Some(credentials),
            certificate: None,
            address: "192.0.2.1".parse().unwrap(),
        };
        let caller = clients.identify(presented, Endpoint::Verification).await.unwrap();
        Self { store, clients, caller, _database: database }
    }

    /// Begins to count a request, and disconnects before the store has answered.
    async fn disconnect_early(&self) {
        timeout(STORE_TAKES / 4, self.clients.count(&self.caller)).await.unwrap_err();
    }

    /// The used requests of the day's and the month's quota, according to the store.
    async fn used(&self) -> [u64; 2] {
        let quotas = self.store.quotas();
        let used =
            |period: QuotaPeriod| quotas.used(&self.caller.client.name, period.current(&Clock::System));
        [used(QuotaPeriod::Day).await.unwrap(), used(QuotaPeriod::Month).await.unwrap()]
    }
}

fn clients(store: &Store) -> Clients {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.toml");
    let digest = |secret: &str| hex::encode(Sha256::digest(secret));
    let text = format!(
        "[[client]]\nname = \"bank\"\nusername = \"bank-user\"\npassword_sha256 = \"{}\"\napi_key_sha256 = \"{}\"\n\
         daily_quota = 1000\nmonthly_quota = 1000\n",
        digest("password"),
        digest("key")
    );
    fs::write(&file, text).unwrap();
    let config = ClientsConfig { file: Some(file), ..ClientsConfig::default() };
    Clients::load_with_store(&config, store, &mut BackgroundTasks::default()).unwrap()
}

fn config(url: &str) -> Config {
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
        connect_timeout_ms: 5000,
        statement_timeout_ms: 5000,
        lock_timeout_ms: 5000,
        migration_lock_timeout_ms: 5000,
        max_connections: NonZeroU32::new(4).unwrap(),
        idle_timeout_ms: 60_000,
        max_lifetime_ms: 60_000,
    }
}

#[tokio::test]
async fn a_caller_that_disconnects_uses_no_quota() {
    let fixture = Fixture::new().await;
    fixture.disconnect_early().await;
    fixture.clients.finish().await;
    tokio::time::sleep(STORE_TAKES).await;
    assert_eq!(fixture.used().await, [0, 0]);
}

#[tokio::test]
async fn a_grant_for_a_caller_that_disconnected_serves_the_next_caller() {
    let fixture = Fixture::new().await;
    fixture.disconnect_early().await;
    let state = fixture.clients.count(&fixture.caller).await.unwrap().unwrap();
    assert_eq!(state.remaining, 999);
    assert_eq!(fixture.used().await, [GRANT, GRANT]);
    fixture.clients.finish().await;
    assert_eq!(fixture.used().await, [1, 1]);
}
