//! The order of the queue, without locks and clocks.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::caller::Caller;

/// Jobs of this length delay others noticeably. A photo of 12 megapixels takes a tenth.
pub(super) const SLOW: Duration = Duration::from_millis(500);
/// How long a caller counts as active after its last job was queued.
const ACTIVE: Duration = Duration::from_mins(1);

/// Jobs that wait, and the worker time that their callers have used.
pub(super) struct Schedule<J> {
    capacity: usize,
    workers: usize,
    queued: usize,
    /// Jobs that were queued so far. It numbers them in the order of their arrival.
    arrivals: u64,
    /// The used time of the callers that are served now. A caller that returns continues there, so that a pause gives
    /// no credit.
    present: f64,
    accounts: HashMap<Caller, Account<J>>,
}

/// A job that a worker begins.
#[derive(Debug, PartialEq)]
pub(super) struct Begun<J> {
    pub(super) caller: Caller,
    pub(super) job: J,
    pub(super) terms: Terms,
}

/// How a job was begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    arrival: u64,
    /// The seconds that were charged in advance.
    expected: f64,
    /// Whether the job itself is known to be slow.
    pub(super) is_slow: bool,
}

struct Waiting<J> {
    arrival: u64,
    is_slow: bool,
    job: J,
}

struct Account<J> {
    jobs: VecDeque<Waiting<J>>,
    running: usize,
    /// The running jobs that are known to be slow.
    running_slow: usize,
    /// Seconds of worker time. Only differences between callers matter.
    used: f64,
    past: Past,
    active_until: Instant,
}

/// The jobs of a caller that ended last: sums in which older ones weigh less.
#[derive(Debug, Clone, Copy, Default)]
struct Past {
    jobs: f64,
    seconds: f64,
    squares: f64,
}

/// How long others have to wait behind the jobs of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Unknown,
    Quick,
    Slow,
}

impl<J> Schedule<J> {
    pub(super) fn new(capacity: usize, workers: usize) -> Self {
        Self { capacity, workers, queued: 0, arrivals: 0, present: 0.0, accounts: HashMap::new() }
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Queues a job. In a full queue, the caller with the most jobs gives up its latest one, which is returned. That is
    /// this job if no other caller has more.
    pub(super) fn push(&mut self, caller: Caller, job: J, now: Instant) -> Option<J> {
        let present = self.present;
        // What an inactive caller has used no longer matters, unless it is ahead of the others.
        self.accounts
            .retain(|_, account| !account.is_idle() || now < account.active_until || account.used > present);
        let account = self.accounts.entry(caller).or_insert_with(|| Account::new(present, now));
        if account.is_idle() {
            account.used = account.used.max(present);
        }
        account.active_until = now + ACTIVE;
        account.jobs.push_back(Waiting { arrival: self.arrivals, is_slow: false, job });
        self.arrivals += 1;
        self.queued += 1;
        if self.queued <= self.capacity {
            return None;
        }
        let longest =
            self.accounts.iter_mut().max_by_key(|(of, account)| (account.jobs.len(), **of == caller));
        let displaced = longest.and_then(|(_, account)| account.jobs.pop_back());
        self.queued -= usize::from(displaced.is_some());
        displaced.map(|waiting| waiting.job)
    }

    /// Begins the first job of the caller that has used the least worker time; `None` when no job may begin now.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Begun<J>> {
        let candidates = self.accounts.iter().filter_map(|(caller, account)| {
            let first = account.jobs.front()?;
            self.may_begin(*caller, account, first.is_slow, now).then_some((
                account.used,
                first.arrival,
                *caller,
            ))
        });
        let (used, _, caller) = candidates.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?;
        let account = self.accounts.get_mut(&caller)?;
        let Waiting { arrival, is_slow, job } = account.jobs.pop_front()?;
        // Otherwise a second worker would serve the same caller before the first one has finished.
        let expected = account.past.mean();
        account.used += expected;
        account.running += 1;
        account.running_slow += usize::from(is_slow);
        self.queued -= 1;
        self.present = self.present.max(used);
        Some(Begun { caller, job, terms: Terms { arrival, expected, is_slow } })
    }

