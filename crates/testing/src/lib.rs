//! What tests of several crates need: a database of their own, a standby, and networks that fail.
//!
//! Enter through [`TestDatabase::create`]. A test that lacks the server fails and says what to run.
//!
//! **Architecture Invariant:** a development dependency only, which depends on no other crate of the
//! workspace: what a database holds is the test's business.

mod network;
mod proxy;
mod standby;
mod test_database;

pub use network::{refused_address, silent_address};
pub use proxy::Proxy;
pub use standby::Standby;
pub use test_database::TestDatabase;
