use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{
    private_cluster::{Claim, PrivateCluster, deps_folder},
    shutdown::Shutdown,
};

/// How long the command may take to end when we are told to.
const PATIENCE: Duration = Duration::from_secs(8);

/// Each takes a slot of the primary's, and two of its senders while it is copied.
const MOST_STANDBYS: i64 = 9;

/// Run a command beside a private, throw-away PostgreSQL (for developers)
///
/// The command finds a superuser's URL in `PADAN_TEST_DATABASE_URL`.
/// Its exit code is ours. The PostgreSQL is stopped and removed at the end, and its standbys with it.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Wait for the disk at each commit, as a server does that is to survive a power failure
    #[arg(long)]
    durable: bool,
    /// Streaming standbys beside it: their URLs are in `PADAN_TEST_STANDBY_URLS`, their data folders, where
    /// `postmaster.pid` names the process, in `PADAN_TEST_STANDBY_FOLDERS`, both separated by commas
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=MOST_STANDBYS))]
    standbys: u8,
    /// A setting of the server, such as `shared_buffers=1GB`, instead of the one that it would have; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<String>,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, num_args = 1..)]
    command: Vec<OsString>,
}

/// Runs the command and returns its exit code, or 128 and the signal that ended it.
pub(crate) fn run(arguments: &ClusterArguments) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    let _entered = runtime.enter();
    let mut shutdown = Shutdown::of_a_terminal()?;
    let claim = Claim::throw_away(&deps_folder()?, arguments.durable)?;
    let mut cluster =
        PrivateCluster::start(claim, &[], usize::from(arguments.standbys), &arguments.settings)?;
    let status = runtime.block_on(run_beside(&mut cluster, &arguments.command, &mut shutdown))?;
    Ok(exit_code(status))
}

async fn run_beside(
    cluster: &mut PrivateCluster,
    command: &[OsString],
    shutdown: &mut Shutdown,
) -> Result<ExitStatus> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("PADAN_TEST_DATABASE_URL", cluster.url("postgres"))
        .envs(standbys_for_the_command(cluster))
        .spawn()
        .with_context(|| format!("cannot run {}", program.to_string_lossy()))?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let mut ended = signal(SignalKind::child())?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = shutdown.requested() => break,
            _ = ended.recv() => cluster.reap_standbys(),
        }
    }
    // A Ctrl-C reached the command as well; a signal to us alone is passed on.
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    if let Ok(status) = timeout(PATIENCE, child.wait()).await {
        return Ok(status?);
    }
    child.kill().await?;
    Ok(child.wait().await?)
}

/// The server itself says whether it knows the name and takes the value.
fn setting(text: &str) -> Result<String, &'static str> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("it has to be NAME=VALUE"),
    }
}

/// No variable where there is no standby, so that a test that lacks one can say so.
fn standbys_for_the_command(cluster: &PrivateCluster) -> Vec<(&'static str, OsString)> {
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

fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
