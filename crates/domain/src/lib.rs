//! The domain types that all crates share: the parsed request, similarity and percentage, the decision.
//!
//! Start at the constructors: [`NationalId`], [`PersonName`], [`BirthDate`] and [`Photo`] parse what a
//! client sent, [`Calibration`] turns a [`Similarity`] into a [`Percentage`], and [`judge`] decides.
//!
//! **Architecture Invariant:** no I/O, no async, and no clock: time is passed in as a [`Clock`].
//!
//! **Architecture Invariant:** a value of these types is valid. Each type has one constructor that checks, and
//! no other code checks again.
//!
//! **Architecture Invariant:** personal data is never printed. `Debug` of a [`NationalId`], [`PersonName`],
//! [`BirthDate`], [`Photo`] or [`Embedding`] is the type's name.

mod basic_field;
mod birth_date;
mod calibration;
mod centre;
mod citizen;
mod client_certificate;
mod client_name;
mod client_rules;
mod clock;
mod cohort;
mod decision;
mod embedding;
mod field_text;
mod folding;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod granted_fields;
mod model_contract;
mod national_id;
mod nik_prefix;
mod operator;
mod percentage;
mod percentage_bins;
mod percentage_step;
mod person_name;
mod photo;
mod quota_period;
mod reason_code;
mod redacted;
mod request_share;
mod similarity_bins;
mod text_encoding;
mod text_list;

pub use basic_field::{BasicField, UnknownField};
pub use birth_date::{BirthDate, InvalidBirthDate};
pub use calibration::{Anchor, Calibration, ComparedFace, InvalidCalibration, ScoreTransformation};
pub use centre::{Centre, InvalidCentre};
pub use citizen::{CitizenStatus, UnknownCitizenStatus};
pub use client_certificate::{CertificateName, ClientCertificate, InvalidCertificateName};
pub use client_name::{ClientName, InvalidClientName, InvalidUsername, Username, WELL_KNOWN_CREDENTIALS};
pub use client_rules::{
    ClientRules, Endpoint, InvalidNetwork, InvalidRequestRate, RequestRate, UnknownEndpoint, parse_network,
};
pub use clock::{Clock, midnight_in_jakarta};
pub use cohort::{Cohort, CohortNumbers, CohortScore, CohortScoreKind, InvalidCohort, Side};
pub use decision::{Decision, FaceJudgement, FieldResults, Judgement, judge};
pub use embedding::{Embedding, InvalidEmbedding, Similarity};
pub use field_text::{FieldText, InvalidFieldText};
pub use granted_fields::GrantedFields;
pub use model_contract::{InvalidModelContractId, ModelContractId};
pub use national_id::{InvalidNationalId, NationalId};
pub use nik_prefix::{InvalidNikPrefix, NikPrefix, NikRange};
pub use operator::{InvalidOperatorName, OperatorName, OperatorRole, UnknownOperatorRole};
pub use percentage::Percentage;
pub use percentage_bins::PercentageBins;
pub use percentage_step::{InvalidPercentageStep, PercentageStep};
pub use person_name::{InvalidPersonName, NameMatch, NameRule, NameRules, PersonName, ReducedName};
pub use photo::{Photo, PhotoFormat, UnknownPhotoFormat};
pub use quota_period::{QuotaPeriod, QuotaSpan};
pub use reason_code::ReasonCode;
pub use request_share::{InvalidRequestShare, RequestShare};
pub use similarity_bins::SimilarityBins;
pub use text_encoding::{UndecodableText, decode_text};
pub use text_list::deserialize_text_list;
