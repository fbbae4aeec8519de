use std::{
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use padan_domain::NameRule;
use serde::Deserialize;

use crate::allowance::Allowance;

/// Section `[verification]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The time limit of a request after its body has arrived, in milliseconds. If it is too short, the first request
    /// for a person, which embeds two photos, fails on a busy machine; if it is too long, requests whose callers have
    /// given up are still processed.
    pub budget_ms: NonZeroU64,
    /// How two normalised names are compared.
    pub names: NameRule,
    /// Whether a NIK must have the structure of issued numbers. Some numbers in use do not have it, so this refuses
    /// real people.
    pub check_nik_structure: bool,
    /// Limits attempts with different faces: how many may fail.
    pub failed_faces: FailedFaces,
    /// How long `/readyz` waits for each database, in milliseconds.
    pub readiness_timeout_ms: NonZeroU64,
}

/// How many faces of one client may fail for one person within a window. If it is too few, people with a bad camera are
/// refused; if it is too many, a photo can be improved until it passes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedFaces {
    /// Failed faces after which the next one is refused with 429; 0 is no limit. A process counts its own trials that
    /// have not ended, but not those of other processes: of requests that arrive together, each process admits this
    /// many.
    pub most: u32,
    /// Length of the window in seconds.
    pub window_seconds: NonZeroU32,
}

impl Config {
    /// The time limit of a request.
    pub fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms.get())
    }
}

/// Section `[clients]` of the settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsConfig {
    /// A TOML file that lists clients, in addition to those that `padan client` manages in the store.
    pub file: Option<PathBuf>,
    /// Seconds between two reads of the store's clients. A change takes effect after this time at most.
    #[serde(default)]
    pub refresh_seconds: u32,
    /// Seconds for which the last read is used while the store does not answer. After that, callers cannot be
    /// identified, and the answer is 503.
    #[serde(default)]
    pub stale_seconds: u32,
    /// Limits guessing: how many wrong credentials an address may send. If it is too few, typing errors in an office
    /// behind one address are answered 429 for a while; if it is too many, guesses come fast, though none of 256 random
    /// bits is ever right.
    #[serde(default)]
    pub failed_credentials: Allowance,
    /// How often a client is answered 403 with a row in the audit trail; beyond that it is answered 429, which is only
    /// counted. If it is too few, a misconfigured client learns late what is wrong; if it is too many, a disabled
    /// client fills the audit trail.
    #[serde(default)]
    pub refusals: Allowance,
    /// Admits a client `demo` with password `demo` and key `demo`. Set by `padan demo` and by nothing else:
    /// these credentials are public.
    #[serde(default)]
    pub demo: bool,
}
