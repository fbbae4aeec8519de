//! Verifications of the audit trail, which run beside the requests.

use actix_web::HttpResponse;
use padan_verification::{AuditReport, TrailVerification};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Call, moment},
    fault::Fault,
};

/// The last verifications of the trail by this process, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerificationList {
    verifications: Vec<VerificationEntry>,
}

/// A verification of the trail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerificationEntry {
    id: String,
    /// `running`, `intact`, `changed` or `failed`.
    state: &'static str,
    started_at: String,
    ended_at: Option<String>,
    /// Rows that were checked so far.
    checked_rows: u64,
    /// Why it could not be completed.
    error: Option<String>,
    report: Option<VerificationReport>,
}

/// What a verification found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerificationReport {
    rows: u64,
    chains: u64,
    /// Rows about people whose data was erased.
    erased: u64,
    /// Requests that were answered 503 because their rows could not be written.
    unrecorded: u64,
    /// Chains that begin at an anchor of a pruned part.
    pruned: u64,
    fault_count: u64,
    /// The first thousand faults.
    faults: Vec<String>,
}

pub(super) async fn start(call: Call) -> Result<HttpResponse, Fault> {
    let started = call.mandate.start_verification().await?.ok_or(Fault::Busy)?;
    Ok(HttpResponse::Accepted().json(VerificationEntry::of(&started)))
}

pub(super) async fn list(call: Call) -> Result<HttpResponse, Fault> {
    let verifications = call.mandate.verifications();
    let verifications = verifications.iter().map(VerificationEntry::of).collect();
    Ok(HttpResponse::Ok().json(VerificationList { verifications }))
}

pub(super) async fn show(call: Call) -> Result<HttpResponse, Fault> {
    let verifications = call.mandate.verifications();
    let wanted = call.parameter.as_deref();
    let found =
        verifications.iter().find(|verification| Some(verification.id.to_string().as_str()) == wanted);
    Ok(HttpResponse::Ok().json(VerificationEntry::of(found.ok_or(Fault::NotFound)?)))
}

impl VerificationEntry {
    fn of(verification: &TrailVerification) -> Self {
        let outcome = verification.outcome.as_ref();
        let report = outcome.and_then(|outcome| outcome.result.as_ref().ok());
        let error = outcome.and_then(|outcome| outcome.result.as_ref().err());
        let state = match (outcome, report) {
            (None, _) => "running",
            (Some(_), None) => "failed",
            (Some(_), Some(report)) if report.fault_count == 0 => "intact",
            (Some(_), Some(_)) => "changed",
        };
        Self {
            id: verification.id.to_string(),
            state,
            started_at: moment(verification.started_at),
            ended_at: outcome.map(|outcome| moment(outcome.ended_at)),
            checked_rows: verification.checked_rows,
            error: error.cloned(),
            report: report.map(|report| VerificationReport::of(report)),
        }
    }
}

impl VerificationReport {
    fn of(report: &AuditReport) -> Self {
        Self {
            rows: report.rows,
            chains: report.chains,
            erased: report.forgotten,
            unrecorded: report.unrecorded,
            pruned: report.pruned,
            fault_count: report.fault_count,
            faults: report.faults.iter().map(ToString::to_string).collect(),
        }
    }
}
