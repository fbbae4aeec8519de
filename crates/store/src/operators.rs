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
