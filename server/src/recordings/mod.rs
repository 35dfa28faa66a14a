//! Recordings: what every watched cluster did, kept after it is gone.
//!
//! While a cluster runs, its recording is an append-only log that one thread writes; at rest it is Parquet. The folder
//! `recordings/{id}` is the truth; the store only has an index of it. Nothing secret is ever written: what comes in here
//! are task records, workers' metrics and prefix states.

mod active;
mod entry;
mod export;
mod frame;
mod index;
mod log;
mod moment;
mod parquet;
mod reader;
mod recorder;
mod recover;
mod retention;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use protocol::events::{Notice, NoticeLevel};
use protocol::live::Details;
use protocol::recordings::{Recording, RecordingState};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::live::{Archive, Feed, Past, Replay, Tap};
use crate::store::{Store, StoreError};
pub use export::{Account, Export, ExportRequest, Stretch, WorkerPeaks};
pub use parquet::Table;
pub use reader::DataError;
pub use settings::RecordingSettings;

/// Below a recording's folder: exports that are being downloaded.
const EXPORTS: &str = "exports";

/// Why a recording can't be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("There is no recording {0}. The list shows those that there are.")]
    NotFound(String),
    #[error("{0}")]
    WrongState(String),
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    #[error("The recording can't be read: {0}. The log of Gatehouse may say more.")]
    Data(#[from] DataError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All recordings of the user. Cheap to clone.
#[derive(Clone)]
pub struct Recordings(Arc<Inner>);

struct Inner {
    root: PathBuf,
    settings: RecordingSettings,
    store: Store,
    runtime: Handle,
    notices: broadcast::Sender<Notice>,
    /// Raised when the list may look different.
    changed: watch::Sender<u64>,
    /// Those that are being written here, as of their last sync.
    running: Mutex<HashMap<String, Recording>>,
    /// Those that somebody looks at.
    open: Mutex<HashMap<String, Weak<Feed>>>,
    /// Held while what a crash left is put in order.
    settling: Mutex<()>,
    closing: AtomicBool,
    /// Recorders, and what else must end before the server does.
    tracker: TaskTracker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recordings {
    /// The recordings in that folder, which is there.
    pub fn new(
        root: PathBuf,
        settings: RecordingSettings,
        store: Store,
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        Self(Arc::new(Inner {
            root,
            settings,
            store,
            runtime: Handle::current(),
            notices,
            changed: watch::Sender::new(0),
            running: Mutex::default(),
            open: Mutex::default(),
            settling: Mutex::new(()),
            closing: AtomicBool::new(false),
            tracker: TaskTracker::new(),
        }))
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.0.root.join(id)
    }

    fn tracker(&self) -> &TaskTracker {
        &self.0.tracker
    }

    fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed)
    }

    /// Waits while what a crash left is being put in order.
    fn settled(&self) -> MutexGuard<'_, ()> {
        lock(&self.0.settling)
    }

    /// Hears of changes of the list.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Records a cluster from now on, until the answer is dropped. `None` where recording is switched off.
    pub fn record(&self, cluster: &str, label: Option<String>) -> Option<Arc<dyn Tap>> {
        let enabled = self.0.settings.enabled;
        enabled.then(|| recorder::Recorder::start(self.clone(), cluster.to_owned(), label) as Arc<dyn Tap>)
    }

    /// Puts in order what earlier servers left, and deletes what is too old.
    pub async fn recover(&self) {
        let known = match index::list(&self.0.store).await {
            Ok(known) => known,
            Err(error) => return warn!(%error, "the index of recordings can't be read"),
        };
        let room = self.clone();
        let recovered = tokio::task::spawn_blocking(move || room.recover_now(&known)).await;
        if let Err(error) = recovered {
            warn!(%error, "the recovery of recordings did not end well");
        }
        self.retain().await;
    }

    fn recover_now(&self, known: &[Recording]) {
        let _settled = self.settled();
        let Ok(entries) = fs::read_dir(&self.0.root) else {
            return;
        };
        let mut there = Vec::new();
        for entry in entries.flatten() {
            let Ok(id) = entry.file_name().into_string() else {
                continue;
            };
            let row = known.iter().find(|recording| recording.id == id);
            there.push(id.clone());
            let has_log =
                reader::parts(&entry.path()).is_ok_and(|parts| parts.iter().any(|part| part.is_log));
            if !has_log && row.is_some_and(|row| row.state != RecordingState::Recording) {
                continue;
            }
            match recover::recover(&entry.path(), &id) {
                Ok(Some(recording)) => {
                    let message = row.and_then(|row| row.message.clone());
                    let recording = Recording {
                        message: recording.message.clone().or(message),
                        ..recording
                    };
                    self.store_now(recording);
                }
                Ok(None) => {}
                Err(error) => warn!(%error, recording = id, "a recording can't be put in order"),
            }
        }
        for gone in known.iter().filter(|recording| !there.contains(&recording.id)) {
            if let Err(error) = self.0.runtime.block_on(index::remove(&self.0.store, &gone.id)) {
                warn!(%error, "a recording that is gone can't be forgotten");
            }
        }
    }

    /// All recordings, newest first.
    ///
    /// # Errors
    /// Where the store can't be read.
    pub async fn list(&self) -> Result<Vec<Recording>, RecordingError> {
        let mut list = index::list(&self.0.store).await?;
        let running = lock(&self.0.running);
        for recording in &mut list {
            if let Some(now) = running.get(&recording.id) {
                recording.clone_from(now);
            }
        }
        Ok(list)
    }

    /// One recording.
    ///
    /// # Errors
    /// [`RecordingError::NotFound`].
    pub async fn get(&self, id: &str) -> Result<Recording, RecordingError> {
        let list = self.list().await?;
        list.into_iter()
            .find(|recording| recording.id == id)
            .ok_or_else(|| RecordingError::NotFound(id.to_owned()))
    }

    /// Deletes a recording at rest.
    ///
    /// # Errors
    /// [`RecordingError::NotFound`], or [`RecordingError::WrongState`] while it is written.
    pub async fn delete(&self, id: &str) -> Result<(), RecordingError> {
        let recording = self.get(id).await?;
        let folder = self.folder(&recording.id);
        let removed = tokio::task::spawn_blocking(move || remove(&folder)).await;
        if !removed.unwrap_or(Ok(false)).map_err(DataError::from)? {
            return Err(RecordingError::WrongState(format!(
                "The cluster {} is being recorded. Shut it down first, or keep its recording.",
                recording.label.unwrap_or(recording.cluster)
            )));
        }
        index::remove(&self.0.store, id).await?;
        lock(&self.0.open).remove(id);
        self.change();
        Ok(())
    }

    /// A recording as a feed: what sessions serve. It fills while it is served.
    ///
    /// # Errors
    /// [`RecordingError::NotFound`].
    pub async fn feed(&self, id: &str) -> Result<Arc<Feed>, RecordingError> {
        let recording = self.get(id).await?;
        if let Some(feed) = lock(&self.0.open).get(id).and_then(Weak::upgrade)
            && recording.state != RecordingState::Recording
        {
            return Ok(feed);
        }
        let folder = self.folder(&recording.id);
        let archive = Arc::new(Shelf {
            folder: folder.clone(),
        });
        let message = format!(
            "This is a recording of cluster {}.",
            recording.label.as_ref().unwrap_or(&recording.cluster)
        );
        let (replay, feed) = Replay::new(&recording.scheduler, self.0.settings.limits(), message, archive);
        {
            let mut open = lock(&self.0.open);
            open.retain(|_, feed| feed.strong_count() > 0);
            open.insert(recording.id.clone(), Arc::downgrade(&feed));
        }
        let lost = recording.lost;
        self.tracker().spawn_blocking(move || fill(&folder, replay, lost));
        Ok(feed)
    }

    /// Whether somebody looks at it.
    fn is_open(&self, id: &str) -> bool {
        lock(&self.0.open)
            .get(id)
            .is_some_and(|feed| feed.strong_count() > 0)
    }

    /// Says that the server ends: what takes long is left for its next start.
    pub fn closing(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
    }

    /// Waits until every recorder has ended, whose watchers have.
    pub async fn close(&self) {
        self.closing();
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }

    fn change(&self) {
        self.0.changed.send_modify(|changes| *changes += 1);
    }

    fn warn(&self, message: String) {
        warn!("{message}");
        // Nobody listens while no panel is open; the log has it too.
        self.0
            .notices
            .send(Notice {
                offer: None,
                level: NoticeLevel::Warning,
                message,
            })
            .ok();
    }

    fn running(&self, recording: Recording) {
        lock(&self.0.running).insert(recording.id.clone(), recording);
    }

    /// A recording is at rest from now on.
    fn rests(&self, recording: Recording) {
        lock(&self.0.running).remove(&recording.id);
        self.store_now(recording);
        self.0.runtime.block_on(self.retain());
    }

    /// Writes a recording to the index from a thread of its own.
    fn store_now(&self, recording: Recording) {
        if let Err(error) = self.0.runtime.block_on(index::put(&self.0.store, recording)) {
            warn!(%error, "the index of recordings does not take an entry");
        }
        self.change();
    }
}

