use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
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
    // Shared memory lives in the data folder, and goes with it after a kill.
    "dynamic_shared_memory_type=mmap",
    "huge_pages=off",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=off",
];
/// Further settings where no standby hangs on it, so that bulk loads need not be logged.
const SETTINGS_ALONE: &[&str] = &["wal_level=minimal", "max_wal_senders=0"];
/// Further settings of a primary and its standbys, which may not have less of it than the primary.
const SETTINGS_REPLICATED: &[&str] = &["wal_level=replica", "max_wal_senders=20", "max_replication_slots=20"];
/// Further settings where nothing has to survive a crash of the machine. What was committed survives one of the server.
const SETTINGS_WITHOUT_DISK: &[&str] = &["fsync=off", "full_page_writes=off"];

/// The server process. It is stopped when dropped.
pub(super) struct Postmaster {
    process: Child,
    port: u16,
}

/// What a server runs on, and how.
pub(super) struct Run<'a> {
    pub(super) home: &'a Home,
    pub(super) data: PathBuf,
    /// Whether it has standbys, or is one.
    pub(super) is_replicated: bool,
    /// Further settings, `name=value`, which win.
    pub(super) settings: &'a [String],
}

impl Postmaster {
    /// Starts the server on a free port of the loopback and waits until it accepts connections.
    pub(super) fn start(programs: &Programs, account: &Account, run: &Run<'_>) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let port = free_port()?;
            let mut started = Self { process: spawn(programs, account, run, port)?, port };
            if started.becomes_ready(&run.data)? {
                return Ok(started);
            }
            if !log_tail(&run.data, usize::MAX).contains("could not bind") {
                break;
            }
        }
        bail!("the private PostgreSQL does not start; the end of its log:\n{}", log_tail(&run.data, 12))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether the process has ended. If so nothing is left of it: a server does not start on the folder of another whose
    /// process can still be found.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// False when the process ended instead.
    fn becomes_ready(&mut self, data: &Path) -> Result<bool> {
        let until = Instant::now() + START_PATIENCE;
        while Instant::now() < until {
            if self.process.try_wait()?.is_some() {
                return Ok(false);
            }
            if PidFile::read(data)
                .is_some_and(|file| file.is_ready && file.pid == Pid::from_child(&self.process))
            {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!(
            "the private PostgreSQL is not ready after {} s; the end of its log:\n{}",
            START_PATIENCE.as_secs(),
            log_tail(data, 12)
        )
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.process);
        // The number of a process that has ended may be another's by now.
        if self.has_ended() {
            return;
        }
        if let Err(error) = leftover::stop(pid, || !self.has_ended()) {
            tracing::warn!("{error}");
        }
    }
}

fn spawn(programs: &Programs, account: &Account, run: &Run<'_>, port: u16) -> Result<Child> {
    let Run { home, data, is_replicated, settings } = run;
    let log_file = log_of(data);
    let log = fs::File::create(&log_file).with_context(|| format!("cannot write {}", log_file.display()))?;
    account.own(&log_file)?;
    // An orphaned server ends at once but in order: a fast shutdown.
    let mut command = account.command(&programs.postgres(), home.root(), "INT");
    command.arg("-D").arg(data).args(["-p", &port.to_string()]).arg("-k").arg(home.socket_folder());
    let replication = if *is_replicated { SETTINGS_REPLICATED } else { SETTINGS_ALONE };
    let disk = if home.waits_for_disk() { &[] } else { SETTINGS_WITHOUT_DISK };
    for setting in SETTINGS.iter().chain(replication).chain(disk) {
        command.args(["-c", setting]);
    }
    for setting in *settings {
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

/// The log lies beside the data, which has to be empty when a server is set up.
fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}

fn log_tail(data: &Path, lines: usize) -> String {
    let text = fs::read_to_string(log_of(data)).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
