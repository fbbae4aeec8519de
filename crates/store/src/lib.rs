//! The service's own database: all state that survives a restart.
//!
//! Start at [`Store::new`], bring the schema up to date with [`Store::migrate`], then read and write face
//! templates with [`Templates::get`] and [`Templates::save`]. [`Store::audit_trail`] writes the audit trail,
//! [`AuditLog`] reads it. [`Overview`] reads the rest without any key, for operators and auditors.
//! [`Operators::of_token`] finds the account of an operator.
//!
//! The database has the face templates, so that a person's second verification needs no second embedding of the
//! portrait; the audit trail; the clients ([`Clients::all`]) and how much of their quotas is
//! used ([`Quotas::take`]); the processor time of their photos ([`Store::add_cpu_use`]). With [`Store::enrolment`]
//! several processes share the enrolment of all people and resume it after one was killed. [`Store::active_model`]
//! returns the model set that the services use. [`Administration`] changes what operators decide.
//!
//! **Architecture Invariant:** no secret of a client is in this database, only its SHA-256. A [`ClientSecret`] is
//! generated here, shown once and not stored.
//!
//! **Architecture Invariant:** the parts of a quota that processes take never add up to more than the quota.
//!
//! **Architecture Invariant:** the NIK is not in this database. A person is identified by the HMAC-SHA-256 of the NIK
//! under the first of the [`PersonKeys`], which never leave the process. Templates are found only under that key; the
//! audit trail is searched under all keys.
//!
//! **Architecture Invariant:** no embedding is stored in plain form: each is encrypted with one of the [`TemplateKeys`]
//! and bound to its row. It cannot be decrypted in the row of another person. The reason why a portrait gives no
//! embedding is authenticated in the same way.
//!
//! **Architecture Invariant:** a template belongs to one model contract and is only found under it.
//!
//! **Architecture Invariant:** an embedding is read back bit for bit as it was written, so that a person's first and
//! second verification give the same percentage.
//!
//! **Architecture Invariant:** the audit trail only grows. The role of the service cannot change a row, and
//! verification detects rows that another role changed or deleted. No signature vouches for a row that was not verified.
//!
//! **Architecture Invariant:** clients, operators, the active model, the active calibration and the shadow model are
//! changed only by [`Administration`], in the transaction of the change's row in the audit trail.
//!
//! **Architecture Invariant:** a client's row counts only if its HMAC under an audit key is right. No change of a client
//! signs a row that was not verified, except [`Administration::sign_client`].
//!
//! **Architecture Invariant:** an operator's row counts only if its HMAC under an audit key is right, as a client's. So
//! does the row of a session, and only while the operator's does. Passwords are hashed, the secrets of one-time codes
//! encrypted, and of a session's token only the SHA-256 is here.
//!
//! **Architecture Invariant:** a commit is durable before it counts as made. The server has
//! confirmed `synchronous_commit = on` before the first statement: when the connection began, or, through a pooler, in
//! each transaction.
//!
//! **Architecture Invariant:** this crate does not know the registry. The crate that knows both decides whether a
//! template is stale.

mod administration;
mod audit;
mod clients;
mod config;
mod cpu_use;
mod enrolment;
mod erasure_confirmation;
mod error;
mod fault_point;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handles;
mod jobs;
mod keys;
mod live_counts;
mod migrations;
mod models;
mod operators;
mod overview;
mod privileges;
mod quota;
mod row_state;
mod session;
mod shadow_counts;
mod step_error;
mod store;
mod stored_about;
mod templates;
mod trial_history;

pub use administration::Administration;
pub use administration::act::AdminAct;
pub use administration::entry::{AnnouncedAct, ManagementRequest, Operator};
pub use audit::{
    AuditCommit, AuditEvent, AuditFault, AuditFigures, AuditFilter, AuditHead, AuditKeys, AuditLog,
    AuditPosition, AuditQuery, AuditReport, AuditRow, AuditTrail, ComparedUnder, Forgotten,
    InvalidAuditPosition, PrunedMonths, RequestEnding, RowFault, RowLocation, UsageRow,
};
pub use clients::change::{NewClient, Rotation};
pub use clients::profile::ClientProfile;
pub use clients::secret::{ClientSecret, SecretHashes};
pub use clients::signature::ClientSignature;
pub use clients::{RefusedClient, StoredClient, StoredClients};
pub use config::Config;
pub use cpu_use::CpuUse;
pub use enrolment::{Checkpoint, EnrolmentLedger, EnrolmentStatus, EnrolmentTally};
pub use error::StoreError;
pub use fault_point::fault_point;
pub use handles::{Clients, Jobs, Operators, Quotas, Templates};
pub use jobs::job::{
    JOB_LEASE, Job, JobEnd, JobKind, JobLease, JobProgress, JobState, JobWish, MAX_EXPORT_JOBS, NewJob,
    TakenJob,
};
pub use jobs::{EnrolmentWorker, exports::ExportPart};
pub use keys::key_set::KeySet;
pub use keys::person_keys::PersonKeys;
pub use live_counts::{Compared, LIVE_PARTS, LiveCell, LiveCounts, LiveScale};
pub use migrations::SchemaSupport;
pub use models::active::ActiveModel;
pub use models::calibration_row::ActiveCalibration;
pub use models::shadow_row::ShadowModel;
pub use operators::account::OperatorAccount;
pub use operators::change::{NewOperator, OperatorSettings};
pub use operators::code::CodeSecret;
pub use operators::list::{ListedAccount, OperatorList, RefusedOperator};
pub use operators::password::{InvalidPassword, OperatorPassword, PasswordHashText};
pub use operators::provider_flow::ProviderFlow;
pub use operators::provider_identity::ProviderIdentity;
pub use operators::session::{NewSession, OperatorSession};
pub use operators::sign_in::SignInAccount;
pub use overview::Overview;
pub use padan_postgres::PoolFigures;
pub use quota::{QuotaGrant, QuotaRequest};
pub use shadow_counts::{ShadowCell, ShadowCount, ShadowCounts, ShadowOutcome, ShadowPair};
pub use store::Store;
pub use stored_about::{Enquiries, StoredAbout};
pub use templates::absent_people::{AbsentPeople, PresentPeople, RemovalLimit};
pub use templates::batch::TemplateSummary;
pub use templates::cohort::{CohortMember, CohortState, OpenedCohort};
pub use templates::copy::TemplateCopy;
pub use templates::figures::TemplateCount;
pub use templates::keys::TemplateKeys;
pub use templates::pruning::{Pruned, Pruning, UnusedTemplates};
pub use templates::reservoir::{OtherPerson, Reservoir};
pub use templates::rotation::{Resealed, TemplatesOfKey};
pub use templates::sample::{LeftOut, PersonHash, TemplateSample};
pub use templates::{StoredTemplate, TemplateContent};
pub use trial_history::{ClientFailures, EventWindow, TrialHistory, TrialQuery};
