use std::time::Instant;

use padan_domain::{ClientName, Percentage, Photo, ReasonCode};
use padan_inference::{Analysis, Engine, Face, PhotoFault};
use padan_store::ComparedUnder;
use tracing::{Instrument as _, info_span};

use crate::{
    error::VerificationError,
    timing::{StepTimings, timed},
    verifier::{
        Verifier,
        faces::{compared_under, percentage, probe},
    },
};

/// Two photos that a client wants compared.
#[derive(Debug, Clone)]
pub struct MatchRequest {
    /// The client that sent the request.
    pub client: ClientName,
    /// The photo that was taken now, not yet decoded.
    pub captured: Photo,
    /// The photo that the client has stored, not yet decoded.
    pub stored: Photo,
}

/// One of the two photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedPhoto {
    /// The photo that was taken now.
    Captured,
    /// The photo that the client has stored.
    Stored,
}

/// The outcome of a comparison of two photos.
#[derive(Debug)]
pub struct MatchOutcome {
    /// What was found.
    pub result: MatchResult,
    /// The face that was found in the captured photo.
    pub captured_face: Option<Face>,
    /// The face that was found in the stored photo.
    pub stored_face: Option<Face>,
    /// How long each step took.
    pub timings: StepTimings,
}

/// What was found in two photos.
#[derive(Debug, Clone, PartialEq)]
pub enum MatchResult {
    /// The faces were compared.
    Compared {
        /// The similarity, unrounded. It decides.
        percentage: Percentage,
        /// The percentage in the answer, truncated, or coarser if the settings say so.
        shown_percentage: f64,
        /// The models with which the faces were compared.
        compared_under: ComparedUnder,
    },
    /// A photo cannot be used. If neither can be, this is the captured one.
    Unusable(UnusablePhoto),
}

/// A photo that cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnusablePhoto {
    /// Which of the two.
    pub photo: MatchedPhoto,
    /// Its fault.
    pub fault: PhotoFault,
}

impl MatchResult {
    /// The reason code of the result.
    ///
    /// # Errors
    ///
    /// The photo, if it has another fault than the number of its faces. Such a photo is refused.
    pub fn reason(&self) -> Result<ReasonCode, UnusablePhoto> {
        use MatchedPhoto::{Captured, Stored};
        match self {
            Self::Compared { percentage, .. } if percentage.passes() => Ok(ReasonCode::FacesMatch),
            Self::Compared { .. } => Ok(ReasonCode::FacesDiffer),
            Self::Unusable(unusable) => match (unusable.photo, unusable.fault) {
                (Captured, PhotoFault::NoFace) => Ok(ReasonCode::NoFaceCaptured),
                (Captured, PhotoFault::SeveralFaces) => Ok(ReasonCode::ManyFacesCaptured),
                (Stored, PhotoFault::NoFace) => Ok(ReasonCode::NoFaceStored),
                (Stored, PhotoFault::SeveralFaces) => Ok(ReasonCode::ManyFacesStored),
                _ => Err(*unusable),
            },
        }
    }
}

impl Verifier {
    /// Compares the faces in two photos. Both are probes, and both are analysed at the same time if two workers are
    /// free. Neither the registry nor the store is asked.
    ///
    /// # Errors
    ///
    /// [`VerificationError::Busy`] when the service is full, [`VerificationError::Internal`] for a fault.
    pub async fn match_faces(
        &self,
        request: MatchRequest,
        deadline: Instant,
    ) -> Result<MatchOutcome, VerificationError> {
        let engine = self.engine_for(&request.client);
        let mut timings = StepTimings::default();
        // If one is refused by a full queue, the other is not analysed either.
        let (captured, stored) = tokio::try_join!(
            usable(probe(&engine, request.captured, deadline).instrument(info_span!("probe"))),
            timed(
                &mut timings.stored,
                info_span!("stored"),
                usable(probe(&engine, request.stored, deadline))
            ),
        )?;
        let face = |analysis: &Result<Analysis, PhotoFault>| analysis.as_ref().ok().map(|found| found.face);
        let (captured_face, stored_face) = (face(&captured), face(&stored));
        let result = match (captured, stored) {
            (Ok(captured), Ok(stored)) => {
                timings.probe = Some(captured.timings);
                self.compared(&engine, &captured, &stored)?
            }
            (Err(fault), _) => MatchResult::Unusable(UnusablePhoto { photo: MatchedPhoto::Captured, fault }),
            (Ok(_), Err(fault)) => {
                MatchResult::Unusable(UnusablePhoto { photo: MatchedPhoto::Stored, fault })
            }
        };
        Ok(MatchOutcome { result, captured_face, stored_face, timings })
    }

    fn compared(
        &self,
        engine: &Engine,
        captured: &Analysis,
        stored: &Analysis,
    ) -> Result<MatchResult, VerificationError> {
        let percentage = percentage(engine, &stored.embedding, &captured.embedding)?;
        let shown_percentage = self.parts.config.percentage_step.round_down(percentage.shown());
        let compared_under = compared_under(engine);
        Ok(MatchResult::Compared { percentage, shown_percentage, compared_under })
    }
}

/// Tells a fault of the photo from other errors.
async fn usable(
    analysis: impl Future<Output = Result<Analysis, VerificationError>>,
) -> Result<Result<Analysis, PhotoFault>, VerificationError> {
    match analysis.await {
        Ok(analysis) => Ok(Ok(analysis)),
        Err(VerificationError::Photo(fault)) => Ok(Err(fault)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_faces_is_a_result_and_every_other_fault_is_not() {
        let reason = |photo, fault| MatchResult::Unusable(UnusablePhoto { photo, fault }).reason();
        for (photo, fault, code) in [
            (MatchedPhoto::Captured, PhotoFault::NoFace, "NO_FACE_CAPTURED_IMG"),
            (MatchedPhoto::Stored, PhotoFault::NoFace, "NO_FACE_STORED_IMG"),
            (MatchedPhoto::Captured, PhotoFault::SeveralFaces, "MANY_FACES_CAPTURED_IMG"),
            (MatchedPhoto::Stored, PhotoFault::SeveralFaces, "MANY_FACES_STORED_IMG"),
        ] {
            assert_eq!(reason(photo, fault).unwrap().as_str(), code);
        }
        for fault in [PhotoFault::Unreadable, PhotoFault::TooLarge, PhotoFault::Covered, PhotoFault::Turned] {
            let photo = MatchedPhoto::Stored;
            assert_eq!(reason(photo, fault), Err(UnusablePhoto { photo, fault }));
        }
    }
}
