//! The audit trail: each request with its client, person and answer.
//!
//! An [`AuditTrail`] writes the rows, one chain a process: each row has an HMAC over itself and the HMAC of the row
//! before. A changed row does not match its HMAC, and a deleted row leaves a gap in its chain. When rows at the end of
//! a chain are deleted, a head still names them, which the service also writes to its log, or the beginning of a later
//! chain does.

pub(crate) mod checker;
pub(crate) mod event;
pub(crate) mod export;
mod filter;
pub(crate) mod forgetting;
pub(crate) mod head;
pub(crate) mod keys;
pub(crate) mod person_keys_in_use;
mod retention;
pub(crate) mod row;
mod statements;
pub(crate) mod trail;
pub(crate) mod usage;
mod writer;

pub use self::{
    checker::{AuditFault, AuditReport},
    event::{AuditEvent, ComparedUnder, RequestEnding},
    export::AuditLog,
    filter::AuditFilter,
    forgetting::Forgotten,
    head::AuditHead,
    keys::AuditKeys,
    row::AuditRow,
    trail::{AuditCommit, AuditFigures, AuditTrail},
    usage::UsageRow,
};
