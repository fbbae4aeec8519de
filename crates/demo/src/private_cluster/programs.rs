use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

/// The folder with the programs of an installed PostgreSQL server.
pub(super) struct Programs(PathBuf);

impl Programs {
    /// Searches `$PATH`, then Debian's folders from the newest version on, then the folder that `pg_config` prints.
    pub(super) fn find() -> Result<Self> {
        let on_path =
            env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
        let candidates = on_path.into_iter().chain(debian_folders()).chain(folder_by_pg_config());
        for folder in candidates {
            // A link in `$PATH` leads to the folder that holds the other programs as well.
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
            "no PostgreSQL server found: initdb is neither in $PATH nor in /usr/lib/postgresql, nor does pg_config find it. \
             Run `make deps`, or install your system's package `postgresql`"
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
