//! What a shadow model set makes of the requests, counted by day. All processes add to it. No person is in it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use padan_domain::{ModelContractId, PercentageBins};

use crate::{audit::ComparedUnder, error::StoreError, store::Store};

/// What came of a request that was to be embedded by the shadow model set as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShadowOutcome {
    /// Both model sets gave a percentage.
    Compared,
    /// The shadow model set finds no usable face in the selfie: it would have refused the request.
    PhotoRejected,
    /// It has no template of the portrait as it is now.
    NoTemplate,
    /// It finds no usable face in the portrait.
    TemplateUnusable,
    /// The machine had no spare capacity in time.
    Busy,
    /// The model set could not be loaded.
    NotLoaded,
    /// The store did not give the template.
    Store,
    /// The engine failed.
    Engine,
}

impl ShadowOutcome {
    /// All outcomes.
    pub const ALL: [Self; 8] = [
        Self::Compared,
        Self::PhotoRejected,
        Self::NoTemplate,
        Self::TemplateUnusable,
        Self::Busy,
        Self::NotLoaded,
        Self::Store,
        Self::Engine,
    ];

    /// The text of the column `outcome` and of the metrics' label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compared => "compared",
            Self::PhotoRejected => "photo_rejected",
            Self::NoTemplate => "no_template",
            Self::TemplateUnusable => "template_unusable",
            Self::Busy => "busy",
            Self::NotLoaded => "not_loaded",
            Self::Store => "store",
            Self::Engine => "engine",
        }
    }
}

/// The models that are compared, each with the calibration that gives its percentages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShadowPair {
    /// The model contract and the calibration that decide.
    pub active: ComparedUnder,
    /// The contract of the shadow model set.
    pub shadow: ModelContractId,
    /// Its calibration; empty while the set is not loaded.
    pub shadow_calibration: String,
}

/// What is counted together. Percentages are where their intervals begin ([`PercentageBins`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShadowCell {
    /// What came of the request.
    pub outcome: ShadowOutcome,
    /// Whether name and date of birth match, so that the face decides.
    pub claims_match: bool,
    /// The percentage that decided.
    pub percentage: u8,
    /// The percentage that the shadow model set gives; 0 if it gave none.
    pub shadow_percentage: u8,
}

/// A number of requests, and the processor time that the shadow model set took for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShadowCount {
    /// Requests.
    pub requests: u64,
    /// Processor time in microseconds.
    pub cpu_microseconds: u64,
}

/// Numbers of requests by what came of them.
pub type ShadowCounts = BTreeMap<ShadowCell, ShadowCount>;

impl ShadowCount {
    /// Adds another count.
    pub fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.cpu_microseconds += more.cpu_microseconds;
    }
}

impl Store {
    /// Adds counts to those of a day in Asia/Jakarta.
    ///
    /// # Errors
    ///
    /// When the store fails. They may have been added even so, if the connection failed at the end.
    pub async fn add_shadow_counts(
        &self,
        day: NaiveDate,
        pair: &ShadowPair,
        counts: &ShadowCounts,
    ) -> Result<(), StoreError> {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let outcomes: Vec<_> = counts.keys().map(|cell| cell.outcome.as_str()).collect();
        let claims_match: Vec<_> = counts.keys().map(|cell| cell.claims_match).collect();
        let percentages: Vec<_> = counts.keys().map(|cell| i16::from(cell.percentage)).collect();
        let shadow_percentages: Vec<_> =
            counts.keys().map(|cell| i16::from(cell.shadow_percentage)).collect();
        let requests: Vec<_> = counts.values().map(|count| whole(count.requests)).collect();
        let cpu_microseconds: Vec<_> = counts.values().map(|count| whole(count.cpu_microseconds)).collect();
        // In the order of the key, so that processes that add at the same time do not lock each other.
        let query = || {
            sqlx::query!(
                "INSERT INTO store.shadow_count AS kept
                        (day, contract_id, calibration_id, shadow_contract_id, shadow_calibration_id, outcome, claims_match,
                         percentage, shadow_percentage, requests, cpu_microseconds)
                 SELECT $1, $2, $3, $4, $5, added.*
                   FROM unnest($6::text[], $7::boolean[], $8::smallint[], $9::smallint[], $10::bigint[], $11::bigint[])
                     AS added (outcome, claims_match, percentage, shadow_percentage, requests, cpu_microseconds)
                  ORDER BY outcome, claims_match, percentage, shadow_percentage
                 ON CONFLICT (day, contract_id, calibration_id, shadow_contract_id, shadow_calibration_id, outcome,
                              claims_match, percentage, shadow_percentage) DO UPDATE
                 SET requests = kept.requests + excluded.requests,
                     cpu_microseconds = kept.cpu_microseconds + excluded.cpu_microseconds",
                day,
                pair.active.contract.as_str(),
                pair.active.calibration,
                pair.shadow.as_str(),
                pair.shadow_calibration,
                &outcomes as _,
                &claims_match,
                &percentages,
                &shadow_percentages,
                &requests,
                &cpu_microseconds
            )
        };
        self.0.pool().execute(query).await?;
        Ok(())
    }

    /// The counts from a day on, of all days together. Those of requests for which the shadow model set was not loaded are
    /// among them, whatever its calibration.
    ///
    /// # Errors
    ///
    /// When the store fails, or a row is invalid.
    pub async fn shadow_counts(
        &self,
        pair: &ShadowPair,
        from: NaiveDate,
    ) -> Result<ShadowCounts, StoreError> {
        let query = || {
            sqlx::query_as!(
                CountedRow,
                r#"SELECT outcome, claims_match, percentage, shadow_percentage,
                          least(sum(requests), 9223372036854775807)::bigint AS "requests!",
                          least(sum(cpu_microseconds), 9223372036854775807)::bigint AS "cpu_microseconds!"
                     FROM store.shadow_count
                    WHERE contract_id = $1
                      AND calibration_id = $2
                      AND shadow_contract_id = $3
                      AND shadow_calibration_id IN ($4, '')
                      AND day >= $5
                    GROUP BY outcome, claims_match, percentage, shadow_percentage"#,
                pair.active.contract.as_str(),
                pair.active.calibration,
                pair.shadow.as_str(),
                pair.shadow_calibration,
                from
            )
        };
        let rows = self.0.pool().fetch_all(query).await?;
        rows.into_iter().map(CountedRow::counted).collect()
    }
}

struct CountedRow {
    outcome: String,
    claims_match: bool,
    percentage: i16,
    shadow_percentage: i16,
    requests: i64,
    cpu_microseconds: i64,
}

impl CountedRow {
    fn counted(self) -> Result<(ShadowCell, ShadowCount), StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "store.shadow_count", column };
        let outcome = ShadowOutcome::ALL.into_iter().find(|known| known.as_str() == self.outcome);
        let start = |percentage: i16| PercentageBins::starts().find(|start| i16::from(*start) == percentage);
        let cell = ShadowCell {
            outcome: outcome.ok_or_else(|| inconsistent("outcome"))?,
            claims_match: self.claims_match,
            percentage: start(self.percentage).ok_or_else(|| inconsistent("percentage"))?,
            shadow_percentage: start(self.shadow_percentage)
                .ok_or_else(|| inconsistent("shadow_percentage"))?,
        };
        let count = ShadowCount {
            requests: self.requests.try_into().map_err(|_| inconsistent("requests"))?,
            cpu_microseconds: self
                .cpu_microseconds
                .try_into()
                .map_err(|_| inconsistent("cpu_microseconds"))?,
        };
        Ok((cell, count))
    }
}
