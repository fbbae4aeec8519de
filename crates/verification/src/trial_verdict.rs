use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{config::TrialLimit, error::VerificationError, running_trials::Scope};

/// Whether a trial may begin.
#[derive(Debug)]
pub(crate) enum TrialVerdict {
    /// It may.
    Admitted,
    /// Only if one of the running trials of this scope does not fail; what would be counted if it failed.
    Undecided(Scope, Refused),
    /// Too many have failed: the error, and how long until one of them no longer counts.
    Refused(Refused, Duration),
}

/// What too many of were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    Faces,
    Fields,
}

impl Refused {
    pub(crate) fn error(self, wait: Duration) -> VerificationError {
        match self {
            Self::Faces => VerificationError::TooManyFailedFaces(wait),
            Self::Fields => VerificationError::TooManyFailedFields(wait),
        }
    }
}

/// The events that count against one limit.
pub(crate) struct Counted {
    pub(crate) limit: TrialLimit,
    pub(crate) scope: Scope,
    pub(crate) refused: Refused,
    /// How many there are within the window.
    pub(crate) count: u32,
    /// The time of the one that has to leave the window before another trial may begin; `None` when fewer than the limit
    /// were counted.
    pub(crate) last_allowed: Option<DateTime<Utc>>,
    /// How many other trials of the scope are running.
    pub(crate) others: u32,
}

impl Counted {
    /// Counts the times, from the latest on, that lie within the limit's window.
    pub(crate) fn within(
        limit: TrialLimit,
        times: &[DateTime<Utc>],
        now: DateTime<Utc>,
    ) -> (u32, Option<DateTime<Utc>>) {
        let since = now - limit.window();
        let recent = times.iter().take_while(|at| **at > since).count();
        let last_allowed = (limit.most as usize).checked_sub(1).and_then(|last| times[..recent].get(last));
        (u32::try_from(recent).unwrap_or(u32::MAX), last_allowed.copied())
    }
}

impl TrialVerdict {
    /// The verdict over several limits: a refusal, of several the one with the longest wait, before a wait for a running
    /// trial.
    pub(crate) fn of(counted: &[Counted], now: DateTime<Utc>) -> Self {
        let on = || counted.iter().filter(|counted| counted.limit.is_on());
        let refused = on().filter_map(|Counted { limit, refused, last_allowed, .. }| {
            let wait = ((*last_allowed)? + limit.window() - now).to_std().unwrap_or_default();
            Some((*refused, wait))
        });
        if let Some((refused, wait)) = refused.max_by_key(|(_, wait)| *wait) {
            return Self::Refused(refused, wait);
        }
        let undecided =
            on().find(|counted| counted.count.saturating_add(counted.others) >= counted.limit.most);
        undecided.map_or(Self::Admitted, |counted| Self::Undecided(counted.scope, counted.refused))
    }

    /// The stricter of two verdicts.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (refused @ Self::Refused(..), _) | (_, refused @ Self::Refused(..)) => refused,
            (undecided @ Self::Undecided(..), _) => undecided,
            (Self::Admitted, other) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use chrono::TimeDelta;

    use super::*;

    const NOW: &str = "2026-03-04T05:00:00Z";

    fn limit(most: u32, window: u32) -> TrialLimit {
        TrialLimit { most, window_seconds: NonZeroU32::new(window).unwrap() }
    }

    /// The verdict over events of these ages in seconds.
    fn verdict(limits: &[TrialLimit], ages: &[i64], others: u32) -> TrialVerdict {
        let now: DateTime<Utc> = NOW.parse().unwrap();
        let times: Vec<_> = ages.iter().map(|age| now - TimeDelta::seconds(*age)).collect();
        let counted: Vec<_> = limits
            .iter()
            .map(|limit| {
                let (count, last_allowed) = Counted::within(*limit, &times, now);
                let (scope, refused) = (Scope::ClientAndPerson, Refused::Fields);
                Counted { limit: *limit, scope, refused, count, last_allowed, others }
            })
            .collect();
        TrialVerdict::of(&counted, now)
    }

    fn wait(verdict: &TrialVerdict) -> Option<u64> {
        match verdict {
            TrialVerdict::Refused(_, wait) => Some(wait.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn a_trial_waits_until_the_earliest_failure_that_counts_leaves_the_window() {
        let three = [limit(3, 60)];
        assert!(matches!(verdict(&three, &[1, 2], 0), TrialVerdict::Admitted));
        assert_eq!(wait(&verdict(&three, &[1, 2, 50], 0)), Some(10));
        assert_eq!(wait(&verdict(&three, &[1, 20, 30, 50], 0)), Some(30), "the third latest has to leave");
        assert!(matches!(verdict(&three, &[1, 2, 60], 0), TrialVerdict::Admitted));
        assert!(matches!(verdict(&[limit(0, 60)], &[1, 2, 3, 4], 9), TrialVerdict::Admitted), "no limit");
    }

    #[test]
    fn the_longest_wait_of_several_windows_counts() {
        let both = [limit(2, 60), limit(4, 3600)];
        assert_eq!(wait(&verdict(&both, &[1, 10], 0)), Some(50));
        assert_eq!(wait(&verdict(&both, &[1, 10, 100, 600], 0)), Some(3000));
        assert_eq!(wait(&verdict(&both, &[100, 200, 300, 600], 0)), Some(3000));
    }

    #[test]
    fn running_trials_could_fail() {
        let three = [limit(3, 60)];
        let undecided =
            |ages: &[i64], others| matches!(verdict(&three, ages, others), TrialVerdict::Undecided(..));
        assert!(!undecided(&[1], 1) && undecided(&[1], 2) && undecided(&[], 3));
        assert_eq!(wait(&verdict(&three, &[1, 2, 3], 5)), Some(57), "they cannot make it better");
    }
}
