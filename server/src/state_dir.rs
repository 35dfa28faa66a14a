//! The state folder: who owns it and who else uses it.
//!
//! Locks are `flock`s held by open files: they end with the process that holds them, however it ends.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::Rng;

mod members;

pub use members::{Departure, InstanceRecord, LastGuard, Membership};

use members::InstanceFiles;

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
        for folder in [
            dir.root.clone(),
            dir.instances(),
            dir.gateway(),
            dir.jobs(),
            dir.recordings(),
        ] {
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

    /// What clusters did, a folder each.
    pub fn recordings(&self) -> PathBuf {
        self.root.join("recordings")
    }

    /// Whether any server has joined and not left.
    pub fn has_members(&self) -> bool {
        let Ok(entries) = fs::read_dir(self.instances()) else {
            return false;
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut locks = paths.filter(|path| path.extension().is_some_and(|extension| extension == "lock"));
        locks.any(|path| {
            path.file_stem()
                .and_then(|stem| stem.to_str())
                .is_some_and(|id| self.instance_lives(id))
        })
    }

    /// Whether the server of this name lives, or will be started again by a JupyterLab that does.
    pub fn instance_lives(&self, instance: &str) -> bool {
        let files = InstanceFiles::new(self, instance);
        // For writing: network file systems lock nothing that is only read. Where it can't be told, it lives: what would be
        // ended for a dead one could be somebody's.
        let held = match File::options().read(true).write(true).open(&files.lock) {
            Ok(lock) => lock.try_lock().is_err(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
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

/// 128 random bits in hexadecimal digits.
pub fn random_hex() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
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
}
