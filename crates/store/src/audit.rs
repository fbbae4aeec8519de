//! The audit trail: each request with its client, person and answer.
//!
//! An [`AuditTrail`] writes the rows of one process as a chain: the HMAC of each row covers the row and the HMAC of the
//! previous row. A changed row does not match its HMAC, and a deleted row leaves a gap in its chain. When rows at the
//! end of a chain are deleted, its head still names the last row. The head is recorded in the store, in the service's
//! log and in the beginnings of later chains.

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
