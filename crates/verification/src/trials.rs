use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use padan_domain::NationalId;
use tokio::{sync::watch, time::timeout_at};

use crate::{ClientName, VerificationError, Verifier, verifier::within};

/// The faces that are being tried in this process, by client and person. Without them as many as ask at the same time
/// would pass a limit that counts what has ended.
#[derive(Clone, Default)]
pub(crate) struct Trials(Arc<Mutex<HashMap<Whom, watch::Sender<u32>>>>);

type Whom = (ClientName, NationalId);

/// A face that is being tried. Whoever holds it keeps it until the outcome is durable in the audit trail, from where
/// failures are counted: dropped before that, one more could be tried in between.
#[must_use]
pub struct Trial {
    trials: Trials,
    whom: Whom,
}

/// When a client may come back whose face was not tried in time because of others of the same person.
const A_MOMENT: Duration = Duration::ZERO;

impl Verifier {
    /// Begins a trial, or refuses it when too many faces of this client have failed for this person lately. While as many
    /// are being tried as could still fail, it waits for one of them to end. `None` where there is no limit.
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
        loop {
            let (trial, others, mut under_way) = self.trials.begin(client, nik);
            match limit.most.saturating_sub(others) {
                0 => {}
                left => match self.last_of(left, client, nik, deadline).await? {
                    None => return Ok(Some(trial)),
                    Some(wait) if others == 0 => return Err(VerificationError::TooManyFailedFaces(wait)),
                    Some(_) => {}
                },
            }
            drop(trial);
            let fewer = under_way.wait_for(|count| *count < others);
            // When the last of them ends there is nothing to wait for any more, which is an error in name only.
            if timeout_at(deadline.into(), fewer).await.is_err() {
                return Err(VerificationError::TooManyFailedFaces(A_MOMENT));
            }
        }
    }

    /// When so many have failed lately, for how long the next one has to wait.
    async fn last_of(
        &self,
        failures: u32,
        client: &ClientName,
        nik: &NationalId,
        deadline: Instant,
    ) -> Result<Option<Duration>, VerificationError> {
        let now = self.parts.clock.now();
        let window = TimeDelta::seconds(self.parts.config.failed_faces.window_seconds.get().into());
        let lookup = self.parts.store.nth_latest_failed_face(nik, client.as_str(), now - window, failures);
        let failed = within(deadline, lookup).await.map_err(VerificationError::StoreUnavailable)?;
        Ok(failed.map(|failed| (failed + window - now).to_std().unwrap_or_default()))
    }
}

impl Trials {
    /// Begins one; tells how many others there are, and how many there will be.
    fn begin(&self, client: &ClientName, nik: &NationalId) -> (Trial, u32, watch::Receiver<u32>) {
        let whom = (client.clone(), nik.clone());
        let mut trials = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = trials.entry(whom.clone()).or_insert_with(|| watch::Sender::new(0));
        let others = *under_way.borrow();
        under_way.send_replace(others + 1);
        let counts = under_way.subscribe();
        (Trial { trials: self.clone(), whom }, others, counts)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut trials = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = trials.get(&self.whom) {
            let left = under_way.borrow().saturating_sub(1);
            under_way.send_replace(left);
            if left == 0 {
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
        let (first, others, counts) = trials.begin(&bank, &one);
        assert_eq!(others, 0);
        let (second, others, _) = trials.begin(&bank, &one);
        assert_eq!((others, *counts.borrow()), (1, 2));
        assert_eq!((trials.begin(&shop, &one).1, trials.begin(&bank, &two).1), (0, 0));
        drop(first);
        assert_eq!(*counts.borrow(), 1);
        assert_eq!(trials.begin(&bank, &one).1, 1);
        assert_eq!(format!("{second:?}"), "Trial");
        drop(second);
        assert!(trials.0.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
