//! One module a command; the demo and the models have their own folders.

pub(crate) mod cluster;
pub(crate) mod compare;
pub(crate) mod config_check;
pub(crate) mod doctor;
pub(crate) mod keys_rotate;
pub(crate) mod migrate;
pub(crate) mod serve;
