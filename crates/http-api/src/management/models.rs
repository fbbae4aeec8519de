//! Models and their calibrations.

use actix_web::HttpResponse;
use padan_verification::{ActiveModel, EngineIdentity, ModelState, ShadowFindings};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    call::{Call, moment},
    fault::Fault,
};

/// The model sets of a site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Models {
    /// The set that all services should use; null when none was activated.
    active: Option<ActiveSet>,
    /// The set that this process uses.
    in_use: SetInUse,
    /// The sets that this machine knows.
    sets: Vec<KnownSet>,
}

/// The active model set.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActiveSet {
    model_set: String,
    contract: String,
    activated_at: String,
}

/// The model set of this process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetInUse {
    model_set: String,
    contract: String,
    calibration: String,
    device: &'static str,
    precision: &'static str,
}

/// A model set that this machine knows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KnownSet {
    model_set: String,
    contract: String,
    calibration: String,
    /// The pass mark as a cosine.
    pass_cosine: f64,
    /// Whether its files are installed on this machine.
    installed: bool,
}

/// The model set to activate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activation {
    model_set: String,
    /// Activate it even if its enrolment is not complete.
    #[serde(default)]
    force: bool,
}

/// The model set that was activated.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Activated {
    model_set: String,
    contract: String,
}

/// The model set that may be activated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Candidate {
    model_set: String,
}

/// What an activation would change, by what was counted of the set beside the one that decides, in the last 30 days.
/// Counts under other calibrations than the present ones are not among it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActivationPreview {
    model_set: String,
    contract: String,
    calibration: String,
    /// The set that decides now.
    active_model_set: String,
    active_contract: String,
    active_calibration: String,
    /// Whether all people are enrolled for the set. If not, its activation needs `force`.
    enrolled: bool,
    /// The first day that was counted, in Asia/Jakarta.
    from: String,
    /// Requests that were drawn for the measurement.
    requests: u64,
    /// Those that both sets gave a percentage for.
    compared: u64,
    /// Those of them whose name and date of birth match, so that the face decides.
    decisions: u64,
    /// Decisions that would be a pass instead.
    would_pass: u64,
    /// Decisions that would no longer be a pass.
    would_fail: u64,
    /// Processor time that the set takes for a selfie; null when it was given none.
    cpu_seconds_per_selfie: Option<f64>,
    /// What became of the requests, by name.
    outcomes: Vec<CountedOutcome>,
    /// The compared requests by both percentages.
    percentages: Vec<CountedPercentages>,
}

/// Requests with one outcome.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountedOutcome {
    /// `compared`, or why not: docs/json-output.md explains them (padan models shadow).
    outcome: &'static str,
    requests: u64,
}

/// Requests in one interval of 5 percent of the set that decides, and in one of the other set.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountedPercentages {
    /// The beginning of the interval of the set that decides.
    percentage: u8,
    /// The beginning of the interval of the other set.
    shadow_percentage: u8,
    requests: u64,
    /// Those whose name and date of birth match.
    decisions: u64,
}

pub(super) async fn list(call: Call) -> Result<HttpResponse, Fault> {
    let active = call.mandate.active_model().await?;
    let sets = call.mandate.models().await.map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(HttpResponse::Ok().json(Models {
        active: active.map(ActiveSet::from),
        in_use: call.verifier.engine_identity().into(),
        sets: sets.into_iter().map(KnownSet::from).collect(),
    }))
}

pub(super) async fn preview(call: Call) -> Result<HttpResponse, Fault> {
    let Candidate { model_set } = call.json()?;
    let serving = call.verifier.engine_identity().model_set;
    let preview = call.mandate.preview_activation(&model_set, &serving).await?;
    Ok(HttpResponse::Ok().json(ActivationPreview::from(preview)))
}

pub(super) async fn activate(call: Call) -> Result<HttpResponse, Fault> {
    let Activation { model_set, force } = call.json()?;
    let contract = call.mandate.activate_model(&model_set, force).await?;
    Ok(HttpResponse::Ok().json(Activated { model_set, contract: contract.to_string() }))
}

impl From<padan_verification::ActivationPreview> for ActivationPreview {
    fn from(preview: padan_verification::ActivationPreview) -> Self {
        let padan_verification::ActivationPreview { is_enrolled, findings } = preview;
        let ShadowFindings { active, other, pair, from, summary } = findings;
        let outcomes = summary.outcomes.iter();
        let percentages = summary.percentages.iter();
        Self {
            contract: pair.shadow.to_string(),
            calibration: pair.shadow_calibration,
            active_contract: pair.active.contract.to_string(),
            active_calibration: pair.active.calibration,
            enrolled: is_enrolled,
            requests: summary.requests(),
            compared: summary.compared(),
            decisions: summary.decisions(),
            would_pass: summary.would_pass,
            would_fail: summary.would_fail,
            cpu_seconds_per_selfie: summary.cpu_of_one().map(|cpu| cpu.as_secs_f64()),
            outcomes: outcomes
                .map(|(outcome, requests)| CountedOutcome { outcome: outcome.as_str(), requests: *requests })
                .collect(),
            percentages: percentages
                .map(|(cell @ [percentage, shadow_percentage], requests)| CountedPercentages {
                    percentage: *percentage,
                    shadow_percentage: *shadow_percentage,
                    requests: *requests,
                    decisions: summary.decided.get(cell).copied().unwrap_or(0),
                })
                .collect(),
            active_model_set: active,
            model_set: other,
            from: from.to_string(),
        }
    }
}

impl From<ActiveModel> for ActiveSet {
    fn from(active: ActiveModel) -> Self {
        Self {
            model_set: active.model_set,
            contract: active.contract.to_string(),
            activated_at: moment(active.activated_at),
        }
    }
}

impl From<EngineIdentity> for SetInUse {
    fn from(identity: EngineIdentity) -> Self {
        let EngineIdentity { model_set, contract, calibration, device, precision, .. } = identity;
        Self { model_set, contract, calibration, device, precision }
    }
}

impl From<ModelState> for KnownSet {
    fn from(state: ModelState) -> Self {
        Self {
            model_set: state.model_set,
            contract: state.contract.to_string(),
            calibration: state.calibration,
            pass_cosine: state.pass_cosine,
            installed: state.is_installed,
        }
    }
}
