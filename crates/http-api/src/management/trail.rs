//! Searches of the audit trail.

use actix_web::HttpResponse;
use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::NationalId;
use padan_verification::{AuditPosition, AuditQuery, AuditRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    call::{Call, moment, parsed_moment},
    fault::Fault,
    hex::hex,
};

/// The time and the page of a search.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RequestSearch {
    /// The request's id, as the answer to the client had it in `Recorded-Request-Id` or `Request-Id`.
    request_id: String,
    /// Rows at this moment or later; 31 days ago by default.
    from: Option<String>,
    /// Rows before this moment.
    to: Option<String>,
    /// Rows of a page, 1 to 500; 50 by default.
    limit: Option<u16>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// A search of the trail. All criteria must hold, and each is compared as a whole.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditSearch {
    /// `request`, `forget` or `admin`.
    kind: Option<String>,
    client: Option<String>,
    /// A reason code of requests, or the act of an operator.
    reason: Option<String>,
    /// Rows at this moment or later; 31 days ago by default.
    from: Option<String>,
    /// Rows before this moment.
    to: Option<String>,
    /// Rows of a page, 1 to 500; 50 by default.
    limit: Option<u16>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// A search for the rows about a person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonSearch {
    /// The 16 digits of the identity number. Only its keyed hash is looked up.
    nik: String,
    /// Rows at this moment or later; all by default.
    from: Option<String>,
    /// Rows before this moment.
    to: Option<String>,
    /// Rows of a page, 1 to 500; 50 by default.
    limit: Option<u16>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// A page of rows, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    rows: Vec<AuditEntry>,
    /// The cursor of the next page; null on the last one.
    next: Option<String>,
}

/// A row of the audit trail. Its HMAC was not checked: this takes a verification of the trail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    at: String,
    /// `request`, `forget` or `admin`.
    kind: String,
    request_id: Option<String>,
    client: Option<String>,
    endpoint: Option<String>,
    /// Whether the client is a sandbox client, which is answered from the table of test people.
    sandbox: bool,
    reason: String,
    nik_plausible: Option<bool>,
    /// What was reported of each field; of rows of kind `admin`, who did what from where.
    #[schema(value_type = Object)]
    fields: Value,
    /// For each name that matched, the rules that this needed.
    #[schema(value_type = Object)]
    name_rules: Value,
    percentage: Option<f64>,
    /// The score of passive liveness of the selfie; null if it was not judged.
    spoof: Option<f64>,
    contract: Option<String>,
    calibration: Option<String>,
    milliseconds: f64,
    writer: String,
    sequence: i64,
    mac: String,
}

const DEFAULT_PAGE: u16 = 50;
const MAX_PAGE: u16 = 500;
pub(super) const DEFAULT_SPAN: TimeDelta = TimeDelta::days(31);

pub(super) async fn search_request(call: Call) -> Result<HttpResponse, Fault> {
    let RequestSearch { request_id, from, to, limit, cursor } = call.json()?;
    if request_id.is_empty() {
        return Err(Fault::invalid("request_id is required"));
    }
    let page = Page { from, to, limit, cursor };
    let mut query = page.query(call.mandate.now(), Some(DEFAULT_SPAN))?;
    (query.request_id, query.kind) = (Some(request_id), Some("request".to_owned()));
    search(&call, query).await
}

pub(super) async fn search_trail(call: Call) -> Result<HttpResponse, Fault> {
    let AuditSearch { kind, client, reason, from, to, limit, cursor } = call.json()?;
    let page = Page { from, to, limit, cursor };
    let mut query = page.query(call.mandate.now(), Some(DEFAULT_SPAN))?;
    (query.kind, query.client, query.reason) = (known_kind(kind)?, client, reason);
    search(&call, query).await
}

pub(super) async fn search_person(call: Call) -> Result<HttpResponse, Fault> {
    let PersonSearch { nik, from, to, limit, cursor } = call.json()?;
    let page = Page { from, to, limit, cursor };
    let mut query = page.query(call.mandate.now(), None)?;
    query.nik = Some(parsed_nik(&nik)?);
    search(&call, query).await
}

pub(super) async fn search(call: &Call, query: AuditQuery) -> Result<HttpResponse, Fault> {
    let limit = query.limit;
    // One more row shows whether there is another page.
    let mut rows = call.mandate.search(AuditQuery { limit: limit + 1, ..query }).await?;
    let has_more = rows.len() > usize::from(limit);
    rows.truncate(limit.into());
    let next = rows.last().filter(|_| has_more).map(|row| AuditPosition::of(row).to_string());
    Ok(HttpResponse::Ok().json(AuditPage { rows: rows.iter().map(AuditEntry::of).collect(), next }))
}

/// The time and the page of a search, as it was sent.
pub(super) struct Page {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) limit: Option<u16>,
    pub(super) cursor: Option<String>,
}

impl Page {
    pub(super) fn query(self, now: DateTime<Utc>, span: Option<TimeDelta>) -> Result<AuditQuery, Fault> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Fault::Invalid(format!("limit must be 1 to {MAX_PAGE}")));
        }
        let to = self.to.as_deref().map(parsed_moment).transpose()?;
        // Rows of a process whose clock is ahead are found too.
        let to = to.unwrap_or(now + TimeDelta::days(1));
        let from = self.from.as_deref().map(parsed_moment).transpose()?;
        let from = from.unwrap_or_else(|| span.map_or(DateTime::UNIX_EPOCH, |span| earlier(to, span)));
        let before = self.cursor.as_deref().map(str::parse).transpose();
        Ok(AuditQuery {
            request_id: None,
            nik: None,
            kind: None,
            client: None,
            reason: None,
            except_reasons: Vec::new(),
            from,
            to,
            before: before.map_err(|_| Fault::invalid("the cursor is not one that a page had"))?,
            limit,
        })
    }
}

pub(super) fn earlier(at: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
    at.checked_sub_signed(span).unwrap_or(DateTime::UNIX_EPOCH)
}

pub(super) fn parsed_nik(text: &str) -> Result<NationalId, Fault> {
    text.parse().map_err(|_| Fault::invalid("nik must be the 16 digits of an identity number"))
}

pub(super) fn known_kind(kind: Option<String>) -> Result<Option<String>, Fault> {
    match kind.as_deref() {
        None | Some("request" | "forget" | "admin") => Ok(kind),
        Some(_) => Err(Fault::invalid("kind must be request, forget or admin")),
    }
}

/// A JSON object, or its text if it is none.
fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

impl AuditEntry {
    pub(super) fn of(row: &AuditRow) -> Self {
        Self {
            at: moment(row.at),
            kind: row.kind.clone(),
            request_id: row.request_id.clone(),
            client: row.client.clone(),
            endpoint: row.endpoint.clone(),
            sandbox: row.sandbox,
            reason: row.reason.clone(),
            nik_plausible: row.nik_plausible,
            fields: object(&row.fields),
            name_rules: row.name_rules.as_deref().map_or(Value::Null, object),
            percentage: row.percentage,
            spoof: row.spoof,
            contract: row.contract_id.clone(),
            calibration: row.calibration_id.clone(),
            milliseconds: row.milliseconds,
            writer: row.writer.to_string(),
            sequence: row.sequence,
            mac: hex(&row.mac),
        }
    }
}
