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

/// Verify that no row of the audit trail was changed, deleted or cut off
///
/// Every row is followed along its chain. `--heads` names files of heads from outside the database, such as logs of the
/// services (a line `audit head` each minute) or what `padan audit heads` printed before: with them even whoever can
/// change everything in the database cannot cut off rows unseen. The exit code is 1 when something is wrong, a line on
/// stdout each.
#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// A file with heads; may be given several times
    #[arg(long, value_name = "FILE")]
    heads: Vec<PathBuf>,
}

/// Prints what is wrong and returns 1 when anything is.
pub(crate) fn run(arguments: &AuditVerifyArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let mut known = Vec::new();
    for file in &arguments.heads {
        let heads = read_heads(file).with_context(|| format!("cannot read {}", file.display()))?;
        if heads.is_empty() {
            bail!("{} holds no head: a line has writer=, sequence= and mac=", file.display());
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
        "{} rows in {} chains, {count} heads from files; {} chains begin at an anchor; {} rows are of people who were \
         forgotten; {} requests were answered 503 because their rows could not be written.",
        report.rows, report.chains, report.pruned, report.forgotten, report.unrecorded
    );
    if report.fault_count > 0 {
        eprintln!("The audit trail is not as it was written.");
        return Ok(ExitCode::FAILURE);
    }
    eprintln!("The audit trail is as it was written.");
    Ok(ExitCode::SUCCESS)
}

fn read_heads(file: &Path) -> Result<Vec<AuditHead>> {
    let mut heads = Vec::new();
    for line in BufReader::new(File::open(file)?).lines() {
        heads.extend(AuditHead::find_in(&line?));
    }
    Ok(heads)
}
