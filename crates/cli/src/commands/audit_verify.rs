use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use padan_store::{AuditHead, AuditLog, AuditReport};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    exit_status::ExitStatus,
    output::{OutputArguments, print_json, stdout},
    settings::SettingsArguments,
};

/// Verify that no row of the audit trail was changed or deleted
///
/// Checks every row along its chain. Deleting the last rows of a chain is only detected by heads that were kept outside
/// the database: pass them with --heads. The services log them each minute as `audit head`, and `padan audit heads`
/// prints them. Prints a line for each fault.
#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// A file with heads, such as a service's log or the output of `padan audit heads`; may be repeated
    #[arg(long, value_name = "FILE")]
    heads: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// Prints the faults.
pub(crate) fn run(arguments: &AuditVerifyArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let mut known = Vec::new();
    for file in &arguments.heads {
        let heads = read_heads(file).with_context(|| format!("cannot read {}", file.display()))?;
        if heads.is_empty() {
            bail!("{} has no heads: expected lines with writer=, sequence= and mac=", file.display());
        }
        known.extend(heads);
    }
    let count = known.len();
    let report =
        Runtime::new()?.block_on(async { AuditLog::open(&settings.store).await?.verify(known).await })?;
    let status = ExitStatus::success_if(report.fault_count == 0);
    if arguments.output.json {
        print_json(&json_of(&report, count))?;
        return Ok(status);
    }
    print(&report, count)?;
    Ok(status)
}

fn json_of(report: &AuditReport, heads: usize) -> Value {
    json!({
        "intact": report.fault_count == 0,
        "rows": report.rows,
        "chains": report.chains,
        "heads_from_files": heads,
        "rows_of_forgotten_persons": report.forgotten,
        "unrecorded_requests": report.unrecorded,
        "pruned_chains": report.pruned,
        "pruned_chains_without_month": report.pruned_without_month,
        "fault_count": report.fault_count,
        "faults": report.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn print(report: &AuditReport, count: usize) -> Result<()> {
    let mut out = stdout();
    for fault in &report.faults {
        writeln!(out, "{fault}")?;
    }
    let listed = report.faults.len() as u64;
    if report.fault_count > listed {
        writeln!(out, "and {} more", report.fault_count - listed)?;
    }
    eprintln!(
        "Checked {} rows in {} chains against {count} heads from files. {} chains begin at an anchor of a pruned part. \
         {} rows are about people whose data was erased. {} requests were answered 503 because their rows could not be \
         written.",
        report.rows, report.chains, report.pruned, report.forgotten, report.unrecorded
    );
    if report.pruned_without_month > 0 {
        eprintln!(
            "{} of these anchors were signed by a release that did not verify the rows before. They say neither which \
             month was pruned nor when.",
            report.pruned_without_month
        );
    }
    if report.fault_count > 0 {
        eprintln!("The audit trail has been changed: see the faults above.");
    } else {
        eprintln!("The audit trail is intact.");
    }
    Ok(())
}

fn read_heads(file: &Path) -> Result<Vec<AuditHead>> {
    if let Some(heads) = heads_of_document(file)? {
        return Ok(heads);
    }
    let mut heads = Vec::new();
    for line in BufReader::new(File::open(file)?).lines() {
        heads.extend(AuditHead::find_in(&line?));
    }
    Ok(heads)
}

/// The longest output of `padan audit heads --json` that is read: a head takes less than 300 bytes.
const MAX_DOCUMENT_BYTES: u64 = 256 << 20;

/// The output of `padan audit heads --json`.
#[derive(Deserialize)]
struct HeadsDocument {
    heads: Vec<Value>,
}

/// The heads of a file that is the output of `padan audit heads --json`; `None` if it is another file.
fn heads_of_document(file: &Path) -> Result<Option<Vec<AuditHead>>> {
    let file = File::open(file)?;
    if !file.metadata()?.is_file() || file.metadata()?.len() > MAX_DOCUMENT_BYTES {
        return Ok(None);
    }
    let Ok(document) = serde_json::from_reader::<_, HeadsDocument>(BufReader::new(file)) else {
        return Ok(None);
    };
    // Each head in one line, as a service logs it in JSON.
    Ok(Some(document.heads.iter().filter_map(|head| AuditHead::find_in(&head.to_string())).collect()))
}
