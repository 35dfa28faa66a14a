//! The state folder: who owns it and who else uses it.
//!
//! Locks are `flock`s held by open files: they end with the process that holds them, however it ends.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::embedded::process::Mark;

/// How long a server waits for the one before it, of the same name, to be gone.
const SAME_INSTANCE_WAIT: Duration = Duration::from_secs(20);

/// A state folder that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    #[error("Gatehouse's state folder can't be used ({source}). Choose another with --state-dir. The path is {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "A server named {id:?} already runs here (process {pid}). Stop it, or choose another --instance."
    )]
    AlreadyRuns { id: String, pid: u32 },
    #[error("The instance name {0:?} can't be used: 1 to 64 letters, digits, - and _.")]
    BadInstance(String),
}

/// A folder that only its user can read, with all that must survive a restart.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// Creates the folder where it is missing, and closes it to others.
    pub fn open(path: &Path) -> Result<Self, StateDirError> {
        let failed = |source| StateDirError::Io {
            path: path.to_owned(),
            source,
        };
        let root = std::path::absolute(path).map_err(failed)?;
        let dir = Self { root };
        for folder in [dir.root.clone(), dir.instances(), dir.gateway(), dir.jobs()] {
            private_folder(&folder).map_err(failed)?;
        }
        Ok(dir)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Taken while a server comes or goes, so that "am I the last one?" has one answer.
    pub fn members_lock(&self) -> PathBuf {
        self.root.join("members.lock")
    }

    /// Held by the server that supervises the embedded gateway.
    pub fn owner_lock(&self) -> PathBuf {
        self.root.join("owner.lock")
    }

    pub fn instances(&self) -> PathBuf {
        self.root.join("instances")
    }

    /// The embedded gateway's files.
    pub fn gateway(&self) -> PathBuf {
        self.root.join("gateway")
    }

    /// The SQLite store: jobs, cluster labels.
    pub fn store(&self) -> PathBuf {
        self.root.join("gatehouse.sqlite")
    }

    /// Output of jobs, a folder each.
    pub fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// Whether the server of this name lives, or will be started again by a JupyterLab that does.
    pub fn instance_lives(&self, instance: &str) -> bool {
        let files = InstanceFiles::new(self, instance);
        let held = File::open(&files.lock).is_ok_and(|lock| lock.try_lock().is_err());
        held || files.returns()
    }
}

/// Creates a folder, with those above it, that only its user can enter.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode & !0o077))?;
    }
    Ok(())
}

/// Replaces a file in one step with one that only its user can read.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:08x}.tmp", rand::rng().random::<u32>()));
    let draft = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    let replaced = written.and_then(|()| fs::rename(&draft, path));
    if replaced.is_err() {
        // The first error is the one to tell; the draft may not even exist.
        fs::remove_file(&draft).ok();
    }
    replaced
}

/// Opens a lock file; it is never removed while others may wait for it.
pub fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// What a server keeps of itself across restarts, so that its kernels still find it.
#[derive(Clone, Serialize, Deserialize)]
pub struct InstanceRecord {
    pub pid: u32,
    /// Port of Python's door; `None` until it was opened once.
    pub door_port: Option<u16>,
    /// The unguessable path of Python's door.
    pub door_secret: String,
    /// The JupyterLab that starts us again when we end without being asked.
    parent: Option<Mark>,
}

impl std::fmt::Debug for InstanceRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, door_port, .. } = self;
        f.debug_struct("InstanceRecord")
            .field("pid", pid)
            .field("door_port", door_port)
            .finish_non_exhaustive()
    }
}

/// This server among those that use the same state folder.
#[derive(Debug)]
pub struct Membership {
    dir: StateDir,
    id: String,
    record: InstanceRecord,
    /// Holds the lock of `instances/ID.lock` for as long as this server lives.
    _alive: File,
}

/// Whether others still use the state folder.
#[derive(Debug)]
pub enum Departure {
    /// Nobody else does: end what is shared, then drop the guard. A server that starts meanwhile waits for it.
    Last(LastGuard),
    Others,
}

