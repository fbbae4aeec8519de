use std::{collections::BTreeMap, time::Duration};

use padan_domain::PercentageBins;
use padan_store::{ShadowCell, ShadowCounts, ShadowOutcome};

/// What counts of a shadow model set say about its activation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowSummary {
    /// Requests by what came of them.
    pub outcomes: BTreeMap<ShadowOutcome, u64>,
    /// Compared requests by the beginnings of the intervals of both percentages: the one that decided, and the other.
    pub percentages: BTreeMap<[u8; 2], u64>,
    /// Those of them whose name and date of birth match, so that the face decides.
    pub decided: BTreeMap<[u8; 2], u64>,
    /// Decisions that would be a pass instead.
    pub would_pass: u64,
    /// Decisions that would no longer be a pass.
    pub would_fail: u64,
    /// Requests whose selfie was embedded, or refused for its content.
    pub embedded: u64,
    /// The processor time for all of them.
    pub cpu: Duration,
}

impl ShadowSummary {
    /// Sums counts up.
    pub fn of(counts: &ShadowCounts) -> Self {
        let mut summary = Self::default();
        for (ShadowCell { outcome, claims_match, percentage, shadow_percentage }, count) in counts {
            let requests = count.requests;
            *summary.outcomes.entry(*outcome).or_default() += requests;
            summary.cpu += Duration::from_micros(count.cpu_microseconds);
            if matches!(outcome, ShadowOutcome::Compared | ShadowOutcome::PhotoRejected) {
                summary.embedded += requests;
            }
            if *outcome != ShadowOutcome::Compared {
                continue;
            }
            let cell = [*percentage, *shadow_percentage];
            *summary.percentages.entry(cell).or_default() += requests;
            if *claims_match {
                *summary.decided.entry(cell).or_default() += requests;
                match cell.map(PercentageBins::passes) {
                    [false, true] => summary.would_pass += requests,
                    [true, false] => summary.would_fail += requests,
                    [true, true] | [false, false] => {}
                }
            }
        }
        summary
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Requests that were compared.
    pub fn compared(&self) -> u64 {
        self.percentages.values().sum()
    }

    /// Compared requests in which the face decides.
    pub fn decisions(&self) -> u64 {
        self.decided.values().sum()
    }

    /// Decisions that would stay the same.
    pub fn same(&self) -> u64 {
        self.decisions() - self.would_pass - self.would_fail
    }

    /// The processor time for one selfie; `None` when none was embedded.
    pub fn cpu_of_one(&self) -> Option<Duration> {
        (self.embedded > 0).then(|| self.cpu.div_f64(self.embedded as f64))
    }
}

#[cfg(test)]
mod tests {
    use padan_store::ShadowCount;

    use super::*;

    #[test]
    fn decisions_change_only_across_the_pass_mark_and_where_the_face_decides() {
        let mut counts = ShadowCounts::new();
        let mut add = |outcome, claims_match, [percentage, shadow_percentage]: [u8; 2], requests| {
            let cell = ShadowCell { outcome, claims_match, percentage, shadow_percentage };
            counts.insert(cell, ShadowCount { requests, cpu_microseconds: requests * 10_000 });
        };
        add(ShadowOutcome::Compared, true, [70, 75], 3);
        add(ShadowOutcome::Compared, true, [75, 70], 5);
        add(ShadowOutcome::Compared, true, [95, 0], 7);
        add(ShadowOutcome::Compared, true, [75, 95], 11);
        add(ShadowOutcome::Compared, true, [0, 70], 13);
        add(ShadowOutcome::Compared, false, [70, 75], 17);
        add(ShadowOutcome::PhotoRejected, true, [80, 0], 19);
        add(ShadowOutcome::Busy, true, [80, 0], 23);
        let summary = ShadowSummary::of(&counts);
        assert_eq!((summary.would_pass, summary.would_fail, summary.same()), (3, 12, 24));
        assert_eq!((summary.requests(), summary.compared(), summary.decisions()), (98, 56, 39));
        assert_eq!((summary.percentages[&[70, 75]], summary.decided[&[70, 75]]), (20, 3));
        assert_eq!(summary.outcomes[&ShadowOutcome::Busy], 23);
        // 98 requests took 10 ms each, and 75 were embedded.
        assert_eq!((summary.embedded, summary.cpu), (75, Duration::from_millis(980)));
        assert_eq!(ShadowSummary::of(&ShadowCounts::new()).cpu_of_one(), None);
    }
}
