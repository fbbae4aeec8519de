//! `padan status`: asks a running process how it is.
//!
//! Start at [`run`]. [`source`] asks, [`screen`] writes the lines, [`terminal`] refreshes them in place.

mod screen;
mod source;
mod terminal;

use std::{io::Write as _, path::PathBuf, time::Duration};

use anyhow::{Result, anyhow};
use chrono::Utc;
use clap::Args;
use padan_http_api::StatusReport;
use tokio::{runtime::Runtime, time::sleep};

use self::{
    source::Source,
    terminal::{QuitKey, Terminal},
};
use crate::{
    ending::{StatusError, in_one_line},
    exit_status::ExitStatus,
    output::{OutputArguments, print_json, stdout},
    settings::SettingsArguments,
    shutdown::Shutdown,
};

/// Show how a running service is: ready or not, load, latency, databases, audit trail
///
/// Asks the operators' listener of the settings (`http.admin_address` and `http.admin_port`), or that of --url. Needs no
/// credentials, no key and no database. Rates and latency are those of the last minute, counted by that process alone.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Ask this operators' listener, such as `http://10.1.0.7:9090`, instead of that of the settings
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Trust the certificates in this PEM file, besides those that the system trusts
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ask again and again, until Ctrl-C or `q`; with --json one document a line
    #[arg(long)]
    watch: bool,
    /// Seconds between two questions of --watch
    #[arg(long, value_name = "SECONDS", default_value_t = 2, requires = "watch", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    #[command(flatten)]
    output: OutputArguments,
}

/// Prints the state of the process once, or until it is stopped.
pub(crate) fn run(arguments: &StatusArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings()?;
    let source = Source::of(&settings.http, arguments.url.as_deref(), arguments.ca_file.as_deref())?;
    let runtime = Runtime::new()?;
    if arguments.watch {
        let watched = runtime.block_on(watch(arguments, &source));
        // A thread may still wait for a key.
        runtime.shutdown_background();
        return watched;
    }
    let report = runtime.block_on(source.report());
    let report = report.map_err(|error| StatusError::with_status(ExitStatus::NoService, error))?;
    if arguments.output.json {
        print_json(&report)?;
    } else {
        let mut out = stdout();
        for line in screen::lines(&report, Utc::now()) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(status_of(&report))
}

fn status_of(report: &StatusReport) -> ExitStatus {
    if report.ready { ExitStatus::Success } else { ExitStatus::NotReady }
}

/// Shows the state until a signal or the key `q`. A service that does not answer is shown as well, since it may be about
/// to start.
async fn watch(arguments: &StatusArguments, source: &Source) -> Result<ExitStatus> {
    let mut shutdown = Shutdown::at_terminal()?;
    let terminal = Terminal::open_if(!arguments.output.json)?;
    let mut quit = terminal.as_ref().map(Terminal::quit_key);
    let mut last = ExitStatus::NoService;
    loop {
        let shown = async {
            let answer = source.report().await;
            last = answer.as_ref().map_or(ExitStatus::NoService, status_of);
            match &terminal {
                Some(_) => Terminal::show(&lines_of(&answer, arguments.every))?,
                None if arguments.output.json => print_line(&answer)?,
                None => print_lines(&answer)?,
            }
            sleep(Duration::from_secs(arguments.every)).await;
            anyhow::Ok(())
        };
        tokio::select! {
            shown = shown => shown?,
            _ = shutdown.first_signal() => return Ok(last),
            () = QuitKey::pressed(&mut quit) => return Ok(last),
        }
    }
}

fn lines_of(answer: &Result<StatusReport>, every: u64) -> Vec<String> {
    let now = Utc::now();
    let mut lines = match answer {
        Ok(report) => screen::lines(report, now),
        Err(error) => vec![format!("no service: {}", in_one_line(error))],
    };
    lines.push(String::new());
    lines.push(format!("{}, every {every} s; q or Ctrl-C ends", now.format("%F %T UTC")));
    lines
}

fn print_lines(answer: &Result<StatusReport>) -> Result<()> {
    let mut out = stdout();
    match answer {
        Ok(report) => {
            let lines = screen::lines(report, Utc::now());
            lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Err(error) => writeln!(out, "no service: {}", in_one_line(error))?,
    }
    writeln!(out)?;
    Ok(out.flush()?)
}

fn print_line(answer: &Result<StatusReport>) -> Result<()> {
    let mut out = stdout();
    match answer {
        Ok(report) => writeln!(out, "{}", serde_json::to_string(report)?)?,
        Err(error) => {
            let error = serde_json::json!({ "error": { "message": in_one_line(error), "exit_code": ExitStatus::NoService.code() } });
            writeln!(out, "{error}")?;
        }
    }
    out.flush().map_err(|error| anyhow!(error))
}
