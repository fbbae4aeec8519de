//! Verifications and comparisons by hand, as a client would make them, with how the answer came about.

use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use padan_domain::{Endpoint, Percentage, ReasonCode};
use padan_verification::{AuditEvent, Caller, Face, RequestEnding, ScalePoint};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    call::Call,
    fault::Fault,
    shown_faces::{Faces, are_wanted, wiped},
};
use crate::{
    face_match::FaceMatch,
    face_verification::{self, FaceVerification},
    form::Form,
    refusal::Refusal,
    status::status_of,
    verification::{Compared, Findings, Verdict, Verification},
};

/// The outcome of a verification by hand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HandVerification {
    #[serde(flatten)]
    outcome: HandOutcome,
    fields: Vec<FieldResult>,
    /// The face that was found in the selfie; null when it was not analysed or cannot be used.
    photo: Option<PhotoFindings>,
    /// With `faces=true`, if the faces were compared and name and date of birth match; else null.
    faces: Option<Faces>,
}

/// The outcome of a comparison by hand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HandComparison {
    #[serde(flatten)]
    outcome: HandOutcome,
    photos: PhotoPair,
    /// With `faces=true`, if the faces were compared; else null.
    faces: Option<Faces>,
}

/// What both have.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HandOutcome {
    /// The id under which the request is in the audit trail.
    request_id: String,
    /// The status that a client would have got.
    status: u16,
    reason_code: &'static str,
    /// The body that a client would have got; null for a refusal.
    #[schema(value_type = Option<Object>)]
    answer: Option<Value>,
    score: Option<Score>,
    /// The score of passive liveness of the selfie; null if it was not judged.
    spoof: Option<f64>,
    contract: Option<String>,
    calibration: Option<String>,
    /// How long each step took. Steps may run at the same time.
    steps: Vec<Step>,
    milliseconds: f64,
}

/// Whether a field matched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldResult {
    field: &'static str,
    /// Null if it was not judged.
    #[schema(required)]
    matches: Option<bool>,
    /// The rules that a match of names needed.
    rules: Vec<&'static str>,
}

/// How similar two faces are, and what that stands for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Score {
    percentage: f64,
    pass_mark: f64,
    passes: bool,
    /// The share of comparisons of two people that reach the percentage; null if the calibration does not say.
    false_match_rate: Option<f64>,
    false_match_rate_at_pass_mark: Option<f64>,
}

/// How long a step took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    step: &'static str,
    milliseconds: f64,
}

/// The faces that were found in two photos.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PhotoPair {
    captured: Option<PhotoFindings>,
    stored: Option<PhotoFindings>,
}

/// The face that was found in a photo. Coordinates are pixels of the photo, turned as its EXIF orientation says and then
/// clockwise by `turned_degrees`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PhotoFindings {
    turned_degrees: u16,
    #[serde(rename = "box")]
    rectangle: BoundingBox,
    /// Left eye, right eye, nose, left and right corner of the mouth; left and right as in the photo.
    landmarks: Vec<Landmark>,
    /// The detector's score, 0 to 1.
    detector_score: f64,
}

/// A bounding box.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoundingBox {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// A point of a face.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Landmark {
    x: f64,
    y: f64,
}

