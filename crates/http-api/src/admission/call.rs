use std::{sync::Arc, thread};

use actix_web::{
    HttpRequest, HttpResponse, Responder, ResponseError as _,
    body::BoxBody,
    http::{
        StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
};
use padan_domain::ReasonCode;
use padan_verification::{
    AuditEvent, Caller, KnownClient, QuotaState, RequestEnding, StepTimings, Trial, Verifier,
};

use crate::{
    answer::{respond, respond_with_cause},
    body::Body,
    in_flight::InFlightPermit,
    refusal::Refusal,
    status::status_of,
    verification::{Compared, Findings, Verdict, Verification},
    visit::{OwnLoad, Visit},
};

/// A call that was admitted, until it is answered.
///
/// [`answer`](Self::answer) is the only way to an [`Answer`]. It returns only after the call's row in the audit trail
/// is durable, with three exceptions:
/// - a 429 has no row, unless the registry was asked before;
/// - a body whose chunks are malformed is refused without waiting for the row;
/// - a 503 is sent even if its row could not be written.
///
/// A call that is dropped instead, because its client left or its handler panicked, is recorded without waiting, as
/// `UNANSWERED` or `INTERNAL`. It counts as in flight until it is dropped or answered.
///
/// A handler answers a call with the result of its verification:
///
/// ```
/// use padan_http_api::{AdmittedCall, Answer, Refusal, Verdict, Verification};
///
/// async fn handle<V: Verification>(
///     call: AdmittedCall<V>,
///     result: Result<Verdict<V::Body>, Refusal>,
/// ) -> Answer {
///     call.answer(result).await
/// }
/// ```
///
/// One that makes a response of its own, which has no row, does not compile:
///
/// ```compile_fail
/// use padan_http_api::{AdmittedCall, Answer, Refusal, Verdict, Verification};
///
/// async fn handle<V: Verification>(
///     call: AdmittedCall<V>,
///     result: Result<Verdict<V::Body>, Refusal>,
/// ) -> Answer {
///     actix_web::HttpResponse::Ok().json(result.is_ok()).into()
/// }
/// ```
///
/// ```compile_fail
/// use padan_http_api::{AdmittedCall, Answer, Refusal, Verdict, Verification};
///
/// async fn handle<V: Verification>(
///     call: AdmittedCall<V>,
///     result: Result<Verdict<V::Body>, Refusal>,
/// ) -> Answer {
///     Answer(actix_web::HttpResponse::Ok().json(result.is_ok()))
/// }
/// ```
#[must_use = "a call that is dropped is recorded as unanswered"]
pub struct AdmittedCall<V: Verification> {
    call: IdentifiedCall<V>,
    caller: Caller,
    _permit: InFlightPermit,
}

/// The response to a call for an audited endpoint. Nothing but this module can make one.
pub struct Answer(HttpResponse);

impl<V: Verification> AdmittedCall<V> {
    pub(super) fn new(call: IdentifiedCall<V>, caller: Caller, permit: InFlightPermit) -> Self {
        call.visit.body().charge_to(&caller.client.name);
        Self { call, caller, _permit: permit }
    }

    /// The request's body.
    pub(crate) fn body(&self) -> &Body {
        self.call.visit.body()
    }

    /// The client that calls, and the findings so far, to be extended.
    pub(crate) fn caller_and_findings(&mut self) -> (&Caller, &mut Findings) {
        (&self.caller, &mut self.call.findings)
    }

    /// Records the call in the audit trail, waits until its row is durable, and answers.
    ///
    /// When the row cannot be made durable in time, the answer is the documented 503 and contains no finding.
    pub async fn answer(self, result: Result<Verdict<V::Body>, Refusal>) -> Answer {
        self.call.answer(result).await
    }
}

/// A call whose client is known, so that the way it ends is recorded in the audit trail.
pub(super) struct IdentifiedCall<V: Verification> {
    visit: Visit,
    verifier: Arc<Verifier>,
    client: KnownClient,
    quota: Option<QuotaState>,
    findings: Findings,
    is_recorded: bool,
    endpoint: std::marker::PhantomData<V>,
}

impl<V: Verification> IdentifiedCall<V> {
    pub(super) fn new(visit: Visit, verifier: Arc<Verifier>, client: KnownClient) -> Self {
        visit.update(|record| record.client = Some(client.clone()));
        Self {
            visit,
            verifier,
            client,
            quota: None,
            findings: Findings::default(),
            is_recorded: false,
            endpoint: std::marker::PhantomData,
        }
    }

    /// Sets the quota that the answer's `RateLimit` headers describe.
    pub(super) fn set_quota(&mut self, quota: Option<QuotaState>) {
        self.quota = quota;
    }

    pub(super) async fn answer(mut self, result: Result<Verdict<V::Body>, Refusal>) -> Answer {
        let (response, reason, trial, is_audited) = match result {
            Ok(verdict) => {
                let response = respond(verdict.reason, &verdict.body);
                self.visit.update(|record| {
                    record.steps = verdict.timings.steps();
                    record.similarity = verdict.similarity();
                    record.is_miss = verdict.is_miss();
                    record.is_repeated_face = verdict.is_repeated_face();
                });
                self.findings.compared = verdict.compared;
                (response, verdict.reason, verdict.trial, true)
            }
            Err(refusal) => {
                let is_audited = is_audited(&refusal);
                if refusal.is_for_share() {
                    self.visit.update(|record| record.own_load = Some(OwnLoad::Share));
                }
                self.findings.compared.spoof = refusal.spoof();
                if let Some(waited) = refusal.turn() {
                    self.visit.update(|record| {
                        record.steps = vec![(StepTimings::TURN, waited)];
                        record.own_load = Some(OwnLoad::Turn);
                    });
                }
                let response = refused::<V>(&refusal, &self.findings);
                let (reason, trial) = (refusal.reason(), refusal.into_trial());
                let is_repeated = trial.as_ref().is_some_and(Trial::is_repeated);
                self.visit.update(|record| record.is_repeated_face = is_repeated);
                (response, reason, trial, is_audited)
            }
        };
        self.visit.update(|record| record.spoof = self.findings.compared.spoof);
        // From here on the row is written even if the client leaves.
        self.is_recorded = true;
        let recorded = if is_audited { self.record(reason).await } else { Ok(()) };
        let mut response = match recorded {
            Ok(()) => response,
            Err(NotDurable(cause)) => refused::<V>(&Refusal::store_unavailable(cause), &self.findings),
        };
        // The next attempt may begin, since this one is counted.
        drop(trial);
        if let Some(quota) = self.quota {
            insert_quota(quota, response.headers_mut());
        }
        Answer(response)
    }

    /// Makes the row durable. `Err` means that the answer must not be sent.
    async fn record(&self, reason: ReasonCode) -> Result<(), NotDurable> {
        let event = self.event(RequestEnding::Answered(reason));
        if self.visit.body().is_broken() {
            // Nothing was found out, and the server closes such a connection: an answer that waits is never sent.
            self.verifier.audit_without_waiting(event);
            return Ok(());
        }
        match (self.verifier.audit(event).await, reason) {
            // These contain no finding that would have to be recorded first.
            (Ok(()), _) | (Err(_), ReasonCode::RegistryUnavailable | ReasonCode::StoreUnavailable) => Ok(()),
            (Err(error), _) => Err(NotDurable(error.with_causes())),
        }
    }

    fn event(&self, ending: RequestEnding) -> AuditEvent {
        let Findings { nik, nik_plausible, compared } = &self.findings;
        let Compared { fields, name_rules, percentage, under, spoof } = compared;
        let KnownClient { name, is_sandbox } = self.client.clone();
        AuditEvent {
            request_id: self.visit.id().recorded().to_owned(),
            client: name,
            is_sandbox,
            endpoint: V::ENDPOINT,
            ending,
            // Nobody was looked up. If the row named a person, a sandbox client could use up the trials of that person.
            nik: nik.clone().filter(|_| !is_sandbox),
            nik_plausible: nik_plausible.filter(|_| !is_sandbox),
            fields: fields.clone(),
            name_rules: name_rules.clone(),
            percentage: *percentage,
            compared_under: under.clone(),
            spoof: *spoof,
            took: self.visit.elapsed(),
        }
    }
}

impl<V: Verification> Drop for IdentifiedCall<V> {
    fn drop(&mut self) {
        if !self.is_recorded {
            let ending = if thread::panicking() {
                RequestEnding::Answered(ReasonCode::Internal)
            } else {
                RequestEnding::Unanswered
            };
            self.verifier.audit_without_waiting(self.event(ending));
        }
    }
}

impl Answer {
    /// The answer to a caller whose name is not known. It has no audit row, because the client is unknown.
    pub(super) fn to_unknown<V: Verification>(refusal: &Refusal) -> Self {
        Self(refused::<V>(refusal, &Findings::default()))
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

/// The row could not be made durable, and why, for the log.
struct NotDurable(String);

/// The response to a call that has no result. An outage has the body of the endpoint.
fn refused<V: Verification>(refusal: &Refusal, findings: &Findings) -> HttpResponse {
    let outage = match refusal.reason() {
        reason @ (ReasonCode::RegistryUnavailable | ReasonCode::StoreUnavailable) => {
            V::outage(reason, findings)
        }
        _ => None,
    };
    outage.map_or_else(
        || refusal.error_response(),
        |body| respond_with_cause(refusal.reason(), &body, refusal.cause().map(str::to_owned)),
    )
}

/// Whether a refusal has a row. 401 and 429 are only counted, unless they tell what the registry has: a photo that finds
/// the queue full belongs to a person whom the registry has.
fn is_audited(refusal: &Refusal) -> bool {
    let is_only_counted =
        matches!(status_of(refusal.reason()), StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS);
    refusal.is_after_look_up() || !is_only_counted
}

/// Inserts the state of the client's quota that has the fewest requests left.
fn insert_quota(quota: QuotaState, headers: &mut HeaderMap) {
    for (name, value) in [
        ("ratelimit-limit", quota.limit),
        ("ratelimit-remaining", quota.remaining),
        ("ratelimit-reset", quota.reset.as_secs() + 1),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}
