use padan_domain::{Endpoint, NameMatch, NationalId, Percentage, ReasonCode};
use padan_verification::{Caller, ComparedUnder, Sandbox, StepTimings, Trial, Verifier};
use serde::Serialize;

use crate::{endpoint_docs::EndpointDocs, form::Form, refusal::Refusal};

/// An audited endpoint. Its file implements this trait, and `endpoints.rs` lists it. ARCHITECTURE.md has the recipe.
///
/// One handler serves them all: it admits the call, reads the form, parses the claims, verifies them and answers. An
/// implementation never makes a response itself, so it cannot answer before the audit row is durable.
pub trait Verification: Sized + 'static {
    /// The endpoint's name in clients' rules, logs, metrics and audit rows.
    const ENDPOINT: Endpoint;
    /// The path, which takes POST.
    const PATH: &'static str;
    /// What the client claims, parsed.
    type Claims;
    /// The JSON body of an answer with a result.
    type Body: Serialize;

    /// The fields of the form, each of which may be sent once.
    fn fields() -> Vec<&'static str>;

    /// Whether the endpoint exists only in a service with a liveness set.
    const NEEDS_LIVENESS: bool = false;

    /// Those fields that are photos.
    const PHOTOS: &'static [&'static str];

    /// Parses the form in the order of its fields in the OpenAPI document. Each parsed value goes into `findings` as
    /// soon as it is parsed, so that the audit row of a refused request has it.
    ///
    /// # Errors
    ///
    /// The refusal for the first field that is missing or malformed.
    fn parse(
        form: &Form,
        caller: &Caller,
        verifier: &Verifier,
        findings: &mut Findings,
    ) -> Result<Self::Claims, Refusal>;

    /// Verifies the claims.
    ///
    /// # Errors
    ///
    /// The refusal for a [`VerificationError`](padan_verification::VerificationError), or for a photo that cannot be
    /// used. An outage is answered with [`outage`](Self::outage).
    fn verify(
        verifier: &Verifier,
        claims: Self::Claims,
    ) -> impl Future<Output = Result<Verdict<Self::Body>, Refusal>>;

    /// Answers a sandbox client from the table of test people. The sandbox can ask nothing else.
    ///
    /// # Errors
    ///
    /// The refusal for which a test person or a test photo stands, or that of a photo that cannot be read.
    fn rehearse(
        sandbox: &Sandbox,
        claims: Self::Claims,
    ) -> impl Future<Output = Result<Verdict<Self::Body>, Refusal>>;

    /// The body of the 503 that is answered when a database cannot answer. It contains no finding, only the names of
    /// the fields that were sent. `None` stands for the body of all other refusals.
    fn outage(reason: ReasonCode, findings: &Findings) -> Option<Self::Body>;

    /// The endpoint in the OpenAPI document.
    fn docs() -> EndpointDocs;
}

/// The result of a verification: its answer, and what its audit row records.
pub struct Verdict<Body> {
    pub(crate) reason: ReasonCode,
    pub(crate) body: Body,
    /// How long each step took.
    pub(crate) timings: StepTimings,
    pub(crate) compared: Compared,
    /// The trial. It is held until the row is durable, because failures are counted from the rows.
    pub(crate) trial: Option<Trial>,
}

/// What a verification has compared, for its audit row.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Whether each field matches; `None` for a field that was not compared.
    pub(crate) fields: Vec<(&'static str, Option<bool>)>,
    /// For each name that matched, the rules that this needed.
    pub(crate) name_rules: Vec<(&'static str, NameMatch)>,
    /// The percentage of the decision, 0 to 100. The answer may show less.
    pub(crate) percentage: Option<f64>,
    /// The models by which two faces were compared; `None` when none were.
    pub(crate) under: Option<ComparedUnder>,
    /// The score of a selfie that was judged for liveness.
    pub(crate) spoof: Option<f64>,
}

impl<Body> Verdict<Body> {
    /// The result of an endpoint that knows no person and has compared nothing.
    pub(crate) fn without_person(reason: ReasonCode, body: Body) -> Self {
        Self { reason, body, timings: StepTimings::default(), compared: Compared::default(), trial: None }
    }

    /// The similarity of two faces that were compared.
    pub(crate) fn similarity(&self) -> Option<Percentage> {
        self.compared.percentage.filter(|_| self.compared.under.is_some()).map(Percentage::new)
    }

    /// Whether a field differs, or the NIK is unknown.
    pub(crate) fn is_miss(&self) -> bool {
        self.compared.fields.iter().any(|(_, matches)| *matches == Some(false))
    }

    /// Whether a face was compared for a person for whom many faces have failed.
    pub(crate) fn is_repeated_face(&self) -> bool {
        self.compared.under.is_some() && self.trial.as_ref().is_some_and(Trial::is_repeated)
    }
}

/// The values for a request's audit row that are known so far.
#[derive(Debug, Default)]
pub struct Findings {
    pub(crate) nik: Option<NationalId>,
    pub(crate) nik_plausible: Option<bool>,
    pub(crate) compared: Compared,
}
