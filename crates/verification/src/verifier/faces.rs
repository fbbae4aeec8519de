//! The comparison of a selfie with a portrait.

use std::time::Instant;

use padan_domain::{Embedding, FaceJudgement, Percentage, Photo};
use padan_inference::{Analysis, Engine, Face, Identity};
use padan_store::ComparedUnder;

use crate::{
    deadline::{engine_error, within},
    error::VerificationError,
    live_measurement::ComparedFaces,
    liveness_gate::LivenessGate,
    similarity::similarity,
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

/// Embeds a selfie until the deadline, and judges it for liveness if the gate is on.
pub(super) async fn probe_under(
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
pub(super) fn both<A, B>(
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
