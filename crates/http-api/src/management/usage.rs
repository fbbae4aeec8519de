//! Numbers of calls, which are counted from the audit trail.

use std::time::Duration;

use actix_web::HttpResponse;
use chrono::{NaiveDate, TimeDelta};
use padan_domain::midnight_in_jakarta;
use padan_verification::AuditFilter;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{
    call::Call,
    fault::Fault,
    trail::{DEFAULT_SPAN, earlier},
};

/// The days of the usage.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UsageQuery {
    client: Option<String>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

/// Numbers of calls.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    rows: Vec<UsageOfDay>,
}

/// The calls of a client on a day in Jakarta with one outcome.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageOfDay {
    client: String,
    /// yyyy-mm-dd
    day: String,
    endpoint: String,
    /// Whether the calls were answered from the table of test people.
    sandbox: bool,
    /// A reason code.
    outcome: String,
    calls: i64,
}

const MAX_USAGE: TimeDelta = TimeDelta::days(366);
/// How long the count of calls may take.
const USAGE_TIME: Duration = Duration::from_secs(30);

pub(super) async fn show(call: Call) -> Result<HttpResponse, Fault> {
    let UsageQuery { client, from, to } = call.query()?;
    let start = |day: Option<NaiveDate>| {
        day.map(|day| midnight_in_jakarta(day).ok_or_else(|| Fault::invalid("the day is out of range")))
    };
    let to = start(to).transpose()?.unwrap_or_else(|| call.mandate.now() + TimeDelta::days(1));
    let from = start(from).transpose()?.unwrap_or_else(|| earlier(to, DEFAULT_SPAN));
    if to - from > MAX_USAGE {
        return Err(Fault::invalid("at most 366 days are counted at once"));
    }
    let filter = AuditFilter { client, from: Some(from), to: Some(to), ..AuditFilter::default() };
    let counted = timeout(USAGE_TIME, call.mandate.usage(&filter)).await;
    let rows =
        counted.map_err(|_| Fault::Unavailable("the count took too long: name fewer days".to_owned()))??;
    let rows = rows.into_iter().map(|row| UsageOfDay {
        client: row.client,
        day: row.day.to_string(),
        endpoint: row.endpoint,
        sandbox: row.sandbox,
        outcome: row.reason,
        calls: row.calls,
    });
    Ok(HttpResponse::Ok().json(Usage { rows: rows.collect() }))
}
