//! One recorder a watched cluster: hears what the watcher hears over a bounded channel, and writes on a thread of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::live::{Details, Progress, Worker};
use tokio::sync::oneshot;
use tracing::warn;

use super::active::Active;
use super::{Recordings, reader};
use crate::clock;
use crate::live::{Archive, Past, Tap, Task};

/// What was written is on the disk after so long at most.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Messages and tasks that may wait for the disk; what comes beyond is counted as lost.
const QUEUE: usize = 1_024;
const QUEUED_TASKS: usize = 200_000;

/// Workers are sampled so often at most, milliseconds; prefix states as often as they are synced.
const WORKERS_EVERY_US: i64 = 1_900_000;

enum Message {
    Begin(String, BTreeMap<String, String>),
    Workers(i64, Vec<Worker>),
    Progress(i64, Arc<Progress>),
    /// With the number of the first in the watcher's log.
    Tasks(u64, Vec<Task>),
    Lost(u64),
    /// Wants to know when all that came before is written.
    Written(oneshot::Sender<()>),
    End,
}

/// The watcher's end of a recorder.
pub(super) struct Recorder {
    messages: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("cluster", &self.shared.cluster)
            .finish_non_exhaustive()
    }
}

/// What both ends know.
pub(super) struct Shared {
    room: Recordings,
    pub(super) cluster: String,
    queued_tasks: AtomicUsize,
    /// Records that found the queue full since the thread looked last.
    overflow: AtomicUsize,
    last_workers_us: Mutex<i64>,
    /// Where the records of the watcher's log are.
    places: Mutex<Places>,
}

/// From which number of the watcher's log on records have which number in which recording.
#[derive(Debug, Default)]
struct Places {
    scheduler: String,
    id: String,
    /// First number, and what to add to it.
    offsets: Vec<(u64, i64)>,
}

impl Places {
    fn of(&self, scheduler: &str, record: u64) -> Option<(String, u64)> {
        if self.scheduler != scheduler {
            return None;
        }
        let (_, offset) = self.offsets.iter().rev().find(|(from, _)| *from <= record)?;
        Some((self.id.clone(), record.checked_add_signed(*offset)?))
    }
}

impl Recorder {
    /// Begins to listen; the recording begins with the first scheduler.
    pub(super) fn start(room: Recordings, cluster: String, label: Option<String>) -> Arc<Self> {
        let (messages, queue) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            cluster,
            queued_tasks: AtomicUsize::new(0),
            overflow: AtomicUsize::new(0),
            last_workers_us: Mutex::new(i64::MIN),
            places: Mutex::default(),
            room: room.clone(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            label,
            active: None,
        };
        room.tracker().spawn_blocking(move || writer.run(&queue));
        Arc::new(Self { messages, shared })
    }

