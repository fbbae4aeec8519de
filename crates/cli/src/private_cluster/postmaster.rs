use std::{
    fs,
    net::TcpListener,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::Pid;

use super::{
    Account, Home, Programs,
    leftover::{self, PidFile},
};

/// A start replays the log of a crash, which takes a while only on a kept cluster with much in it.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// Between the choice of a free port and its use another process may take it.
const ATTEMPTS: usize = 5;

/// The settings of every private cluster.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "shared_buffers=64MB",
    "max_connections=200",
    "max_wal_size=256MB",
    // No replica hangs on it, so that bulk loads need not be logged.
    "wal_level=minimal",
    "max_wal_senders=0",
    // Shared memory lives in the data folder, and goes with it after a kill.
    "dynamic_shared_memory_type=mmap",
    "huge_pages=off",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=off",
];
/// Further settings where nothing has to survive a crash of the machine. What was committed survives one of the server.
const SETTINGS_WITHOUT_DISK: &[&str] = &["fsync=off", "full_page_writes=off"];

/// The server process. It is stopped when dropped.
pub(super) struct Postmaster {
    process: Child,
    port: u16,
}

impl Postmaster {
    /// Starts the server on a free port of the loopback and waits until it accepts connections.
    pub(super) fn start(programs: &Programs, account: &Account, home: &Home) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let port = free_port()?;
            let mut started = Self { process: spawn(programs, account, home, port)?, port };
            if started.becomes_ready(home)? {
                return Ok(started);
            }
            if !log_tail(home, usize::MAX).contains("could not bind") {
                break;
            }
        }
        bail!("the private PostgreSQL does not start; the end of its log:\n{}", log_tail(home, 12))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// False when the process ended instead.
    fn becomes_ready(&mut self, home: &Home) -> Result<bool> {
        let until = Instant::now() + START_PATIENCE;
        while Instant::now() < until {
            if self.process.try_wait()?.is_some() {
                return Ok(false);
            }
            if PidFile::read(&home.data())
                .is_some_and(|file| file.is_ready && file.pid == Pid::from_child(&self.process))
            {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!(
            "the private PostgreSQL is not ready after {} s; the end of its log:\n{}",
            START_PATIENCE.as_secs(),
            log_tail(home, 12)
        )
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.process);
        let is_running = || matches!(self.process.try_wait(), Ok(None));
        if let Err(error) = leftover::stop(pid, is_running) {
            tracing::warn!("{error}");
        }
    }
}

fn spawn(programs: &Programs, account: &Account, home: &Home, port: u16) -> Result<Child> {
    let log =
        fs::File::create(home.log()).with_context(|| format!("cannot write {}", home.log().display()))?;
    account.own(&home.log())?;
    // An orphaned server ends at once but in order: a fast shutdown.
    let mut command = account.command(&programs.postgres(), home.root(), "INT");
    command.arg("-D").arg(home.data()).args(["-p", &port.to_string()]).arg("-k").arg(home.socket_folder());
    let further = if home.waits_for_disk() { &[] } else { SETTINGS_WITHOUT_DISK };
    for setting in SETTINGS.iter().chain(further) {
        command.args(["-c", setting]);
    }
    command
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .spawn()
        .with_context(|| format!("cannot run {}", programs.postgres().display()))
}

fn free_port() -> Result<u16> {
    let probe = TcpListener::bind(("127.0.0.1", 0)).context("no port of the loopback is free")?;
    Ok(probe.local_addr()?.port())
}

fn log_tail(home: &Home, lines: usize) -> String {
    let text = fs::read_to_string(home.log()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
