//! The service's own database: what has to survive a restart.
//!
//! Enter through [`Store::new`], bring the schema up to date with [`Store::migrate`], then ask
//! [`Store::template`] and keep with [`Store::keep_template`]. [`Store::audit_trail`] writes what was asked and answered;
//! [`AuditLog`] reads it.
//!
//! What is there: face templates, so that a person's second verification needs no second embedding of
//! the portrait, and the audit trail.
//!
//! **Architecture Invariant:** the NIK is not in this database. A person is the HMAC-SHA-256 of the NIK
//! under the [`PersonKey`], which never leaves the process. With another key every template is simply not
//! found.
//!
//! **Architecture Invariant:** no embedding is in this database as it is: each is sealed under one of the
//! [`TemplateKeys`], for its own row alone. A row moved to another person does not open.
//!
//! **Architecture Invariant:** a template belongs to one model contract and is only found under it.
//!
//! **Architecture Invariant:** an embedding comes back bit for bit as it was kept, so that a person's first
//! and second verification give the same percentage.
//!
//! **Architecture Invariant:** the audit trail only grows. The role that serves cannot change a row, and a row that
//! somebody else changes, deletes or cuts off shows.
//!
//! **Architecture Invariant:** this crate does not know the registry. Whether a template is stale is judged
//! by whoever knows both.

mod attempts;
mod audit;
mod config;
mod error;
mod forgetting;
mod migrations;
mod person_key;
mod rotation;
mod secret;
mod store;
mod template;
mod template_keys;

pub use audit::{
    AuditEvent, AuditFault, AuditFigures, AuditFilter, AuditHead, AuditKeys, AuditLog, AuditReport, AuditRow,
    AuditTrail, ComparedUnder, UsageRow,
};
pub use config::Config;
pub use error::StoreError;
pub use forgetting::Forgotten;
pub use padan_postgres::PoolFigures;
pub use person_key::PersonKey;
pub use rotation::Resealed;
pub use store::Store;
pub use template::{StoredTemplate, TemplateContent};
pub use template_keys::TemplateKeys;