pub(super) async fn verify(call: Call) -> Result<HttpResponse, Fault> {
    let wants_faces = are_wanted(&call)?;
    let hand = Hand::begin::<FaceVerification>(&call).await?;
    let deadline = call.verifier.deadline();
    let mut shown = None;
    let mut findings = Findings::default();
    let mut face = None;
    let verified = match hand.claims::<FaceVerification>(&mut findings) {
        Ok(claims) => {
            shown = wants_faces.then(|| (claims.nik.clone(), claims.photo.clone()));
            let outcome = call.verifier.verify_face(claims, deadline).await;
            outcome.map_err(Refusal::from).map(|outcome| {
                face = outcome.face;
                face_verification::verdict(outcome)
            })
        }
        Err(refusal) => Err(refusal),
    };
    let (outcome, findings) = hand.end::<FaceVerification>(verified, findings).await;
    let compared = &findings.compared;
    let fields = compared.fields.iter().map(|(field, matches)| {
        let matched = compared.name_rules.iter().find(|(name, _)| name == field);
        FieldResult {
            field,
            matches: *matches,
            rules: matched.map(|(_, matched)| matched.words()).unwrap_or_default(),
        }
    });
    let fields = fields.collect();
    let photo = face.filter(|_| outcome.score.is_some()).as_ref().map(PhotoFindings::of);
    // Only of a person whose name and date of birth the form has, so that nobody looks at portraits by number.
    let is_person = compared.fields.iter().all(|(_, matches)| *matches == Some(true));
    let faces = match shown.filter(|_| outcome.score.is_some() && is_person) {
        Some((nik, selfie)) => {
            let client = Caller::by_hand().client.name;
            let crops = call.verifier.faces_of_person(&client, &nik, selfie, deadline);
            Some(Faces::show(&call, Endpoint::FaceVerification, crops).await?)
        }
        None => None,
    };
    wiped(&HandVerification { outcome, fields, photo, faces })
}

pub(super) async fn compare(call: Call) -> Result<HttpResponse, Fault> {
    let wants_faces = are_wanted(&call)?;
    let hand = Hand::begin::<FaceMatch>(&call).await?;
    let deadline = call.verifier.deadline();
    let mut shown = None;
    let mut findings = Findings::default();
    let mut photos = PhotoPair { captured: None, stored: None };
    let compared = match hand.claims::<FaceMatch>(&mut findings) {
        Ok(claims) => {
            shown = wants_faces.then(|| [claims.captured.clone(), claims.stored.clone()]);
            let outcome = call.verifier.match_faces(claims, deadline).await;
            outcome.map_err(|error| Refusal::from(error).without_look_up()).and_then(|outcome| {
                photos.captured = outcome.captured_face.as_ref().map(PhotoFindings::of);
                photos.stored = outcome.stored_face.as_ref().map(PhotoFindings::of);
                FaceMatch::verdict(outcome)
            })
        }
        Err(refusal) => Err(refusal),
    };
    let (outcome, _) = hand.end::<FaceMatch>(compared, findings).await;
    let faces = match shown.filter(|_| outcome.score.is_some()) {
        Some(pair) => {
            let client = Caller::by_hand().client.name;
            let crops = call.verifier.faces_of_photos(&client, pair, deadline);
            Some(Faces::show(&call, Endpoint::FaceMatch, crops).await?)
        }
        None => None,
    };
    wiped(&HandComparison { outcome, photos, faces })
}

/// A verification by hand, from its row of kind `admin` to its row of kind `request`.
struct Hand<'a> {
    call: &'a Call,
    caller: Caller,
    began: Instant,
}

impl<'a> Hand<'a> {
    async fn begin<V: Verification>(call: &'a Call) -> Result<Self, Fault> {
        let began = Instant::now();
        call.mandate.begin_by_hand(V::ENDPOINT).await?;
        Ok(Self { call, caller: Caller::by_hand(), began })
    }

    fn claims<V: Verification>(&self, findings: &mut Findings) -> Result<V::Claims, Refusal> {
        let form = Form::of_multipart(&self.call.body, &self.call.content_type, &V::fields())?;
        V::parse(&form, &self.caller, &self.call.verifier, findings)
    }

    /// Waits until the row of the request is durable. If it cannot be written, the outcome has no finding.
    async fn end<V: Verification>(
        self,
        result: Result<Verdict<V::Body>, Refusal>,
        findings: Findings,
    ) -> (HandOutcome, Findings) {
        let Ended { reason, answer, steps, findings, trial } = Ended::of::<V>(result, findings);
        let recorded = self.call.verifier.audit(self.event(V::ENDPOINT, reason, &findings)).await;
        drop(trial);
        match recorded {
            Ok(()) => {
                let outcome = self.outcome(reason, answer, steps, &findings);
                (outcome, findings)
            }
            Err(error) => {
                tracing::error!(
                    "the row of a verification by hand cannot be written: {}",
                    error.with_causes()
                );
                let nothing = Findings::default();
                let outcome = self.outcome(ReasonCode::StoreUnavailable, None, Vec::new(), &nothing);
                (outcome, nothing)
            }
        }
    }

