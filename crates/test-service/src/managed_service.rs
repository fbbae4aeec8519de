use std::{
    collections::BTreeMap,
    ops::Deref,
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::{Response, multipart::Form};
use serde_json::Value;

use crate::running_service::RunningService;

/// The roles of operators.
pub const ROLES: [&str; 3] = ["support", "operator", "auditor"];

/// The path of exports.
pub const EXPORTS: &str = "/audit/export-jobs";

/// A service with the management interface, and a token of an operator in each role.
pub struct ManagedService<S> {
    /// The service.
    pub service: S,
    /// The tokens by role.
    pub tokens: BTreeMap<&'static str, String>,
}

impl<S: Deref<Target = RunningService>> ManagedService<S> {
    /// Adds an operator in each role, whom `add` adds by name and role, and who gets the token that it returns.
    pub fn new(service: S, add: impl Fn(&S, &str, &str) -> String) -> Self {
        let tokens = ROLES.map(|role| (role, add(&service, &format!("{role}-1"), role)));
        Self { service, tokens: BTreeMap::from(tokens) }
    }

    /// Sends a request with this token.
    pub fn send(&self, token: &str, method: &str, path: &str, body: &Value) -> Response {
        self.try_send(token, method, path, body).unwrap()
    }

    /// The same for a request that may have no answer.
    ///
    /// # Errors
    ///
    /// When the connection breaks before the head of the answer has arrived.
    pub fn try_send(&self, token: &str, method: &str, path: &str, body: &Value) -> reqwest::Result<Response> {
        let url = format!("http://{}/admin/v1{path}", self.service.admin);
        let request = self.service.client.request(method.parse().unwrap(), url).bearer_auth(token);
        let request = if method == "GET" { request } else { request.body(body.to_string()) };
        request.send()
    }

    /// The status and the body of an answer to an operator in this role.
    pub fn ask(&self, role: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.send(&self.tokens[role], method, path, body);
        let status = answer.status().as_u16();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.headers().contains_key("request-id"));
        // A stream of events goes on.
        if answer.headers().get("content-type").is_some_and(|of| of == "text/event-stream") {
            return (status, Value::Null);
        }
        (status, serde_json::from_str(&answer.text().unwrap()).unwrap_or_default())
    }

    /// The status of an answer to a GET of an operator in this role, whose body may be no JSON.
    pub fn ask_raw(&self, role: &str, path: &str) -> u16 {
        self.send(&self.tokens[role], "GET", path, &Value::Null).status().as_u16()
    }

    /// The body of an answer to a GET, which must succeed.
    pub fn get(&self, role: &str, path: &str) -> Value {
        let (status, body) = self.ask(role, "GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The body of an answer to a POST, which must succeed.
    pub fn post(&self, role: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(role, "POST", path, body);
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// The status of an answer to this token.
    pub fn status_of(&self, token: &str) -> u16 {
        self.send(token, "GET", "/session", &Value::Null).status().as_u16()
    }

    /// The acts of operators' accounts by the audit trail, with the account.
    pub fn acts(&self) -> Vec<String> {
        let query = "SELECT reason || ' ' || (fields::json -> 'request' ->> 'account') FROM store.audit_event
                      WHERE kind = 'admin' AND fields::json -> 'request' IS NOT NULL ORDER BY at, sequence";
        self.service.runtime.block_on(self.service.store.texts(query))
    }

    /// Runs statements in the store.
    pub fn execute(&self, statement: &str) {
        self.service.runtime.block_on(self.service.store.execute(statement));
    }

    /// Sends a form as an operator in this role.
    pub fn send_form(&self, role: &str, path: &str, form: Form) -> (u16, Value) {
        let url = format!("http://{}/admin/v1{path}", self.service.admin);
        let request = self.service.client.post(url).bearer_auth(&self.tokens[role]);
        let answer = request.multipart(form).send().unwrap();
        (answer.status().as_u16(), answer.json().unwrap())
    }

    /// Waits until a list has a job in this state, and returns the job.
    pub fn wait_for_job(&self, role: &str, path: &str, id: &Value, state: &str) -> Value {
        let began = Instant::now();
        loop {
            let listed = self.get(role, path);
            let jobs = listed["jobs"].as_array().unwrap();
            let job = jobs.iter().find(|job| job["id"] == *id).unwrap();
            if job["state"] == state {
                return job.clone();
            }
            assert!(began.elapsed() < Duration::from_mins(4), "{job} is not {state}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The job of an export with these criteria, when it is done.
    pub fn exported(&self, criteria: &Value) -> Value {
        let started = self.post("auditor", "/audit/export-jobs", criteria);
        self.wait_for_job("auditor", EXPORTS, &started["id"], "done")
    }

    /// The status, and the text of the file of an export.
    pub fn file(&self, job: &Value) -> (u16, String) {
        let path = format!("{EXPORTS}/{}/file", job["id"].as_str().unwrap());
        let answer = self.send(&self.tokens["auditor"], "GET", &path, &Value::Null);
        (answer.status().as_u16(), answer.text().unwrap())
    }

    /// The texts of a query of the store, one after the other.
    pub fn one(&self, query: &str) -> String {
        self.service.runtime.block_on(self.service.store.texts(query)).concat()
    }

    /// The operations of the OpenAPI document: method, path, operation.
    pub fn operations(&self) -> Vec<(String, String, Value)> {
        let url = format!("http://{}/admin/v1/openapi.json", self.service.admin);
        let document: Value = self.service.client.get(url).send().unwrap().json().unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let path = path.strip_prefix("/admin/v1").unwrap().to_owned();
            let item = item.as_object().unwrap().clone();
            item.into_iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        });
        operations.collect()
    }
}
