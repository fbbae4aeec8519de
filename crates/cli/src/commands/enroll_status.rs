//! `padan enroll --status`.

use std::io::Write as _;

use anyhow::Result;
use padan_store::{ActiveModel, EnrolmentStatus, Overview};
use serde_json::{Value, json};

use crate::{
    exit_status::ExitStatus,
    output::{print_json, stdout},
};

/// Prints the active model and the progress of all enrolments.
pub(super) async fn print(store: &Overview, as_json: bool) -> Result<ExitStatus> {
    let active = store.active_model().await?;
    let enrolments = store.enrolments().await?;
    if as_json {
        let active = active.as_ref().map(json_of_active);
        let enrolments: Vec<_> = enrolments.iter().map(json_of_enrolment).collect();
        print_json(&json!({ "active": active, "enrolments": enrolments }))?;
    } else {
        print_text(active.as_ref(), &enrolments)?;
    }
    Ok(ExitStatus::Success)
}

fn json_of_active(active: &ActiveModel) -> Value {
    json!({ "model_set": active.model_set, "contract": active.contract.as_str() })
}

fn json_of_enrolment(enrolment: &EnrolmentStatus) -> Value {
    json!({
        "model_set": enrolment.model_set,
        "contract": enrolment.contract.as_str(),
        "started_at": enrolment.started_at.to_rfc3339(),
        "finished_at": enrolment.finished_at.map(|at| at.to_rfc3339()),
        "completed_at": enrolment.completed_at.map(|at| at.to_rfc3339()),
        "processes": enrolment.processes,
        "open_ranges": enrolment.open_ranges,
        "templates": enrolment.tally.templates,
        "covered_faces": enrolment.tally.covered,
        "without_usable_face": enrolment.tally.unusable,
        "failed": enrolment.tally.failed,
    })
}

fn print_text(active: Option<&ActiveModel>, enrolments: &[EnrolmentStatus]) -> Result<()> {
    let mut out = stdout();
    match active {
        Some(active) => writeln!(out, "active: {}, contract {}", active.model_set, active.contract)?,
        None => writeln!(out, "active: none, each service uses inference.model_set")?,
    }
    if enrolments.is_empty() {
        writeln!(out, "No enrolment has been started yet.")?;
    }
    for EnrolmentStatus {
        contract, model_set, started_at, finished_at, tally, open_ranges, processes, ..
    } in enrolments
    {
        let state = match finished_at {
            Some(at) => format!("finished {}", at.format("%F %T UTC")),
            None => format!("{processes} processes running, {open_ranges} ranges in progress"),
        };
        writeln!(
            out,
            "{model_set}, contract {contract}: started {}, {state}; in finished ranges: {} templates, {} of covered or \
             cut-off faces, {} people without a usable face, {} failed",
            started_at.format("%F %T UTC"),
            tally.templates,
            tally.covered,
            tally.unusable,
            tally.failed
        )?;
    }
    Ok(())
}
