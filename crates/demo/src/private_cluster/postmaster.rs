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
    account::Account,
    claim::Home,
    leftover::{self, PidFile},
    programs::Programs,
};

/// Long enough to replay the write-ahead log after a crash of a large kept cluster.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// How often a start is tried: another process may take the chosen port before the server does.
const ATTEMPTS: usize = 5;

/// The settings of every private cluster.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "shared_buffers=64MB",
    "max_connections=200",
    "max_wal_size=256MB",
    // Shared memory is kept in the data folder, so that nothing else remains after a kill.
    "dynamic_shared_memory_type=mmap",
    "huge_pages=off",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=off",
];
/// Further settings of a server without standbys: bulk loads need not be logged.
const SETTINGS_ALONE: &[&str] = &["wal_level=minimal", "max_wal_senders=0"];
/// Further settings of a primary and its standbys. A standby needs at least the primary's values.
const SETTINGS_REPLICATED: &[&str] = &["wal_level=replica", "max_wal_senders=20", "max_replication_slots=20"];
/// Further settings of a cluster that need not survive a crash of the machine. Commits survive a crash of the server.
const SETTINGS_WITHOUT_SYNC: &[&str] = &["fsync=off", "full_page_writes=off"];

/// The server process. It is stopped when dropped.
pub(super) struct Postmaster {
    process: Child,
    port: u16,
}

/// The data folder of a server, and how it runs.
pub(super) struct ServerOptions<'a> {
    pub(super) home: &'a Home,
    pub(super) data: PathBuf,
    /// True if the server has standbys or is one.
    pub(super) is_replicated: bool,
    /// Settings of the form `name=value` that override the defaults.
    pub(super) settings: &'a [String],
}

impl Postmaster {
    /// Starts the server on a free loopback port and waits until it accepts connections.
    pub(super) fn start(programs: &Programs, account: &Account, options: &ServerOptions<'_>) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let port = free_port()?;
            let mut started = Self { process: spawn(programs, account, options, port)?, port };
            if started.becomes_ready(&options.data)? {
                return Ok(started);
            }
            if !log_tail(&options.data, usize::MAX).contains("could not bind") {
                break;
            }
        }
        bail!("the private PostgreSQL does not start; the end of its log:\n{}", log_tail(&options.data, 12))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether the process has ended. An ended process is reaped: a server does not start on a data folder
    /// while the former server's process still exists.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Waits until the server accepts connections; false when its process ended instead.
    fn becomes_ready(&mut self, data: &Path) -> Result<bool> {
        let until = Instant::now() + START_TIMEOUT;
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
            START_TIMEOUT.as_secs(),
            log_tail(data, 12)
        )
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.process);
        // Another process may have the number of one that has ended.
        if self.has_ended() {
            return;
        }
        if let Err(error) = leftover::stop(pid, || !self.has_ended()) {
            tracing::warn!("{error}");
        }
    }
}

fn spawn(programs: &Programs, account: &Account, options: &ServerOptions<'_>, port: u16) -> Result<Child> {
    let ServerOptions { home, data, is_replicated, settings } = options;
    let log_file = log_of(data);
    let log = fs::File::create(&log_file).with_context(|| format!("cannot write {}", log_file.display()))?;
    account.own(&log_file)?;
    // SIGINT: an orphaned server ends by a fast shutdown.
    let mut command = account.command(&programs.postgres(), home.root(), "INT");
    command.arg("-D").arg(data).args(["-p", &port.to_string()]).arg("-k").arg(home.socket_folder());
    let replication = if *is_replicated { SETTINGS_REPLICATED } else { SETTINGS_ALONE };
    let sync = if home.syncs_to_disk() { &[] } else { SETTINGS_WITHOUT_SYNC };
    for setting in SETTINGS.iter().chain(replication).chain(sync) {
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
    let probe = TcpListener::bind(("127.0.0.1", 0)).context("no loopback port is free")?;
    Ok(probe.local_addr()?.port())
}

/// The log is beside the data folder, which has to be empty when a server is initialised.
fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}

fn log_tail(data: &Path, lines: usize) -> String {
    let text = fs::read_to_string(log_of(data)).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
