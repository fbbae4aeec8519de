//! Sign-in of operators through an OpenID Connect provider: the authorisation code flow with PKCE.
//!
//! The flow is written here, and signatures are verified by `ring`, which the program has for TLS anyway. The crate
//! `openidconnect` would add some 70 crates to the program, among them `rsa`, for whose advisory RUSTSEC-2023-0071 there is
//! no release that mends it.
//!
//! Start at [`Provider::authorization`], then [`Provider::redeem`].
//!
//! **Architecture Invariant:** an [`Identity`] comes from an ID token whose signature, issuer, audience, times and nonce
//! were right, and from nothing else.
//!
//! **Architecture Invariant:** only addresses that the settings, or the document of the issuer that they name, have are
//! asked. No redirect is followed, and each answer has a limit of size and time.

mod claims;
mod config;
mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod id_token;
mod identity;
mod keys;
mod metadata;
mod provider;
mod requests;

pub use self::{
    config::{Config, ConfigError, RoleOfGroup},
    fault::Fault,
    identity::Identity,
    provider::{FlowSecrets, Provider},
};
