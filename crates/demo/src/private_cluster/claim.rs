use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{account::Account, leftover};

/// PostgreSQL refuses socket paths of 108 bytes and more.
const MAX_SOCKET_PATH_BYTES: usize = 106;
/// The parent folder of a cluster for which the checkout is inaccessible or too deep.
const SHARED_FOLDER: &str = "/var/tmp";

/// The lifetime of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    /// The cluster is removed at the end, so it need not survive a crash of the machine.
    Temporary,
    /// The cluster stays, and the next run uses it again.
    Kept,
}

/// A folder that is locked against other processes while this value lives.
///
/// The lock file is beside the folder. The folder contains the cluster's own folder, `cluster` or `kept`. It also
/// contains a location file with the path of the cluster's folder, `cluster.where` or `kept.where`.
pub(crate) struct Claim {
    folder: PathBuf,
    retention: Retention,
    syncs_to_disk: bool,
    /// A temporary claim has a lock file of its own, which is removed with it.
    remove_lock: bool,
    _lock: File,
}

/// The folder of one cluster.
pub(super) struct Home {
    root: PathBuf,
    /// The file in the claimed folder that names `root`.
    location_file: PathBuf,
    retention: Retention,
    syncs_to_disk: bool,
}

impl Claim {
    /// Claims the demo's folder, `demo` below `deps`. `None` when another process holds it.
    pub(crate) fn demo(deps: &Path, retention: Retention) -> Result<Option<Self>> {
        create_folders(deps)?;
        let folder = deps.join("demo");
        let Some(lock) = lock(&lock_of(&folder))? else {
            return Ok(None);
        };
        create_folders(&folder)?;
        let account = Account::for_server()?;
        for home in homes_in(&folder) {
            home.stop_servers()?;
            if home.retention == Retention::Temporary {
                home.remove(&account)?;
            }
        }
        let syncs_to_disk = retention == Retention::Kept;
        Ok(Some(Self { folder, retention, syncs_to_disk, remove_lock: false, _lock: lock }))
    }

    /// Claims a new folder below `deps/clusters`, after removing the folders of processes that died. With
    /// `syncs_to_disk` each commit waits for the disk, as on a production server.
    pub(crate) fn temporary(deps: &Path, syncs_to_disk: bool) -> Result<Self> {
        let clusters = deps.join("clusters");
        create_folders(&clusters)?;
        let gate_path = deps.join("clusters.lock");
        let gate = open_lock(&gate_path)?;
        // Held while folders are created or removed, so that no other process mistakes a new one for an abandoned one.
        gate.lock().with_context(|| format!("cannot lock {}", gate_path.display()))?;
        remove_abandoned(&clusters)?;
        let folder = tempfile::Builder::new()
            .prefix("c")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&clusters)
            .with_context(|| format!("cannot create a folder in {}", clusters.display()))?
            .keep();
        let Some(lock) = lock(&lock_of(&folder))? else {
            bail!("{} is locked although it is new", folder.display());
        };
        Ok(Self { folder, retention: Retention::Temporary, syncs_to_disk, remove_lock: true, _lock: lock })
    }

    /// The claimed folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds the kept cluster, or chooses a folder for a new one and writes its location file.
    pub(super) fn home(&self, account: &Account) -> Result<Home> {
        let preferred = self.folder.join(name_of(self.retention));
        let location_file = location_file_in(&self.folder, self.retention);
        let Self { retention, syncs_to_disk, .. } = *self;
        let home = |root| Home { root, location_file: location_file.clone(), retention, syncs_to_disk };
        if let Some(root) = read_location(&location_file).filter(|root| may_be_cluster(root, &self.folder))
            && account.owns(&root)
        {
            return Ok(home(root));
        }
        account.create_folder(&preferred)?;
        let socket = home(preferred.clone()).socket_folder().join(".s.PGSQL.65535");
        let root = if socket.as_os_str().len() <= MAX_SOCKET_PATH_BYTES && account.can_write(&preferred) {
            preferred
        } else {
            remove_folder(&preferred)?;
            let root = tempfile::Builder::new()
                .prefix("padan-")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .tempdir_in(SHARED_FOLDER)
                .with_context(|| format!("cannot create a folder in {SHARED_FOLDER}"))?
                .keep();
            account.own(&root)?;
            root
        };
        fs::write(&location_file, format!("{}\n", root.display()))
            .with_context(|| format!("cannot write {}", location_file.display()))?;
        Ok(home(root))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for home in homes_in(&self.folder).filter(|home| home.retention == Retention::Temporary) {
            let stopped = home.stop_servers();
            if let Err(error) = stopped.and_then(|()| home.remove(&Account::for_server()?)) {
                tracing::warn!("cannot remove the private PostgreSQL: {error:#}");
            }
        }
        // A kept cluster and its location file stay; everything else belongs to this run.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with(name_of(Retention::Kept)) {
                let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
            }
        }
        let _ = fs::remove_dir(&self.folder);
        if self.remove_lock {
            let _ = fs::remove_file(lock_of(&self.folder));
        }
    }
}

