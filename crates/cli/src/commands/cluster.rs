use std::{
    ffi::OsString,
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{process::Command, runtime::Runtime, time::timeout};

use crate::{
    private_cluster::{Claim, PrivateCluster, deps_folder},
    shutdown::Shutdown,
};

/// How long the command may take to end when we are told to.
const PATIENCE: Duration = Duration::from_secs(8);

/// Run a command beside a private, throw-away PostgreSQL (for developers)
///
/// The command finds a superuser's URL in `PADAN_TEST_DATABASE_URL`.
/// Its exit code is ours. The PostgreSQL is stopped and removed at the end.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Wait for the disk at each commit, as a server does that is to survive a power failure
    #[arg(long)]
    durable: bool,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, num_args = 1..)]
    command: Vec<OsString>,
}

/// Runs the command and returns its exit code, or 128 and the signal that ended it.
pub(crate) fn run(arguments: &ClusterArguments) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    let _entered = runtime.enter();
    let mut shutdown = Shutdown::of_a_terminal()?;
    let cluster = PrivateCluster::start(Claim::throw_away(&deps_folder()?, arguments.durable)?, &[])?;
    let status = runtime.block_on(run_beside(&cluster, &arguments.command, &mut shutdown))?;
    Ok(exit_code(status))
}

async fn run_beside(
    cluster: &PrivateCluster,
    command: &[OsString],
    shutdown: &mut Shutdown,
) -> Result<ExitStatus> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("PADAN_TEST_DATABASE_URL", cluster.url("postgres"))
        .spawn()
        .with_context(|| format!("cannot run {}", program.to_string_lossy()))?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    tokio::select! {
        status = child.wait() => return Ok(status?),
        _ = shutdown.requested() => {}
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

fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
