//! Fixtures for the tests of several crates: a database for each test, a standby, a provider of sign-ins, networks that
//! fail, and a folder like a checkout.
//!
//! Start at [`TestDatabase::create`]. A test that lacks the server fails and says what to run.
//!
//! **Architecture Invariant:** this crate is only a development dependency and depends on no other crate of the
//! workspace: the tests decide what a database contains.

mod balancer;
mod checkout;
mod documented_json;
mod network;
mod open_id_provider;
mod pooler;
mod proxy;
mod standby;
mod startup;
mod template;
mod test_database;

pub use balancer::Balancer;
pub use checkout::{Checkout, stderr, stdout};
pub use documented_json::assert_documented;
pub use network::{refused_address, silent_address};
pub use open_id_provider::OpenIdProvider;
pub use pooler::SharingPooler;
pub use proxy::Proxy;
pub use standby::Standby;
pub use test_database::TestDatabase;
