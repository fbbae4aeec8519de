use padan_domain::{
    BasicField, CitizenStatus, Decision, Endpoint, FaceJudgement, Judgement, Percentage, PersonName,
    ReasonCode, judge,
};
use padan_verification::{Caller, FaceOutcome, FaceRequest, Sandbox, Verifier};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    PartialSchema as _, ToSchema,
    openapi::{ObjectBuilder, Schema},
};

use crate::{
    endpoint_docs::{EndpointDocs, base64_photo_field, card_field, nik_field, photo_field},
    form::Form,
    percentage_number::PercentageNumber,
    refusal::Refusal,
    verification::{Compared, Findings, Verdict, Verification},
};

/// The fields of the form, all required.
const FIELDS: [&str; 4] = ["nik", "name", "date_of_birth", "face_image"];

/// The reasons of answers, beside those of every endpoint.
const REASONS: &[ReasonCode] = &[
    ReasonCode::Verified,
    ReasonCode::NikNotFound,
    ReasonCode::NikDeceased,
    ReasonCode::NikDuplicate,
    ReasonCode::NikInactive,
    ReasonCode::NameMismatch,
    ReasonCode::DobMismatch,
    ReasonCode::NoReferencePhoto,
    ReasonCode::FaceMismatch,
    ReasonCode::MalformedForm,
    ReasonCode::MissingField,
    ReasonCode::InvalidNik,
    ReasonCode::InvalidName,
    ReasonCode::InvalidDob,
    ReasonCode::ImageUnreadable,
    ReasonCode::ImageTooLarge,
    ReasonCode::NoFace,
    ReasonCode::FaceCovered,
    ReasonCode::SpoofSuspected,
    ReasonCode::SeveralFaces,
    ReasonCode::FaceTooSmall,
    ReasonCode::FaceBlurred,
    ReasonCode::FaceTooDark,
    ReasonCode::FaceTooBright,
    ReasonCode::FaceTurned,
    ReasonCode::UnsupportedMediaType,
    ReasonCode::UnsupportedImage,
    ReasonCode::TooManyFailedFaces,
    ReasonCode::TooManyFailedFields,
    ReasonCode::RegistryUnavailable,
];

/// The body of an answer with a result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FaceAnswer {
    /// Whether everything matches.
    verification_status: bool,
    /// The outcome in words; the header `Reason-Code` has its stable code.
    #[schema(example = "Verification Success")]
    reason: &'static str,
    /// What was found out about each field.
    result: FaceResult,
}

/// The result of each field; null when it was not compared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FaceResult {
    /// Whether the NIK is in the registry.
    #[schema(required)]
    nik: Option<bool>,
    /// Whether the name matches.
    #[schema(required)]
    name: Option<bool>,
    /// Whether the date of birth matches.
    #[schema(required)]
    date_of_birth: Option<bool>,
    /// How similar the faces are, 1 to 100, truncated to two decimals; 75 passes. 0 for an unknown NIK. A service may be
    /// set to show coarser steps, or null while neither name nor date of birth matches.
    #[schema(required, value_type = Option<f64>, minimum = 0, maximum = 100, example = 82.04)]
    face_image_percentage: Option<PercentageNumber>,
}

/// `POST /identity/v1/face-verification`: name, date of birth and selfie against the civil registry.
pub(crate) struct FaceVerification;

impl Verification for FaceVerification {
    const ENDPOINT: Endpoint = Endpoint::FaceVerification;
    const PATH: &'static str = "/identity/v1/face-verification";
    type Claims = FaceRequest;
    type Body = FaceAnswer;

    const PHOTOS: &'static [&'static str] = &["face_image"];

    fn fields() -> Vec<&'static str> {
        FIELDS.to_vec()
    }

    fn parse(
        form: &Form,
        caller: &Caller,
        verifier: &Verifier,
        findings: &mut Findings,
    ) -> Result<FaceRequest, Refusal> {
        let nik = form.required("nik", |text| Ok(verifier.national_id(text, caller)?))?;
        findings.nik = Some(nik.clone());
        let request = FaceRequest {
            client: caller.client.name.clone(),
            nik,
            name: form.required("name", |text| Ok(PersonName::parse(text)?))?,
            date_of_birth: form.required("date_of_birth", |text| Ok(verifier.birth_date(text)?))?,
            photo: form.required_photo("face_image")?,
        };
        findings.nik_plausible = Some(request.nik_is_plausible());
        Ok(request)
    }

    async fn verify(verifier: &Verifier, claims: FaceRequest) -> Result<Verdict<FaceAnswer>, Refusal> {
        Ok(verdict(verifier.verify_face(claims, verifier.deadline()).await?))
    }

    async fn rehearse(sandbox: &Sandbox, claims: FaceRequest) -> Result<Verdict<FaceAnswer>, Refusal> {
        Ok(verdict(sandbox.verify_face(claims, sandbox.deadline()).await?))
    }

    fn outage(reason: ReasonCode, _: &Findings) -> Option<FaceAnswer> {
        Some(FaceAnswer::from(&Decision::unavailable(reason)))
    }

    fn docs() -> EndpointDocs {
        EndpointDocs {
            summary: "Face Verification (KTP)",
            description: "Compares name, date of birth and face with the civil registry. Each is compared even when \
                          an earlier one fails; the reason is the first failure in the order NIK, registry status, \
                          name, date of birth, reference photo, face. The pass mark is 75. The percentage is truncated, \
                          not rounded. A photo that cannot be compared is refused with 400, unless the NIK is unknown or \
                          its record is not active. A site may have photos refused that its models of passive \
                          liveness take for an attack; their error rates on attacks have not been measured, and \
                          they are no certified detection.",
            operation_id: "verifyFace",
            form: ("FaceForm", form(photo_field)),
            json: ("FaceJson", form(base64_photo_field)),
            answer: "FaceAnswer",
            schemas: vec![("FaceAnswer", FaceAnswer::schema()), ("FaceResult", FaceResult::schema())],
            reasons: REASONS,
            example,
        }
    }
}

