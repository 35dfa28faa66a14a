//! A recording that is being written: its folder, its lock, its log, and the logs before it on their way to Parquet.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use protocol::live::{Progress, Worker};
use protocol::recordings::{Recording, RecordingState};
use tracing::warn;

use super::entry::{Begin, Entry};
use super::log::Log;
use super::parquet::{self, Table};
use super::reader::{self, DataError, Item, log_path};
use super::{Recordings, folder_bytes};
use crate::clock;
use crate::live::Task;
use crate::state_dir::{lock_file, private_folder};

/// A log that is longer gives way to the next one.
const ROTATE_AT: u64 = 128 << 20;

/// When the server ends there is little time: a longer log waits for the next start.
const COMPACT_AT_END: u64 = 16 << 20;

/// Prefix states are written so often at most, microseconds.
const PROGRESS_EVERY_US: i64 = 1_000_000;

/// More than a scheduler keeps: what it tells again after a restart of ours is known by these.
const REMEMBERED: usize = 120_000;

/// The one that writes holds this.
const LOCK: &str = "lock";

pub(super) struct Active {
    room: Recordings,
    folder: PathBuf,
    /// Released when it is closed.
    _lock: File,
    begin: Begin,
    part: u32,
    log: Log,
    recording: Recording,
    /// Tasks recorded before a restart of ours, as long as the scheduler may tell them again.
    known: Option<HashSet<u64>>,
    /// Bytes of all parts but the one being written.
    resting_bytes: u64,
    waiting_progress: Option<(i64, Arc<Progress>)>,
    last_progress_us: i64,
    compacting: Vec<JoinHandle<()>>,
}

