use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use padan_domain::{ClientName, Clock, NationalId};
use padan_store::Store;
use tokio::{sync::watch, time::timeout_at};

use crate::{config::FailedFaces, deadline::within, error::VerificationError};

/// Limits how many faces of one client may fail for one person. Trials that have not ended count as failures, because
/// otherwise requests that arrive together would all be admitted.
#[derive(Clone)]
pub(crate) struct Trials {
    limit: FailedFaces,
    store: Store,
    clock: Clock,
    running: RunningTrials,
}

/// A trial of one face. It must be kept until its outcome is durable in the audit trail, because failures are counted
/// there: if it were dropped earlier, one trial too many could begin in between.
#[must_use]
pub struct Trial {
    running: RunningTrials,
    subject: Subject,
}

/// The number of trials in this process that have not ended, by client and person.
#[derive(Clone, Default)]
struct RunningTrials(Arc<Mutex<HashMap<Subject, watch::Sender<u32>>>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Subject {
    client: ClientName,
    nik: NationalId,
}

/// A trial that was added to the running ones.
struct AddedTrial {
    trial: Trial,
    /// How many other trials of the same client and person were running.
    others: u32,
    /// Follows the number of running trials of the same client and person.
    count: watch::Receiver<u32>,
}

impl Trials {
    pub(crate) fn new(limit: FailedFaces, store: Store, clock: Clock) -> Self {
        Self { limit, store, clock, running: RunningTrials::default() }
    }

    /// Begins a trial. While as many trials are running as failures are left, it waits until one of them ends. `None`
    /// when there is no limit.
    ///
    /// # Errors
    ///
    /// [`VerificationError::TooManyFailedFaces`] when too many faces of the client have failed for the person recently,
    /// or no running trial ended before the deadline; [`VerificationError::StoreUnavailable`].
    pub(crate) async fn begin(
        &self,
        client: &ClientName,
        nik: &NationalId,
        deadline: Instant,
    ) -> Result<Option<Trial>, VerificationError> {
        if self.limit.most == 0 {
            return Ok(None);
        }
        let subject = Subject { client: client.clone(), nik: nik.clone() };
        loop {
            let AddedTrial { trial, others, mut count } = self.running.add(subject.clone());
            match self.limit.most.saturating_sub(others) {
                0 => {}
                left => match self.retry_after(left, &subject, deadline).await? {
                    None => return Ok(Some(trial)),
                    Some(wait) if others == 0 => return Err(VerificationError::TooManyFailedFaces(wait)),
                    Some(_) => {}
                },
            }
            drop(trial);
            let fewer = count.wait_for(|count| *count < others);
            // The inner result is an error when the last trial has ended. Then another trial may begin, too.
            if timeout_at(deadline.into(), fewer).await.is_err() {
                return Err(VerificationError::TooManyFailedFaces(Duration::ZERO));
            }
        }
    }

    /// The time until fewer than `failures` faces have failed within the window; `None` when fewer have failed now.
    async fn retry_after(
        &self,
        failures: u32,
        subject: &Subject,
        deadline: Instant,
    ) -> Result<Option<Duration>, VerificationError> {
        let now = self.clock.now();
        let window = TimeDelta::seconds(self.limit.window_seconds.get().into());
        let lookup =
            self.store.nth_latest_failed_face(&subject.nik, subject.client.as_str(), now - window, failures);
        let failed_at = within(deadline, lookup).await.map_err(VerificationError::StoreUnavailable)?;
        Ok(failed_at.map(|failed_at| (failed_at + window - now).to_std().unwrap_or_default()))
    }
}

impl RunningTrials {
    fn add(&self, subject: Subject) -> AddedTrial {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = running.entry(subject.clone()).or_insert_with(|| watch::Sender::new(0));
        let others = *sender.borrow();
        sender.send_replace(others + 1);
        let count = sender.subscribe();
        AddedTrial { trial: Trial { running: self.clone(), subject }, others, count }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = running.get(&self.subject) {
            let left = sender.borrow().saturating_sub(1);
            sender.send_replace(left);
            if left == 0 {
                running.remove(&self.subject);
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
        let running = RunningTrials::default();
        let add = |client: &str, nik: &str| {
            running.add(Subject { client: client.parse().unwrap(), nik: nik.parse().unwrap() })
        };
        let (one, two) = ("3174011403870000", "3174011403870099");
        let first = add("bank", one);
        assert_eq!(first.others, 0);
        let second = add("bank", one);
        assert_eq!((second.others, *first.count.borrow()), (1, 2));
        assert_eq!((add("shop", one).others, add("bank", two).others), (0, 0));
        drop(first.trial);
        assert_eq!(*first.count.borrow(), 1);
        assert_eq!(add("bank", one).others, 1);
        assert_eq!(format!("{:?}", second.trial), "Trial");
        drop(second.trial);
        assert!(running.0.lock().unwrap().is_empty(), "no ended trial is kept");
    }
}
