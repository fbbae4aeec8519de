//! The use cases: verify one request, know the clients who may ask, say whether the service is ready.
//!
//! Enter through [`Verifier`]: [`Verifier::verify_face`] and [`Verifier::verify_fields`] take parsed requests
//! and return outcomes with the time each step took. [`Clients`] answers who is calling. [`Enrolment`] gives everybody a
//! template ahead of the first verification.
//!
//! **Architecture Invariant:** nothing here knows HTTP. A caller gets a `Decision` or a [`VerificationError`]
//! and says it in its own protocol.
//!
//! **Architecture Invariant:** registry, store and inference meet here and nowhere else. A photo of the
//! registry becomes a template here, once, and is compared under its own model contract only.
//!
//! **Architecture Invariant:** an outcome is told only after [`Verifier::audit`] has made its row durable.
//!
//! **Architecture Invariant:** no personal datum leaves in an error or a log line. Errors carry causes of the
//! databases and of the runtime, never a field of the request.

mod admission;
mod allowance;
mod audit;
mod background_tasks;
mod basic;
mod bounded_table;
mod clients;
mod clients_file;
mod config;
mod engine_in_use;
mod enrolment;
mod error;
mod face;
mod failed_credentials;
mod hint;
mod known_name;
mod pace;
mod quotas;
mod rates;
mod readiness;
mod reference;
mod sampling;
mod stored_clients;
mod timing;
mod trials;
mod verifier;

pub use admission::{AdmissionError, Caller};
pub use allowance::Allowance;
pub use background_tasks::{BackgroundTaskEnded, BackgroundTasks, TaskEnd};
pub use basic::{BasicOutcome, BasicRequest, FieldValue};
pub use clients::{Clients, Credentials, Presented};
pub use clients_file::ClientsError;
pub use config::{ClientsConfig, Config, FailedFaces};
pub use engine_in_use::EngineInUse;
pub use enrolment::{Enrolled, Enrolment, EnrolmentConfig, EnrolmentError, EnrolmentNews};
pub use error::VerificationError;
pub use face::{FaceOutcome, FaceRequest};
pub use known_name::suggest_known_name;
pub use padan_domain::{BasicField, ClientCertificate, ClientName, FieldText, InvalidFieldText};
pub use padan_inference::{JobObserver, JobStarted};
pub use padan_store::{
    AuditCommit, AuditEvent, AuditFigures, ComparedUnder, EnrolmentTally, PoolFigures, RequestEnding,
    TemplateCount,
};
pub use quotas::{QuotaFigures, QuotaState};
pub use readiness::Component;
pub use sampling::Sampled;
pub use timing::StepTimings;
pub use trials::Trial;
pub use verifier::{EngineIdentity, Verifier, VerifierFigures, VerifierParts};
