use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use padan_store::{AuditFilter, AuditLog, UsageRow};
use tokio::runtime::Runtime;

use super::timestamp::Timestamp;
use crate::{settings::SettingsArguments, telemetry};

/// Print how many calls each client made, by day, endpoint and outcome
///
/// Counts the rows of the audit trail, including those of pruned months. Days are days in Asia/Jakarta.
#[derive(Debug, Args)]
pub(crate) struct UsageArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Only calls of this client
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Only calls on or after this day: yyyy-mm-dd
    #[arg(long, value_name = "DAY")]
    from: Option<Timestamp>,
    /// Only calls before this day
    #[arg(long, value_name = "DAY")]
    to: Option<Timestamp>,
    /// Print comma-separated values instead of a table
    #[arg(long)]
    csv: bool,
}

const COLUMNS: [&str; 5] = ["client", "day", "endpoint", "outcome", "calls"];

/// Prints the counts.
pub(crate) fn run(arguments: &UsageArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let filter = AuditFilter {
        nik: None,
        client: arguments.client.clone(),
        from: arguments.from.map(Timestamp::into_inner),
        to: arguments.to.map(Timestamp::into_inner),
    };
    let rows =
        Runtime::new()?.block_on(async { AuditLog::open(&settings.store).await?.usage(&filter).await })?;
    let records: Vec<[String; 5]> = rows.into_iter().map(record).collect();
    if arguments.csv {
        write_csv(&records)?;
    } else {
        write_table(&records)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn record(row: UsageRow) -> [String; 5] {
    [row.client, row.day.to_string(), row.endpoint, row.reason, row.calls.to_string()]
}

fn write_csv(records: &[[String; 5]]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(io::stdout());
    writer.write_record(COLUMNS)?;
    for record in records {
        writer.write_record(record)?;
    }
    Ok(writer.flush()?)
}

fn write_table(records: &[[String; 5]]) -> Result<()> {
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|column| {
            records
                .iter()
                .map(|record| record[column].len())
                .chain([COLUMNS[column].len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = io::stdout().lock();
    let mut line = |cells: [&str; 5]| {
        let [client, day, endpoint, outcome, calls] = cells;
        writeln!(
            out,
            "{client:<0$}  {day:<1$}  {endpoint:<2$}  {outcome:<3$}  {calls:>4$}",
            widths[0], widths[1], widths[2], widths[3], widths[4]
        )
    };
    line(COLUMNS)?;
    for record in records {
        line(record.each_ref().map(String::as_str))?;
    }
    Ok(())
}
