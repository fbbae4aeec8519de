use std::{io::Write as _, str::FromStr};

use anyhow::{Context as _, Error, Result, bail};
use chrono::{DateTime, Days, Months, SecondsFormat, Utc};
use clap::Args;
use padan_store::{AdminAct, AnnouncedAct, AuditLog, KeySet, PrunedMonths};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    confirmation::ConfirmationArguments,
    exit_status::ExitStatus,
    output::{OutputArguments, print_json, stdout},
    service,
    settings::SettingsArguments,
};

/// Delete old months of the audit trail
///
/// Only months whose rows are all older than the given age are deleted, and none within 90 days of its end. All rows of
/// a month are verified first. If one was changed, deleted or added by others, the month and the later ones stay. Each
/// chain that loses rows gets a signed anchor, which names the month and the time of the pruning. With it, `padan audit
/// verify` distinguishes pruned rows from rows that were deleted in another way. The counts of `padan usage` stay. The
/// database user needs the role `padan_operator`.
#[derive(Debug, Args)]
pub(crate) struct AuditPruneArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Minimum age of the rows to delete, such as 730days, 24months or 5years; at least 90 days
    #[arg(long, value_name = "AGE")]
    older_than: Age,
    #[command(flatten)]
    confirmation: ConfirmationArguments,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Days(u64),
    Months(u32),
}

/// Deletes the months and prints their names, and why others stay.
pub(crate) fn run(arguments: &AuditPruneArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let before = arguments.older_than.before(Utc::now()).context("--older-than: the age is too large")?;
    let confirmation = arguments.confirmation;
    let pruned = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::Audit)?;
        if !confirmation.is_given() {
            let found = AuditLog::open(&settings.store).await?.try_pruning(before).await?;
            if confirmation.dry_run {
                return Ok(found);
            }
            confirmation.confirm(&plan(&found, before))?;
        }
        let after = json!({ "kept_since": before });
        service::announce(&store, AnnouncedAct { act: AdminAct::AuditPruned, before: Value::Null, after })
            .await?;
        anyhow::Ok(AuditLog::open(&settings.store).await?.prune(before).await?)
    })?;
    report(&pruned, before, confirmation.dry_run, arguments.output.json)?;
    Ok(ExitStatus::success_if(pruned.kept.is_empty()))
}

fn plan(found: &PrunedMonths, before: DateTime<Utc>) -> Vec<String> {
    let deleted = match found.deleted.as_slice() {
        [] => "Deletes no month: none is old enough.".to_owned(),
        months => format!("Deletes {} months of the audit trail: {}.", months.len(), months.join(", ")),
    };
    let kept = found.kept.iter().map(|reason| format!("Keeps {reason}."));
    let since = format!("Keeps all rows since {}, and the counts of `padan usage`.", whole_seconds(before));
    std::iter::once(deleted).chain(kept).chain([since]).collect()
}

fn report(pruned: &PrunedMonths, before: DateTime<Utc>, dry_run: bool, as_json: bool) -> Result<()> {
    let PrunedMonths { deleted, kept } = pruned;
    if as_json {
        let kept_since = whole_seconds(before);
        let document = json!({ "dry_run": dry_run, "kept_since": kept_since, "deleted_months": deleted, "kept_months": kept });
        return print_json(&document);
    }
    if dry_run {
        return ConfirmationArguments::print(&plan(pruned, before));
    }
    let mut out = stdout();
    for month in deleted {
        writeln!(out, "{month}")?;
    }
    eprintln!("{} months deleted. Rows since {} were kept.", deleted.len(), whole_seconds(before));
    for reason in kept {
        eprintln!("Kept {reason}.");
    }
    Ok(())
}

fn whole_seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Age {
    fn before(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Days(days) => now.checked_sub_days(Days::new(days)),
            Self::Months(months) => now.checked_sub_months(Months::new(months)),
        }
    }
}

impl FromStr for Age {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let count: u32 = text[..text.len() - unit.len()].parse().unwrap_or(0);
        match (count, unit.trim()) {
            (1.., "d" | "day" | "days") => Ok(Self::Days(count.into())),
            (1.., "month" | "months") => Ok(Self::Months(count)),
            (1..=1000, "y" | "year" | "years") => Ok(Self::Months(count * 12)),
            _ => bail!("expected an age such as 730days, 24months or 5years"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_counted_on_the_calendar() {
        let before = |age: &str| {
            let now = "2026-03-31T12:00:00Z".parse().unwrap();
            age.parse::<Age>().unwrap().before(now).unwrap().to_rfc3339()
        };
        assert_eq!(before("1month"), "2026-02-28T12:00:00+00:00");
        assert_eq!(before("31days"), "2026-02-28T12:00:00+00:00");
        assert_eq!(before("5 years"), "2021-03-31T12:00:00+00:00");
        for wrong in ["", "0days", "days", "12", "12h", "-1days", "99999999999years", "5000years"] {
            assert!(wrong.parse::<Age>().is_err(), "{wrong}");
        }
    }
}
