use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{
    account::Account,
    claim::Home,
    postmaster::{Postmaster, ServerOptions},
    programs::Programs,
};

/// A copy of the primary that follows it by streaming replication. It is stopped when dropped.
pub(super) struct Standby {
    postmaster: Postmaster,
    data: PathBuf,
}

/// The running server that a standby copies.
pub(super) struct Primary<'a> {
    pub(super) home: &'a Home,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
}

impl Standby {
    /// Copies the running primary and starts the copy. A replication slot keeps what the copy has not received yet.
    pub(super) fn start(
        primary: &Primary<'_>,
        programs: &Programs,
        account: &Account,
        number: usize,
    ) -> Result<Self> {
        let Primary { home, port, user, password } = primary;
        let name = format!("standby_{number}");
        let data = home.standby_data(&name);
        let server = format!("host=127.0.0.1 port={port} user={user}");
        let output = account
            .command(&programs.basebackup(), home.root(), "TERM")
            .arg("--pgdata")
            .arg(&data)
            .args(["--write-recovery-conf", "--create-slot", "--slot", &name])
            .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"])
            .args(["--dbname", &server])
            // Not as an argument, which every user of the machine can read.
            .env("PGPASSWORD", password)
            .output()
            .with_context(|| format!("cannot run {}", programs.basebackup().display()))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("pg_basebackup failed ({}): {}", output.status, stderr.trim());
        }
        let options = ServerOptions { home, data: data.clone(), is_replicated: true, settings: &[] };
        Ok(Self { postmaster: Postmaster::start(programs, account, &options)?, data })
    }

    pub(super) fn port(&self) -> u16 {
        self.postmaster.port()
    }

    /// Reaps the process if it has ended, so that the standby can be started again.
    pub(super) fn reap(&mut self) {
        self.postmaster.has_ended();
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }
}
