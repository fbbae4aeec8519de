use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use padan_domain::{ClientName, NationalId};
use parking_lot::Mutex;
use tokio::sync::watch;

/// The number of trials in this process that have not ended, by scope.
#[derive(Clone, Default)]
pub(crate) struct RunningTrials(Arc<Mutex<HashMap<Subject, watch::Sender<u32>>>>);

/// A trial of claims about a person. It must be kept until its outcome is durable in the audit trail, because failures
/// are counted there: if it were dropped earlier, one trial too many could begin in between.
#[must_use]
pub struct Trial {
    running: RunningTrials,
    subjects: [Subject; 3],
    is_repeated: bool,
    turn: Option<Duration>,
}

/// The scope of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The trials of one client for one person.
    ClientAndPerson,
    /// The trials of all clients for one person.
    Person,
    /// The trials of one client for all persons.
    Client,
}

/// A trial that was added to the running ones.
pub(crate) struct AddedTrial {
    trial: Trial,
    others: [Others; 3],
}

/// The other running trials of a scope.
struct Others {
    /// How many there were when the trial was added.
    number: u32,
    /// Follows the number of running trials, the added one included.
    count: watch::Receiver<u32>,
}

/// Whom a limit is about.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    ClientAndPerson(ClientName, NationalId),
    Person(NationalId),
    Client(ClientName),
}

/// The subjects of a trial, in the order of [`Scope`].
pub(crate) fn subjects(client: &ClientName, nik: &NationalId) -> [Subject; 3] {
    [
        Subject::ClientAndPerson(client.clone(), nik.clone()),
        Subject::Person(nik.clone()),
        Subject::Client(client.clone()),
    ]
}

impl RunningTrials {
    pub(crate) fn add(&self, client: &ClientName, nik: &NationalId) -> AddedTrial {
        let subjects = subjects(client, nik);
        let mut running = self.0.lock();
        let others = subjects.each_ref().map(|subject| {
            let sender = running.entry(subject.clone()).or_insert_with(|| watch::Sender::new(0));
            let number = *sender.borrow();
            sender.send_replace(number + 1);
            Others { number, count: sender.subscribe() }
        });
        drop(running);
        AddedTrial {
            trial: Trial { running: self.clone(), subjects, is_repeated: false, turn: None },
            others,
        }
    }
}

impl AddedTrial {
    /// How many other trials of the scope were running when this one was added.
    pub(crate) fn others(&self, scope: Scope) -> u32 {
        self.others[scope as usize].number
    }

    /// The trial itself. `turn` is how long it waited for its turn.
    pub(crate) fn begin(self, is_repeated: bool, turn: Option<Duration>) -> Trial {
        let mut trial = self.trial;
        trial.is_repeated = is_repeated;
        trial.turn = turn;
        trial
    }

    /// Removes the trial, and waits until another one of the scope has ended.
    pub(crate) async fn give_way(self, scope: Scope) {
        let Self { trial, others } = self;
        drop(trial);
        let mut others = others;
        let Others { number, count } = &mut others[scope as usize];
        // An error means that the last trial has ended. Then another one may begin, too.
        let _ = count.wait_for(|count| *count < *number).await;
    }
}

impl Trial {
    /// Whether half as many faces as are allowed had failed for the person before.
    pub fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// How long the trial waited until earlier ones had ended; `None` if it did not have to wait.
    pub(crate) fn turn(&self) -> Option<Duration> {
        self.turn
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut running = self.running.0.lock();
        for subject in &self.subjects {
            if let Some(sender) = running.get(subject) {
                let left = sender.borrow().saturating_sub(1);
                sender.send_replace(left);
                if left == 0 {
                    running.remove(subject);
                }
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
    fn a_trial_counts_for_its_client_its_person_and_both_until_it_ends() {
        let running = RunningTrials::default();
        let add = |client: &str, nik: &str| running.add(&client.parse().unwrap(), &nik.parse().unwrap());
        let others = |added: &AddedTrial| {
            [Scope::ClientAndPerson, Scope::Person, Scope::Client].map(|scope| added.others(scope))
        };
        let (one, two) = ("3174011403870000", "3174011403870099");
        let first = add("bank", one);
        assert_eq!(others(&first), [0, 0, 0]);
        let second = add("bank", one);
        assert_eq!(others(&second), [1, 1, 1]);
        assert_eq!(others(&add("shop", one)), [0, 2, 0]);
        assert_eq!(others(&add("bank", two)), [0, 0, 2]);
        drop(first.begin(false, None));
        assert_eq!(others(&add("bank", one)), [1, 1, 1]);
        let second = second.begin(true, None);
        assert_eq!((format!("{second:?}").as_str(), second.is_repeated()), ("Trial", true));
        drop(second);
        assert!(running.0.lock().is_empty(), "no ended trial is kept");
    }

    #[tokio::test]
    async fn giving_way_ends_when_another_trial_has_ended() {
        let running = RunningTrials::default();
        let (client, nik) = ("bank".parse().unwrap(), "3174011403870000".parse().unwrap());
        let first = running.add(&client, &nik).begin(false, None);
        let waiting = tokio::spawn(running.add(&client, &nik).give_way(Scope::Person));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert!(running.0.lock().is_empty());
    }
}
