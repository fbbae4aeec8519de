use std::{
    io::{self, Write as _},
    process::ExitCode,
    str::FromStr,
};

use anyhow::{Context as _, Error, Result, bail};
use chrono::{DateTime, Days, Months, SecondsFormat, Utc};
use clap::Args;
use padan_store::{AdminAct, AnnouncedAct, AuditLog, KeySet, PrunedMonths};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{service, settings::SettingsArguments, telemetry};

/// Delete old months of the audit trail
///
/// Only months whose rows are all older than the given age are deleted, and none within 90 days of its end. All rows of
/// a month are verified first. If one was changed, deleted or added by others, the month and the later ones stay. Each
/// chain that loses rows gets a signed anchor, which names the month and the time of the pruning. With it, `padan audit
/// verify` distinguishes pruned rows from rows that were deleted in another way. The counts of `padan usage` stay. The
/// database user needs the role `padan_operator`. Exits with 1 if a month stays that is old enough.
#[derive(Debug, Args)]
pub(crate) struct AuditPruneArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Minimum age of the rows to delete, such as 730days, 24months or 5years; at least 90 days
    #[arg(long, value_name = "AGE")]
    older_than: Age,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Days(u64),
    Months(u32),
}

/// Deletes the months and prints their names, and why others stay.
pub(crate) fn run(arguments: &AuditPruneArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let before = arguments.older_than.before(Utc::now()).context("--older-than: the age is too large")?;
    let PrunedMonths { deleted, kept } = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::Audit)?;
        let after = json!({ "kept_since": before });
        service::announce(&store, AnnouncedAct { act: AdminAct::AuditPruned, before: Value::Null, after })
            .await?;
        anyhow::Ok(AuditLog::open(&settings.store).await?.prune(before).await?)
    })?;
    let mut out = io::stdout().lock();
    for month in &deleted {
        writeln!(out, "{month}")?;
    }
    let before = before.to_rfc3339_opts(SecondsFormat::Secs, true);
    eprintln!("{} months deleted. Rows since {before} were kept.", deleted.len());
    for reason in &kept {
        eprintln!("Kept {reason}.");
    }
    Ok(if kept.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
