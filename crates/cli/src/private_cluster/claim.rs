use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{account::Account, leftover};

/// PostgreSQL refuses a socket path of 108 bytes and more.
const LONGEST_SOCKET_PATH: usize = 106;
/// Where a cluster lies whose place below the checkout is out of reach or too deep.
const PLACE_FOR_ALL: &str = "/var/tmp";

/// Whether a cluster outlives the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// It is removed at the end, so that nothing needs to survive a crash of the machine.
    Thrown,
    /// It stays, and the next run takes it up again.
    Kept,
}

/// A folder held against other processes for as long as this value lives.
///
/// Beside the folder lies the lock file, in it the cluster's own folder, `cluster` or `kept`, and a file that
/// says where that one is: `cluster.where`.
pub(crate) struct Claim {
    folder: PathBuf,
    keeping: Keeping,
    waits_for_disk: bool,
    /// A throw-away claim has a lock file of its own, which goes with it.
    remove_lock: bool,
    _lock: File,
}

/// Where one cluster lies.
pub(super) struct Home {
    root: PathBuf,
    note: PathBuf,
    keeping: Keeping,
    waits_for_disk: bool,
}

impl Claim {
    /// Claims the demo's folder, `demo` below `deps`. `None` when another process holds it.
    pub(crate) fn demo(deps: &Path, keeping: Keeping) -> Result<Option<Self>> {
        create_folders(deps)?;
        let folder = deps.join("demo");
        let Some(lock) = lock(&lock_of(&folder))? else {
            return Ok(None);
        };
        create_folders(&folder)?;
        let account = Account::for_server()?;
        for home in homes_in(&folder) {
            home.stop_servers()?;
            if home.keeping == Keeping::Thrown {
                home.remove(&account)?;
            }
        }
        let waits_for_disk = keeping == Keeping::Kept;
        Ok(Some(Self { folder, keeping, waits_for_disk, remove_lock: false, _lock: lock }))
    }

    /// Claims a new folder below `deps/clusters`, after removing those there whose process died. The server waits for the
    /// disk where that is what somebody wants to measure.
    pub(crate) fn throw_away(deps: &Path, waits_for_disk: bool) -> Result<Self> {
        let clusters = deps.join("clusters");
        create_folders(&clusters)?;
        let gate_path = deps.join("clusters.lock");
        let gate = open_lock(&gate_path)?;
        // Held only while folders are made or removed, so that a new one is never taken for a dead one.
        gate.lock().with_context(|| format!("cannot lock {}", gate_path.display()))?;
        remove_dead(&clusters)?;
        let folder = tempfile::Builder::new()
            .prefix("c")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&clusters)
            .with_context(|| format!("cannot create a folder in {}", clusters.display()))?
            .keep();
        let Some(lock) = lock(&lock_of(&folder))? else {
            bail!("{} is locked although it is new", folder.display());
        };
        Ok(Self { folder, keeping: Keeping::Thrown, waits_for_disk, remove_lock: true, _lock: lock })
    }

    /// The claimed folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds the kept cluster or chooses a place for a new one, and notes where it is.
    pub(super) fn home(&self, account: &Account) -> Result<Home> {
        let preferred = self.folder.join(name_of(self.keeping));
        let note = note_in(&self.folder, self.keeping);
        let Self { keeping, waits_for_disk, .. } = *self;
        let home = |root| Home { root, note: note.clone(), keeping, waits_for_disk };
        if let Some(root) = noted(&note).filter(|root| may_be_ours(root, &self.folder))
            && account.owns(&root)
        {
            return Ok(home(root));
        }
        account.create_folder(&preferred)?;
        let socket = home(preferred.clone()).socket_folder().join(".s.PGSQL.65535");
        let root = if socket.as_os_str().len() <= LONGEST_SOCKET_PATH && account.reaches(&preferred) {
            preferred
        } else {
            remove_folder(&preferred)?;
            let root = tempfile::Builder::new()
                .prefix("padan-")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .tempdir_in(PLACE_FOR_ALL)
                .with_context(|| format!("cannot create a folder in {PLACE_FOR_ALL}"))?
                .keep();
            account.own(&root)?;
            root
        };
        fs::write(&note, format!("{}\n", root.display()))
            .with_context(|| format!("cannot write {}", note.display()))?;
        Ok(home(root))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for home in homes_in(&self.folder).filter(|home| home.keeping == Keeping::Thrown) {
            let stopped = home.stop_servers();
            if let Err(error) = stopped.and_then(|()| home.remove(&Account::for_server()?)) {
                tracing::warn!("the private PostgreSQL could not be removed: {error:#}");
            }
        }
        // A kept cluster and its note stay; whatever else is there was this run's.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with(name_of(Keeping::Kept)) {
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

    pub(super) fn keeping(&self) -> Keeping {
        self.keeping
    }

    pub(super) fn waits_for_disk(&self) -> bool {
        self.waits_for_disk
    }

    /// The data folder of the primary.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The data folder of a standby, by its name.
    pub(super) fn standby_data(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn socket_folder(&self) -> PathBuf {
        self.root.join("socket")
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.root.join("password")
    }

    pub(super) fn completed_mark(&self) -> PathBuf {
        self.root.join("complete")
    }

    /// Whether an earlier initdb here got to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.completed_mark().exists()
    }

    /// Empties the folder of what an initdb that was cut off has left.
    pub(super) fn clear(&self, account: &Account) -> Result<()> {
        remove_folder(&self.data())?;
        account.create_folder(&self.root)
    }

    /// Stops whatever server runs on a folder of this cluster, whoever started it.
    fn stop_servers(&self) -> Result<()> {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            leftover::stop_server(&entry.path())?;
        }
        Ok(())
    }

    /// Removes the cluster and the note about it.
    pub(super) fn remove(&self, account: &Account) -> Result<()> {
        // The note may name a folder that has since become somebody else's.
        if account.owns(&self.root) {
            remove_folder(&self.root)?;
        }
        match fs::remove_file(&self.note) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.note.display()))
            }
            _ => Ok(()),
        }
    }
}

fn name_of(keeping: Keeping) -> &'static str {
    match keeping {
        Keeping::Thrown => "cluster",
        Keeping::Kept => "kept",
    }
}

fn note_in(folder: &Path, keeping: Keeping) -> PathBuf {
    folder.join(format!("{}.where", name_of(keeping)))
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

/// Takes the lock, or tells by `None` that another process has it.
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

fn noted(note: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(note).ok()?;
    Some(PathBuf::from(text.trim_end_matches('\n')))
}

/// Whether a cluster of ours can lie there: the note may be anybody's writing, and what it names is removed.
fn may_be_ours(root: &Path, folder: &Path) -> bool {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    root.parent() == Some(folder)
        || (root.parent() == Some(Path::new(PLACE_FOR_ALL)) && name.starts_with("padan-"))
}

/// The clusters that the notes in a claimed folder tell of.
fn homes_in(folder: &Path) -> impl Iterator<Item = Home> {
    [Keeping::Thrown, Keeping::Kept].into_iter().filter_map(|keeping| {
        let note = note_in(folder, keeping);
        let root = noted(&note).filter(|root| may_be_ours(root, folder))?;
        Some(Home { root, note, keeping, waits_for_disk: keeping == Keeping::Kept })
    })
}

/// Removes each folder whose lock nobody holds.
fn remove_dead(clusters: &Path) -> Result<()> {
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