    /// Hands a message over; whether there was room for it.
    fn send(&self, message: Message) -> bool {
        match self.messages.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => false,
            // The thread ended, and has said why.
            Err(TrySendError::Disconnected(_)) => true,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap for Recorder {
    fn begin(&self, scheduler: &str, versions: &BTreeMap<String, String>) {
        *lock(&self.shared.last_workers_us) = i64::MIN;
        if !self.send(Message::Begin(scheduler.to_owned(), versions.clone())) {
            warn!(cluster = %self.shared.cluster, "a scheduler is not recorded: the disk is too slow");
        }
    }

    fn workers(&self, at_us: i64, workers: &[Worker]) {
        let mut last = lock(&self.shared.last_workers_us);
        if at_us.saturating_sub(*last) >= WORKERS_EVERY_US
            && self.send(Message::Workers(at_us, workers.to_vec()))
        {
            *last = at_us;
        }
    }

    fn progress(&self, at_us: i64, progress: &Arc<Progress>) {
        // One that is left out is followed by another.
        self.send(Message::Progress(at_us, Arc::clone(progress)));
    }

    fn tasks(&self, first_record: u64, tasks: Vec<Task>) {
        let count = tasks.len();
        let waiting = self.shared.queued_tasks.fetch_add(count, Ordering::Relaxed);
        let room = waiting == 0 || waiting + count <= QUEUED_TASKS;
        if !room || !self.send(Message::Tasks(first_record, tasks)) {
            self.shared.queued_tasks.fetch_sub(count, Ordering::Relaxed);
            self.shared.overflow.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn lost(&self, records: u64) {
        self.send(Message::Lost(records));
    }

    fn end(&self) {
        // Where the queue is full, the end of the watcher's feed tells the same a little later.
        self.send(Message::End);
    }
}

impl Archive for Recorder {
    fn details(&self, scheduler: &str, record: u64) -> Option<Details> {
        let (id, number) = lock(&self.shared.places).of(scheduler, record)?;
        let task = reader::task(&self.shared.room.folder(&id), number);
        let task = task.inspect_err(|error| warn!(%error, recording = %id, "a record can't be read"));
        Some(task.ok()??.details(record))
    }

    fn past(&self, at_us: i64) -> Past {
        let id = lock(&self.shared.places).id.clone();
        super::moment::past(&self.shared.room.folder(&id), at_us)
            .inspect_err(|error| warn!(%error, recording = %id, "a moment can't be read"))
            .unwrap_or_default()
    }

    fn written(&self) -> Option<oneshot::Receiver<()>> {
        let (done, written) = oneshot::channel();
        self.send(Message::Written(done)).then_some(written)
    }
}

/// The thread that writes.
struct Writer {
    shared: Arc<Shared>,
    label: Option<String>,
    /// The recording that is being written; `None` before the first scheduler, and after a failure.
    active: Option<Active>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Message>) {
        let mut synced = Instant::now();
        loop {
            let pause = SYNC_EVERY.saturating_sub(synced.elapsed());
            match queue.recv_timeout(pause) {
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if synced.elapsed() >= SYNC_EVERY {
                self.count_overflow();
                self.write(Active::sync);
                synced = Instant::now();
            }
        }
        self.count_overflow();
        if let Some(active) = self.active.take() {
            active.finish();
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Begin(scheduler, versions) => self.begin(scheduler, versions),
            Message::Workers(at_us, workers) => self.write(|active| active.workers(at_us, workers)),
            Message::Progress(at_us, progress) => self.write(|active| active.progress(at_us, progress)),
            Message::End => {}
            // Who asked may have gone away.
            Message::Written(done) => drop(done.send(())),
            Message::Lost(records) => self.write(|active| active.lost(records)),
            Message::Tasks(first_record, tasks) => {
                let count = tasks.len();
                let mut place = None;
                self.write(|active| {
                    place = active.tasks(tasks)?;
                    Ok(())
                });
                if let Some((skipped, number)) = place {
                    let first = first_record + skipped;
                    let offset = number.cast_signed() - first.cast_signed();
                    let offsets = &mut lock(&self.shared.places).offsets;
                    if offsets.last().is_none_or(|(_, last)| *last != offset) {
                        // What came before the first new one was recorded already, in the same order.
                        offsets.push((if offsets.is_empty() { 0 } else { first }, offset));
                    }
                }
                self.shared.queued_tasks.fetch_sub(count, Ordering::Relaxed);
            }
        }
    }

    fn begin(&mut self, scheduler: String, versions: BTreeMap<String, String>) {
        if let Some(active) = self.active.take() {
            active.finish();
        }
        let started = Active::start(
            &self.shared.room,
            &self.shared.cluster,
            self.label.clone(),
            scheduler.clone(),
            versions,
        );
        match started {
            Ok(Some(active)) => {
                *lock(&self.shared.places) = Places {
                    scheduler,
                    id: active.id().to_owned(),
                    offsets: Vec::new(),
                };
                self.active = Some(active);
            }
            // Another server of this user records it.
            Ok(None) => {}
            Err(error) => self.shared.room.warn(format!(
                "Cluster {} is not recorded: {error}. Check the disk's free space and who may write to Gatehouse's state \
                 folder; the live view goes on.",
                self.label.as_deref().unwrap_or(&self.shared.cluster)
            )),
        }
    }

    /// Writes to the recording; one that can't be written stops, with a notice.
    fn write(&mut self, work: impl FnOnce(&mut Active) -> Result<(), reader::DataError>) {
        let Some(active) = &mut self.active else { return };
        let Err(error) = work(active) else { return };
        let message = format!(
            "The recording of cluster {} has stopped at {}: {error}. What was recorded is kept, and the live view goes on. \
             Free space on the disk, or delete recordings.",
            self.label.as_deref().unwrap_or(&self.shared.cluster),
            utc_time(clock::now_ms()),
        );
        self.shared.room.warn(message.clone());
        if let Some(active) = self.active.take() {
            active.stop(message);
        }
    }

    fn count_overflow(&mut self) {
        let overflow = self.shared.overflow.swap(0, Ordering::Relaxed) as u64;
        if overflow > 0 {
            self.shared.room.warn(format!(
                "{overflow} tasks of cluster {} were not recorded: the disk is too slow. The live view has them.",
                self.shared.cluster
            ));
            self.write(|active| active.lost(overflow));
        }
    }
}

/// Hours, minutes and seconds, UTC.
fn utc_time(ms: i64) -> String {
    let seconds = ms.div_euclid(1000).rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02} UTC",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