/// Takes the lock of a recording's folder; `None` where another server has it.
pub(super) fn lock(folder: &std::path::Path) -> std::io::Result<Option<File>> {
    let file = lock_file(&folder.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A scheduler's identity as the name of a folder: nothing of it may lead elsewhere.
pub(super) fn id_of(scheduler: &str) -> String {
    let bare = scheduler.strip_prefix("Scheduler-").unwrap_or(scheduler);
    let safe: String = bare
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(64)
        .collect::<String>()
        .to_ascii_lowercase();
    if safe.is_empty() {
        uuid::Uuid::new_v4().simple().to_string()
    } else {
        safe
    }
}

impl Active {
    /// Begins a recording, or goes on with that of the same scheduler. `None` where another server records it.
    pub(super) fn start(
        room: &Recordings,
        cluster: &str,
        label: Option<String>,
        scheduler: String,
        versions: BTreeMap<String, String>,
    ) -> Result<Option<Self>, DataError> {
        let id = id_of(&scheduler);
        let folder = room.folder(&id);
        // What a crash left is put in order first, by whoever comes first.
        let _settled = room.settled();
        private_folder(&folder)?;
        let Some(lock) = lock(&folder)? else {
            return Ok(None);
        };
        super::recover::settle(&folder)?;
        let parts = reader::parts(&folder)?;
        let part = parts.last().map_or(1, |last| last.number + 1);
        let before = match parts.last() {
            Some(last) if !last.is_log => Some(parquet::meta(&folder, last.number)?),
            _ => None,
        };
        let known = match &before {
            Some(_) => Some(remember(&folder)?),
            None => None,
        };
        let started_ms = before.as_ref().map_or_else(clock::now_ms, |meta| meta.started_ms);
        let tasks = before.as_ref().map_or(0, |meta| meta.first_record + meta.tasks);
        let lost = before.as_ref().map_or(0, |meta| meta.lost);
        let begin = Begin {
            cluster: cluster.to_owned(),
            label: label.clone(),
            scheduler: scheduler.clone(),
            versions,
            started_ms,
            first_record: tasks,
            lost,
        };
        let log = Log::create(&log_path(&folder, part), &begin)?;
        let active = Self {
            recording: Recording {
                id,
                cluster: cluster.to_owned(),
                label,
                scheduler,
                state: RecordingState::Recording,
                started_at: started_ms,
                ended_at: None,
                tasks,
                lost,
                bytes: 0,
                message: None,
            },
            resting_bytes: folder_bytes(&folder).saturating_sub(log.length()),
            room: room.clone(),
            folder,
            _lock: lock,
            begin,
            part,
            log,
            known,
            waiting_progress: None,
            last_progress_us: 0,
            compacting: Vec::new(),
        };
        active.tell();
        active.room.store_now(active.recording.clone());
        Ok(Some(active))
    }

    pub(super) fn id(&self) -> &str {
        &self.recording.id
    }

    pub(super) fn workers(&mut self, at_us: i64, workers: Vec<Worker>) -> Result<(), DataError> {
        for worker in &workers {
            self.log.name_worker(&worker.address, &worker.name);
        }
        self.log.entry(&Entry::Workers { at_us, workers })?;
        Ok(())
    }

    pub(super) fn progress(&mut self, at_us: i64, progress: Arc<Progress>) -> Result<(), DataError> {
        self.waiting_progress = Some((at_us, progress));
        if at_us - self.last_progress_us >= PROGRESS_EVERY_US {
            self.write_progress()?;
        }
        Ok(())
    }

    fn write_progress(&mut self) -> Result<(), DataError> {
        if let Some((at_us, progress)) = self.waiting_progress.take() {
            self.last_progress_us = at_us;
            self.log.entry(&Entry::Progress {
                at_us,
                progress: Progress::clone(&progress),
            })?;
        }
        Ok(())
    }

    pub(super) fn lost(&mut self, records: u64) -> Result<(), DataError> {
        self.recording.lost += records;
        self.log.entry(&Entry::Lost(records))?;
        Ok(())
    }

    /// Writes those that were not recorded before. Returns how many were, and the number of the first that was not.
    pub(super) fn tasks(&mut self, mut tasks: Vec<Task>) -> Result<Option<(u64, u64)>, DataError> {
        let told = tasks.len();
        if let Some(known) = &self.known {
            tasks.retain(|task| !known.contains(&fingerprint(task)));
            if tasks.len() == told {
                self.known = None;
            }
        }
        if tasks.is_empty() {
            return Ok(None);
        }
        let first = self.log.next_record();
        self.log.tasks(&tasks)?;
        self.recording.tasks += tasks.len() as u64;
        if self.log.length() >= ROTATE_AT {
            self.rotate()?;
        }
        Ok(Some(((told - tasks.len()) as u64, first)))
    }

    /// Closes the log and begins the next one; the closed one becomes Parquet meanwhile.
    fn rotate(&mut self) -> Result<(), DataError> {
        self.log.sync()?;
        let (folder, part) = (self.folder.clone(), self.part);
        let next = Begin {
            first_record: self.log.next_record(),
            lost: self.recording.lost,
            ..self.begin.clone()
        };
        let log = Log::create(&log_path(&folder, part + 1), &next)?;
        self.begin = next;
        self.part += 1;
        self.log = log;
        self.compacting.push(std::thread::spawn(move || {
            if let Err(error) = parquet::compact(&folder, part) {
                warn!(%error, part, "a part of a recording stays a log: it could not be written as Parquet");
            }
        }));
        Ok(())
    }

    /// Brings what was written to the disk, and tells how far it is.
    pub(super) fn sync(&mut self) -> Result<(), DataError> {
        self.write_progress()?;
        self.log.sync()?;
        self.compacting.retain(|thread| !thread.is_finished());
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        self.room.running(Recording {
            bytes: self.resting_bytes + self.log.length(),
            ..self.recording.clone()
        });
    }

    /// Ends the recording in order.
    pub(super) fn finish(mut self) {
        let at_us = clock::now_ms() * 1000;
        let ended = self
            .write_progress()
            .and_then(|()| Ok(self.log.entry(&Entry::End { at_us })?))
            .and_then(|()| Ok(self.log.sync()?));
        if let Err(error) = ended {
            warn!(%error, recording = %self.recording.id, "the end of a recording could not be written");
        }
        self.recording.state = RecordingState::Ready;
        self.rest();
    }

    /// Ends it early: nothing more can be written.
    pub(super) fn stop(mut self, message: String) {
        self.recording.state = RecordingState::Stopped;
        self.recording.message = Some(message);
        self.rest();
    }

    fn rest(mut self) {
        for thread in self.compacting.drain(..) {
            if thread.join().is_err() {
                warn!(recording = %self.recording.id, "a compaction did not end well");
            }
        }
        self.recording.ended_at = Some(clock::now_ms());
        let leave = self.room.is_closing() && self.log.length() > COMPACT_AT_END;
        if !leave && let Err(error) = parquet::compact(&self.folder, self.part) {
            // It is read as a log, and tried again at the next start.
            warn!(%error, recording = %self.recording.id, "a recording stays a log: it could not be written as Parquet");
        }
        self.recording.bytes = folder_bytes(&self.folder);
        let (room, recording) = (self.room.clone(), self.recording.clone());
        // The lock goes first: what is at rest may be deleted.
        drop(self);
        room.rests(recording);
    }
}

/// Enough of a task to know it again.
fn fingerprint(task: &Task) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&task.key, task.thread, task.bars.first().map(|bar| bar.start_us)).hash(&mut hasher);
    hasher.finish()
}

/// The tasks that were recorded last.
fn remember(folder: &std::path::Path) -> Result<HashSet<u64>, DataError> {
    let mut last = VecDeque::new();
    reader::read(folder, &[Table::Tasks], &mut |item| {
        if let Item::Tasks(tasks) = item {
            last.extend(tasks.iter().map(fingerprint));
            let surplus = last.len().saturating_sub(REMEMBERED);
            last.drain(..surplus);
        }
        ControlFlow::Continue(())
    })?;
    Ok(last.into_iter().collect())
}

/// Removes what is no part of a recording at rest.
pub(super) fn remove_drafts(folder: &std::path::Path) -> std::io::Result<()> {
    for table in Table::ALL {
        let Ok(entries) = fs::read_dir(folder.join(table.name())) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}
