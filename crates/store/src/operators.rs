//! The accounts of operators, their sessions, and how they sign in.

pub(crate) mod account;
pub(crate) mod change;
pub(crate) mod code;
pub(crate) mod list;
pub(crate) mod password;
pub(crate) mod provider_flow;
pub(crate) mod provider_identity;
pub(crate) mod row;
pub(crate) mod session;
pub(crate) mod sessions_end;
pub(crate) mod sign_in;

use std::sync::Arc;

use crate::store::{Parts, Store};

/// The accounts of operators, their sessions, and how they sign in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operators(Arc<Parts>);

impl Store {
    /// The accounts of operators, their sessions, and how they sign in.
    pub fn operators(&self) -> Operators {
        Operators(Arc::clone(&self.0))
    }
}
