//! The service's own database: what has to survive a restart.
//!
//! Enter through [`Store::new`], bring the schema up to date with [`Store::migrate`], then ask
//! [`Store::template`] and keep with [`Store::keep_template`]. [`Store::audit_trail`] writes what was asked and answered;
//! [`AuditLog`] reads it. [`Overview`] is for whoever looks into the rest and has no key.
//!
//! What is there: face templates, so that a person's second verification needs no second embedding of the portrait; the
//! audit trail; the clients who may call ([`Store::clients`], [`Store::add_client`]), and how much of their quotas is
//! used ([`Store::take_quota`]). [`Store::enrolment`] is how the processes that enrol everybody share that work and go
//! on after a kill, and [`Store::active_model`] says which model set services are to use.
//!
//! **Architecture Invariant:** no secret of a client is in this database, only its SHA-256. One is generated here
//! ([`ClientSecret`]), shown once and forgotten.
//!
//! **Architecture Invariant:** what processes take of a quota is together never more than the quota.
//!
//! **Architecture Invariant:** the NIK is not in this database. A person is the HMAC-SHA-256 of the NIK
//! under the first of the [`PersonKeys`], which never leave the process. With another key every template is simply not
//! found; the audit trail is looked through under all of them.
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

mod active_model;
mod attempts;
mod audit;
mod client;
mod client_change;
mod client_profile;
mod client_secret;
mod config;
mod enrolment;
mod error;
mod migrations;
mod overview;
mod person_keys;
mod privileges;
mod pruning;
mod quota;
mod rotation;
mod secret;
mod store;
mod template;
mod template_batch;
mod template_copy;
mod template_figures;
mod template_keys;

pub use active_model::ActiveModel;
pub use audit::{
    AuditCommit, AuditEvent, AuditFault, AuditFigures, AuditFilter, AuditHead, AuditKeys, AuditLog,
    AuditReport, AuditRow, AuditTrail, ComparedUnder, Forgotten, RequestEnding, UsageRow,
};
pub use client::StoredClient;
pub use client_change::{NewClient, Rotation};
pub use client_profile::ClientProfile;
pub use client_secret::{ClientSecret, KeptSecret};
pub use config::Config;
pub use enrolment::{Checkpoint, EnrolmentLedger, EnrolmentStatus, EnrolmentTally};
pub use error::StoreError;
pub use overview::Overview;
pub use padan_postgres::PoolFigures;
pub use person_keys::PersonKeys;
pub use pruning::{Pruned, Pruning};
pub use quota::{QuotaAsk, QuotaGrant};
pub use rotation::Resealed;
pub use store::Store;
pub use template::{StoredTemplate, TemplateContent};
pub use template_batch::KeptTemplate;
pub use template_copy::TemplateCopy;
pub use template_figures::TemplateCount;
pub use template_keys::TemplateKeys;
