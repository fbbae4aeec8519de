use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Account, Postmaster, PrivateCluster, Programs, Run, SUPERUSER};

/// A copy of the cluster that follows it by streaming and answers readers. It is stopped when dropped.
pub(super) struct Standby {
    postmaster: Postmaster,
    data: PathBuf,
}

impl Standby {
    /// Copies the running primary and starts the copy. What the copy has not received yet is kept for it by a slot.
    pub(super) fn start(
        cluster: &PrivateCluster,
        programs: &Programs,
        account: &Account,
        number: usize,
    ) -> Result<Self> {
        let home = &cluster.home;
        let name = format!("standby_{number}");
        let data = home.standby_data(&name);
        let server = format!("host=127.0.0.1 port={} user={SUPERUSER}", cluster.postmaster.port());
        let output = account
            .command(&programs.basebackup(), home.root(), "TERM")
            .arg("--pgdata")
            .arg(&data)
            .args(["--write-recovery-conf", "--create-slot", "--slot", &name])
            .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"])
            .args(["--dbname", &server])
            // Every user of the machine can read arguments.
            .env("PGPASSWORD", &cluster.password)
            .output()
            .with_context(|| format!("cannot run {}", programs.basebackup().display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("pg_basebackup failed ({}): {}", output.status, said.trim());
        }
        let run = Run { home, data: data.clone(), is_replicated: true, settings: &[] };
        Ok(Self { postmaster: Postmaster::start(programs, account, &run)?, data })
    }

    pub(super) fn port(&self) -> u16 {
        self.postmaster.port()
    }

    /// Forgets the process if it has ended, so that the standby can be started again.
    pub(super) fn reap(&mut self) {
        self.postmaster.has_ended();
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }
}
