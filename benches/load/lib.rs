//! What the load generator shares with other programs that measure: who is asked for, selfies at the sizes that phones
//! send, and what a process uses.
//!
//! Enter through [`read_people`] and [`read_selfies`] for what is sent, and through [`Watch::start`] for what it costs.
//!
//! **Architecture Invariant:** it knows nothing of Padan but its API, so that any service that speaks it can be measured
//! in the same way.

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