/// Removes a recording's folder; whether it was at rest.
fn remove(folder: &Path) -> std::io::Result<bool> {
    match active::lock(folder) {
        Ok(Some(_lock)) => fs::remove_dir_all(folder).map(|()| true),
        Ok(None) => Ok(false),
        // Nothing is left of it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Reads a recording into a feed, for as long as somebody wants it.
fn fill(folder: &Path, mut replay: Replay, lost: u64) {
    let read = reader::read(folder, &Table::ALL, &mut |item| {
        match item {
            reader::Item::Name { address, name } => replay.name(&address, &name),
            reader::Item::Tasks(tasks) => replay.tasks(&tasks),
            reader::Item::Workers { at_us, workers } => replay.workers(at_us, workers),
            reader::Item::Progress { at_us, progress } => replay.progress(at_us, progress),
        }
        if replay.is_wanted() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    if let Err(error) = read {
        warn!(%error, folder = %folder.display(), "a recording can't be read to its end");
    }
    replay.finish(lost);
}

/// Where a replay's older records are.
#[derive(Debug)]
struct Shelf {
    folder: PathBuf,
}

impl Archive for Shelf {
    fn details(&self, _scheduler: &str, record: u64) -> Option<Details> {
        let task = reader::task(&self.folder, record);
        let task = task.inspect_err(|error| warn!(%error, "a record can't be read"));
        Some(task.ok()??.details(record))
    }

    fn past(&self, at_us: i64) -> Past {
        moment::past(&self.folder, at_us)
            .inspect_err(|error| warn!(%error, "a moment of a recording can't be read"))
            .unwrap_or_default()
    }
}

/// Bytes of all files below a folder.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_gone) => 0,
        })
        .sum()
}
