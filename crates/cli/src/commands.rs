//! One module for each command. `padan demo` and `padan models` have modules of their own beside this one.

pub(crate) mod audit_export;
pub(crate) mod audit_heads;
pub(crate) mod audit_prune;
pub(crate) mod audit_verify;
pub(crate) mod calibrate;
mod calibrate_from_store;
pub(crate) mod calibration_show;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod compare;
pub(crate) mod config_check;
pub(crate) mod config_show;
pub(crate) mod doctor;
pub(crate) mod enroll;
pub(crate) mod evaluate;
pub(crate) mod keys_rotate;
pub(crate) mod labelled_photos;
pub(crate) mod migrate;
pub(crate) mod name;
mod nik_argument;
mod people_groups;
pub(crate) mod person_forget;
pub(crate) mod serve;
pub(crate) mod templates_prune;
mod timestamp;
pub(crate) mod usage;
