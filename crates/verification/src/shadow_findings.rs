use chrono::{Days, NaiveDate};
use padan_domain::Clock;
use padan_inference::{Catalogue, ModelSet};
use padan_store::{ComparedUnder, ShadowPair, Store};

use crate::{
    calibration_in_use::{CalibrationInUseError, calibration_in_use},
    model_activation::ActivationError,
    shadow_summary::ShadowSummary,
};

/// The set that decides, and the one that may replace it.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// The set that decides.
    pub active: &'a ModelSet,
    /// The other one.
    pub other: &'a ModelSet,
}

/// What was counted of a model set beside the one that decides, each with the calibration that it has now.
#[derive(Debug, Clone)]
pub struct ShadowFindings {
    /// The name of the set that decides.
    pub active: String,
    /// The name of the other one.
    pub other: String,
    /// Their contracts and calibrations.
    pub pair: ShadowPair,
    /// The first day that was counted.
    pub from: NaiveDate,
    /// The requests.
    pub summary: ShadowSummary,
}

impl ShadowFindings {
    /// Reads the counts of the last days, today included.
    ///
    /// # Errors
    ///
    /// When the store fails, or a calibration cannot be used.
    pub async fn read(
        store: &Store,
        catalogue: &Catalogue,
        Exchange { active, other }: Exchange<'_>,
        days: u32,
        clock: &Clock,
    ) -> Result<Self, CalibrationInUseError> {
        let pair = ShadowPair {
            active: ComparedUnder {
                contract: active.contract(),
                calibration: calibration_in_use(store, catalogue, active).await?.id(),
            },
            shadow: other.contract(),
            shadow_calibration: calibration_in_use(store, catalogue, other).await?.id(),
        };
        let today = clock.today_in_jakarta();
        let from = today.checked_sub_days(Days::new(u64::from(days) - 1)).unwrap_or(today);
        let summary = ShadowSummary::of(&store.shadow_counts(&pair, from).await?);
        let (active, other) = (active.name().to_owned(), other.name().to_owned());
        Ok(Self { active, other, pair, from, summary })
    }
}

/// The set that services use: the active one, or else that of the settings.
///
/// # Errors
///
/// When the store fails, or the set is not known.
pub async fn set_in_use(
    store: &Store,
    catalogue: &Catalogue,
    of_settings: &str,
) -> Result<ModelSet, ActivationError> {
    let active = store.active_model().await?;
    let name = active.as_ref().map_or(of_settings, |active| &active.model_set);
    Ok(catalogue.set(name)?)
}
