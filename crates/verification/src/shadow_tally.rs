use std::{collections::HashMap, mem};

use padan_domain::ModelContractId;
use padan_store::{ShadowCell, ShadowCount, ShadowCounts, ShadowPair};

/// What a process has counted of shadow model sets.
#[derive(Default)]
pub(crate) struct ShadowTally {
    /// What the store does not have yet.
    unsaved: HashMap<ShadowPair, ShadowCounts>,
    /// Since the start of the process, by the contract of the shadow model set.
    totals: HashMap<ModelContractId, ShadowCounts>,
}

impl ShadowTally {
    pub(crate) fn count(&mut self, pair: ShadowPair, cell: ShadowCell, count: ShadowCount) {
        let totals = self.totals.entry(pair.shadow.clone()).or_default();
        totals.entry(cell).or_default().add(count);
        self.unsaved.entry(pair).or_default().entry(cell).or_default().add(count);
    }

    pub(crate) fn take_unsaved(&mut self) -> HashMap<ShadowPair, ShadowCounts> {
        mem::take(&mut self.unsaved)
    }

    /// Keeps counts that could not be saved for the next time.
    pub(crate) fn keep(&mut self, pair: ShadowPair, counts: ShadowCounts) {
        let unsaved = self.unsaved.entry(pair).or_default();
        for (cell, count) in counts {
            unsaved.entry(cell).or_default().add(count);
        }
    }

    pub(crate) fn totals(&self) -> Vec<(ModelContractId, ShadowCounts)> {
        self.totals.iter().map(|(contract, counts)| (contract.clone(), counts.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use padan_store::{ComparedUnder, ShadowOutcome};

    use super::*;

    #[test]
    fn counts_that_could_not_be_saved_are_kept_and_pairs_are_not_mixed() {
        let pair = |shadow: &str, calibration: &str| ShadowPair {
            active: ComparedUnder { contract: "a".repeat(16).parse().unwrap(), calibration: "1".to_owned() },
            shadow: shadow.repeat(16).parse().unwrap(),
            shadow_calibration: calibration.to_owned(),
        };
        let cell = |shadow_percentage| ShadowCell {
            outcome: ShadowOutcome::Compared,
            claims_match: true,
            percentage: 80,
            shadow_percentage,
        };
        let one = ShadowCount { requests: 1, cpu_microseconds: 40_000 };
        let mut tally = ShadowTally::default();
        tally.count(pair("b", "2"), cell(70), one);
        let taken = tally.take_unsaved();
        tally.count(pair("b", "2"), cell(70), one);
        tally.count(pair("b", "2"), cell(75), one);
        tally.count(pair("b", "3"), cell(70), one);
        for (pair, counts) in taken {
            tally.keep(pair, counts);
        }
        let unsaved = tally.take_unsaved();
        let requests = |calibration: &str, shadow: u8| unsaved[&pair("b", calibration)].get(&cell(shadow));
        assert_eq!(requests("2", 70), Some(&ShadowCount { requests: 2, cpu_microseconds: 80_000 }));
        assert_eq!((requests("2", 75), requests("3", 70), requests("3", 75)), (Some(&one), Some(&one), None));
        // What was taken counts once in the totals.
        let totals = tally.totals();
        assert_eq!(totals.len(), 1);
        assert_eq!(totals[0].1[&cell(70)].requests, 3);
        assert!(tally.take_unsaved().is_empty());
    }
}
