//! The keys that the store uses, and what they seal.

pub(crate) mod key_set;
pub(crate) mod person_keys;
pub(crate) mod sealing;
pub(crate) mod secret;
