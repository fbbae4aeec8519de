//! Padan over HTTP, on two listeners: the public API, and for operators `/metrics`, `/healthz`, `/readyz` and, if it is
//! on, the management interface (`management.rs`).
//!
//! Start at [`Application::build`] and [`Application::run_until_stopped`]. To add an audited endpoint, follow the
//! recipe in ARCHITECTURE.md: a file that implements [`Verification`], listed in `endpoints.rs`.
//!
//! **Architecture Invariant:** this is the only crate that knows HTTP, and it knows no database and no model:
//! a handler parses, makes one call of the verifier and answers.
//!
//! **Architecture Invariant:** every answer to a request whose head could be read passes `edge.rs`. The edge gives it
//! its `Request-Id`, turns a panic into a 500, drains the rest of the body, and logs and counts the request once.
//!
//! **Architecture Invariant:** an admitted call is answered only after its row in the audit trail is durable, or with
//! the documented 503. [`AdmittedCall::answer`] is the only way to an [`Answer`]. There are two exceptions. A 429 has
//! no row, unless the registry was asked before. A body whose chunks are malformed is refused without waiting for the row, because the server closes such a
//! connection.
//!
//! **Architecture Invariant:** one `match` without a wildcard, in `status.rs`, gives each reason its status.
//!
//! **Architecture Invariant:** logs and metrics contain no field of a request, no unknown path, no query, and no panic
//! message that was formatted from data.

mod activity;
mod admission;
mod answer;
mod application;
mod basic_verification;
mod body;
mod body_memory;
mod charset;
mod config;
mod connection;
mod connections;
mod console;
mod controls;
mod credentials;
mod docs_page;
mod edge;
mod endpoint_docs;
mod endpoints;
mod face_match;
mod face_verification;
mod field;
mod form;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handler;
mod in_flight;
mod inflate;
mod json_form;
mod limits;
mod link;
mod listener;
mod management;
mod metrics;
mod multipart;
mod openapi;
mod operators;
mod panic;
mod passive_liveness;
mod peer_certificate;
mod percentage_number;
mod readiness;
mod refusal;
mod request_id;
mod routes;
mod sandbox_docs;
mod saturation;
mod status;
mod status_report;
mod tls;
mod traces;
mod trusted_proxies;
mod verification;
mod visit;

pub use activity::LastMinute;
pub use admission::{AdmittedCall, Answer};
pub use application::{Application, OPERATORS_CONNECTIONS};
pub use config::{Config, ConfigError, ConsoleConfig, TcpKeepalive};
pub use controls::Controls;
pub use metrics::Load;
pub use panic::report_panics_without_data;
pub use refusal::Refusal;
pub use status_report::{
    AuditStatus, CertificateStatus, DatabaseStatus, ModelStatus, QueueStatus, ReplicaStatus, ShadowStatus,
    StatusReport,
};
pub use tls::{TlsConfig, TlsError};
pub use verification::{Verdict, Verification};
