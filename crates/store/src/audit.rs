//! The audit trail: who asked what about whom, and what was answered.
//!
//! Rows are written by an [`AuditTrail`](crate::AuditTrail), one chain a process: each row carries an HMAC over itself and the HMAC of
//! the row before it. A row that was changed no longer fits its own HMAC, one that was deleted is missing in its chain,
//! and one that was cut off at the end is named by a head, which the service also wrote to its log, or by the start of a
//! later chain.

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
