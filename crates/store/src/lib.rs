//! The service's own database: all state that survives a restart.
//!
//! Start at [`Store::new`], bring the schema up to date with [`Store::migrate`], then read and write face
//! templates with [`Store::template`] and [`Store::save_template`]. [`Store::audit_trail`] writes the audit trail,
//! [`AuditLog`] reads it. [`Overview`] reads the rest without any key, for operators and auditors.
//! [`Store::operator_of_token`] finds the account of an operator.
//!
//! The database has the face templates, so that a person's second verification needs no second embedding of the
//! portrait; the audit trail; the clients ([`Store::clients`]) and how much of their quotas is
//! used ([`Store::take_quota`]); the processor time of their photos ([`Store::add_cpu_use`]). With [`Store::enrolment`]
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

mod absent_people;
mod active_calibration;
mod active_model;
mod admin_act;
mod admin_entry;
mod administration;
mod audit;
mod calibration_activation;
mod calibration_row;
mod client;
mod client_change;
mod client_profile;
mod client_row;
mod client_rules;
mod client_secret;
mod client_signature;
mod cohort;
mod cohort_people;
mod config;
mod cpu_use;
mod enrolment;
mod erasure_confirmation;
mod error;
mod fault_point;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod job;
mod jobs;
mod key_set;
mod live_counts;
mod migrations;
mod model_activation;
mod operator_account;
mod operator_change;
mod operator_code;
mod operator_list;
mod operator_password;
mod operator_row;
mod operator_session;
mod operator_sign_in;
mod overview;
mod person_keys;
mod privileges;
mod provider_flow;
mod provider_identity;
mod pruning;
mod quota;
mod reservoir;
mod rotation;
mod row_state;
mod sealing;
mod secret;
mod session;
mod sessions_end;
mod shadow_change;
mod shadow_counts;
mod shadow_model;
mod shadow_row;
mod store;
mod stored_about;
mod template;
mod template_batch;
mod template_copy;
mod template_figures;
mod template_keys;
mod template_sample;
mod trial_history;

pub use absent_people::{AbsentPeople, PresentPeople, RemovalLimit};
pub use active_model::ActiveModel;
pub use admin_act::AdminAct;
pub use admin_entry::{AnnouncedAct, ManagementRequest, Operator};
pub use administration::Administration;
pub use audit::{
    AuditCommit, AuditEvent, AuditFault, AuditFigures, AuditFilter, AuditHead, AuditKeys, AuditLog,
    AuditPosition, AuditQuery, AuditReport, AuditRow, AuditTrail, ComparedUnder, Forgotten,
    InvalidAuditPosition, PrunedMonths, RequestEnding, RowFault, RowLocation, UsageRow,
};
pub use calibration_row::ActiveCalibration;
pub use client::{RefusedClient, StoredClient, StoredClients};
pub use client_change::{NewClient, Rotation};
pub use client_profile::ClientProfile;
pub use client_secret::{ClientSecret, SecretHashes};
pub use client_signature::ClientSignature;
pub use cohort::{CohortMember, CohortState, OpenedCohort};
pub use config::Config;
pub use cpu_use::CpuUse;
pub use enrolment::{Checkpoint, EnrolmentLedger, EnrolmentStatus, EnrolmentTally};
pub use error::StoreError;
pub use fault_point::fault_point;
pub use job::{
    JOB_LEASE, Job, JobEnd, JobKind, JobLease, JobProgress, JobState, JobWish, MAX_EXPORT_JOBS, NewJob,
    TakenJob,
};
pub use jobs::{EnrolmentWorker, exports::ExportPart};
pub use key_set::KeySet;
pub use live_counts::{Compared, LIVE_PARTS, LiveCell, LiveCounts, LiveScale};
pub use migrations::SchemaSupport;
pub use operator_account::OperatorAccount;
pub use operator_change::{NewOperator, OperatorSettings};
pub use operator_code::CodeSecret;
pub use operator_list::{ListedAccount, OperatorList, RefusedOperator};
pub use operator_password::{InvalidPassword, OperatorPassword, PasswordHashText};
pub use operator_session::{NewSession, OperatorSession};
pub use operator_sign_in::SignInAccount;
pub use overview::Overview;
pub use padan_postgres::PoolFigures;
pub use person_keys::PersonKeys;
pub use provider_flow::ProviderFlow;
pub use provider_identity::ProviderIdentity;
pub use pruning::{Pruned, Pruning, UnusedTemplates};
pub use quota::{QuotaGrant, QuotaRequest};
pub use reservoir::{OtherPerson, Reservoir};
pub use rotation::{Resealed, TemplatesOfKey};
pub use shadow_counts::{ShadowCell, ShadowCount, ShadowCounts, ShadowOutcome, ShadowPair};
pub use shadow_row::ShadowModel;
pub use store::Store;
pub use stored_about::{Enquiries, StoredAbout};
pub use template::{StoredTemplate, TemplateContent};
pub use template_batch::TemplateSummary;
pub use template_copy::TemplateCopy;
pub use template_figures::TemplateCount;
pub use template_keys::TemplateKeys;
pub use template_sample::{LeftOut, PersonHash, TemplateSample};
pub use trial_history::{ClientFailures, EventWindow, TrialHistory, TrialQuery};
