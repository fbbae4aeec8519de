use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use padan_domain::{ClientName, NationalId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    running_trials::{Scope, Subject, subjects},
    trial_verdict::Refused,
};

/// The order of the trials in this process that wait until others have ended: first come, first served, for each limit.
#[derive(Clone, Default)]
pub(crate) struct TrialQueues(Arc<Mutex<Queues>>);

#[derive(Default)]
struct Queues {
    arrivals: u64,
    /// Those that wait, in the order in which they came.
    waiting: HashMap<Queue, BTreeMap<u64, Arc<Notify>>>,
}

/// A limit, and whom it is about.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Queue {
    subject: Subject,
    refused: Refused,
}

/// The place of a trial among all that came to this process. It leaves its queue when it is dropped.
pub(crate) struct Arrival {
    queues: TrialQueues,
    number: u64,
    subjects: [Subject; 3],
    limits: &'static [(Scope, Refused)],
    place: Option<(Queue, Arc<Notify>)>,
}

impl TrialQueues {
    /// The place of a trial that comes now and that these limits concern.
    pub(crate) fn arrive(
        &self,
        client: &ClientName,
        nik: &NationalId,
        limits: &'static [(Scope, Refused)],
    ) -> Arrival {
        let mut queues = self.0.lock();
        queues.arrivals += 1;
        let number = queues.arrivals;
        Arrival { queues: self.clone(), number, subjects: subjects(client, nik), limits, place: None }
    }
}

impl Arrival {
    /// Whether no trial that came earlier waits for a limit that concerns this one.
    pub(crate) fn is_first(&self) -> bool {
        self.blocking(&self.queues.0.lock()).is_none()
    }

    /// Waits until this trial is the first.
    pub(crate) async fn turn(&mut self) {
        while let Some(notify) = self.line_up_if_blocked() {
            notify.notified().await;
        }
    }

    /// Waits in the queue of a limit from now on, until it is dropped.
    pub(crate) fn line_up(&mut self, scope: Scope, refused: Refused) {
        let queue = Queue { subject: self.subjects[scope as usize].clone(), refused };
        let mut queues = self.queues.0.lock();
        Self::enter(&mut queues, self.number, &mut self.place, queue);
    }

    /// Lets all that wait in the queue of this trial go ahead at once. For a trial that is refused: those behind it will
    /// be, too, and need not wait for each other.
    pub(crate) fn dismiss(&self) {
        let Some((queue, _)) = &self.place else { return };
        let mut queues = self.queues.0.lock();
        for notify in queues.waiting.remove(queue).iter().flat_map(BTreeMap::values) {
            notify.notify_one();
        }
    }

    /// Enters the queue in which an earlier trial waits. The notification comes when this one is the first there.
    fn line_up_if_blocked(&mut self) -> Option<Arc<Notify>> {
        let mut queues = self.queues.0.lock();
        let queue = self.blocking(&queues)?;
        Self::enter(&mut queues, self.number, &mut self.place, queue);
        self.place.as_ref().map(|(_, notify)| Arc::clone(notify))
    }

    fn blocking(&self, queues: &Queues) -> Option<Queue> {
        self.limits.iter().find_map(|(scope, refused)| {
            let queue = Queue { subject: self.subjects[*scope as usize].clone(), refused: *refused };
            let (first, _) = queues.waiting.get(&queue)?.first_key_value()?;
            (*first < self.number).then_some(queue)
        })
    }

    fn enter(queues: &mut Queues, number: u64, place: &mut Option<(Queue, Arc<Notify>)>, queue: Queue) {
        let waits_there = queues.waiting.get(&queue).is_some_and(|waiting| waiting.contains_key(&number));
        if waits_there {
            return;
        }
        if let Some((left, _)) = place.take() {
            queues.leave(&left, number);
        }
        let notify = Arc::new(Notify::new());
        queues.waiting.entry(queue.clone()).or_default().insert(number, Arc::clone(&notify));
        *place = Some((queue, notify));
    }
}

