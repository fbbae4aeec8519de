//! The use cases: verify a request, identify and limit clients, check whether the service is ready, enrol the registry.
//!
//! Start at [`Verifier`]: [`Verifier::verify_face`], [`Verifier::verify_fields`] and [`Verifier::match_faces`] take
//! parsed requests and return outcomes with the time of each step. [`Clients`] identifies a caller and counts its requests. [`Enrolment`]
//! makes templates of all portraits before the first verification. [`Management`] serves operators.
//!
//! **Architecture Invariant:** this crate does not know HTTP. A caller gets a `Decision` or a [`VerificationError`] and
//! expresses it in its own protocol.
//!
//! **Architecture Invariant:** only this crate combines registry, store and inference. It makes one template of a
//! portrait of the registry, and compares the template under its own model contract only.
//!
//! **Architecture Invariant:** an outcome is sent only after [`Verifier::audit`] has made its row durable.
//!
//! **Architecture Invariant:** errors and log lines hold no personal data. Errors carry causes of the databases and of
//! the runtime, never a field of the request.

mod admission;
mod allowance;
mod audit;
mod background_tasks;
mod basic;
mod bounded_table;
mod calibration_activation;
mod calibration_in_use;
mod client;
mod client_failures;
mod client_versions;
mod clients;
mod clients_file;
mod cohorts;
mod config;
mod cpu_account;
mod deadline;
mod engine_in_use;
mod enrolment;
mod enrolment_removal;
mod enrolment_run;
mod error;
mod face;
mod face_match;
mod failed_credentials;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod known_name;
mod known_sides;
mod live_marks;
mod live_measurement;
mod liveness_gate;
mod management;
mod model_activation;
mod nik_plausibility;
mod passive_liveness;
mod quotas;
mod random;
mod rates;
mod readiness;
mod reference;
mod running_trials;
mod samples;
mod sampling;
mod sandbox;
mod scale_point;
mod shadow;
mod shadow_comparison;
mod shadow_findings;
mod shadow_summary;
mod shadow_tally;
mod shown_faces;
mod similarity;
mod stated_rate;
mod stored_clients;
mod throttle;
mod timing;
mod trial_queue;
mod trial_verdict;
mod trials;
mod verifier;

pub use admission::{AdmissionError, Caller, KnownClient};
pub use allowance::Allowance;
pub use background_tasks::{BackgroundTaskEnded, BackgroundTasks, TaskEnd};
pub use basic::{BasicOutcome, BasicRequest, FieldValue};
pub use calibration_activation::{
    CalibrationActivation, CalibrationActivationError, MovedPassMark, Scale, ScaleChange,
    check_calibration_size,
};
pub use calibration_in_use::{CalibrationInUseError, calibration_in_use, parse_active_calibration};
pub use clients::{Clients, Credentials, Presented};
pub use clients_file::ClientsError;
pub use cohorts::{CohortError, check_cohort, open_cohort};
pub use config::{ClientsConfig, Config, FailedFields, TrialLimit};
pub use cpu_account::CpuTime;
pub use engine_in_use::EngineInUse;
pub use enrolment::{Enrolled, Enrolment, EnrolmentConfig, EnrolmentError, EnrolmentEvent};
pub use enrolment_removal::Removal;
pub use error::{SuspectedSpoof, VerificationError};
pub use face::{FaceOutcome, FaceRequest};
pub use face_match::{MatchOutcome, MatchRequest, MatchResult, MatchedPhoto, UnusablePhoto};
pub use known_name::suggest_known_name;
pub use live_marks::LiveMarks;
pub use live_measurement::{LiveFigures, MeasuredSimilarities};
pub use liveness_gate::{InvalidGate, LivenessGate, NoLivenessSet};
pub use management::{
    ActivationPreview, ClientUse, ErasurePreview, ExportCriteria, ExportFile, ExportLine, LivePoint,
    LiveRates, Management, ManagementParts, Mandate, MeasureLive, ModelState, NewSecrets, OperatorAddition,
    OperatorRefusal, ProviderDeparture, ProviderSignIn, SessionTimes, ShownSecrets, SignIn, SignInFault,
    SignInRefusal, SignedIn, TokenRefusal, TrailOutcome, TrailVerification, WantedCalibration, Watch,
};
pub use model_activation::{ActivationError, activate_model, check_exchangeable};
pub use padan_domain::{BasicField, ClientCertificate, ClientName, FieldText, InvalidFieldText};
pub use padan_inference::{Face, FaceCrop, JobObserver, JobStarted, ModelError};
pub use padan_openid_connect::{Config as OpenIdConnectConfig, Provider};
pub use padan_store::{
    AbsentPeople, ActiveModel, AuditCommit, AuditEvent, AuditFigures, AuditFilter, AuditLog, AuditPosition,
    AuditQuery, AuditReport, AuditRow, ClientProfile, ClientSecret, CodeSecret, ComparedUnder,
    EnrolmentStatus, EnrolmentTally, Job, JobState, JobWish, ListedAccount, NewClient, OperatorAccount,
    OperatorList, OperatorSession, OperatorSettings, PoolFigures, RemovalLimit, RequestEnding, Rotation,
    StoreError, TemplateCount, UsageRow,
};
pub use passive_liveness::{LivenessOutcome, LivenessRequest, LivenessResult};
pub use quotas::{QuotaFigures, QuotaState};
pub use readiness::Component;
pub use samples::Sampled;
pub use sandbox::{Sandbox, SandboxRefusal, TEST_CASES, TestCase, TestPhoto};
pub use scale_point::ScalePoint;
pub use shadow::{Shadow, ShadowFigures, ShadowSet, ShadowState};
pub use shadow_findings::{Exchange, ShadowFindings, set_in_use};
pub use shadow_summary::ShadowSummary;
pub use shown_faces::ShownFaces;
pub use stated_rate::StatedRate;
pub use timing::StepTimings;
pub use trials::Trial;
pub use verifier::{EngineIdentity, Verifier, VerifierFigures, VerifierParts};
