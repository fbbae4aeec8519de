use padan_domain::{Endpoint, ReasonCode};
use padan_verification::{Caller, LivenessOutcome, LivenessRequest, Sandbox, TestPhoto, Verifier};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    PartialSchema as _, ToSchema,
    openapi::{ObjectBuilder, Schema},
};

use crate::{
    endpoint_docs::{EndpointDocs, base64_photo_field, photo_field},
    form::Form,
    refusal::Refusal,
    verification::{Findings, Verdict, Verification},
};

const IMAGE: &str = "image";

/// The reasons of answers, beside those of every endpoint.
const REASONS: &[ReasonCode] = &[
    ReasonCode::SpoofLow,
    ReasonCode::SpoofModerate,
    ReasonCode::SpoofHigh,
    ReasonCode::NoFaceToJudge,
    ReasonCode::TooManyFacesToJudge,
    ReasonCode::MalformedForm,
    ReasonCode::MissingField,
    ReasonCode::ImageUnreadable,
    ReasonCode::ImageTooLarge,
    ReasonCode::UnsupportedMediaType,
    ReasonCode::UnsupportedImage,
];

/// The body of an answer with a result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LivenessAnswer {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// What was found.
    result: JudgedFace,
}

/// The judgement on a face, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JudgedFace {
    /// How likely the face is a presentation attack, by the models: 0 to 1. 1 if no face was judged.
    #[schema(minimum = 0, maximum = 1, example = 0.02611)]
    spoof_percentage: f64,
    /// `LOW`, `MODERATE`, `HIGH`, `face not detected` or `too many faces detected`.
    #[schema(example = "LOW")]
    status: &'static str,
}

/// `POST /face/v1/passive-liveness`: whether the face in a photo is that of a living person.
pub(crate) struct PassiveLiveness;

impl Verification for PassiveLiveness {
    const ENDPOINT: Endpoint = Endpoint::PassiveLiveness;
    const PATH: &'static str = "/face/v1/passive-liveness";
    const PHOTOS: &'static [&'static str] = &[IMAGE];
    const NEEDS_LIVENESS: bool = true;
    type Claims = LivenessRequest;
    type Body = LivenessAnswer;

    fn fields() -> Vec<&'static str> {
        Self::PHOTOS.to_vec()
    }

    fn parse(
        form: &Form,
        caller: &Caller,
        _: &Verifier,
        _: &mut Findings,
    ) -> Result<LivenessRequest, Refusal> {
        Ok(LivenessRequest { client: caller.client.name.clone(), photo: form.required_photo(IMAGE)? })
    }

    async fn verify(
        verifier: &Verifier,
        claims: LivenessRequest,
    ) -> Result<Verdict<LivenessAnswer>, Refusal> {
        let outcome = verifier.judge_liveness(claims, verifier.deadline()).await;
        let LivenessOutcome { result, timings } =
            outcome.map_err(|error| Refusal::from(error).without_look_up().about_photo(IMAGE))?;
        let body = LivenessAnswer::new(result.reason(), result.spoof());
        Ok(Verdict { timings, ..Verdict::without_person(result.reason(), body) })
    }

    async fn rehearse(
        sandbox: &Sandbox,
        claims: LivenessRequest,
    ) -> Result<Verdict<LivenessAnswer>, Refusal> {
        let photo = sandbox.judge_liveness(claims.photo, sandbox.deadline()).await;
        let TestPhoto { reason, spoof, .. } =
            photo.map_err(|refused| Refusal::from(refused).about_photo(IMAGE))?;
        Ok(Verdict::without_person(reason, LivenessAnswer::new(reason, spoof)))
    }

    fn outage(_: ReasonCode, _: &Findings) -> Option<LivenessAnswer> {
        None
    }

    fn docs() -> EndpointDocs {
        EndpointDocs {
            summary: "Passive liveness",
            description: "Judges by one photo whether its face is that of a living person before the camera. Only a \
                          service with a liveness set has this endpoint; without one the path is unknown. The score \
                          is that of the models. Its error rates on attacks have not been measured, and it is no \
                          certified detection.",
            operation_id: "judgeLiveness",
            form: ("LivenessForm", form(photo_field)),
            json: ("LivenessJson", form(base64_photo_field)),
            answer: "LivenessAnswer",
            schemas: vec![("LivenessAnswer", LivenessAnswer::schema()), ("JudgedFace", JudgedFace::schema())],
            reasons: REASONS,
            example,
        }
    }
}

/// The field of the form, as `photo` describes it.
fn form(photo: fn(&str) -> ObjectBuilder) -> Schema {
    ObjectBuilder::new().property(IMAGE, photo("The photo, PNG or JPEG.")).required(IMAGE).into()
}

/// An example body for each reason with a result.
fn example(reason: ReasonCode) -> Option<Value> {
    let spoof = match reason {
        ReasonCode::SpoofLow => Some(0.02611),
        ReasonCode::SpoofModerate => Some(0.5678),
        ReasonCode::SpoofHigh => Some(0.99768),
        ReasonCode::NoFaceToJudge | ReasonCode::TooManyFacesToJudge => None,
        _ => return None,
    };
    serde_json::to_value(LivenessAnswer::new(reason, spoof)).ok()
}

impl LivenessAnswer {
    /// The answer for a reason, with the score in five decimals. A client that reads only the number must not take a
    /// face that was not judged for a living one.
    fn new(reason: ReasonCode, spoof: Option<f64>) -> Self {
        let spoof_percentage = (spoof.unwrap_or(1.0) * 1e5).round() / 1e5;
        Self { status: "success", result: JudgedFace { spoof_percentage, status: reason.reason() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_bodies_byte_for_byte() {
        let body = |reason, spoof| serde_json::to_string(&LivenessAnswer::new(reason, spoof)).unwrap();
        assert_eq!(
            body(ReasonCode::SpoofLow, Some(0.026_114)),
            r#"{"status":"success","result":{"spoof_percentage":0.02611,"status":"LOW"}}"#
        );
        assert_eq!(
            body(ReasonCode::NoFaceToJudge, None),
            r#"{"status":"success","result":{"spoof_percentage":1.0,"status":"face not detected"}}"#
        );
    }
}
