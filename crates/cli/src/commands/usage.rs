use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use padan_store::{AuditFilter, AuditLog, UsageRow};
use tokio::runtime::Runtime;

use super::moment::Moment;
use crate::{settings::SettingsArguments, telemetry};

/// Print how many calls each client made, by day and outcome
///
/// Counts the audit trail, so it agrees with it row by row; months that were pruned are counted as they were then. Days are
/// those of Asia/Jakarta.
#[derive(Debug, Args)]
pub(crate) struct UsageArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Calls of this client
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Calls from this day on: yyyy-mm-dd
    #[arg(long, value_name = "DAY")]
    from: Option<Moment>,
    /// Calls before this day
    #[arg(long, value_name = "DAY")]
    to: Option<Moment>,
    /// Comma-separated values instead of a table
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
        from: arguments.from.map(Moment::into_inner),
        to: arguments.to.map(Moment::into_inner),
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
    let mut sheet = csv::Writer::from_writer(io::stdout());
    sheet.write_record(COLUMNS)?;
    for record in records {
        sheet.write_record(record)?;
    }
    Ok(sheet.flush()?)
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
