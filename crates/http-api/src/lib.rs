//! Padan over HTTP, on two listeners: the public API, and `/metrics`, `/healthz` and `/readyz` for operators.
//!
//! Enter through [`Application::build`] and [`Application::run_until_stopped`]. To add an endpoint, write one
//! file with its form, its answer, its documents and its handler, name it in `routes.rs` and in `openapi.rs`.
//!
//! **Architecture Invariant:** this is the only crate that knows HTTP, and it knows no database and no model:
//! a handler parses, makes one call of the verifier and answers.
//!
//! **Architecture Invariant:** every answer on the public listener passes `edge.rs`. There it gets its
//! `Request-Id`, there a panic becomes a 500, there the rest of the body is drained, and there it is logged
//! and counted, once.
//!
//! **Architecture Invariant:** the answer to a client who was let in leaves a verification endpoint through `audit.rs`,
//! after its row in the audit trail is durable; only a body whose chunks are none is refused before, since the server
//! leaves no time.
//!
//! **Architecture Invariant:** which status a reason has is one `match` in `status.rs`, without a wildcard.
//!
//! **Architecture Invariant:** logs and metrics hold no field of a request, no path that was not found, no
//! query and no message of a panic that was made of data.

mod admission;
mod answer;
mod application;
mod audit;
mod basic_verification;
mod body;
mod body_memory;
mod charset;
mod config;
mod controls;
mod credentials;
mod docs_page;
mod edge;
mod face_verification;
mod form;
mod limits;
mod metrics;
mod multipart;
mod notes;
mod openapi;
mod operators;
mod panic;
mod peer_certificate;
mod percentage_number;
mod places;
mod refusal;
mod request_id;
mod routes;
mod saturation;
mod status;
mod tls;
mod traces;
mod trusted_proxies;

pub use application::Application;
pub use config::{Config, ConfigError};
pub use controls::Controls;
pub use panic::report_panics_without_data;
pub use tls::{TlsConfig, TlsError};
