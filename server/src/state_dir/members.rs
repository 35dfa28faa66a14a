//! The servers that use one state folder, and which of them is the last.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{StateDir, StateDirError, lock_file, write_private};
use crate::embedded::process::Mark;

/// How long a server waits for the one before it, of the same name, to be gone.
const SAME_INSTANCE_WAIT: Duration = Duration::from_secs(20);

/// What a server keeps of itself across restarts, so that its kernels still find it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceRecord {
    pub pid: u32,
    /// Port of Python's door; `None` until it was opened once.
    pub door_port: Option<u16>,
    /// The JupyterLab that starts us again when we end without being asked.
    parent: Option<Mark>,
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
                        door_port: earlier.and_then(|record| record.door_port),
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

    /// Whether no other server uses the state folder now, or will come back to it.
    pub fn is_alone(&self) -> bool {
        let Ok(entries) = fs::read_dir(self.dir.instances()) else {
            return false;
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut others = paths.filter(|path| path.extension().is_some_and(|extension| extension == "lock"));
        !others.any(|path| {
            let id = path.file_stem().and_then(|stem| stem.to_str());
            id.is_some_and(|id| id != self.id && self.dir.instance_lives(id))
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
pub(super) struct InstanceFiles {
    record: PathBuf,
    pub(super) lock: PathBuf,
}

impl InstanceFiles {
    pub(super) fn new(dir: &StateDir, id: &str) -> Self {
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

    /// Whether the parent that starts that server again still lives.
    pub(super) fn returns(&self) -> bool {
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

    #[tokio::test]
    async fn the_last_one_out_is_told_so() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(temp.path()).unwrap();
        let first = Membership::join(&dir, "first", None).await.unwrap();
        assert!(first.is_alone());
        let second = Membership::join(&dir, "second", None).await.unwrap();
        assert!(!first.is_alone() && !second.is_alone());
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
        // As after SIGKILL: the lock is free and the files are there.
        drop(life);
        let life = Membership::join(&dir, "lab", None).await.unwrap();
        assert_eq!(life.record().door_port, Some(4711));
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
