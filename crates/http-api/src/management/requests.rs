//! The requests of clients: searched by client, reason and time, and as they are answered.

use std::time::Duration;

use actix_web::{Error, HttpResponse, web::Bytes};
use futures_util::stream::poll_fn;
use padan_domain::ReasonCode;
use padan_verification::Watch;
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use utoipa::ToSchema;

use super::{
    call::Call,
    fault::Fault,
    trail::{AuditEntry, DEFAULT_SPAN, Page, search},
};
use crate::status::status_of;

/// A search of the requests of clients. All criteria must hold, and each is compared as a whole.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RequestList {
    client: Option<String>,
    /// A reason code.
    reason: Option<String>,
    /// Whether only requests are listed that were answered without a result, with another status than 200.
    refused: bool,
    /// Rows at this moment or later; 31 days ago by default.
    from: Option<String>,
    /// Rows before this moment.
    to: Option<String>,
    /// Rows of a page, 1 to 500; 50 by default.
    limit: Option<u16>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// The requests to watch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watched {
    client: Option<String>,
}

/// How long a stream of rows lasts. Then the browser asks again, and the operator is looked up again.
const WATCH_TIME: Duration = Duration::from_mins(2);
/// The time between two looks for new rows.
const INTERVAL: Duration = Duration::from_secs(1);
/// Looks without a new row after which an empty line keeps the connection open.
const QUIET_LOOKS: u32 = 15;
/// Events that wait for the reader.
const QUEUE: usize = 64;

pub(super) async fn list(call: Call) -> Result<HttpResponse, Fault> {
    let RequestList { client, reason, refused, from, to, limit, cursor } = call.json()?;
    let page = Page { from, to, limit, cursor };
    let mut query = page.query(call.mandate.now(), Some(DEFAULT_SPAN))?;
    (query.kind, query.client, query.reason) = (Some("request".to_owned()), client, reason);
    if refused {
        query.except_reasons = reasons_of_results();
    }
    search(&call, query).await
}

/// The reasons of answers with a result.
fn reasons_of_results() -> Vec<String> {
    let with_result = ReasonCode::ALL.iter().filter(|reason| status_of(**reason).is_success());
    with_result.map(|reason| reason.as_str().to_owned()).collect()
}

/// Sends each row as an event `row`.
pub(super) async fn watch(call: Call) -> Result<HttpResponse, Fault> {
    let Watched { client } = call.query()?;
    let watch = call.mandate.watch(client).await?.ok_or(Fault::Busy)?;
    let (events, mut queue) = mpsc::channel(QUEUE);
    actix_web::rt::spawn(send_events(watch, events));
    let stream = poll_fn(move |context| queue.poll_recv(context).map(|event| event.map(Ok::<Bytes, Error>)));
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(stream))
}

/// Sends new rows until the time is over or the reader has left.
async fn send_events(mut watch: Watch, events: mpsc::Sender<Bytes>) {
    let end = Instant::now() + WATCH_TIME;
    // The head of the answer is sent with the first bytes.
    let mut quiet = QUIET_LOOKS;
    while Instant::now() < end {
        let rows = watch.new_rows().await.unwrap_or_else(|error| {
            tracing::warn!("new rows of the audit trail cannot be read: {error}");
            Vec::new()
        });
        quiet = if rows.is_empty() { quiet + 1 } else { 0 };
        let mut text: String = rows.iter().map(event_of).collect();
        if quiet > QUIET_LOOKS {
            text.push_str(":\n\n");
            quiet = 0;
        }
        // A reader that takes nothing keeps its place no longer than others.
        let is_sent =
            text.is_empty() || matches!(timeout_at(end, events.send(text.into())).await, Ok(Ok(())));
        if !is_sent || events.is_closed() {
            return;
        }
        sleep(INTERVAL).await;
    }
}

fn event_of(row: &padan_verification::AuditRow) -> String {
    let data = serde_json::to_string(&AuditEntry::of(row)).unwrap_or_default();
    format!("event: row\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_results_are_those_that_clients_get_with_200() {
        let reasons = reasons_of_results();
        for reason in ["VERIFIED", "FACE_MISMATCH", "NIK_NOT_FOUND", "NOT_MATCH"] {
            assert!(reasons.contains(&reason.to_owned()), "{reason}");
        }
        for reason in ["NO_FACE", "FORBIDDEN", "STORE_UNAVAILABLE", "OVERLOADED"] {
            assert!(!reasons.contains(&reason.to_owned()), "{reason}");
        }
    }
}
