use padan_domain::{Endpoint, Photo, ReasonCode};
use padan_verification::{
    Caller, MatchOutcome, MatchRequest, MatchResult, MatchedPhoto, Sandbox, TestPhoto, UnusablePhoto,
    Verifier,
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::{
    PartialSchema as _, ToSchema,
    openapi::{ObjectBuilder, Schema},
};

use crate::{
    endpoint_docs::{EndpointDocs, base64_photo_field, photo_field},
    form::Form,
    refusal::Refusal,
    verification::{Compared, Findings, Verdict, Verification},
};

const CAPTURED: &str = "captured_image";
const STORED: &str = "stored_image";

/// The reasons of answers, beside those of every endpoint.
const REASONS: &[ReasonCode] = &[
    ReasonCode::FacesMatch,
    ReasonCode::FacesDiffer,
    ReasonCode::NoFaceCaptured,
    ReasonCode::NoFaceStored,
    ReasonCode::ManyFacesCaptured,
    ReasonCode::ManyFacesStored,
    ReasonCode::MalformedForm,
    ReasonCode::MissingField,
    ReasonCode::ImageUnreadable,
    ReasonCode::ImageTooLarge,
    ReasonCode::FaceCovered,
    ReasonCode::FaceTooSmall,
    ReasonCode::FaceBlurred,
    ReasonCode::FaceTooDark,
    ReasonCode::FaceTooBright,
    ReasonCode::FaceTurned,
    ReasonCode::UnsupportedMediaType,
    ReasonCode::UnsupportedImage,
];

/// The body of an answer with a result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchAnswer {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// What was found.
    result: MatchedFaces,
}

/// How two faces compare, or why they were not compared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchedFaces {
    /// How similar the faces are: the percentage of a face verification divided by 100. 0.01 to 1, truncated to four
    /// decimals; 0.75 passes. 0 if nothing was compared. A service may be set to show coarser steps.
    #[serde(rename = "match_percentage")]
    #[schema(value_type = f64, minimum = 0, maximum = 1, example = 0.8204)]
    percentage: MatchNumber,
    /// The outcome in words.
    #[serde(rename = "match_status")]
    #[schema(example = "match")]
    words: &'static str,
    /// The stable code of the outcome, which is also that of the header `Reason-Code`.
    #[serde(rename = "match_status_code")]
    #[schema(example = "MATCH")]
    code: &'static str,
}

/// A percentage, which is serialized as a hundredth of it, with at most four decimals.
#[derive(Debug, Clone, Copy)]
struct MatchNumber(f64);

/// `POST /face/v1/match`: the faces in two photos against each other, without a registry.
pub(crate) struct FaceMatch;

impl Verification for FaceMatch {
    const ENDPOINT: Endpoint = Endpoint::FaceMatch;
    const PATH: &'static str = "/face/v1/match";
    const PHOTOS: &'static [&'static str] = &[CAPTURED, STORED];
    type Claims = MatchRequest;
    type Body = MatchAnswer;

    fn fields() -> Vec<&'static str> {
        Self::PHOTOS.to_vec()
    }

    fn parse(form: &Form, caller: &Caller, _: &Verifier, _: &mut Findings) -> Result<MatchRequest, Refusal> {
        let captured: Photo = form.required_photo(CAPTURED)?;
        let stored = form.required_photo(STORED)?;
        Ok(MatchRequest { client: caller.client.name.clone(), captured, stored })
    }

    async fn verify(verifier: &Verifier, claims: MatchRequest) -> Result<Verdict<MatchAnswer>, Refusal> {
        let outcome = verifier.match_faces(claims, verifier.deadline()).await;
        Self::verdict(outcome.map_err(|error| Refusal::from(error).without_look_up())?)
    }

    async fn rehearse(sandbox: &Sandbox, claims: MatchRequest) -> Result<Verdict<MatchAnswer>, Refusal> {
        let photo = sandbox.match_faces(claims.captured, claims.stored, sandbox.deadline()).await;
        let TestPhoto { reason, percentage, .. } =
            photo.map_err(|refused| Refusal::from(refused).about_photo(CAPTURED))?;
        let body = MatchAnswer::new(reason, percentage.unwrap_or(0.0));
        let compared = Compared { percentage, ..Compared::default() };
        Ok(Verdict { compared, ..Verdict::without_person(reason, body) })
    }

    fn outage(_: ReasonCode, _: &Findings) -> Option<MatchAnswer> {
        None
    }

    fn docs() -> EndpointDocs {
        EndpointDocs {
            summary: "Face match",
            description: "Compares the faces in two photos with each other. The registry is not asked, and neither \
                          photo is stored. Both are judged like the selfie of a face verification. The reason is \
                          about the captured photo if neither can be used. The pass mark is 0.75. The percentage is \
                          truncated, not rounded.",
            operation_id: "matchFaces",
            form: ("MatchForm", form(photo_field)),
            json: ("MatchJson", form(base64_photo_field)),
            answer: "MatchAnswer",
            schemas: vec![("MatchAnswer", MatchAnswer::schema()), ("MatchedFaces", MatchedFaces::schema())],
            reasons: REASONS,
            example,
        }
    }
}

