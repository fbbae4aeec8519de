//! Exports of the audit trail as jobs, which go on when the browser is closed.

use std::time::Duration;

use actix_web::{
    Error, HttpResponse,
    error::ErrorInternalServerError,
    http::header::{CONTENT_DISPOSITION, ContentDisposition, DispositionParam, DispositionType},
    web::Bytes,
};
use futures_util::stream::poll_fn;
use padan_verification::{ExportCriteria, ExportFile, Job};
use serde::Serialize;
use tokio::{sync::mpsc, time::timeout};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    call::{Call, moment},
    export::{AuditExport, line_of},
    fault::Fault,
};

/// The last exports, newest first, of all auditors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportJobs {
    jobs: Vec<ExportJob>,
}

/// An export that the service prepares.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportJob {
    id: String,
    /// Who started it.
    operator: String,
    /// `waiting`, `running`, `interrupted`, `done`, `failed` or `stopped`. One that was interrupted or failed can be
    /// continued.
    state: &'static str,
    started_at: String,
    ended_at: Option<String>,
    /// Rows that were written so far.
    rows: u64,
    /// The size of the file so far.
    bytes: u64,
    /// Why it failed or was stopped.
    error: Option<String>,
    /// When the file is removed; null when there is no file.
    kept_until: Option<String>,
    criteria: Criteria,
}

/// The rows of an export.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Criteria {
    /// Only rows about one person, who is not named.
    one_person: bool,
    kind: Option<String>,
    client: Option<String>,
    from: Option<String>,
    to: String,
}

/// Parts of a file that wait for the reader.
const QUEUE: usize = 2;
/// How long the reader may take no part.
const READER_TIME: Duration = Duration::from_mins(1);

pub(super) async fn start(call: Call) -> Result<HttpResponse, Fault> {
    let filter = call.json::<AuditExport>()?.filter()?;
    let job = call.mandate.start_export(filter, line_of).await?.ok_or(Fault::Busy)?;
    Ok(HttpResponse::Accepted().json(ExportJob::of(&job)?))
}

pub(super) async fn list(call: Call) -> Result<HttpResponse, Fault> {
    let jobs = call.mandate.exports().await?;
    let jobs = jobs.iter().map(ExportJob::of).collect::<Result<_, _>>()?;
    Ok(HttpResponse::Ok().json(ExportJobs { jobs }))
}

pub(super) async fn show(call: Call) -> Result<HttpResponse, Fault> {
    let job = call.mandate.export(call.id()?).await?.ok_or(Fault::NotFound)?;
    Ok(HttpResponse::Ok().json(ExportJob::of(&job)?))
}

pub(super) async fn resume(call: Call) -> Result<HttpResponse, Fault> {
    let id = call.id()?;
    if call.mandate.export(id).await?.is_none() {
        return Err(Fault::NotFound);
    }
    let refused =
        || Fault::Conflict("the export runs, is complete, or has to wait for another one".to_owned());
    let job = call.mandate.continue_export(id, line_of).await?.ok_or_else(refused)?;
    Ok(HttpResponse::Accepted().json(ExportJob::of(&job)?))
}

pub(super) async fn remove(call: Call) -> Result<HttpResponse, Fault> {
    if call.mandate.remove_export(call.id()?).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Fault::NotFound)
    }
}

pub(super) async fn download(call: Call) -> Result<HttpResponse, Fault> {
    let file = call.mandate.open_export_file(call.id()?).await?.ok_or(Fault::NotFound)?;
    let (bytes, name) = (file.job.bytes, format!("audit-{}.jsonl", file.job.id));
    let (parts, mut received) = mpsc::channel(QUEUE);
    actix_web::rt::spawn(send_parts(file, parts));
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(name)],
    };
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((CONTENT_DISPOSITION, disposition))
        // With the length, nobody takes a part for the whole.
        .no_chunking(bytes)
        .streaming(poll_fn(move |context| received.poll_recv(context))))
}

/// Sends the parts of the file, until the reader leaves or stalls.
async fn send_parts(mut file: ExportFile, parts: mpsc::Sender<Result<Bytes, Error>>) {
    loop {
        let part = match file.next_part().await {
            Ok(None) => return,
            Ok(Some(part)) => Ok(part.into()),
            Err(error) => {
                tracing::error!("the file of an export cannot be read: {error}");
                Err(ErrorInternalServerError("the file is not complete"))
            }
        };
        let is_last = part.is_err();
        if !matches!(timeout(READER_TIME, parts.send(part)).await, Ok(Ok(()))) || is_last {
            return;
        }
    }
}

impl Call {
    /// The id in the path.
    pub(super) fn id(&self) -> Result<Uuid, Fault> {
        self.parameter.as_deref().and_then(|id| id.parse().ok()).ok_or(Fault::NotFound)
    }
}

impl ExportJob {
    fn of(job: &Job) -> Result<Self, Fault> {
        let criteria: ExportCriteria = serde_json::from_value(job.subject.clone())
            .map_err(|error| Fault::Internal(error.to_string()))?;
        let ExportCriteria { one_person, kind, client, from, to } = criteria;
        Ok(Self {
            id: job.id.to_string(),
            operator: job.operator.clone(),
            state: job.state.as_str(),
            started_at: moment(job.started_at),
            ended_at: job.ended_at.map(moment),
            rows: job.progress.done,
            bytes: job.bytes,
            error: job.error.clone(),
            kept_until: job.kept_until.map(moment),
            criteria: Criteria { one_person, kind, client, from: from.map(moment), to: moment(to) },
        })
    }
}
