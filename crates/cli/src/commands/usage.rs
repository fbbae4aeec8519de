use std::io::Write as _;

use anyhow::Result;
use clap::Args;
use padan_store::{AuditFilter, AuditLog, CpuUse, StoreError, UsageRow};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::timestamp::Day;
use crate::{
    exit_status::ExitStatus,
    output::{OutputArguments, print_json, stdout, stdout_for_data},
    settings::SettingsArguments,
};

/// Print how many calls each client made, by day, endpoint and outcome
///
/// Counts the rows of the audit trail, including those of pruned months. Days are days in Asia/Jakarta. The last column
/// tells calls that were answered from the table of test people, which nobody should be billed for. With --cpu,
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
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// Rows of text below their headings.
struct Table {
    columns: Vec<&'static str>,
    /// The column that has numbers.
    number: usize,
    rows: Vec<Vec<String>>,
}

/// Prints the counts, or the processor time.
pub(crate) fn run(arguments: &UsageArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let filter = AuditFilter {
        nik: None,
        kind: None,
        client: arguments.client.clone(),
        from: arguments.from.map(Day::start),
        to: arguments.to.map(Day::start),
        after: None,
    };
    let counted = Runtime::new()?.block_on(async {
        let mut log = AuditLog::open(&settings.store).await?;
        if arguments.cpu {
            Ok::<_, StoreError>(Counted::CpuUse(log.cpu_use(&filter).await?))
        } else {
            Ok(Counted::Calls(log.usage(&filter).await?))
        }
    })?;
    if arguments.output.json {
        print_json(&counted.json())?;
    } else if arguments.csv {
        counted.table().write_csv()?;
    } else {
        counted.table().write_text()?;
    }
    Ok(ExitStatus::Success)
}

/// What was asked for.
enum Counted {
    Calls(Vec<UsageRow>),
    CpuUse(Vec<CpuUse>),
}

impl Counted {
    fn table(self) -> Table {
        match self {
            Self::Calls(rows) => Table::of_calls(rows),
            Self::CpuUse(rows) => Table::of_cpu(rows),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Calls(rows) => json!({ "calls": rows.iter().map(json_of_calls).collect::<Vec<_>>() }),
            Self::CpuUse(rows) => json!({ "cpu_use": rows.iter().map(json_of_cpu).collect::<Vec<_>>() }),
        }
    }
}

fn json_of_calls(row: &UsageRow) -> Value {
    json!({
        "client": row.client,
        "day": row.day,
        "endpoint": row.endpoint,
        "outcome": row.reason,
        "calls": row.calls,
    })
}

fn json_of_cpu(row: &CpuUse) -> Value {
    json!({ "client": row.client, "day": row.day, "cpu_seconds": cpu_seconds(row) })
}

fn cpu_seconds(row: &CpuUse) -> f64 {
    row.microseconds as f64 / 1e6
}

impl Table {
    fn of_calls(rows: Vec<UsageRow>) -> Self {
        let cells = |row: UsageRow| {
            let sandbox = if row.sandbox { "yes" } else { "no" };
            let (day, calls) = (row.day.to_string(), row.calls.to_string());
            vec![row.client, day, row.endpoint, row.reason, calls, sandbox.to_owned()]
        };
        Self {
            columns: vec!["client", "day", "endpoint", "outcome", "calls", "sandbox"],
            number: 4,
            rows: rows.into_iter().map(cells).collect(),
        }
    }

    fn of_cpu(rows: Vec<CpuUse>) -> Self {
        let cells = |row: CpuUse| {
            let seconds = format!("{:.3}", cpu_seconds(&row));
            vec![row.client, row.day.to_string(), seconds]
        };
        Self {
            columns: vec!["client", "day", "cpu_seconds"],
            number: 2,
            rows: rows.into_iter().map(cells).collect(),
        }
    }

    fn write_csv(&self) -> Result<()> {
        let mut writer = csv::Writer::from_writer(stdout_for_data());
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
        let mut out = stdout();
        for cells in lines() {
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let gap = if column < last { "  " } else { "\n" };
                if column == self.number {
                    write!(out, "{cell:>width$}{gap}")?;
                } else if column == last {
                    write!(out, "{cell}{gap}")?;
                } else {
                    write!(out, "{cell:<width$}{gap}")?;
                }
            }
        }
        Ok(())
    }
}
