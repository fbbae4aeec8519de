//! Enrolments: how far they are, and what operators want of them.

use actix_web::HttpResponse;
use padan_verification::{EnrolmentStatus, Job, JobWish};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    call::{Call, moment},
    fault::Fault,
};

/// All enrolments, most recent first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Enrolments {
    #[serde(rename = "enrolments")]
    entries: Vec<EnrolmentEntry>,
    /// The enrolments that operators started here, newest first.
    jobs: Vec<EnrolmentJob>,
    /// Processes that do them (`padan enroll --wait`). Without one, an enrolment that is started here waits.
    workers: u64,
}

/// The enrolment under one model contract.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrolmentEntry {
    model_set: String,
    contract: String,
    started_at: String,
    /// Null while it runs.
    finished_at: Option<String>,
    /// When a run last finished.
    completed_at: Option<String>,
    /// Processes that work on it.
    processes: u64,
    /// Ranges of people that are not finished.
    open_ranges: u64,
    /// People of the finished ranges who have a template.
    templates: u64,
    /// Those of them whose face is covered or cut off.
    covered: u64,
    /// People whose portrait gives no template.
    unusable: u64,
    /// People for whom the registry or the engine failed.
    failed: u64,
}

/// An enrolment that an operator started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrolmentJob {
    id: String,
    model_set: String,
    /// Who started it.
    operator: String,
    /// `waiting` for a process, `running`, `interrupted` because its process was killed or ended, `paused`, `done`, `failed`
    /// or `stopped`.
    state: &'static str,
    started_at: String,
    ended_at: Option<String>,
    /// People who were processed.
    people: u64,
    /// An estimate of all people; null when there is none, or it is less than `people`.
    estimated_people: Option<u64>,
    /// Why it failed.
    error: Option<String>,
}

/// The model set to enrol people for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolmentStart {
    model_set: String,
}

/// What is wanted of an enrolment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolmentWish {
    /// `paused`; `running` after a pause or a failure; `stopped`, after which another one can be started.
    state: WantedState,
}

/// A state that an operator can ask for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WantedState {
    Running,
    Paused,
    Stopped,
}

pub(super) async fn list(call: Call) -> Result<HttpResponse, Fault> {
    let mandate = &call.mandate;
    let entries = mandate.enrolments().await?.into_iter().map(EnrolmentEntry::from).collect();
    let jobs = mandate.enrolment_jobs().await?.iter().map(EnrolmentJob::of).collect();
    let workers = mandate.enrolment_workers().await?;
    Ok(HttpResponse::Ok().json(Enrolments { entries, jobs, workers }))
}

pub(super) async fn start(call: Call) -> Result<HttpResponse, Fault> {
    let EnrolmentStart { model_set } = call.json()?;
    let sets = call.mandate.models().await.map_err(|error| Fault::Internal(error.to_string()))?;
    if !sets.iter().any(|set| set.model_set == model_set) {
        return Err(Fault::invalid("there is no such model set on this machine"));
    }
    let is_open = || Fault::Conflict("another enrolment is open: wait for its end, or stop it".to_owned());
    let job = call.mandate.start_enrolment(&model_set).await?.ok_or_else(is_open)?;
    Ok(HttpResponse::Accepted().json(EnrolmentJob::of(&job)))
}

pub(super) async fn set_state(call: Call) -> Result<HttpResponse, Fault> {
    let id = call.id()?;
    let EnrolmentWish { state } = call.json()?;
    let wish = match state {
        WantedState::Running => JobWish::Continue,
        WantedState::Paused => JobWish::Pause,
        WantedState::Stopped => JobWish::Stop,
    };
    let (is_changed, job) = call.mandate.wish_enrolment(id, wish).await?.ok_or(Fault::NotFound)?;
    if !is_changed {
        let text = format!("the enrolment is {}, or another one is open", job.state.as_str());
        return Err(Fault::Conflict(text));
    }
    Ok(HttpResponse::Ok().json(EnrolmentJob::of(&job)))
}

impl From<EnrolmentStatus> for EnrolmentEntry {
    fn from(status: EnrolmentStatus) -> Self {
        Self {
            model_set: status.model_set,
            contract: status.contract.to_string(),
            started_at: moment(status.started_at),
            finished_at: status.finished_at.map(moment),
            completed_at: status.completed_at.map(moment),
            processes: status.processes,
            open_ranges: status.open_ranges,
            templates: status.tally.templates,
            covered: status.tally.covered,
            unusable: status.tally.unusable,
            failed: status.tally.failed,
        }
    }
}

impl EnrolmentJob {
    fn of(job: &Job) -> Self {
        Self {
            id: job.id.to_string(),
            model_set: job.subject["model_set"].as_str().unwrap_or_default().to_owned(),
            operator: job.operator.clone(),
            state: job.state.as_str(),
            started_at: moment(job.started_at),
            ended_at: job.ended_at.map(moment),
            people: job.progress.done,
            // Statistics that are older than the people say less than was counted.
            estimated_people: job.progress.total.filter(|total| *total >= job.progress.done),
            error: job.error.clone(),
        }
    }
}
