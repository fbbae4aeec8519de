//! A service for tests with its databases, people and clients, and what tests send to it.
//!
//! Start at [`TestService::start`], which runs the service within the process of the test. A test that needs the program
//! itself starts that, and uses the same [`RunningService`] to talk to it.
//!
//! **Architecture Invariant:** this crate is only a development dependency. A crate's own unit tests cannot use it, since
//! it depends on the crates that it runs.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a fixture that fails ends the test that uses it"
)]

mod answer;
mod captured_log;
mod claim;
mod liveness_models;
mod managed_service;
pub mod networks;
mod own_process;
mod photos;
mod project;
pub mod raw;
mod running_service;
mod served;
mod settings;
mod site;
mod test_service;

pub use answer::Answer;
pub use claim::{Claim, file, pair, text_fields};
pub use liveness_models::{liveness_models, liveness_settings, selfie_with_blue};
pub use managed_service::{EXPORTS, ManagedService, ROLES};
pub use own_process::ran_in_own_process;
pub use photos::Photos;
pub use project::project;
pub use running_service::{FACE_MATCH, RunningService, http_client, value_of_series};
pub use settings::{sections_of_databases, unlimited_trials};
pub use site::{
    BROKEN_PORTRAIT, BUDI, CREDENTIALS, Credentials, DECEASED, DISABLED, DUPLICATE, ELSEWHERE, INACTIVE,
    PORTRAIT_CHANGED, UNKNOWN, WITHOUT_PORTRAIT, add, clients, fill, person,
};
pub use test_service::{Preparation, SecondService, TestService};
