use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::{self, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use padan::in_process::Shutdown;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::private_cluster::{Claim, PrivateCluster, deps_folder};

/// How long the command may take to end after SIGTERM.
const COMMAND_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// Each standby takes a replication slot of the primary, and two WAL senders while it is copied.
const MAX_STANDBYS: i64 = 9;

/// Run a command with a private, temporary PostgreSQL
///
/// The command finds a superuser's URL in the variable `PADAN_TEST_DATABASE_URL`. The exit code is that of the command.
/// The PostgreSQL and its standbys are stopped and removed at the end.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Wait for the disk at each commit, as a production server does
    #[arg(long)]
    durable: bool,
    /// Number of streaming standbys
    ///
    /// Their URLs are in the variable `PADAN_TEST_STANDBY_URLS`, their data folders in `PADAN_TEST_STANDBY_FOLDERS`,
    /// both separated by commas. The file postmaster.pid in a data folder contains the process id.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=MAX_STANDBYS))]
    standbys: u8,
    /// Override a setting of the server, such as `shared_buffers=1GB`; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, num_args = 1..)]
    command: Vec<OsString>,
}

/// Runs the command and returns its exit code, or 128 plus the number of the signal that ended it.
pub(crate) fn run(arguments: &ClusterArguments) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    let _entered = runtime.enter();
    let mut shutdown = Shutdown::at_terminal()?;
    let claim = Claim::temporary(&deps_folder()?, arguments.durable)?;
    let mut cluster =
        PrivateCluster::start(claim, &[], usize::from(arguments.standbys), &arguments.settings)?;
    let status = runtime.block_on(run_command(&mut cluster, &arguments.command, &mut shutdown))?;
    Ok(exit_code(status))
}

async fn run_command(
    cluster: &mut PrivateCluster,
    command: &[OsString],
    shutdown: &mut Shutdown,
) -> Result<process::ExitStatus> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("PADAN_TEST_DATABASE_URL", cluster.url("postgres"))
        .envs(standby_variables(cluster))
        .spawn()
        .with_context(|| format!("cannot run {}", program.to_string_lossy()))?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let mut ended = signal(SignalKind::child())?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = shutdown.first_signal() => break,
            _ = ended.recv() => cluster.reap_standbys(),
        }
    }
    // A Ctrl-C reaches the command by itself. A signal to this process alone is passed on.
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    if let Ok(status) = timeout(COMMAND_SHUTDOWN_TIMEOUT, child.wait()).await {
        return Ok(status?);
    }
    child.kill().await?;
    Ok(child.wait().await?)
}

/// Checks the form only; the server itself checks name and value.
fn setting(text: &str) -> Result<String, &'static str> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("expected NAME=VALUE"),
    }
}

/// The variables about standbys. Without standbys none is set, so that a test which needs them can report it.
fn standby_variables(cluster: &PrivateCluster) -> Vec<(&'static str, OsString)> {
    let urls = cluster.standby_urls("postgres");
    if urls.is_empty() {
        return Vec::new();
    }
    let folders: Vec<_> = cluster.standby_folders().map(Path::as_os_str).collect();
    vec![
        ("PADAN_TEST_STANDBY_URLS", urls.join(",").into()),
        ("PADAN_TEST_STANDBY_FOLDERS", folders.join(OsStr::new(","))),
    ]
}

fn exit_code(status: process::ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