impl Queues {
    fn leave(&mut self, queue: &Queue, number: u64) {
        let Some(waiting) = self.waiting.get_mut(queue) else { return };
        let was_first = waiting.first_key_value().is_some_and(|(first, _)| *first == number);
        waiting.remove(&number);
        match waiting.first_key_value() {
            // A permit is kept for a trial that does not wait yet, so that none misses its turn.
            Some((_, next)) if was_first => next.notify_one(),
            Some(_) => {}
            None => {
                self.waiting.remove(queue);
            }
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if let Some((queue, _)) = self.place.take() {
            self.queues.0.lock().leave(&queue, self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACES: &[(Scope, Refused)] =
        &[(Scope::ClientAndPerson, Refused::Faces), (Scope::Person, Refused::Faces)];
    const FIELDS: &[(Scope, Refused)] = &[(Scope::ClientAndPerson, Refused::Fields)];

    fn arrive(
        queues: &TrialQueues,
        client: &str,
        person: u32,
        limits: &'static [(Scope, Refused)],
    ) -> Arrival {
        let nik = format!("317401140387{person:04}").parse().unwrap();
        queues.arrive(&client.parse().unwrap(), &nik, limits)
    }

    #[tokio::test]
    async fn the_earliest_goes_first_whoever_asks_first() {
        let queues = TrialQueues::default();
        let [mut first, second, third] = [(); 3].map(|()| arrive(&queues, "bank", 1, FACES));
        first.line_up(Scope::ClientAndPerson, Refused::Faces);
        let (ended, mut order) = tokio::sync::mpsc::unbounded_channel();
        for (name, mut arrival) in [("third", third), ("second", second)] {
            let ended = ended.clone();
            tokio::spawn(async move {
                arrival.turn().await;
                ended.send(name).unwrap();
            });
            tokio::task::yield_now().await;
        }
        assert!(order.try_recv().is_err(), "the first still waits");
        drop(first);
        assert_eq!(order.recv().await, Some("second"));
        assert_eq!(order.recv().await, Some("third"));
        assert!(queues.0.lock().waiting.is_empty(), "no queue is kept");
    }

    #[tokio::test]
    async fn one_that_leaves_does_not_hold_up_those_behind_it() {
        let queues = TrialQueues::default();
        let [mut first, mut second, mut third] = [(); 3].map(|()| arrive(&queues, "bank", 1, FACES));
        first.line_up(Scope::Person, Refused::Faces);
        second.line_up(Scope::Person, Refused::Faces);
        let waiting = tokio::spawn(async move { third.turn().await });
        tokio::task::yield_now().await;
        drop(second);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn those_behind_a_refused_one_need_not_wait_for_each_other() {
        let queues = TrialQueues::default();
        let [mut first, mut second, mut third] = [(); 3].map(|()| arrive(&queues, "bank", 1, FACES));
        first.line_up(Scope::Person, Refused::Faces);
        let waiting = tokio::spawn(async move {
            tokio::join!(second.turn(), third.turn());
            (second, third)
        });
        tokio::task::yield_now().await;
        first.dismiss();
        let (mut second, third) = waiting.await.unwrap();
        assert!(second.is_first() && third.is_first());
        second.line_up(Scope::Person, Refused::Faces);
        assert!(!third.is_first(), "whoever waits again keeps its place");
        drop((first, second, third));
        assert!(queues.0.lock().waiting.is_empty());
    }

    #[test]
    fn only_those_whom_the_limit_concerns_wait_behind_another() {
        let queues = TrialQueues::default();
        let mut first = arrive(&queues, "bank", 1, FACES);
        first.line_up(Scope::Person, Refused::Faces);
        assert!(first.is_first());
        assert!(!arrive(&queues, "bank", 1, FACES).is_first());
        assert!(!arrive(&queues, "shop", 1, FACES).is_first(), "the limit is one of the person");
        assert!(arrive(&queues, "bank", 2, FACES).is_first());
        assert!(arrive(&queues, "bank", 1, FIELDS).is_first());
        first.line_up(Scope::ClientAndPerson, Refused::Faces);
        assert!(arrive(&queues, "shop", 1, FACES).is_first(), "it waits elsewhere now");
        assert!(!arrive(&queues, "bank", 1, FACES).is_first());
    }
}
