use std::{
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::{FieldResults, NameRules, PercentageStep};
use padan_store::EventWindow;
use serde::Deserialize;

use crate::{allowance::Allowance, liveness_gate::LivenessGate};

/// Section `[verification]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The time limit of a request after its body has arrived, in milliseconds. If it is too short, the first request
    /// for a person, which embeds two photos, fails on a busy machine. If it is too long, requests are processed whose
    /// callers have disconnected.
    pub budget_ms: NonZeroU64,
    /// The rules by which two names can count as the same.
    pub names: NameRules,
    /// Whether a NIK must have the structure of issued numbers. Some numbers in use do not have it, so `true`
    /// refuses real people.
    pub check_nik_structure: bool,
    /// Limits how many faces of one client may fail for one person.
    pub failed_faces: TrialLimit,
    /// Limits how many faces of all clients together may fail for one person.
    pub failed_faces_of_person: TrialLimit,
    /// Limits how many faces of all clients together may be compared for one person, passed or failed.
    pub compared_faces_of_person: TrialLimit,
    /// Limits how many requests may have a wrong field or an unknown NIK.
    pub failed_fields: FailedFields,
    /// The step in which an answer shows the percentage.
    pub percentage_step: PercentageStep,
    /// Whether the percentage is withheld if both name and date of birth are wrong.
    pub percentage_needs_match: bool,
    /// What is done with the score that the liveness set gives a selfie.
    pub liveness: LivenessGate,
    /// With how many templates of other people each selfie is compared, to measure the false match rate; 0 measures
    /// nothing.
    pub impostor_sample: u8,
    /// How long `/readyz` waits for each database, in milliseconds.
    pub readiness_timeout_ms: NonZeroU64,
}

/// How many trials are allowed within a window. Too low a limit refuses people who make mistakes; too high a limit allows
/// a caller to try until something passes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialLimit {
    /// Trials after which the next one is refused with 429; 0 is no limit. A process counts its own trials that have not
    /// ended, but not those of other processes. Of requests that arrive together, each process therefore admits this
    /// number.
    pub most: u32,
    /// Length of the window in seconds.
    pub window_seconds: NonZeroU32,
}

/// Limits of the requests that have a wrong field, or a NIK that is not in the registry, on both endpoints.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedFields {
    /// Requests of one client about one person, in a short window.
    pub person: TrialLimit,
    /// The same in a long window.
    pub person_long: TrialLimit,
    /// Requests of one client, whoever they are about, in a short window.
    pub client: TrialLimit,
    /// The same in a long window.
    pub client_long: TrialLimit,
}

impl TrialLimit {
    /// The length of the window.
    pub(crate) fn window(self) -> TimeDelta {
        TimeDelta::seconds(self.window_seconds.get().into())
    }

    /// Whether there is a limit.
    pub(crate) fn is_on(self) -> bool {
        self.most > 0
    }

    /// The events to look up: those that count now, at most as many as are allowed.
    pub(crate) fn events(self, now: DateTime<Utc>) -> EventWindow {
        EventWindow { since: now - self.window(), most: self.most }
    }
}

impl Config {
    /// The time limit of a request.
    pub fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms.get())
    }

    /// The percentage of compared faces as the answer shows it.
    pub(crate) fn shown(&self, results: &FieldResults) -> Option<f64> {
        let nothing_matches = results.name == Some(false) && results.date_of_birth == Some(false);
        let percentage =
            results.face_image_percentage.filter(|_| !(self.percentage_needs_match && nothing_matches));
        percentage.map(|percentage| self.percentage_step.round_down(percentage))
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
    /// Limits how many wrong credentials an address may send. Too low a limit answers 429 to an office that shares one
    /// address after a few typing errors; too high a limit allows fast guessing, although a secret of 256 random bits
    /// is never guessed.
    #[serde(default)]
    pub failed_credentials: Allowance,
    /// Limits how often a client is answered 403 with a row in the audit trail. Beyond the limit it is answered 429,
    /// which is only counted. Too low a limit hides from a misconfigured client what is wrong; too high a limit allows
    /// a disabled client to fill the audit trail.
    #[serde(default)]
    pub refusals: Allowance,
    /// Admits published credentials in the file, such as demo/demo/demo. Only `padan-demo` sets it, for invented people.
    #[serde(default)]
    pub demo: bool,
}
