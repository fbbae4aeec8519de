use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    fault::{AuditFault, RowLocation},
    keys::AuditKeys,
    month::Month,
    removal::{AnnouncedMonth, Announcement, SignatureSum, StepId},
    row::AuditRow,
};

/// The rows without their person, by the step in which they lost it, and the announcements of the steps.
#[derive(Default)]
pub(super) struct Steps {
    removed: HashMap<StepId, BTreeMap<Month, SignatureSum>>,
    announced: HashMap<StepId, (RowLocation, Announcement)>,
    /// Older releases did not say in which step a row lost its person.
    removed_by_older_releases: u64,
    announced_by_older_releases: u64,
}

impl Steps {
    /// Records a verified row, if it announces a step.
    pub(super) fn announce(&mut self, row: &AuditRow) {
        let Some(announcement) = Announcement::in_row(row) else { return };
        if announcement.months.is_empty() {
            self.announced_by_older_releases += announcement.rows;
        } else {
            self.announced.insert((row.writer, row.sequence), (RowLocation::of(row), announcement));
        }
    }

    pub(super) fn remove_uncounted(&mut self) {
        self.removed_by_older_releases += 1;
    }

    /// Records a row that lost its person in a step. Rows come in the order of time, chain and number.
    pub(super) fn remove(&mut self, step: StepId, row: &AuditRow, keys: &AuditKeys) {
        let (Some(key_id), Some(signature)) = (&row.forget_key_id, &row.forget_mac) else { return };
        let months = self.removed.entry(step).or_default();
        let month = Month::of(row.at);
        if let Some(sum) = months.remove(&month).or_else(|| SignatureSum::begin(key_id, keys)) {
            months.insert(month, sum.with(signature));
        }
    }

    /// What contradicts the announcements. A month that was pruned as a whole is not missed, nor the announcement of a
    /// step if it was pruned.
    pub(super) fn faults(
        self,
        pruned_months: &HashSet<Month>,
        is_pruned: impl Fn(&StepId) -> bool,
    ) -> Vec<AuditFault> {
        let mut faults = Vec::new();
        // A row is never younger than its announcement, so pruning a month removes no announcement whose rows remain.
        if self.removed_by_older_releases > self.announced_by_older_releases {
            faults.push(AuditFault::Unannounced {
                rows: self.removed_by_older_releases,
                announced: self.announced_by_older_releases,
            });
        }
        let mut announced = self.announced;
        for (step, months) in self.removed {
            let found = months.into_iter().map(|(month, sum)| (month.to_string(), sum.finish())).collect();
            match announced.remove(&step) {
                Some((row, announcement)) => {
                    faults.extend(differences(&row, &announcement.months, &found, pruned_months));
                }
                None if is_pruned(&step) => {}
                None => {
                    let (writer, sequence) = step;
                    let row = RowLocation { writer, sequence, at: None, request_id: None };
                    faults.extend(differences(&row, &BTreeMap::new(), &found, pruned_months));
                }
            }
        }
        for (row, announcement) in announced.into_values() {
            faults.extend(differences(&row, &announcement.months, &BTreeMap::new(), pruned_months));
        }
        faults
    }
}

type Months = BTreeMap<String, AnnouncedMonth>;

fn differences(
    announcement: &RowLocation,
    announced: &Months,
    found: &Months,
    pruned: &HashSet<Month>,
) -> Vec<AuditFault> {
    let is_pruned = |month: &String| pruned.iter().any(|pruned| pruned.to_string() == *month);
    let rows = |months: &Months, month: &String| months.get(month).map_or(0, |month| month.rows);
    let missing = announced.keys().filter(|month| !found.contains_key(*month) && !is_pruned(month));
    let different = found.iter().filter(|(month, rows)| announced.get(*month) != Some(*rows));
    missing
        .chain(different.map(|(month, _)| month))
        .map(|month| AuditFault::StepDiffers {
            announcement: announcement.clone(),
            month: month.clone(),
            announced: rows(announced, month),
            found: rows(found, month),
        })
        .collect()
}
