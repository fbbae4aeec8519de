//! Connection pools with time limits, for the replicas of the civil registry and for the service's own database.
//!
//! Start at [`Pool::new`], then [`Pool::fetch_all`] and its siblings, or [`Pool::run`] for several statements on one
//! connection; [`read_secret`] reads URLs and keys from settings or files.
//!
//! **Architecture Invariant:** getting a connection and running a statement each end within their limit, whatever the
//! network does. A connection whose answer was not read to its end is closed and not returned to the pool.
//!
//! **Architecture Invariant:** no error text contains credentials or a value of a row.
//!
//! **Architecture Invariant:** a server beyond this machine shows a certificate that is checked, unless the settings
//! allow plain text ([`connect_options`]).
//!
//! **Architecture Invariant:** each statement is run with the settings of its [`Session`], which the server has
//! confirmed: at the beginning of the connection if the server process was started for it, else, through a pooler, in
//! each transaction. A statement is never run where the statement of another client could be run in its place: a pooler
//! that mixes up prepared statements is refused.
//!
//! **Architecture Invariant:** this crate has no statement about a schema: it only begins sessions and transactions. All
//! other SQL lives in the crates that know the schema.

mod command;
mod fault;
mod figures;
mod hosts;
mod lease;
mod limits;
mod listener;
mod options;
mod pool;
mod query;
mod route;
mod secret;
mod server_version;
mod servers;
mod session;

pub use command::{Transactions, connect_session};
pub use fault::{Fault, FaultKind};
pub use figures::PoolFigures;
pub use limits::Limits;
pub use options::connect_options;
pub use pool::{Pool, Statement};
pub use query::{Command, Selection};
pub use secret::read_secret;
pub use servers::{Confirmation, Servers};
pub use session::Session;
