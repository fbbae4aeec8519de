//! The comparison of a selfie with a portrait.

use std::time::Instant;

use padan_domain::{Embedding, FaceJudgement, Percentage, Photo};
use padan_inference::{Analysis, Engine, Face, Identity};
use padan_registry::Citizen;
use padan_store::ComparedUnder;
use tracing::{Instrument as _, info_span};

use super::Verifier;
use crate::{
    deadline::{engine_error, within},
    error::VerificationError,
    face::FaceRequest,
    live_measurement::ComparedFaces,
    liveness_gate::LivenessGate,
    similarity::similarity,
    timing::StepTimings,
};

/// How a selfie compares with the portrait, and how it was judged.
pub(super) struct JudgedFace {
    pub(super) face: FaceJudgement,
    /// The face that was found in the selfie; `None` when it was not analysed.
    pub(super) found: Option<Face>,
    pub(super) spoof: Option<f64>,
    /// The two faces; `None` when they were not compared.
    pub(super) compared: Option<ComparedFaces>,
}

impl Verifier {
    pub(super) async fn compare_faces(
        &self,
        engine: &Engine,
        citizen: &Citizen,
        request: FaceRequest,
        deadline: Instant,
        timings: &mut StepTimings,
    ) -> Result<JudgedFace, VerificationError> {
        let gate = self.parts.config.liveness;
        let mut enrolment = StepTimings::default();
        let (reference, probe) = tokio::join!(
            self.reference(engine, &request.nik, citizen.portrait_updated_at, deadline, &mut enrolment),
            probe_under(gate, engine, request.photo, deadline).instrument(info_span!("probe")),
        );
        let (reference, probe) = both(reference, probe)?;
        *timings = StepTimings {
            registry: timings.registry,
            turn: timings.turn,
            probe: Some(probe.timings),
            ..enrolment
        };
        if let Some(spoof) = probe.spoof.filter(|spoof| gate.refuses(*spoof)) {
            return Err(VerificationError::SpoofSuspected(spoof));
        }
        let found = Some(probe.face);
        let Some(reference) = reference else {
            return Ok(JudgedFace {
                face: FaceJudgement::NoReference,
                found,
                spoof: probe.spoof,
                compared: None,
            });
        };
        let face = FaceJudgement::Compared(percentage(engine, &reference, &probe.embedding)?);
        let compared = Some(ComparedFaces { reference, probe: probe.embedding });
        Ok(JudgedFace { face, found, spoof: probe.spoof, compared })
    }
}

/// Embeds a selfie until the deadline, and judges it for liveness if the gate is on.
async fn probe_under(
    gate: LivenessGate,
    engine: &Engine,
    photo: Photo,
    deadline: Instant,
) -> Result<Analysis, VerificationError> {
    if gate.is_on() {
        within(deadline, engine.judged_probe(photo, deadline)).await.map_err(engine_error)
    } else {
        probe(engine, photo, deadline).await
    }
}

/// Embeds a selfie until the deadline.
pub(crate) async fn probe(
    engine: &Engine,
    photo: Photo,
    deadline: Instant,
) -> Result<Analysis, VerificationError> {
    within(deadline, engine.probe(photo, deadline)).await.map_err(engine_error)
}

/// The models by which an engine compares.
pub(crate) fn compared_under(engine: &Engine) -> ComparedUnder {
    let Identity { contract, calibration_id, .. } = engine.identity();
    ComparedUnder { contract: contract.clone(), calibration: calibration_id.clone() }
}

/// The similarity of two faces.
pub(crate) fn percentage(
    engine: &Engine,
    reference: &Embedding,
    probe: &Embedding,
) -> Result<Percentage, VerificationError> {
    let similarity = similarity(engine, reference, probe).ok_or_else(|| {
        VerificationError::Internal("embeddings of one model contract differ in length".into())
    })?;
    Ok(engine.calibration().percentage(similarity))
}

/// Both values, or the error of the lower rank.
fn both<A, B>(
    first: Result<A, VerificationError>,
    second: Result<B, VerificationError>,
) -> Result<(A, B), VerificationError> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(first), Err(second)) if first.rank() <= second.rank() => Err(first),
        (Err(_), Err(second)) => Err(second),
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::ReasonCode;
    use padan_inference::PhotoFault;

    use super::*;

    fn registry() -> VerificationError {
        VerificationError::RegistryUnavailable("down".into())
    }

    fn store() -> VerificationError {
        VerificationError::StoreUnavailable("down".into())
    }

    fn photo() -> VerificationError {
        VerificationError::Photo(PhotoFault::NoFace)
    }

    #[test]
    fn an_outage_is_reported_before_a_bad_photo_and_a_bad_photo_before_a_full_service() {
        let reported =
            |a: VerificationError, b: VerificationError| both::<(), ()>(Err(a), Err(b)).unwrap_err().reason();
        assert_eq!(reported(store(), photo()), ReasonCode::StoreUnavailable);
        assert_eq!(reported(registry(), photo()), ReasonCode::RegistryUnavailable);
        assert_eq!(reported(photo(), registry()), ReasonCode::RegistryUnavailable);
        assert_eq!(reported(VerificationError::Busy, photo()), ReasonCode::NoFace);
        assert_eq!(both::<_, ()>(Ok(1), Err(photo())).unwrap_err().reason(), ReasonCode::NoFace);
    }
}
