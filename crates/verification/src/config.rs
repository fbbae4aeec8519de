use std::{
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use padan_domain::NameRule;
use serde::Deserialize;

use crate::Allowance;

/// Section `[verification]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The time a request may take from the moment its body is there, in milliseconds. Too short and a first
    /// request for a person, which embeds two photos, fails on a busy machine; too long and callers who gave
    /// up long ago are still served.
    pub budget_ms: NonZeroU64,
    /// How names are compared after both were normalised.
    pub names: NameRule,
    /// Whether a NIK must have the structure by which numbers are issued. Numbers in use may break it, so
    /// turning it on refuses real people.
    pub check_nik_structure: bool,
    /// Against trying faces out: how many may fail.
    pub failed_faces: FailedFaces,
    /// How long `/readyz` waits for each database, in milliseconds.
    pub readiness_timeout_ms: NonZeroU64,
}

/// How many faces of one client may fail for one person within a time. Too few: people with a bad camera are turned
/// away. Too many: a photo can be bettered until it passes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedFaces {
    /// So many fail, then the next one is refused with 429; 0 is no limit. A process has no more trials under way than
    /// could still fail, and does not see those of others: asked all at once, each process lets so many in.
    pub most: u32,
    /// Within so many seconds.
    pub window_seconds: NonZeroU32,
}

impl Config {
    /// The time that a request may take.
    pub fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms.get())
    }
}

/// Section `[clients]` of the settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsConfig {
    /// A TOML file that lists clients, beside those that `padan client` keeps in the store.
    pub file: Option<PathBuf>,
    /// How often the store's clients are read. A change bites after so many seconds at most.
    #[serde(default)]
    pub refresh_seconds: u32,
    /// For how many seconds what was read of them is believed while the store does not answer. Then who calls is not
    /// known, and the answer is 503.
    #[serde(default)]
    pub stale_seconds: u32,
    /// Against guessing: how many wrong credentials an address may send. Too few: typing errors in an office behind one
    /// address are answered 429 for moments. Too many: guesses come fast, though none of 256 random bits ever hits.
    #[serde(default)]
    pub failed_credentials: Allowance,
    /// How often a client is told, and recorded, that it may not do what it asks for; beyond that it is told to slow
    /// down, and counted only. Too few: a misconfigured client learns late what is wrong. Too many: one that was
    /// disabled fills the audit trail.
    #[serde(default)]
    pub refusals: Allowance,
    /// Admits a client `demo` with password `demo` and key `demo`. Set by `padan demo` and by nothing else:
    /// these credentials are public.
    #[serde(default)]
    pub demo: bool,
}
