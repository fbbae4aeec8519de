//! What a shadow model set makes of the requests, counted by day. All processes add to it. No person is in it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{ModelContractId, PercentageBins};
use sqlx::PgConnection;

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
        let addition = Addition {
            day,
            pair: pair.clone(),
            outcomes: counts.keys().map(|cell| cell.outcome.as_str().to_owned()).collect(),
            claims_match: counts.keys().map(|cell| cell.claims_match).collect(),
            percentages: counts.keys().map(|cell| cell.percentage.into()).collect(),
            shadow_percentages: counts.keys().map(|cell| cell.shadow_percentage.into()).collect(),
            requests: counts.values().map(|count| whole(count.requests)).collect(),
            cpu_microseconds: counts.values().map(|count| whole(count.cpu_microseconds)).collect(),
        };
        Ok(self.0.pool().run(add, &addition).await?)
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
        let rows = self.0.pool().run(read, &(pair.clone(), from)).await?;
        rows.into_iter().map(CountedRow::counted).collect()
    }
}

struct Addition {
    day: NaiveDate,
    pair: ShadowPair,
    outcomes: Vec<String>,
    claims_match: Vec<bool>,
    percentages: Vec<i16>,
    shadow_percentages: Vec<i16>,
    requests: Vec<i64>,
    cpu_microseconds: Vec<i64>,
}

/// In the order of the key, so that processes that add at the same time do not lock each other.
fn add<'c>(connection: &'c mut PgConnection, addition: &'c Addition) -> BoxFuture<'c, sqlx::Result<()>> {
    let ShadowPair { active, shadow, shadow_calibration } = &addition.pair;
    async move {
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
            addition.day,
            active.contract.as_str(),
            active.calibration,
            shadow.as_str(),
            shadow_calibration,
            &addition.outcomes,
            &addition.claims_match,
            &addition.percentages,
            &addition.shadow_percentages,
            &addition.requests,
            &addition.cpu_microseconds
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
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

fn read<'c>(
    connection: &'c mut PgConnection,
    (pair, from): &'c (ShadowPair, NaiveDate),
) -> BoxFuture<'c, sqlx::Result<Vec<CountedRow>>> {
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
    .fetch_all(connection)
    .boxed()
}
