use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use padan_domain::NationalId;

use crate::{ClientName, VerificationError, Verifier, verifier::within};

/// The faces that are being tried in this process, by client and person. Without them as many as ask at the same time
/// would pass a limit that counts what has ended.
#[derive(Clone, Default)]
pub(crate) struct Trials(Arc<Mutex<HashMap<Whom, u32>>>);

type Whom = (ClientName, NationalId);

/// A face that is being tried. Whoever holds it keeps it until the outcome is durable in the audit trail, from where
/// failures are counted: dropped before that, one more could be tried in between.
#[must_use]
pub struct Trial {
    trials: Trials,
    whom: Whom,
}

/// When a client may come back who is refused because of trials that have not ended: some may end well.
const A_MOMENT: Duration = Duration::ZERO;

impl Verifier {
    /// Begins a trial, or refuses it when too many faces of this client have failed for this person lately, those that
    /// are being tried now counted with them. `None` where there is no limit.
    pub(crate) async fn begin_trial(
        &self,
        client: &ClientName,
        nik: &NationalId,
        deadline: Instant,
    ) -> Result<Option<Trial>, VerificationError> {
        let limit = self.parts.config.failed_faces;
        if limit.most == 0 {
            return Ok(None);
        }
        let (trial, others) = self.trials.begin(client, nik);
        let left = limit.most.saturating_sub(others);
        if left == 0 {
            return Err(VerificationError::TooManyFailedFaces(A_MOMENT));
        }
        let now = self.parts.clock.now();
        let window = TimeDelta::seconds(limit.window_seconds.get().into());
        let lookup = self.parts.store.failed_face(nik, client.as_str(), now - window, left);
        match within(deadline, lookup).await.map_err(VerificationError::StoreUnavailable)? {
            None => Ok(Some(trial)),
            Some(_) if others > 0 => Err(VerificationError::TooManyFailedFaces(A_MOMENT)),
            Some(failed) => {
                let wait = (failed + window - now).to_std().unwrap_or_default();
                Err(VerificationError::TooManyFailedFaces(wait))
            }
        }
    }
}

impl Trials {
    /// Begins one, and tells how many others there are.
    fn begin(&self, client: &ClientName, nik: &NationalId) -> (Trial, u32) {
        let whom = (client.clone(), nik.clone());
        let mut trials = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = trials.entry(whom.clone()).or_default();
        let others = *under_way;
        *under_way += 1;
        (Trial { trials: self.clone(), whom }, others)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut trials = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = trials.get_mut(&self.whom) {
            *under_way -= 1;
            if *under_way == 0 {
                trials.remove(&self.whom);
            }
        }
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trial")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_counts_for_its_client_and_person_until_it_ends() {
        let trials = Trials::default();
        let (bank, shop) = ("bank".parse().unwrap(), "shop".parse().unwrap());
        let (one, two) = ("3174011403870000".parse().unwrap(), "3174011403870099".parse().unwrap());
        let (first, others) = trials.begin(&bank, &one);
        assert_eq!(others, 0);
        let (second, others) = trials.begin(&bank, &one);
        assert_eq!(others, 1);
        assert_eq!((trials.begin(&shop, &one).1, trials.begin(&bank, &two).1), (0, 0));
        drop(first);
        assert_eq!(trials.begin(&bank, &one).1, 1);
        assert_eq!(format!("{second:?}"), "Trial");
        drop(second);
        assert!(trials.0.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