impl Home {
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn retention(&self) -> Retention {
        self.retention
    }

    /// Returns whether commits have to survive a crash of the machine.
    pub(super) fn syncs_to_disk(&self) -> bool {
        self.syncs_to_disk
    }

    /// The data folder of the primary.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The data folder of the standby of this name.
    pub(super) fn standby_data(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn socket_folder(&self) -> PathBuf {
        self.root.join("socket")
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.root.join("password")
    }

    pub(super) fn completion_marker(&self) -> PathBuf {
        self.root.join("complete")
    }

    /// Returns whether the cluster was initialised completely by an earlier run.
    pub(super) fn is_complete(&self) -> bool {
        self.completion_marker().exists()
    }

    /// Removes what an interrupted initialisation has left.
    pub(super) fn clear(&self, account: &Account) -> Result<()> {
        remove_folder(&self.data())?;
        account.create_folder(&self.root)
    }

    /// Stops the servers that run on folders of this cluster, including those started by other processes.
    fn stop_servers(&self) -> Result<()> {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            leftover::stop_server(&entry.path())?;
        }
        Ok(())
    }

    /// Removes the cluster and its location file.
    pub(super) fn remove(&self, account: &Account) -> Result<()> {
        // The location file may name a folder that belongs to another user by now.
        if account.owns(&self.root) {
            remove_folder(&self.root)?;
        }
        match fs::remove_file(&self.location_file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.location_file.display()))
            }
            _ => Ok(()),
        }
    }
}

fn name_of(retention: Retention) -> &'static str {
    match retention {
        Retention::Temporary => "cluster",
        Retention::Kept => "kept",
    }
}

fn location_file_in(folder: &Path, retention: Retention) -> PathBuf {
    folder.join(format!("{}.where", name_of(retention)))
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}

fn open_lock(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Acquires the lock; `None` when another process holds it.
fn lock(path: &Path) -> Result<Option<File>> {
    let file = open_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn create_folders(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn read_location(location_file: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(location_file).ok()?;
    Some(PathBuf::from(text.trim_end_matches('\n')))
}

/// Returns whether `root` can be the folder of a private cluster. The location file may have been changed by others,
/// and the folder that it names is removed.
fn may_be_cluster(root: &Path, folder: &Path) -> bool {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    root.parent() == Some(folder)
        || (root.parent() == Some(Path::new(SHARED_FOLDER)) && name.starts_with("padan-"))
}

/// The clusters that the location files in a claimed folder name.
fn homes_in(folder: &Path) -> impl Iterator<Item = Home> {
    [Retention::Temporary, Retention::Kept].into_iter().filter_map(|retention| {
        let location_file = location_file_in(folder, retention);
        let root = read_location(&location_file).filter(|root| may_be_cluster(root, folder))?;
        Some(Home { root, location_file, retention, syncs_to_disk: retention == Retention::Kept })
    })
}

/// Removes each folder whose lock no process holds.
fn remove_abandoned(clusters: &Path) -> Result<()> {
    let account = Account::for_server()?;
    for entry in fs::read_dir(clusters).into_iter().flatten().flatten() {
        let folder = entry.path();
        if !folder.is_dir() {
            continue;
        }
        let Some(_held) = lock(&lock_of(&folder))? else {
            continue;
        };
        for home in homes_in(&folder) {
            home.stop_servers()?;
            home.remove(&account)?;
        }
        remove_folder(&folder)?;
        let _ = fs::remove_file(lock_of(&folder));
    }
    Ok(())
}
