//! A private PostgreSQL server that this process initialises, starts, stops and removes.
//!
//! Start at [`Claim`], which locks a folder below `.deps` against other processes, and [`PrivateCluster::start`].
//!
//! **Architecture Invariant:** a cluster does not outlive its claim for long. The claim is an advisory lock that the
//! kernel releases with the process. The postmaster gets a signal when its parent dies. The next process that claims
//! the same folder stops and removes what a crash has left.
//!
//! **Architecture Invariant:** no other user of the machine has access. The folder has mode 0700, and connections by
//! socket or loopback need a password that is generated for each cluster.

mod account;
mod claim;
mod leftover;
mod postmaster;
mod programs;
mod standby;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result};

pub(crate) use self::claim::{Claim, Retention};
use self::{
    account::Account,
    claim::Home,
    postmaster::{Postmaster, ServerOptions},
    programs::Programs,
    standby::{Primary, Standby},
};

/// The cluster's superuser, which owns what the demo and tests create. No schema may have this name: by default
/// PostgreSQL creates objects in the schema that is named after the user, if there is one.
const SUPERUSER: &str = "cluster_owner";

/// A running PostgreSQL server with its standbys. It is stopped when dropped, and removed unless it is kept.
pub(crate) struct PrivateCluster {
    // Fields are dropped in this order: first the servers stop, then the claim releases folder and lock.
    standbys: Vec<Standby>,
    postmaster: Postmaster,
    home: Home,
    password: String,
    claim: Claim,
}

impl PrivateCluster {
    /// Starts a cluster in the claimed folder, or the one that was kept there. A new cluster gets the `databases`.
    ///
    /// Only a temporary cluster can have `standbys`, because a kept one would find the data of earlier standbys.
    /// `settings` of the form `name=value` override the defaults of private clusters on the primary.
    ///
    /// Call it on a thread that lives as long as the process: the server gets its signal to end when the thread that
    /// started it ends.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, cannot be initialised or does not start.
    pub(crate) fn start(
        claim: Claim,
        databases: &[&str],
        standbys: usize,
        settings: &[String],
    ) -> Result<Self> {
        let programs = Programs::find()?;
        let account = Account::for_server()?;
        let home = claim.home(&account)?;
        if !home.is_complete() {
            home.clear(&account)?;
            initialise(&programs, &account, &home, databases)?;
        }
        let password = fs::read_to_string(home.password_file())
            .with_context(|| format!("cannot read {}", home.password_file().display()))?;
        let options = ServerOptions { home: &home, data: home.data(), is_replicated: standbys > 0, settings };
        let postmaster = Postmaster::start(&programs, &account, &options)?;
        let primary = Primary { home: &home, port: postmaster.port(), user: SUPERUSER, password: &password };
        let standbys = (1..=standbys)
            .map(|number| Standby::start(&primary, &programs, &account, number))
            .collect::<Result<_>>()?;
        Ok(Self { standbys, postmaster, home, password, claim })
    }

    /// The superuser's URL of a database, over loopback TCP.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_at(self.postmaster.port(), database)
    }

    /// The superuser's URL of a database on each standby.
    pub(crate) fn standby_urls(&self, database: &str) -> Vec<String> {
        self.standbys.iter().map(|standby| self.url_at(standby.port(), database)).collect()
    }

    /// The data folder of each standby. Scripts find its process in `postmaster.pid` there, and the command that starts
    /// it again in `postmaster.opts`.
    pub(crate) fn standby_folders(&self) -> impl Iterator<Item = &Path> {
        self.standbys.iter().map(Standby::data)
    }

    /// Reaps standbys that a command has killed, so that it can start them again.
    pub(crate) fn reap_standbys(&mut self) {
        self.standbys.iter_mut().for_each(Standby::reap);
    }

    fn url_at(&self, port: u16, database: &str) -> String {
        let Self { password, .. } = self;
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// 32 random hexadecimal digits, generated for this cluster. A kept cluster keeps them.
    pub(crate) fn secret(&self) -> &str {
        &self.password
    }

    /// The cluster's own folder. Files written here are kept or removed together with its data.
    pub(crate) fn folder(&self) -> &Path {
        self.home.root()
    }

    /// The claimed folder, for other files of this run.
    pub(crate) fn claimed_folder(&self) -> &Path {
        self.claim.folder()
    }
}

/// Runs initdb, creates the databases, and then writes the marker of a complete cluster.
fn initialise(programs: &Programs, account: &Account, home: &Home, databases: &[&str]) -> Result<()> {
    let password = generated_password()?;
    write_for(account, &home.password_file(), &password)?;
    let mut command = account.command(&programs.initdb(), home.root(), "TERM");
    command
        .arg("--pgdata")
        .arg(home.data())
        .args(["--username", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
        .arg("--pwfile")
        .arg(home.password_file());
    if home.retention() == Retention::Temporary {
        command.arg("--no-sync");
    }
    let output = command.output().with_context(|| format!("cannot run {}", programs.initdb().display()))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("initdb failed ({}): {}", output.status, stderr.trim());
    }
    if !databases.is_empty() {
        create_databases(programs, account, home, databases)?;
    }
    account.create_folder(&home.socket_folder())?;
    fs::write(home.completion_marker(), "").context("cannot mark the cluster as complete")
}

/// Creates databases in a cluster that is not running yet, in PostgreSQL's single-user mode.
fn create_databases(programs: &Programs, account: &Account, home: &Home, databases: &[&str]) -> Result<()> {
    let mut server = account
        .command(&programs.postgres(), home.root(), "TERM")
        .args(["--single", "-D"])
        .arg(home.data())
        .arg("postgres")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", programs.postgres().display()))?;
    if let Some(mut input) = server.stdin.take() {
        for database in databases {
            writeln!(input, "CREATE DATABASE {database}")?;
        }
    }
    let output = server.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || stderr.contains("ERROR:") {
        anyhow::bail!("cannot create the databases ({}): {}", output.status, stderr.trim());
    }
    Ok(())
}

/// 122 random bits from the system's generator.
fn generated_password() -> Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .context("cannot read /proc/sys/kernel/random/uuid for a password")?;
    Ok(text.trim().replace('-', ""))
}

/// Writes a file that only the account and root can read.
fn write_for(account: &Account, path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    account.own(path)
}

/// The folder `.deps` of the current folder, for installed files and for private clusters.
pub(crate) fn deps_folder() -> Result<PathBuf> {
    let folder = std::env::current_dir().context("cannot determine the current folder")?.join(".deps");
    Ok(folder)
}