pub(crate) fn verdict(outcome: FaceOutcome) -> Verdict<FaceAnswer> {
    let FaceOutcome { decision, shown_percentage, name_match, compared_under, spoof, timings, trial, .. } =
        outcome;
    let results = &decision.results;
    Verdict {
        reason: decision.reason,
        body: FaceAnswer::with_percentage(&decision, shown_percentage),
        timings,
        compared: Compared {
            fields: vec![
                ("nik", results.nik),
                ("name", results.name),
                ("date_of_birth", results.date_of_birth),
            ],
            name_rules: name_match.map(|matched| ("name", matched)).into_iter().collect(),
            percentage: results.face_image_percentage,
            under: compared_under,
            spoof,
        },
        trial,
    }
}

/// The fields of the form, with its photo as `photo` describes it.
fn form(photo: fn(&str) -> ObjectBuilder) -> Schema {
    let form = ObjectBuilder::new()
        .property("nik", nik_field())
        .property("name", card_field(BasicField::Name))
        .property("date_of_birth", card_field(BasicField::DateOfBirth))
        .property("face_image", photo("The selfie, PNG or JPEG."));
    FIELDS.into_iter().fold(form, ObjectBuilder::required).into()
}

/// An example body for each reason with a result.
fn example(reason: ReasonCode) -> Option<Value> {
    let known = |status, name, date_of_birth, face| {
        Some(judge(Judgement::Known { status, name, date_of_birth, face }))
    };
    let compared = |percentage| FaceJudgement::Compared(Percentage::new(percentage));
    let decision = match reason {
        ReasonCode::Verified => known(CitizenStatus::Active, true, true, compared(82.04)),
        ReasonCode::NikNotFound => Some(judge(Judgement::UnknownNik)),
        ReasonCode::NikDeceased => known(CitizenStatus::Deceased, true, true, compared(82.04)),
        ReasonCode::NikDuplicate => known(CitizenStatus::Duplicate, true, true, compared(82.04)),
        ReasonCode::NikInactive => known(CitizenStatus::Inactive, true, true, compared(82.04)),
        ReasonCode::NameMismatch => known(CitizenStatus::Active, false, true, compared(82.04)),
        ReasonCode::DobMismatch => known(CitizenStatus::Active, true, false, compared(82.04)),
        ReasonCode::NoReferencePhoto => known(CitizenStatus::Active, true, true, FaceJudgement::NoReference),
        ReasonCode::FaceMismatch => known(CitizenStatus::Active, true, true, compared(42.04)),
        ReasonCode::RegistryUnavailable | ReasonCode::StoreUnavailable => Some(Decision::unavailable(reason)),
        _ => None,
    };
    decision.and_then(|decision| serde_json::to_value(FaceAnswer::from(&decision)).ok())
}

impl FaceAnswer {
    /// The answer of a decision, which shows this percentage.
    fn with_percentage(decision: &Decision, percentage: Option<f64>) -> Self {
        Self {
            verification_status: decision.is_verified(),
            reason: decision.reason.reason(),
            result: FaceResult {
                nik: decision.results.nik,
                name: decision.results.name,
                date_of_birth: decision.results.date_of_birth,
                face_image_percentage: percentage.map(PercentageNumber),
            },
        }
    }
}

impl From<&Decision> for FaceAnswer {
    fn from(decision: &Decision) -> Self {
        Self::with_percentage(decision, decision.results.face_image_percentage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(decision: Decision) -> String {
        serde_json::to_string(&FaceAnswer::from(&decision)).unwrap()
    }

    fn known(name: bool, date_of_birth: bool, percentage: f64) -> String {
        body(judge(Judgement::Known {
            status: CitizenStatus::Active,
            name,
            date_of_birth,
            face: FaceJudgement::Compared(Percentage::new(percentage)),
        }))
    }

    #[test]
    fn the_documented_bodies_byte_for_byte() {
        assert_eq!(
            known(true, true, 82.04),
            r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":82.04}}"#
        );
        assert_eq!(
            body(judge(Judgement::UnknownNik)),
            r#"{"verification_status":false,"reason":"NIK not found on Dukcapil database","result":{"nik":false,"name":null,"date_of_birth":null,"face_image_percentage":0}}"#
        );
        assert_eq!(
            known(false, true, 82.04),
            r#"{"verification_status":false,"reason":"Name does not match","result":{"nik":true,"name":false,"date_of_birth":true,"face_image_percentage":82.04}}"#
        );
        assert_eq!(
            known(true, false, 82.04),
            r#"{"verification_status":false,"reason":"Date of birth does not match","result":{"nik":true,"name":true,"date_of_birth":false,"face_image_percentage":82.04}}"#
        );
        assert_eq!(
            known(true, true, 42.04),
            r#"{"verification_status":false,"reason":"Selfie image does not pass the threshold","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":42.04}}"#
        );
        for reason in [ReasonCode::RegistryUnavailable, ReasonCode::StoreUnavailable] {
            assert_eq!(
                body(Decision::unavailable(reason)),
                r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null,"date_of_birth":null,"face_image_percentage":null}}"#
            );
        }
    }
}