    fn event(&self, endpoint: Endpoint, reason: ReasonCode, findings: &Findings) -> AuditEvent {
        let Findings { nik, nik_plausible, compared } = findings;
        let Compared { fields, name_rules, percentage, under, spoof } = compared;
        AuditEvent {
            request_id: self.call.request_id.clone(),
            client: self.caller.client.name.clone(),
            is_sandbox: false,
            endpoint,
            ending: RequestEnding::Answered(reason),
            nik: nik.clone(),
            nik_plausible: *nik_plausible,
            fields: fields.clone(),
            name_rules: name_rules.clone(),
            percentage: *percentage,
            compared_under: under.clone(),
            spoof: *spoof,
            took: self.began.elapsed(),
        }
    }

    fn outcome(
        &self,
        reason: ReasonCode,
        answer: Option<Value>,
        steps: Vec<(&'static str, Duration)>,
        findings: &Findings,
    ) -> HandOutcome {
        let Compared { percentage, under, spoof, .. } = &findings.compared;
        let score = match (*percentage, under) {
            (Some(percentage), Some(_)) => Some(score_of(percentage, self.call)),
            _ => None,
        };
        HandOutcome {
            request_id: self.call.request_id.clone(),
            status: status_of(reason).as_u16(),
            reason_code: reason.as_str(),
            answer,
            score,
            spoof: *spoof,
            contract: under.as_ref().map(|under| under.contract.to_string()),
            calibration: under.as_ref().map(|under| under.calibration.clone()),
            steps: steps
                .into_iter()
                .map(|(step, taken)| Step { step, milliseconds: milliseconds(taken) })
                .collect(),
            milliseconds: milliseconds(self.began.elapsed()),
        }
    }
}

/// How a verification ended.
struct Ended {
    reason: ReasonCode,
    answer: Option<Value>,
    steps: Vec<(&'static str, Duration)>,
    findings: Findings,
    trial: Option<padan_verification::Trial>,
}

impl Ended {
    fn of<V: Verification>(result: Result<Verdict<V::Body>, Refusal>, mut findings: Findings) -> Self {
        match result {
            Ok(verdict) => {
                findings.compared = verdict.compared;
                Self {
                    reason: verdict.reason,
                    answer: serde_json::to_value(&verdict.body).ok(),
                    steps: verdict.timings.steps(),
                    findings,
                    trial: verdict.trial,
                }
            }
            Err(refusal) => {
                findings.compared.spoof = refusal.spoof();
                Self { reason: refusal.reason(), answer: None, steps: Vec::new(), findings, trial: None }
            }
        }
    }
}

fn score_of(percentage: f64, call: &Call) -> Score {
    let pass_mark = Percentage::PASS_MARK.shown();
    let scale = call.verifier.scale();
    Score {
        percentage,
        pass_mark,
        passes: percentage >= pass_mark,
        false_match_rate: ScalePoint::rate_at(&scale, percentage),
        false_match_rate_at_pass_mark: ScalePoint::rate_at(&scale, pass_mark),
    }
}

fn milliseconds(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1000.0
}

impl PhotoFindings {
    fn of(face: &Face) -> Self {
        let rectangle = face.rectangle;
        Self {
            turned_degrees: face.turned_degrees,
            rectangle: BoundingBox {
                left: rectangle.left,
                top: rectangle.top,
                width: rectangle.width,
                height: rectangle.height,
            },
            landmarks: face.landmarks.iter().map(|point| Landmark { x: point.x, y: point.y }).collect(),
            detector_score: f64::from(face.score),
        }
    }
}
