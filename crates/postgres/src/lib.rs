//! Bounded use of a PostgreSQL server: what the civil registry's replicas and the service's own database have in common.
//!
//! Enter through [`Pool::new`], then [`Pool::run`]; [`read_secret`] is how URLs and keys come in.
//!
//! **Architecture Invariant:** getting a connection and running a statement each end within their limit, whatever the
//! network does. A connection whose answer was not awaited is closed and not returned to the pool.
//!
//! **Architecture Invariant:** no error text holds credentials or a value of a row.
//!
//! **Architecture Invariant:** it has no statement of its own: SQL lives in the crates that know the schema.

mod fault;
mod figures;
mod lease;
mod listener;
mod options;
mod pool;
mod secret;

pub use fault::{Fault, FaultKind};
pub use figures::PoolFigures;
pub use options::connect_options;
pub use pool::{Confirmation, Limits, Pool, Statement};
pub use secret::read_secret;
