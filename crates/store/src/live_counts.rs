//! How similar selfies are to templates, counted by day. All processes add to it.
//!
//! No person is in it: it has only how many comparisons had which similarity, of all people whose hash falls into one of a
//! few parts.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use padan_domain::{ModelContractId, SimilarityBins};

use crate::{error::StoreError, store::Store};

/// What two faces of a comparison have to do with each other, and by whom comparisons are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compared {
    /// A selfie with the portrait of the person whose name and date of birth the request has.
    Genuine,
    /// A selfie with the template of somebody else, counted by the part of the selfie's person.
    ImpostorByProbe,
    /// The same comparison, counted by the part of the template's person.
    ImpostorByReference,
}

/// The number of parts into which people fall by their hash. Figures of different parts are independent, which their
/// intervals are computed from.
pub const LIVE_PARTS: u8 = 32;

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveCell {
    /// What was compared.
    pub compared: Compared,
    /// The part of the person.
    pub part: u8,
}

/// Numbers of comparisons by similarity, with as many numbers as [`SimilarityBins`] has intervals.
pub type LiveCounts = BTreeMap<LiveCell, Vec<i64>>;

/// What counts were made with: they are comparable only if this is the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LiveScale {
    /// The model contract.
    pub contract: ModelContractId,
    /// What was counted: the cosine, or another score that the scale computes from it.
    pub score: String,
}

impl LiveScale {
    /// Counts of cosines under this contract.
    pub fn of_cosine(contract: ModelContractId) -> Self {
        Self { contract, score: "cosine".to_owned() }
    }
}

impl Compared {
    const ALL: [Self; 3] = [Self::Genuine, Self::ImpostorByProbe, Self::ImpostorByReference];

    fn as_str(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::ImpostorByProbe => "impostor_by_probe",
            Self::ImpostorByReference => "impostor_by_reference",
        }
    }
}

impl Store {
    /// Adds counts to those of a day in Asia/Jakarta.
    ///
    /// # Errors
    ///
    /// When the store fails. They may have been added even so, if the connection failed at the end.
    pub async fn add_live_counts(
        &self,
        day: NaiveDate,
        scale: &LiveScale,
        counts: &LiveCounts,
    ) -> Result<(), StoreError> {
        let text = |counts: &Vec<i64>| {
            let numbers = counts.iter().map(i64::to_string).collect::<Vec<_>>();
            format!("{{{}}}", numbers.join(","))
        };
        let compared: Vec<_> = counts.keys().map(|cell| cell.compared.as_str()).collect();
        let parts: Vec<_> = counts.keys().map(|cell| i16::from(cell.part)).collect();
        let counts: Vec<_> = counts.values().map(text).collect();
        // In the order of the key, so that processes that add at the same time do not lock each other.
        let query = || {
            sqlx::query!(
                "INSERT INTO store.live_similarity AS kept (day, contract_id, score, compared, part, counts)
                 SELECT $1, $2, $3, compared, part, counts::bigint[]
                   FROM unnest($4::text[], $5::smallint[], $6::text[]) AS added (compared, part, counts)
                  ORDER BY compared, part
                 ON CONFLICT (day, contract_id, score, compared, part) DO UPDATE
                 SET counts = (SELECT array_agg(before + more ORDER BY at)
                                 FROM unnest(kept.counts, excluded.counts) WITH ORDINALITY AS sum (before, more, at))",
                day,
                scale.contract.as_str(),
                scale.score,
                &compared as _,
                &parts,
                &counts
            )
        };
        self.0.pool().execute(query).await?;
        Ok(())
    }

    /// The counts from a day on, of all days together.
    ///
    /// # Errors
    ///
    /// When the store fails, or a row is invalid.
    pub async fn live_counts(&self, scale: &LiveScale, from: NaiveDate) -> Result<LiveCounts, StoreError> {
        let query = || {
            sqlx::query_as!(
                CountedRow,
                "SELECT compared, part, counts
                   FROM store.live_similarity
                  WHERE contract_id = $1
                    AND score = $2
                    AND day >= $3",
                scale.contract.as_str(),
                scale.score,
                from
            )
        };
        let rows = self.0.pool().fetch_all(query).await?;
        let mut counts = LiveCounts::new();
        for CountedRow { compared, part, counts: added } in rows {
            let compared = Compared::ALL.into_iter().find(|known| known.as_str() == compared);
            let cell = compared.zip(u8::try_from(part).ok().filter(|part| *part < LIVE_PARTS));
            let (Some((compared, part)), SimilarityBins::COUNT) = (cell, added.len()) else {
                return Err(StoreError::Inconsistent { table: "store.live_similarity", column: "counts" });
            };
            let kept = counts.entry(LiveCell { compared, part }).or_insert_with(|| vec![0; added.len()]);
            for (kept, added) in kept.iter_mut().zip(added) {
                *kept += added;
            }
        }
        Ok(counts)
    }
}

struct CountedRow {
    compared: String,
    part: i16,
    counts: Vec<i64>,
}
