//! The replica of the civil registry, read only: it finds the record of a person by NIK.
//!
//! Start at [`Registry::new`]. Verification calls [`Registry::citizen`] and [`Registry::portrait`], basic
//! verification [`Registry::civil_record`], and enrolment [`Registry::next_range`] and [`Registry::roster`].
//! [`Registry::check`] says whether the site's view satisfies the contract.
//!
//! **Architecture Invariant:** only the view `padan.citizen` is read: by equality on the NIK or, for enrolment, in the
//! order of the NIK, so that one index serves both. A site chooses the tables behind it: `deploy/registry` shows how to
//! map them. A look-up by NIK goes through the function `padan.citizen_of` where there is one, so that the service's role
//! need not have access to the view.
//!
//! **Architecture Invariant:** [`Registry`] never writes. The server has confirmed that a transaction is read-only before
//! its first statement, also through a pooler that drops start-up options. Only
//! [`SampleRegistry`] writes, to the sample tables of demo and tests, over a connection of its own.
//!
//! **Architecture Invariant:** a look-up ends within its time limit, whatever the network does.
//!
//! **Architecture Invariant:** a row that breaks the contract is [`RegistryError::Inconsistent`], never interpreted. No
//! error text contains a value of a row.

mod citizen;
mod civil_record;
mod config;
mod contract_check;
mod error;
mod lag;
mod lookup;
mod portrait;
mod registry;
mod replica;
mod replica_status;
mod roster;
mod sample_registry;

pub use citizen::Citizen;
pub use civil_record::{CivilRecord, FurtherFields};
pub use config::{Choice, Config};
pub use error::RegistryError;
pub use lookup::LookupRights;
pub use portrait::Portrait;
pub use registry::Registry;
pub use replica::ReplicaFigures;
pub use replica_status::ReplicaStatus;
pub use roster::RosterEntry;
pub use sample_registry::{SamplePerson, SampleRegistry};
