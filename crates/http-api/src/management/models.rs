//! Models and their calibrations.

use actix_web::HttpResponse;
use padan_verification::{ActiveModel, EngineIdentity, ModelState};
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

pub(super) async fn list(call: Call) -> Result<HttpResponse, Fault> {
    let active = call.mandate.active_model().await?;
    let sets = call.mandate.models().await.map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(HttpResponse::Ok().json(Models {
        active: active.map(ActiveSet::from),
        in_use: call.verifier.engine_identity().into(),
        sets: sets.into_iter().map(KnownSet::from).collect(),
    }))
}

pub(super) async fn activate(call: Call) -> Result<HttpResponse, Fault> {
    let Activation { model_set, force } = call.json()?;
    let contract = call.mandate.activate_model(&model_set, force).await?;
    Ok(HttpResponse::Ok().json(Activated { model_set, contract: contract.to_string() }))
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