impl FaceMatch {
    /// The verdict of an outcome, or the refusal of a photo that cannot be used.
    pub(crate) fn verdict(
        MatchOutcome { result, timings, .. }: MatchOutcome,
    ) -> Result<Verdict<MatchAnswer>, Refusal> {
        let reason = result.reason().map_err(refusal)?;
        let (percentage, shown, compared_under) = match result {
            MatchResult::Compared { percentage, shown_percentage, compared_under } => {
                (Some(percentage.shown()), shown_percentage, Some(compared_under))
            }
            MatchResult::Unusable(_) => (None, 0.0, None),
        };
        Ok(Verdict {
            timings,
            compared: Compared { percentage, under: compared_under, ..Compared::default() },
            ..Verdict::without_person(reason, MatchAnswer::new(reason, shown))
        })
    }
}

/// The refusal of a photo that cannot be compared.
fn refusal(unusable: UnusablePhoto) -> Refusal {
    let field = match unusable.photo {
        MatchedPhoto::Captured => CAPTURED,
        MatchedPhoto::Stored => STORED,
    };
    Refusal::of_photo(unusable.fault.reason(), field)
}

/// The fields of the form, with its photos as `photo` describes them.
fn form(photo: fn(&str) -> ObjectBuilder) -> Schema {
    ObjectBuilder::new()
        .property(CAPTURED, photo("The photo that was taken now, PNG or JPEG."))
        .property(STORED, photo("The photo to compare it with, PNG or JPEG."))
        .required(CAPTURED)
        .required(STORED)
        .into()
}

/// An example body for each reason with a result.
fn example(reason: ReasonCode) -> Option<Value> {
    let percentage = match reason {
        ReasonCode::FacesMatch => 82.04,
        ReasonCode::FacesDiffer => 42.04,
        ReasonCode::NoFaceCaptured
        | ReasonCode::NoFaceStored
        | ReasonCode::ManyFacesCaptured
        | ReasonCode::ManyFacesStored => 0.0,
        _ => return None,
    };
    serde_json::to_value(MatchAnswer::new(reason, percentage)).ok()
}

impl MatchAnswer {
    /// The answer for a reason, which shows this percentage, 0 to 100.
    fn new(reason: ReasonCode, percentage: f64) -> Self {
        let result = MatchedFaces {
            percentage: MatchNumber(percentage),
            words: reason.reason(),
            code: reason.as_str(),
        };
        Self { status: "success", result }
    }
}

impl Serialize for MatchNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The percentage is truncated to two decimals already. The quotient of two whole numbers is the nearest value
        // to the decimal one, whose shortest exact text has no further decimals.
        match (self.0 * 100.0).round() as u16 {
            0 => serializer.serialize_u8(0),
            10_000.. => serializer.serialize_u8(1),
            hundredths => serializer.serialize_f64(f64::from(hundredths) / 10_000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::Percentage;
    use proptest::prelude::*;

    use super::*;

    fn body(reason: ReasonCode, percentage: f64) -> String {
        serde_json::to_string(&MatchAnswer::new(reason, percentage)).unwrap()
    }

    #[test]
    fn the_documented_bodies_byte_for_byte() {
        assert_eq!(
            body(ReasonCode::FacesMatch, 95.76),
            r#"{"status":"success","result":{"match_percentage":0.9576,"match_status":"match","match_status_code":"MATCH"}}"#
        );
        assert_eq!(
            body(ReasonCode::FacesDiffer, 42.0),
            r#"{"status":"success","result":{"match_percentage":0.42,"match_status":"not match","match_status_code":"NOT_MATCH"}}"#
        );
        assert_eq!(
            body(ReasonCode::NoFaceStored, 0.0),
            r#"{"status":"success","result":{"match_percentage":0,"match_status":"no face detected in stored_image","match_status_code":"NO_FACE_STORED_IMG"}}"#
        );
    }

    fn written(percentage: f64) -> String {
        serde_json::to_string(&MatchNumber(Percentage::new(percentage).shown())).unwrap()
    }

    #[test]
    fn the_number_is_a_hundredth_of_the_truncated_percentage() {
        for (percentage, text) in [
            (82.04, "0.8204"),
            (75.0, "0.75"),
            (74.996, "0.7499"),
            (0.2, "0.01"),
            (99.999, "0.9999"),
            (100.0, "1"),
            (57.01, "0.5701"),
        ] {
            assert_eq!(written(percentage), text);
        }
    }

    proptest! {
        #[test]
        fn it_has_four_decimals_at_most_and_its_digits(hundredths in 100_u32..10_000) {
            let expected = format!("0.{hundredths:04}");
            prop_assert_eq!(written(f64::from(hundredths) / 100.0), expected.trim_end_matches('0'));
        }

        #[test]
        fn it_shows_the_pass_mark_only_if_the_face_passes(percentage in 74.9_f64..75.1) {
            let shown: f64 = written(percentage).parse().unwrap();
            prop_assert_eq!(shown >= 0.75, Percentage::new(percentage).passes());
        }
    }
}
