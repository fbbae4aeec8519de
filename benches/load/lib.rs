//! The parts of the load generator that other measuring programs use as well: people, selfies at the sizes that phones
//! send, and the resource usage of processes.
//!
//! Enter through [`read_people`] and [`read_selfies`] for what is sent, and through [`Watch::start`] for the usage.
//!
//! **Architecture Invariant:** it knows only the API of Padan, so that every service with this API can be measured in
//! the same way.

mod idle;
mod people;
mod process_tree;
mod size;
mod watch;

pub use idle::idle_seconds;
pub use people::{Person, Selfie, read_people, read_selfies};
pub use process_tree::ProcessTree;
pub use size::{InvalidSize, Size};
pub use watch::{Usage, Watch};
