//! Calibrations that operators activate.

use actix_web::HttpResponse;
use padan_verification::{
    CalibrationActivationError, CohortError, ModelError, Scale, ScaleChange, StoreError,
    WantedCalibration as Wanted,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{call::Call, fault::Fault};

/// A calibration: either a file, or the one that is installed for a model set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedCalibration {
    /// The text of a calibration file, as `padan calibrate` writes it, of 1 MB at most.
    file: Option<String>,
    /// The model set that returns to the calibration installed on each machine.
    installed: Option<String>,
}

/// What the activation of a calibration changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CalibrationChange {
    /// The model set that the calibration belongs to.
    model_set: String,
    /// The scale in use before; null when it cannot be read.
    before: Option<StatedScale>,
    /// The scale afterwards.
    after: StatedScale,
    /// The percentage now of what was 75 %; null when faces are compared by another score now, so that cosines before and
    /// after are not comparable.
    former_pass_mark_is_now: Option<f64>,
    /// The percentage before of what is 75 % now; null like the other.
    present_pass_mark_was: Option<f64>,
    /// False when the installed calibration is in use already: then nothing is changed, and there is no row.
    changed: bool,
}

/// A scale.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatedScale {
    /// The id of the calibration.
    calibration: String,
    /// The pass mark as a cosine, or as another score.
    pass_cosine: f64,
    /// `cosine`, or the name of another score.
    score: String,
}

pub(super) async fn preview(call: Call) -> Result<HttpResponse, Fault> {
    let change = call.mandate.preview_calibration(wanted(&call)?).await?;
    Ok(HttpResponse::Ok().json(CalibrationChange::from(change)))
}

pub(super) async fn activate(call: Call) -> Result<HttpResponse, Fault> {
    let change = call.mandate.activate_calibration(wanted(&call)?).await?;
    Ok(HttpResponse::Ok().json(CalibrationChange::from(change)))
}

fn wanted(call: &Call) -> Result<Wanted, Fault> {
    match call.json()? {
        WantedCalibration { file: Some(text), installed: None } => Ok(Wanted::File(text)),
        WantedCalibration { file: None, installed: Some(set) } => Ok(Wanted::Installed(set)),
        _ => {
            Err(Fault::invalid("name either the text of a calibration as file, or a model set as installed"))
        }
    }
}

impl From<ScaleChange> for CalibrationChange {
    fn from(change: ScaleChange) -> Self {
        let ScaleChange { model_set, before, after, pass_mark, is_change } = change;
        Self {
            model_set,
            before: before.map(StatedScale::from),
            after: after.into(),
            former_pass_mark_is_now: pass_mark.as_ref().map(|moved| moved.former_is_now),
            present_pass_mark_was: pass_mark.map(|moved| moved.present_was),
            changed: is_change,
        }
    }
}

impl From<Scale> for StatedScale {
    fn from(scale: Scale) -> Self {
        let Scale { calibration, pass_cosine, score } = scale;
        Self { calibration, pass_cosine, score }
    }
}

impl From<CalibrationActivationError> for Fault {
    fn from(error: CalibrationActivationError) -> Self {
        match error {
            CalibrationActivationError::Store(error) => error.into(),
            CalibrationActivationError::Cohort(CohortError::Unusable { error, .. })
                if !matches!(error, StoreError::Inconsistent { .. }) =>
            {
                error.into()
            }
            // What this machine has is wrong, not the input.
            CalibrationActivationError::Model(error @ ModelError::Manifest { .. }) => {
                Self::Conflict(error.to_string())
            }
            CalibrationActivationError::Model(ModelError::Graph(cause)) => Self::Internal(cause),
            error => Self::Invalid(shortened(&with_causes(&error))),
        }
    }
}

/// An error with what caused it, in one text.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The beginning of a text that may repeat a line of any length of the file.
fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 1000;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}
