use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

/// The folder with an installed PostgreSQL server's programs.
pub(super) struct Programs(PathBuf);

impl Programs {
    /// Looks at the search path, at Debian's folders, the newest version first, and asks `pg_config`.
    pub(super) fn find() -> Result<Self> {
        let on_path =
            env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
        let candidates = on_path.into_iter().chain(debian_folders()).chain(folder_by_pg_config());
        for folder in candidates {
            // A link on the search path leads to the folder where the other programs are as well.
            let Ok(initdb) = fs::canonicalize(folder.join("initdb")) else {
                continue;
            };
            if let Some(folder) = initdb.parent()
                && folder.join("postgres").is_file()
            {
                return Ok(Self(folder.to_owned()));
            }
        }
        bail!(
            "no PostgreSQL server is installed: neither the search path nor /usr/lib/postgresql nor pg_config \
             leads to initdb. `make deps` installs it, or install your system's package `postgresql`"
        )
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.0.join("initdb")
    }

    pub(super) fn basebackup(&self) -> PathBuf {
        self.0.join("pg_basebackup")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }
}

fn debian_folders() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn folder_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(Path::new(folder.trim()).to_owned())
}
