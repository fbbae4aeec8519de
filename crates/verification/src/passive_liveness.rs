use std::time::Instant;

use padan_domain::{ClientName, Photo, ReasonCode};
use padan_inference::{Liveness, PhotoFault, SpoofRisk};
use tracing::info_span;

use crate::{
    deadline::{engine_error, within},
    error::VerificationError,
    liveness_gate::LivenessGate,
    timing::{StepTimings, timed},
    verifier::Verifier,
};

/// A photo whose face is to be judged for liveness.
#[derive(Debug, Clone)]
pub struct LivenessRequest {
    /// The client that sent the request.
    pub client: ClientName,
    /// The photo, not yet decoded.
    pub photo: Photo,
}

/// The outcome of a judgement for liveness.
#[derive(Debug)]
pub struct LivenessOutcome {
    /// What was found.
    pub result: LivenessResult,
    /// How long each step took.
    pub timings: StepTimings,
}

/// What was found in a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LivenessResult {
    /// The face was judged.
    Judged(Liveness),
    /// There is no face.
    NoFace,
    /// It is not clear which face is meant.
    SeveralFaces,
}

impl LivenessResult {
    /// The reason code of the result.
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::Judged(Liveness { risk: SpoofRisk::Low, .. }) => ReasonCode::SpoofLow,
            Self::Judged(Liveness { risk: SpoofRisk::Moderate, .. }) => ReasonCode::SpoofModerate,
            Self::Judged(Liveness { risk: SpoofRisk::High, .. }) => ReasonCode::SpoofHigh,
            Self::NoFace => ReasonCode::NoFaceToJudge,
            Self::SeveralFaces => ReasonCode::TooManyFacesToJudge,
        }
    }

    /// The score, 0 to 1; `None` when nothing was judged.
    pub fn spoof(&self) -> Option<f64> {
        match self {
            Self::Judged(liveness) => Some(liveness.spoof),
            Self::NoFace | Self::SeveralFaces => None,
        }
    }
}

impl Verifier {
    /// The name of the liveness set; `None` without one.
    pub fn liveness_set(&self) -> Option<String> {
        self.parts.engine.current().identity().liveness_set.clone()
    }

    /// What a face verification does with the score of its selfie.
    pub fn liveness_gate(&self) -> LivenessGate {
        self.parts.config.liveness
    }

    /// Judges by a photo whether a face is that of a living person. Neither the registry nor the store is asked.
    ///
    /// # Errors
    ///
    /// [`VerificationError::Photo`] when the photo cannot be decoded, [`VerificationError::Busy`] when the service is
    /// full, [`VerificationError::Internal`] for a fault, or without a liveness set.
    pub async fn judge_liveness(
        &self,
        request: LivenessRequest,
        deadline: Instant,
    ) -> Result<LivenessOutcome, VerificationError> {
        let engine = self.engine_for(&request.client);
        let mut timings = StepTimings::default();
        let judged = within(deadline, engine.judge_liveness(request.photo, deadline));
        let judged = timed(&mut timings.liveness, info_span!("liveness"), judged).await;
        let result = match judged.map_err(engine_error) {
            Ok(liveness) => LivenessResult::Judged(liveness),
            Err(VerificationError::Photo(PhotoFault::NoFace)) => LivenessResult::NoFace,
            Err(VerificationError::Photo(PhotoFault::SeveralFaces)) => LivenessResult::SeveralFaces,
            Err(error) => return Err(error),
        };
        Ok(LivenessOutcome { result, timings })
    }
}
