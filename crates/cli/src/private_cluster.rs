//! A PostgreSQL of our own: initialised, started, stopped and removed by this process.
//!
//! Enter through [`Claim`], which holds a folder below `.deps` against every other process, and
//! [`PrivateCluster::start`].
//!
//! **Architecture Invariant:** a cluster never outlives its claim for long. The claim is an advisory lock that
//! the kernel drops with the process, the postmaster gets a signal when its parent dies, and whoever takes the
//! same folder next stops and removes what a crash has left.
//!
//! **Architecture Invariant:** no other user of the machine gets in. The folder has mode 0700, and connections
//! by socket or loopback need a password that is generated for each cluster.

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

pub(crate) use self::claim::{Claim, Keeping};
use self::{
    account::Account,
    claim::Home,
    postmaster::{Postmaster, Run},
    programs::Programs,
    standby::Standby,
};

/// The name of the cluster's superuser, which owns what demo and tests create. It is no schema's name: by default
/// PostgreSQL creates things in the schema that is called like the user, if there is one.
const SUPERUSER: &str = "cluster_owner";

/// A running PostgreSQL. It is stopped when dropped, and removed unless it is kept.
pub(crate) struct PrivateCluster {
    // Dropped in this order: the servers stop, then the claim ends with folder and lock.
    standbys: Vec<Standby>,
    postmaster: Postmaster,
    home: Home,
    password: String,
    claim: Claim,
}

impl PrivateCluster {
    /// Starts a cluster in the folder that was claimed, taking up a kept one that is there already. A new one
    /// gets the `databases`. Only one that is thrown away can have `standbys`: a kept one would meet its former ones.
    /// `settings` of the form `name=value` win over those that every private cluster has; standbys do not get them.
    ///
    /// Call it on the thread that lives as long as the process, because the server is told to end when the
    /// thread that started it does.
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
        let run = Run { home: &home, data: home.data(), is_replicated: standbys > 0, settings };
        let postmaster = Postmaster::start(&programs, &account, &run)?;
        let mut cluster = Self { standbys: Vec::new(), postmaster, home, password, claim };
        for number in 1..=standbys {
            let standby = Standby::start(&cluster, &programs, &account, number)?;
            cluster.standbys.push(standby);
        }
        Ok(cluster)
    }

    /// The URL of a database for the superuser, by loopback TCP.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_at(self.postmaster.port(), database)
    }

    /// The same for each standby.
    pub(crate) fn standby_urls(&self, database: &str) -> Vec<String> {
        self.standbys.iter().map(|standby| self.url_at(standby.port(), database)).collect()
    }

    /// The data folder of each standby. A script finds the process in `postmaster.pid` there, and in
    /// `postmaster.opts` the command that starts it again.
    pub(crate) fn standby_folders(&self) -> impl Iterator<Item = &Path> {
        self.standbys.iter().map(Standby::data)
    }

    /// Lets a command start standbys again that it has killed.
    pub(crate) fn reap_standbys(&mut self) {
        self.standbys.iter_mut().for_each(Standby::reap);
    }

    fn url_at(&self, port: u16, database: &str) -> String {
        let Self { password, .. } = self;
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// 32 random hexadecimal digits that are this cluster's alone, and stay with a kept one.
    pub(crate) fn secret(&self) -> &str {
        &self.password
    }

    /// Where the cluster itself lies. What is written here stays and goes with its data.
    pub(crate) fn folder(&self) -> &Path {
        self.home.root()
    }

    /// The folder that was claimed, for whatever else this run writes.
    pub(crate) fn claimed_folder(&self) -> &Path {
        self.claim.folder()
    }
}

/// Runs initdb, creates the databases, and writes the marker that says that all came to its end.
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
    if home.keeping() == Keeping::Thrown {
        command.arg("--no-sync");
    }
    let output = command.output().with_context(|| format!("cannot run {}", programs.initdb().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("initdb failed ({}): {}", output.status, said.trim());
    }
    if !databases.is_empty() {
        create_databases(programs, account, home, databases)?;
    }
    account.create_folder(&home.socket_folder())?;
    fs::write(home.completed_mark(), "").context("cannot mark the cluster as complete")
}

/// Creates databases in a cluster that is not running yet, by the server's mode for a single user.
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
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || said.contains("ERROR:") {
        anyhow::bail!("the databases could not be created ({}): {}", output.status, said.trim());
    }
    Ok(())
}

/// 122 random bits from the system's generator.
fn generated_password() -> Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .context("cannot read /proc/sys/kernel/random/uuid for a password")?;
    Ok(text.trim().replace('-', ""))
}

/// Writes a file that only the account, and root, can read.
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

/// The folder that holds what is installed and running, below the folder that the program was started in.
pub(crate) fn deps_folder() -> Result<PathBuf> {
    let folder = std::env::current_dir().context("cannot tell the current folder")?.join(".deps");
    Ok(folder)
}