    /// Charges a job that has ended.
    pub(super) fn end(&mut self, caller: Caller, terms: Terms, took: Duration) {
        if let Some(account) = self.accounts.get_mut(&caller) {
            account.leave(terms);
            account.used += took.as_secs_f64();
            account.past.add(took.as_secs_f64());
        }
    }

    /// Puts a job back that was found to be slow. It remains its caller's next one.
    pub(super) fn defer(&mut self, Begun { caller, job, terms }: Begun<J>) {
        if let Some(account) = self.accounts.get_mut(&caller) {
            account.leave(terms);
            account.jobs.push_front(Waiting { arrival: terms.arrival, is_slow: true, job });
            self.queued += 1;
        }
    }

    /// Removes all jobs.
    pub(super) fn drain(&mut self) -> Vec<J> {
        self.queued = 0;
        self.accounts
            .values_mut()
            .flat_map(|account| account.jobs.drain(..))
            .map(|waiting| waiting.job)
            .collect()
    }

    /// Whether a caller may begin its first job. A job cannot be interrupted, so that slow jobs on all workers would
    /// let every other caller wait. While other callers are active, one worker is therefore kept free of slow jobs, and
    /// a caller whose jobs may be slow has one at a time.
    fn may_begin(&self, caller: Caller, account: &Account<J>, is_slow: bool, now: Instant) -> bool {
        let mut others = self.accounts.iter().filter(|(other, account)| {
            **other != caller && (!account.is_idle() || now < account.active_until)
        });
        match if is_slow { Pace::Slow } else { account.past.pace() } {
            Pace::Quick => true,
            Pace::Unknown => account.running == 0 || others.next().is_none(),
            Pace::Slow => {
                self.slow_running() + 1 < self.workers.max(2)
                    || others.all(|(_, other)| other.past.pace() == Pace::Slow)
            }
        }
    }

    fn slow_running(&self) -> usize {
        let of = |account: &Account<J>| match account.past.pace() {
            Pace::Slow => account.running,
            Pace::Unknown | Pace::Quick => account.running_slow,
        };
        self.accounts.values().map(of).sum()
    }
}

impl<J> Account<J> {
    fn new(used: f64, now: Instant) -> Self {
        Self {
            jobs: VecDeque::new(),
            running: 0,
            running_slow: 0,
            used,
            past: Past::default(),
            active_until: now + ACTIVE,
        }
    }

    /// Takes back what was noted when a job began.
    fn leave(&mut self, Terms { expected, is_slow, .. }: Terms) {
        self.running -= 1;
        self.running_slow -= usize::from(is_slow);
        self.used -= expected;
    }

    fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.running == 0
    }
}

impl Past {
    /// About the last 20 jobs count.
    const MEMORY: f64 = 0.95;
    /// So many seconds of work show how long the jobs of a caller take.
    const KNOWN: f64 = 0.01;

    fn add(&mut self, seconds: f64) {
        self.jobs = self.jobs * Self::MEMORY + 1.0;
        self.seconds = self.seconds * Self::MEMORY + seconds;
        self.squares = self.squares * Self::MEMORY + seconds * seconds;
    }

    fn mean(&self) -> f64 {
        if self.jobs > 0.0 { self.seconds / self.jobs } else { 0.0 }
    }

    /// Decides by the mean length of the job that is found in work at a random moment. Short jobs between long ones
    /// hardly change it, unless they take as much time in total.
    fn pace(&self) -> Pace {
        if self.seconds < Self::KNOWN {
            Pace::Unknown
        } else if self.squares < SLOW.as_secs_f64() * self.seconds {
            Pace::Quick
        } else {
            Pace::Slow
        }
    }
}

#[cfg(test)]
mod tests;
