use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// The signals for a fast shutdown, an immediate shutdown and a kill, and the time allowed for each.
const STOP_SIGNALS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(6)),
    (Signal::QUIT, Duration::from_secs(3)),
    (Signal::KILL, Duration::from_secs(2)),
];

/// Stops the server that runs on a data folder, if there is one.
pub(super) fn stop_server(data: &Path) -> Result<()> {
    let Some(pid_file) = PidFile::read(data) else {
        return Ok(());
    };
    if pid_file.is_server_of(data) {
        tracing::info!(pid = pid_file.pid.as_raw_nonzero(), "stopping a PostgreSQL that was left running");
        stop(pid_file.pid, || pid_file.is_server_of(data))?;
    }
    // A killed server leaves its lock file and a small segment of shared memory.
    pid_file.remove_shared_memory();
    let _ = fs::remove_file(data.join("postmaster.pid"));
    Ok(())
}

/// Sends the signals in turn until the process has ended.
pub(super) fn stop(pid: Pid, mut is_running: impl FnMut() -> bool) -> Result<()> {
    for (signal, timeout) in STOP_SIGNALS {
        let _ = kill_process(pid, signal);
        let until = Instant::now() + timeout;
        while Instant::now() < until {
            if !is_running() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    bail!("the private PostgreSQL (process {}) does not end, not even by SIGKILL", pid.as_raw_nonzero())
}

/// The contents of `postmaster.pid`.
pub(super) struct PidFile {
    pub(super) pid: Pid,
    /// The System V segment that guards the data folder.
    segment: Option<SharedMemory>,
    /// True if the server accepts connections.
    pub(super) is_ready: bool,
}

struct SharedMemory {
    key: String,
    id: String,
}

impl PidFile {
    /// Its lines: pid, data folder, start time, port, socket folder, address, shared memory, state.
    pub(super) fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let pid = Pid::from_raw(lines.first()?.trim().parse().ok()?)?;
        let segment = lines.get(6).and_then(|line| {
            let mut words = line.split_whitespace();
            Some(SharedMemory { key: words.next()?.to_owned(), id: words.next()?.to_owned() })
        });
        let is_ready = lines.get(7).is_some_and(|state| state.trim() == "ready");
        Some(Self { pid, segment, is_ready })
    }

    /// Returns whether the process runs and is the server of this folder. Another process may have its number by now.
    fn is_server_of(&self, data: &Path) -> bool {
        if test_kill_process(self.pid).is_err() {
            return false;
        }
        let process = Path::new("/proc").join(self.pid.as_raw_nonzero().to_string());
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        let wanted = data.as_os_str().as_encoded_bytes();
        arguments.split(|byte| *byte == 0).any(|argument| argument == wanted)
    }

    /// Removes the guarding segment if it still exists and no process is attached to it.
    fn remove_shared_memory(&self) {
        let Some(SharedMemory { key, id }) = &self.segment else {
            return;
        };
        let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        // Columns: key, id, permissions, size, creator, last user, number attached.
        let is_left = table.lines().skip(1).any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.first() == Some(&key.as_str())
                && columns.get(1) == Some(&id.as_str())
                && columns.get(6) == Some(&"0")
        });
        if is_left {
            let _ = Command::new("ipcrm").args(["-m", id]).output();
        }
    }
}
