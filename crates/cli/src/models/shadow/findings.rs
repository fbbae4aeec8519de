use std::{fmt::Write as _, io::Write as _};

use anyhow::Result;
use padan_domain::{Clock, PercentageBins};
use padan_evaluation::exact_interval;
use padan_inference::Catalogue;
use padan_store::{ShadowModel, ShadowOutcome, Store};
use padan_verification::{Exchange, ShadowFindings};
use serde_json::{Value, json};

use crate::output::{print_json, stdout};

/// What was counted, and what is measured now.
pub(crate) struct Findings {
    found: ShadowFindings,
    /// `None` when the measurement has ended.
    shadow: Option<ShadowModel>,
}

impl Findings {
    /// Reads the counts of the last days, today included.
    pub(crate) async fn read(
        store: &Store,
        catalogue: &Catalogue,
        exchange: Exchange<'_>,
        days: u32,
    ) -> Result<Self> {
        let found = ShadowFindings::read(store, catalogue, exchange, days, &Clock::System).await?;
        Ok(Self { found, shadow: None })
    }

    pub(crate) fn with_shadow(self, shadow: ShadowModel) -> Self {
        Self { shadow: Some(shadow), ..self }
    }

    /// What was counted, in lines for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let ShadowFindings { active, other, from, summary, .. } = &self.found;
        if summary.requests() == 0 {
            return vec![format!(
                "No request was measured with {other} beside {active} under their present calibrations, from {from} on."
            )];
        }
        let mut lines = vec![format!(
            "{} requests were measured with {other} beside {active}, from {from} on; {} were compared.",
            summary.requests(),
            summary.compared()
        )];
        lines.extend(self.uncompared());
        lines.extend(self.changes());
        lines.extend(summary.cpu_of_one().map(|cpu| {
            format!("{other} takes {:.3} s of processor time a selfie, on one thread.", cpu.as_secs_f64())
        }));
        lines
    }

    /// Why requests were not compared.
    fn uncompared(&self) -> Vec<String> {
        let outcomes =
            self.found.summary.outcomes.iter().filter(|(outcome, _)| **outcome != ShadowOutcome::Compared);
        outcomes.map(|(outcome, requests)| format!("  {requests} not: {}", explanation(*outcome))).collect()
    }

    /// How decisions would change.
    fn changes(&self) -> Vec<String> {
        let ShadowFindings { active, other, summary, .. } = &self.found;
        let decisions = summary.decisions();
        if decisions == 0 {
            return vec![
                "None of them has the right name and date of birth, so that no face decided.".to_owned(),
            ];
        }
        let share = |count: u64| {
            let (low, high) = exact_interval(count as f64 / decisions as f64, decisions);
            let [value, low, high] = [count as f64 / decisions as f64, low, high].map(|share| share * 100.0);
            format!("{count} ({value:.2} %, 95 % interval {low:.2} to {high:.2})")
        };
        let mut lines = vec![
            format!(
                "Of {decisions} requests in which name and date of birth match, so that the face decides,"
            ),
            format!("  {} would pass with {other} and do not with {active},", share(summary.would_pass)),
            format!("  {} pass with {active} and would not with {other}.", share(summary.would_fail)),
        ];
        let changed: Vec<_> = summary
            .decided
            .iter()
            .filter(|([percentage, shadow], _)| {
                PercentageBins::passes(*percentage) != PercentageBins::passes(*shadow)
            })
            .collect();
        if !changed.is_empty() {
            lines.push(format!("  {:<16}{:<16}requests", limited(active), limited(other)));
        }
        lines.extend(changed.into_iter().map(|([percentage, shadow], requests)| {
            format!("  {:<16}{:<16}{requests}", interval(*percentage), interval(*shadow))
        }));
        lines
    }

    fn json(&self) -> Value {
        let Self { found: ShadowFindings { active, other, pair, from, summary }, shadow } = self;
        let outcomes: serde_json::Map<_, _> = ShadowOutcome::ALL
            .into_iter()
            .map(|outcome| {
                let requests = summary.outcomes.get(&outcome).copied().unwrap_or(0);
                (outcome.as_str().to_owned(), requests.into())
            })
            .collect();
        let percentages = summary.percentages.iter().map(|(cell @ [percentage, shadow], requests)| {
            json!({
                "percentage": percentage,
                "shadow_percentage": shadow,
                "requests": requests,
                "decisions": summary.decided.get(cell).copied().unwrap_or(0),
            })
        });
        json!({
            "measured": shadow.is_some(),
            "model_set": other,
            "contract": pair.shadow.as_str(),
            "calibration": pair.shadow_calibration,
            "share": shadow.as_ref().map(|shadow| shadow.share.value()),
            "began_at": shadow.as_ref().map(|shadow| shadow.began_at),
            "active_model_set": active,
            "active_contract": pair.active.contract.as_str(),
            "active_calibration": pair.active.calibration,
            "from": from.to_string(),
            "requests": summary.requests(),
            "outcomes": outcomes,
            "decisions": summary.decisions(),
            "would_pass": summary.would_pass,
            "would_fail": summary.would_fail,
            "cpu_seconds_per_selfie": summary.cpu_of_one().map(|cpu| cpu.as_secs_f64()),
            "percentages": percentages.collect::<Vec<_>>(),
        })
    }
}

/// Prints what is measured and what was counted, or that nothing is measured.
pub(super) fn print_state(findings: Option<&Findings>, as_json: bool) -> Result<()> {
    let Some(findings) = findings else {
        if as_json {
            return print_json(&json!({ "measured": false }));
        }
        let mut out = stdout();
        writeln!(out, "No model set is measured. `padan models shadow SET` begins to measure one.")?;
        return Ok(());
    };
    if as_json {
        return print_json(&findings.json());
    }
    let mut text = String::new();
    if let Some(shadow) = &findings.shadow {
        writeln!(
            text,
            "{} (contract {}, calibration {}) is measured on {} % of the requests since {}.",
            findings.found.other,
            findings.found.pair.shadow,
            findings.found.pair.shadow_calibration,
            shadow.share.percent(),
            shadow.began_at.format("%Y-%m-%d %H:%M UTC")
        )?;
        writeln!(
            text,
            "{} (contract {}, calibration {}) decides.\n",
            findings.found.active,
            findings.found.pair.active.contract,
            findings.found.pair.active.calibration
        )?;
    }
    for line in findings.lines() {
        writeln!(text, "{line}")?;
    }
    write!(stdout(), "{text}")?;
    Ok(())
}

fn explanation(outcome: ShadowOutcome) -> &'static str {
    match outcome {
        ShadowOutcome::Compared => "compared",
        ShadowOutcome::PhotoRejected => "it would have refused the selfie (photo_rejected)",
        ShadowOutcome::NoTemplate => "no template of the present portrait; enrol again (no_template)",
        ShadowOutcome::TemplateUnusable => "it finds no usable face in the portrait (template_unusable)",
        ShadowOutcome::Busy => "the machine had no capacity to spare (busy)",
        ShadowOutcome::NotLoaded => "the set was not loaded (not_loaded)",
        ShadowOutcome::Store => "the store did not answer (store)",
        ShadowOutcome::Engine => "its engine failed (engine)",
    }
}

/// An interval of percentages by its beginning.
fn interval(start: u8) -> String {
    format!("{start} to {} %", start + PercentageBins::WIDTH)
}

/// The beginning of a name that fits into a column.
fn limited(name: &str) -> String {
    name.chars().take(15).collect()
}
