//! The export of the audit trail.

use std::time::Duration;

use actix_web::{Error, HttpResponse, error::ErrorInternalServerError, web::Bytes};
use futures_util::stream::poll_fn;
use padan_verification::{AuditFilter, AuditLog, AuditRow};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::timeout};
use utoipa::ToSchema;

use super::{
    call::{Call, parsed_moment},
    fault::Fault,
    hex::hex,
    trail::{AuditEntry, known_kind, parsed_nik},
};

/// The rows to export.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditExport {
    /// Only rows about this person.
    nik: Option<String>,
    /// `request`, `forget` or `admin`.
    kind: Option<String>,
    client: Option<String>,
    /// Rows at this moment or later.
    from: Option<String>,
    /// Rows before this moment.
    to: Option<String>,
}

/// A row of an export: the same, with the keyed hash of the person.
#[derive(Serialize)]
struct ExportedEntry {
    #[serde(flatten)]
    entry: AuditEntry,
    person_key: Option<String>,
    person_key_id: Option<String>,
}

/// Rows of an export that wait for the reader.
const EXPORT_QUEUE: usize = 64;
/// How long the reader of an export may take no row. Then the export ends, so that others can run.
const READER_TIME: Duration = Duration::from_mins(1);

impl AuditExport {
    /// The rows that it selects.
    pub(super) fn filter(self) -> Result<AuditFilter, Fault> {
        let Self { nik, kind, client, from, to } = self;
        Ok(AuditFilter {
            nik: nik.as_deref().map(parsed_nik).transpose()?,
            kind: known_kind(kind)?,
            client,
            from: from.as_deref().map(parsed_moment).transpose()?,
            to: to.as_deref().map(parsed_moment).transpose()?,
            after: None,
        })
    }
}

/// A row as a line of an export.
pub(super) fn line_of(row: &AuditRow) -> Vec<u8> {
    let mut line = serde_json::to_vec(&ExportedEntry::of(row)).unwrap_or_default();
    line.push(b'\n');
    line
}

pub(super) async fn export(call: Call) -> Result<HttpResponse, Fault> {
    let filter = call.json::<AuditExport>()?.filter()?;
    let permit = call.mandate.try_begin_export().ok_or(Fault::Busy)?;
    let log = call.mandate.open_export(&filter).await?;
    let (rows, mut lines) = mpsc::channel(EXPORT_QUEUE);
    actix_web::rt::spawn(async move {
        let is_whole = write_rows(log, &filter, &rows).await;
        drop(permit);
        if !is_whole {
            // Ends the transfer without its last chunk, so that nobody takes the part for the whole.
            let _ = rows.send(Err(ErrorInternalServerError("the export is not complete"))).await;
        }
    });
    let stream = poll_fn(move |context| lines.poll_recv(context));
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").streaming(stream))
}

/// Sends a line for each row, and returns whether all were sent. When the reader has left or stalls, the export ends.
async fn write_rows(
    mut log: AuditLog,
    filter: &AuditFilter,
    lines: &mpsc::Sender<Result<Bytes, Error>>,
) -> bool {
    let exported = log
        .export_at_pace(filter, async |row| {
            let sent = timeout(READER_TIME, lines.send(Ok(line_of(&row).into()))).await;
            sent.map_err(drop)?.map_err(drop)
        })
        .await;
    match exported {
        Ok(Ok(())) => return true,
        Ok(Err(())) => tracing::warn!("an export of the audit trail ended before its reader had all rows"),
        Err(error) => tracing::error!("an export of the audit trail failed: {error}"),
    }
    false
}

impl ExportedEntry {
    fn of(row: &AuditRow) -> Self {
        Self {
            entry: AuditEntry::of(row),
            person_key: row.person_key.as_deref().map(hex),
            person_key_id: row.person_key_id.clone(),
        }
    }
}
