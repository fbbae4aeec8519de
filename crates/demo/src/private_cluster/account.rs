use std::{
    env, fs,
    os::unix::fs::{DirBuilderExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// The user that the server runs as: the current one, or an unprivileged one because PostgreSQL refuses root.
pub(super) struct Account {
    switch: Option<Identity>,
    setpriv: Option<PathBuf>,
}

struct Identity {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Chooses the current user, or for root the user `postgres`, else `nobody`.
    pub(super) fn for_server() -> Result<Self> {
        let setpriv = setpriv();
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { switch: None, setpriv });
        }
        if setpriv.is_none() {
            bail!(
                "PostgreSQL does not run as root, and no suitable `setpriv` was found to change the user: \
                 install util-linux"
            );
        }
        let switch = ["postgres", "nobody"].into_iter().find_map(Identity::of).context(
            "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`",
        )?;
        Ok(Self { switch: Some(switch), setpriv })
    }

    /// A command that runs as this user in `folder`, without PostgreSQL's variables in its environment. It has its own
    /// process group, so that a Ctrl-C at the terminal reaches this process only. It gets `signal_when_orphaned` when
    /// this process dies.
    pub(super) fn command(&self, program: &Path, folder: &Path, signal_when_orphaned: &str) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = match &self.setpriv {
            None => Command::new(program),
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.arg(format!("--pdeathsig={signal_when_orphaned}"));
                if let Some(Identity { uid, gid }) = &self.switch {
                    command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
                    command.arg("--clear-groups");
                }
                command.arg("--").arg(program);
                command
            }
        };
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").current_dir(folder).process_group(0).stdin(Stdio::null());
        command
    }

    /// Creates a folder that only this user and root can enter.
    pub(super) fn create_folder(&self, path: &Path) -> Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
            _ => {}
        }
        self.own(path)
    }

    /// Makes this user the owner of a file or folder.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        match &self.switch {
            None => Ok(()),
            Some(Identity { uid, gid }) => chown(path, Some(*uid), Some(*gid))
                .with_context(|| format!("cannot make the server's user the owner of {}", path.display())),
        }
    }

    /// Returns whether this user can write to a folder that it owns. A private parent folder may prevent it.
    pub(super) fn can_write(&self, folder: &Path) -> bool {
        if self.switch.is_none() {
            return true;
        }
        self.command(Path::new("test"), Path::new("/"), "TERM")
            .arg("-w")
            .arg(folder)
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Returns whether a folder belongs to this user.
    pub(super) fn owns(&self, folder: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let uid =
            self.switch.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |identity| identity.uid);
        fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == uid)
    }
}

impl Identity {
    fn of(user: &str) -> Option<Self> {
        let number = |option| {
            let output = Command::new("id").args([option, user]).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        Some(Self { uid: number("-u")?, gid: number("-g")? })
    }
}

/// The program that changes the user and signals a child whose parent has died. Not every version can do the latter.
fn setpriv() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let program = env::split_paths(&path)
        .chain(["/usr/bin".into(), "/bin".into()])
        .map(|folder| folder.join("setpriv"))
        .find(|candidate| candidate.is_file())?;
    let has_pdeathsig = Command::new(&program)
        .args(["--pdeathsig=TERM", "--", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    has_pdeathsig.then_some(program)
}
