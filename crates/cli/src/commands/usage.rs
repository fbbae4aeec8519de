use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use padan_store::{AuditFilter, AuditLog, CpuUse, StoreError, UsageRow};
use tokio::runtime::Runtime;

use super::timestamp::Day;
use crate::{settings::SettingsArguments, telemetry};

/// Print how many calls each client made, by day, endpoint and outcome
///
/// Counts the rows of the audit trail, including those of pruned months. Days are days in Asia/Jakarta. With --cpu,
/// prints the processor time of each client's photos instead, including that of photos that were refused.
#[derive(Debug, Args)]
pub(crate) struct UsageArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Only calls of this client
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Only calls on or after this day: yyyy-mm-dd
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,
    /// Only calls before this day
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,
    /// Print processor seconds by client and day, instead of calls
    #[arg(long)]
    cpu: bool,
    /// Print comma-separated values instead of a table
    #[arg(long)]
    csv: bool,
}

/// Rows of text below their headings. The last column has numbers.
struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Prints the counts, or the processor time.
pub(crate) fn run(arguments: &UsageArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let filter = AuditFilter {
        nik: None,
        kind: None,
        client: arguments.client.clone(),
        from: arguments.from.map(Day::start),
        to: arguments.to.map(Day::start),
    };
    let table = Runtime::new()?.block_on(async {
        let mut log = AuditLog::open(&settings.store).await?;
        if arguments.cpu {
            Ok::<_, StoreError>(Table::of_cpu(log.cpu_use(&filter).await?))
        } else {
            Ok(Table::of_calls(log.usage(&filter).await?))
        }
    })?;
    if arguments.csv {
        table.write_csv()?;
    } else {
        table.write_text()?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Table {
    fn of_calls(rows: Vec<UsageRow>) -> Self {
        let cells = |row: UsageRow| {
            vec![row.client, row.day.to_string(), row.endpoint, row.reason, row.calls.to_string()]
        };
        Self {
            columns: vec!["client", "day", "endpoint", "outcome", "calls"],
            rows: rows.into_iter().map(cells).collect(),
        }
    }

    fn of_cpu(rows: Vec<CpuUse>) -> Self {
        let cells = |row: CpuUse| {
            vec![row.client, row.day.to_string(), format!("{:.3}", row.microseconds as f64 / 1e6)]
        };
        Self { columns: vec!["client", "day", "cpu_seconds"], rows: rows.into_iter().map(cells).collect() }
    }

    fn write_csv(&self) -> Result<()> {
        let mut writer = csv::Writer::from_writer(io::stdout());
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        Ok(writer.flush()?)
    }

    fn write_text(&self) -> Result<()> {
        let headings: Vec<String> = self.columns.iter().map(|&heading| heading.to_owned()).collect();
        let lines = || std::iter::once(&headings).chain(&self.rows);
        let last = self.columns.len() - 1;
        let width = |column: usize| lines().map(|cells| cells[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=last).map(width).collect();
        let mut out = io::stdout().lock();
        for cells in lines() {
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                if column < last {
                    write!(out, "{cell:<width$}  ")?;
                } else {
                    writeln!(out, "{cell:>width$}")?;
                }
            }
        }
        Ok(())
    }
}
