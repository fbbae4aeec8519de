//! The replica of the civil registry, read only: a NIK in, what the registry knows about the person out.
//!
//! Enter through [`Registry::new`] and ask [`Registry::citizen`], [`Registry::portrait`] or, for basic
//! verification, [`Registry::civil_record`]; whoever walks over everybody asks [`Registry::next_range`] and
//! [`Registry::roster`]. [`Registry::check`] says whether the site's view keeps the
//! contract.
//!
//! **Architecture Invariant:** one view is read, `padan.citizen`, by equality on the NIK or, for enrolment, in the NIK's
//! order from a NIK onwards, so that an index serves either. Which tables stand
//! behind it is the site's business: `deploy/registry` shows how to map them.
//!
//! **Architecture Invariant:** [`Registry`] never writes. Each connection asks for read-only transactions
//! and is refused when the server does not confirm them, so a pooler that drops start-up options cannot
//! hide. Only [`SampleRegistry`] writes, to the stand-in tables of demo and tests, over a connection of its
//! own.
//!
//! **Architecture Invariant:** a look-up ends within its budget, whatever the network does.
//!
//! **Architecture Invariant:** a row that breaks the contract is [`RegistryError::Inconsistent`], never a
//! guess. No error text holds a value of a row.

mod citizen;
mod civil_record;
mod config;
mod contract_check;
mod error;
mod lag;
mod portrait;
mod registry;
mod replica;
mod roster;
mod sample_registry;
mod standing;

pub use citizen::Citizen;
pub use civil_record::{CivilRecord, FurtherFields};
pub use config::Config;
pub use error::RegistryError;
pub use portrait::Portrait;
pub use registry::Registry;
pub use replica::ReplicaFigures;
pub use roster::RosterEntry;
pub use sample_registry::{SamplePerson, SampleRegistry};
pub use standing::ReplicaStanding;
