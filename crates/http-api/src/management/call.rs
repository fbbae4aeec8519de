use std::sync::Arc;

use actix_web::web::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use padan_verification::{ClientName, Mandate, Verifier};
use serde::de::DeserializeOwned;

use super::{browser::BrowserSession, fault::Fault};
use crate::connections::Connections;

/// A request of an operator whose role permits it.
pub(crate) struct Call {
    pub(super) mandate: Mandate,
    /// The ids of the operations that the role permits.
    pub(super) operations: Vec<&'static str>,
    /// The session, if a browser sent the request.
    pub(super) browser: Option<BrowserSession>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) connections: Connections,
    /// The last part of the path, of routes that have one.
    pub(super) parameter: Option<String>,
    pub(super) query: String,
    /// The header `Content-Type`.
    pub(super) content_type: String,
    /// The id under which the request is recorded.
    pub(super) request_id: String,
    pub(super) body: Bytes,
    /// Whether the role may see faces.
    pub(super) may_see_faces: bool,
    /// Whether the settings let operators give rights to others here.
    pub(super) may_manage_operators: bool,
}

impl Call {
    /// The client's name in the path.
    pub(super) fn name(&self) -> Result<ClientName, Fault> {
        self.parameter.as_deref().and_then(|name| name.parse().ok()).ok_or(Fault::NotFound)
    }

    /// The body as JSON. The fault does not repeat any of it.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        parsed_json(&self.body)
    }

    /// The query of the address. The fault does not repeat any of it.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        actix_web::web::Query::<T>::from_query(&self.query).map(actix_web::web::Query::into_inner).map_err(
            |_| Fault::invalid("the query has a parameter that the route does not take, or a wrong value"),
        )
    }
}

/// A body as JSON. The fault does not repeat any of it.
pub(super) fn parsed_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let fault = if error.is_data() { "not the object that the route takes" } else { "no valid JSON" };
        Fault::Invalid(format!("the body is {fault}, at line {line}, column {column}"))
    })
}

/// A moment in answers.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A moment in requests.
pub(super) fn parsed_moment(text: &str) -> Result<DateTime<Utc>, Fault> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.map(|at| at.to_utc()).map_err(|_| Fault::invalid("expected a moment such as 2026-01-02T03:04:05Z"))
}