/// Holds `members.lock`.
#[derive(Debug)]
pub struct LastGuard {
    _members: File,
}

impl Membership {
    /// Enters the folder as `instance`, with the door of an earlier life of the same name. `parent` is the process
    /// that starts this server again if it is killed; while it lives, the server counts as present.
    ///
    /// Waits for a server that is just ending what is shared.
    pub async fn join(dir: &StateDir, instance: &str, parent: Option<u32>) -> Result<Self, StateDirError> {
        let valid = !instance.is_empty()
            && instance.len() <= 64
            && instance
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if !valid {
            return Err(StateDirError::BadInstance(instance.to_owned()));
        }
        let (dir, id) = (dir.clone(), instance.to_owned());
        blocking(move || Self::join_now(dir, id, parent)).await
    }

    fn join_now(dir: StateDir, id: String, parent: Option<u32>) -> Result<Self, StateDirError> {
        let files = InstanceFiles::new(&dir, &id);
        let failed = |source| StateDirError::Io {
            path: files.record.clone(),
            source,
        };
        let deadline = Instant::now() + SAME_INSTANCE_WAIT;
        loop {
            let members = lock_members(&dir)?;
            let alive = lock_file(&files.lock).map_err(failed)?;
            let earlier = files.read();
            match alive.try_lock() {
                Ok(()) => {
                    let record = InstanceRecord {
                        pid: std::process::id(),
                        door_port: earlier.as_ref().and_then(|record| record.door_port),
                        door_secret: earlier.map_or_else(random_hex, |record| record.door_secret),
                        parent: parent.map(Mark::of),
                    };
                    files.write(&record).map_err(failed)?;
                    drop(members);
                    return Ok(Self {
                        dir,
                        id,
                        record,
                        _alive: alive,
                    });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    return Err(StateDirError::AlreadyRuns {
                        id,
                        pid: earlier.map_or(0, |record| record.pid),
                    });
                }
                Err(TryLockError::WouldBlock) => {
                    drop(members);
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn record(&self) -> &InstanceRecord {
        &self.record
    }

    /// Remembers where Python's door is, for the next life of this instance.
    pub fn set_door_port(&mut self, port: u16) -> Result<(), StateDirError> {
        self.record.door_port = Some(port);
        let files = InstanceFiles::new(&self.dir, &self.id);
        files.write(&self.record).map_err(|source| StateDirError::Io {
            path: files.record.clone(),
            source,
        })
    }

    /// Leaves for good. Whoever is told [`Departure::Last`] ends what is shared.
    ///
    /// Call it when this server no longer supervises anything: a second server may take over at once.
    pub async fn leave(self) -> Result<Departure, StateDirError> {
        blocking(move || self.leave_now()).await
    }

    fn leave_now(self) -> Result<Departure, StateDirError> {
        let members = lock_members(&self.dir)?;
        InstanceFiles::new(&self.dir, &self.id).remove();
        let folder = self.dir.instances();
        let failed = |source| StateDirError::Io {
            path: folder.clone(),
            source,
        };
        let mut others = false;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let id = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(id) = id.filter(|_| path.extension().is_some_and(|extension| extension == "lock")) {
                others |= InstanceFiles::new(&self.dir, id).is_present();
            }
        }
        Ok(if others {
            Departure::Others
        } else {
            Departure::Last(LastGuard { _members: members })
        })
    }
}

/// The two files of one server.
struct InstanceFiles {
    record: PathBuf,
    lock: PathBuf,
}

impl InstanceFiles {
    fn new(dir: &StateDir, id: &str) -> Self {
        let folder = dir.instances();
        Self {
            record: folder.join(format!("{id}.json")),
            lock: folder.join(format!("{id}.lock")),
        }
    }

    fn read(&self) -> Option<InstanceRecord> {
        serde_json::from_slice(&fs::read(&self.record).ok()?).ok()
    }

    fn write(&self, record: &InstanceRecord) -> io::Result<()> {
        write_private(&self.record, &serde_json::to_vec(record)?)
    }

    /// Whether that server lives, or will be started again by a parent that does. Removes the files of one that is gone.
    /// Call it with `members.lock` held.
    fn is_present(&self) -> bool {
        let Ok(lock) = lock_file(&self.lock) else {
            return false;
        };
        if lock.try_lock().is_err() {
            return true;
        }
        let returns = self.returns();
        if !returns {
            self.remove();
        }
        returns
    }

    fn returns(&self) -> bool {
        self.read()
            .and_then(|record| record.parent)
            .is_some_and(|parent| parent.is_alive())
    }

    fn remove(&self) {
        for path in [&self.record, &self.lock] {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "a file of an ended server can't be removed");
            }
        }
    }
}

fn lock_members(dir: &StateDir) -> Result<File, StateDirError> {
    let path = dir.members_lock();
    let locked = lock_file(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| StateDirError::Io { path, source })
}

/// 128 random bits in hexadecimal digits.
pub fn random_hex() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateDirError> + Send + 'static,
) -> Result<T, StateDirError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_folder_and_its_files_are_private() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("a/b");
        let dir = StateDir::open(&root).unwrap();
        assert_eq!(mode(&root), 0o700);
        let path = dir.gateway().join("x.json");
        write_private(&path, b"1").unwrap();
        write_private(&path, b"2").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"2".to_vec(), 0o600));
        assert_eq!(
            fs::read_dir(dir.gateway()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[tokio::test]
    async fn the_last_one_out_is_told_so() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(temp.path()).unwrap();
        let first = Membership::join(&dir, "first", None).await.unwrap();
        let second = Membership::join(&dir, "second", None).await.unwrap();
        assert!(matches!(first.leave().await.unwrap(), Departure::Others));
        assert!(matches!(second.leave().await.unwrap(), Departure::Last(_)));
        assert_eq!(fs::read_dir(dir.instances()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_restarted_server_keeps_its_door() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(temp.path()).unwrap();
        let mut life = Membership::join(&dir, "lab", None).await.unwrap();
        life.set_door_port(4711).unwrap();
        let secret = life.record().door_secret.clone();
        // As after SIGKILL: the lock is free and the files are there.
        drop(life);
        let life = Membership::join(&dir, "lab", None).await.unwrap();
        assert_eq!(
            (life.record().door_port, &life.record().door_secret),
            (Some(4711), &secret)
        );
        assert!(!format!("{life:?}").contains(&secret));
    }

    #[tokio::test]
    async fn a_killed_server_counts_while_its_parent_lives() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(temp.path()).unwrap();
        let me = Membership::join(&dir, "me", None).await.unwrap();
        drop(Membership::join(&dir, "gone", None).await.unwrap());
        drop(
            Membership::join(&dir, "returns", Some(std::process::id()))
                .await
                .unwrap(),
        );
        let lives = ["me", "returns", "gone", "never"].map(|id| dir.instance_lives(id));
        assert_eq!(lives, [true, true, false, false]);
        assert!(matches!(me.leave().await.unwrap(), Departure::Others));
        assert!(!dir.instances().join("gone.json").exists());
        assert!(dir.instances().join("returns.json").exists());
    }

    #[tokio::test]
    async fn a_newcomer_waits_for_the_end() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(temp.path()).unwrap();
        let only = Membership::join(&dir, "only", None).await.unwrap();
        let guard = only.leave().await.unwrap();
        let newcomer = tokio::spawn({
            let dir = dir.clone();
            async move { Membership::join(&dir, "new", None).await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!newcomer.is_finished());
        drop(guard);
        newcomer.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn odd_instance_names_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(temp.path()).unwrap();
        for name in ["", "../x", "a b", &"x".repeat(65)] {
            assert!(
                matches!(
                    Membership::join(&dir, name, None).await,
                    Err(StateDirError::BadInstance(_))
                ),
                "{name}"
            );
        }
    }
}
