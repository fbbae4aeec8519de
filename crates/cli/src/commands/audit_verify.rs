use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use padan_store::{AuditHead, AuditLog};
use tokio::runtime::Runtime;

use crate::{settings::SettingsArguments, telemetry};

/// Verify that no row of the audit trail was changed or deleted
///
/// Checks every row along its chain. Deleting the last rows of a chain is only detected by heads that were kept outside
/// the database: pass them with --heads. The services log them each minute as `audit head`, and `padan audit heads`
/// prints them. Prints a line for each fault, and exits with 1 if there is one.
#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// A file with heads, such as a service's log; may be repeated
    #[arg(long, value_name = "FILE")]
    heads: Vec<PathBuf>,
}

/// Prints the faults and returns 1 if there are any.
pub(crate) fn run(arguments: &AuditVerifyArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
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
    let mut out = io::stdout().lock();
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
        return Ok(ExitCode::FAILURE);
    }
    eprintln!("The audit trail is intact.");
    Ok(ExitCode::SUCCESS)
}

fn read_heads(file: &Path) -> Result<Vec<AuditHead>> {
    let mut heads = Vec::new();
    for line in BufReader::new(File::open(file)?).lines() {
        heads.extend(AuditHead::find_in(&line?));
    }
    Ok(heads)
}
