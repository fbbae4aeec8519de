use std::{
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use padan_testing::TestDatabase;
use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, multipart};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    answer::Answer,
    claim::{Claim, pair, text_fields},
    site::{BUDI, CREDENTIALS, Credentials, fill},
};

/// The path of a comparison of two photos.
pub const FACE_MATCH: &str = "/face/v1/match";

/// A running service as its clients and operators see it, whichever way it was started.
pub struct RunningService {
    /// The address of the public listener.
    pub address: SocketAddr,
    /// The address of the operators' listener.
    pub admin: SocketAddr,
    /// The registry's replica.
    pub registry: TestDatabase,
    /// The store.
    pub store: TestDatabase,
    /// Where the test waits for the databases.
    pub runtime: Runtime,
    /// What sends the test's requests.
    pub client: Client,
}

impl RunningService {
    /// A service of these databases that listens on no port yet.
    pub fn not_listening(registry: TestDatabase, store: TestDatabase, runtime: Runtime) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let client = http_client().no_proxy().timeout(Duration::from_mins(1)).build().unwrap();
        Self { address: nowhere, admin: nowhere, registry, store, runtime, client }
    }

    /// A registry with the people of the tests, which a test may change.
    pub async fn own_registry() -> TestDatabase {
        TestDatabase::filled("registry", fill).await
    }

    /// A registry with the people of the tests, which tests share and none changes.
    pub async fn shared_registry() -> TestDatabase {
        TestDatabase::shared("registry", fill).await
    }

    /// Waits until the service is ready.
    pub fn wait_until_ready(&self) {
        self.wait_until_ready_at(self.admin);
    }

    /// Waits until the service with this listener for operators is ready.
    pub fn wait_until_ready_at(&self, admin: SocketAddr) {
        let began = Instant::now();
        loop {
            let answer = self.client.get(format!("http://{admin}/readyz")).send().unwrap();
            if answer.status() == 200 {
                return;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "{}", answer.text().unwrap());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a claim with valid credentials.
    pub fn verify(&self, claim: &Claim) -> Answer {
        self.send(claim.form())
    }

    /// Sends a form to the face verification.
    pub fn send(&self, form: multipart::Form) -> Answer {
        self.send_to("/identity/v1/face-verification", form)
    }

    /// Sends a form to a path.
    pub fn send_to(&self, path: &str, form: multipart::Form) -> Answer {
        self.request("POST", path, CREDENTIALS).multipart(form).send().unwrap().into()
    }

    /// A request with credentials.
    pub fn request(&self, method: &str, path: &str, credentials: [&str; 3]) -> RequestBuilder {
        self.request_at(self.address, method, path, credentials)
    }

    /// A request with credentials to another process.
    pub fn request_at(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        credentials: [&str; 3],
    ) -> RequestBuilder {
        let [user, password, key] = credentials;
        self.client
            .request(method.parse().unwrap(), format!("http://{address}{path}"))
            .basic_auth(user, Some(password))
            .header("x-api-key", key)
    }

    /// Verifies Budi's name with these credentials, which needs no inference.
    pub fn verify_name(&self, credentials: &Credentials) -> Answer {
        self.verify_name_at(self.address, credentials)
    }

    /// The same, sent to another process.
    pub fn verify_name_at(&self, address: SocketAddr, credentials: &Credentials) -> Answer {
        let credentials = credentials.each_ref().map(String::as_str);
        let request = self.request_at(address, "POST", "/identity/v1/verification", credentials);
        request.multipart(text_fields(&[("nik", BUDI), ("name", "Budi Santoso")])).send().unwrap().into()
    }

    /// Repeats [`verify_name`](Self::verify_name) until it gets this reason code: a change of a client takes some seconds to
    /// apply.
    pub fn wait_for(&self, credentials: &Credentials, reason_code: &str) {
        let began = Instant::now();
        loop {
            let answer = self.verify_name(credentials);
            if answer.reason_code == reason_code {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "still {}", answer.reason_code);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Compares two photos.
    pub fn compare(&self, captured: &Bytes, stored: &Bytes) -> Answer {
        self.send_to(FACE_MATCH, pair(captured, stored))
    }

    /// The status and the body of a GET on the operators' listener.
    pub fn get_from_operators(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("http://{}{path}", self.admin)).send().unwrap();
        (response.status().as_u16(), response.text().unwrap())
    }

    /// The metrics as text.
    pub fn metrics(&self) -> String {
        let (status, text) = self.get_from_operators("/metrics");
        assert_eq!(status, 200);
        text
    }

    /// Reads the metrics until the value of a series is accepted.
    pub fn wait_for_metric(&self, series: &str, is_accepted: impl Fn(f64) -> bool) {
        let began = Instant::now();
        loop {
            let text = self.metrics();
            if value_of_series(&text, series).is_some_and(&is_accepted) {
                return;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "{series} has no such value:\n{text}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The address of the operators' listener.
    pub fn operators_address(&self) -> SocketAddr {
        self.admin
    }

    /// A connection to the public listener.
    pub fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        connection
    }

    /// The rows of the audit trail about requests, in their order, by the names of their columns.
    pub fn recorded_requests(&self) -> Vec<Value> {
        let query = "SELECT (to_jsonb(event) || jsonb_build_object('fields', nullif(fields, '')::jsonb,
                                                                   'name_rules', name_rules::jsonb,
                                                                   'person_key', encode(person_key, 'hex')))::text
                       FROM store.audit_event AS event WHERE kind = 'request' ORDER BY at, writer, sequence";
        let rows = self.runtime.block_on(self.store.texts(query));
        rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
    }
}

/// What builds an HTTP client. It needs a cryptography provider even where a test uses plain HTTP.
pub fn http_client() -> ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
}

/// The value of a series in the text of metrics, given by its name and labels as they are printed.
pub fn value_of_series(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}
