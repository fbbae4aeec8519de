//! The audit trail: each request with its client, person and answer.
//!
//! An [`AuditTrail`] writes the rows of one process as a chain: the HMAC of each row covers the row and the HMAC of the
//! previous row. A changed row does not match its HMAC, and a deleted row leaves a gap in its chain. When rows at the
//! end of a chain are deleted, its head still names the last row. The head is recorded in the store, in the service's
//! log and in the beginnings of later chains.
//!
//! A signature vouches only for what Padan wrote: before a month is pruned, a person is removed or a chain ends, the rows
//! are verified, whatever the database says. `docs/security.md` lists who can hide what, and for how long.

pub(crate) mod administering;
mod anchor;
mod chain_end;
pub(crate) mod checker;
pub(crate) mod event;
pub(crate) mod export;
mod fault;
mod filter;
pub(crate) mod forgetting;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod head;
pub(crate) mod keys;
mod month;
mod open_chains;
pub(crate) mod person_keys_in_use;
mod progress;
mod recorded_calibrations;
mod recorded_model;
mod recorded_rows;
mod recorded_shadow;
mod removal;
mod retention;
pub(crate) mod row;
pub(crate) mod search;
mod statements;
mod steps;
pub(crate) mod trail;
pub(crate) mod usage;
mod writer;

pub use self::{
    checker::AuditReport,
    event::{AuditEvent, ComparedUnder, RequestEnding},
    export::AuditLog,
    fault::{AuditFault, RowLocation},
    filter::AuditFilter,
    forgetting::Forgotten,
    head::AuditHead,
    keys::AuditKeys,
    recorded_rows::RowFault,
    retention::PrunedMonths,
    row::AuditRow,
    search::{AuditPosition, AuditQuery, InvalidAuditPosition},
    trail::{AuditCommit, AuditFigures, AuditTrail},
    usage::UsageRow,
};
