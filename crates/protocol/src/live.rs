//! Live data: binary frames (postcard) of the WebSocket `api/v1/clusters/{name}/live`.
//!
//! The browser subscribes; the server sends [`Frame::Hello`], then a snapshot in bounded chunks, then deltas. Every
//! [`Packet`] carries a sequence number which the browser acknowledges; a server that has [`CREDITS`] of them
//! unacknowledged sends no more until one comes back, whatever lies buffered in between. What it held back is not
//! queued: tasks are read from its log when there is room again, and of everything else only the latest is sent.
//!
//! Geometry travels in columns, one entry a rectangle; a task's key and details stay on the server until asked for.

use serde::{Deserialize, Serialize};

/// Raised when a frame's layout changes: a browser that holds an older module reloads it.
pub const VERSION: u16 = 4;

/// Packets that may be on their way, unacknowledged.
pub const CREDITS: u64 = 8;

/// Records in one task frame, at most: about 200 kB, far below the 10 MiB at which proxies close a WebSocket.
pub const MAX_BATCH_RECORDS: usize = 10_000;

/// Browser to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Replaces the topics of this connection.
    Subscribe(Topics),
    /// Packets up to and including `seq` were taken in.
    Ack { seq: u64 },
    /// Ask for a task's details by its record number.
    Details { record: u64 },
    /// Show workers and progress as they were at that moment of a recording, microseconds since the Unix epoch; its end
    /// where there is none. The latest question counts: one that is still being answered when another comes may stay
    /// without an answer.
    Moment { at_us: Option<i64> },
}

/// What a browser wants to be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topics {
    pub tasks: bool,
    pub progress: bool,
    pub workers: bool,
    pub series: bool,
    pub errors: bool,
}

impl std::ops::BitOr for Topics {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            tasks: self.tasks | other.tasks,
            progress: self.progress | other.progress,
            workers: self.workers | other.workers,
            series: self.series | other.series,
            errors: self.errors | other.errors,
        }
    }
}

/// Server to browser: one message of the WebSocket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packet {
    /// Counts up from 1 over the connection.
    pub seq: u64,
    pub frame: Frame,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frame {
    /// A stream begins: forget all tasks, lanes and prefixes known before.
    Hello(Hello),
    Tasks(TaskBatch),
    Progress(Progress),
    Workers(Vec<Worker>),
    Health(Health),
    Details(Details),
    Series(Series),
    Errors(Errors),
    Moment(Moment),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of the server.
    pub version: u16,
    /// The scheduler's own identity; another one means that the scheduler was restarted.
    pub scheduler: String,
    /// Number of the first record that will follow; the earlier ones are no longer in memory.
    pub first_record: u64,
    /// Records known when the stream began: how much snapshot is to come.
    pub records: u64,
}

/// A run of task records, in the scheduler's order, as rectangles in columns.
///
/// All columns have the same length; times are scheduler clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskBatch {
    /// Number of the first record in here.
    pub first_record: u64,
    /// Records in here; one has a rectangle for each of its startstops, possibly none.
    pub records: u32,
    /// Whether this brings the browser up to the newest record: the snapshot is complete.
    pub caught_up: bool,
    /// Dictionary entries that come new with this batch; an id counts up from 0 in order of appearance.
    pub lanes: Vec<Lane>,
    pub prefixes: Vec<Prefix>,
    /// Microseconds since the Unix epoch.
    pub base_us: i64,
    /// Start of the rectangle minus start of the one before it (the first: minus `base_us`), microseconds.
    pub start_delta_us: Vec<i64>,
    pub duration_us: Vec<u64>,
    pub lane: Vec<u16>,
    pub prefix: Vec<u16>,
    pub action: Vec<Action>,
    /// Record number minus `first_record`.
    pub record: Vec<u32>,
}

/// A thread of a worker: one row of the task stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Address of the worker.
    pub worker: String,
    /// The worker's name, often a number; its address where it has none.
    pub worker_name: String,
    /// Opaque identity of the thread.
    pub thread: u64,
}

/// A key prefix: what Dask's `key_split` gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefix {
    pub name: String,
    /// Index in Dask's palette of 18 colours, as its `color_of` chooses.
    pub color: u8,
}

/// What a worker's thread did in a rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Action {
    Compute,
    Transfer,
    DiskRead,
    DiskWrite,
    Deserialize,
    /// The compute of a task that raised.
    Erred,
}

/// Tasks by key prefix and state, as Dask's Progress shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Largest first.
    pub prefixes: Vec<PrefixProgress>,
    pub totals: StateCounts,
    /// Must stay the last field: servers and logs from before there was one end here, and who does not know it reads no
    /// further.
    #[serde(default, deserialize_with = "told_or_not")]
    pub left: TimeLeft,
}

impl Progress {
    /// Seconds that the prefix of that number will take yet, where that can be said.
    pub fn left(&self, prefix: usize) -> Option<u32> {
        self.left.prefixes.get(prefix).copied().flatten()
    }
}

fn told_or_not<'de, D: serde::Deserializer<'de>>(from: D) -> Result<TimeLeft, D::Error> {
    Ok(TimeLeft::deserialize(from).unwrap_or_default())
}

/// Seconds that tasks will take yet, as the pace of the last while suggests: as precise as one reads them, so that they do
/// not change with every frame. `None` where too little is known, where nothing moves, and where nothing is left; so all
/// of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLeft {
    /// Of all prefixes together, which run beside each other: not their sum.
    pub all: Option<u32>,
    /// In the order of the prefixes; those behind the last one that has any are left out.
    pub prefixes: Vec<Option<u32>>,
}

impl TimeLeft {
    /// `12 s`, `1 m 5 s`, `3 m`, `2 h 5 m`.
    pub fn in_words(seconds: u32) -> String {
        let (large, small) = match seconds {
            0..60 => return format!("{seconds} s"),
            60..3600 => ((seconds / 60, "m"), (seconds % 60, "s")),
            _ => ((seconds / 3600, "h"), (seconds % 3600 / 60, "m")),
        };
        match small.0 {
            0 => format!("{} {}", large.0, large.1),
            rest => format!("{} {} {rest} {}", large.0, large.1, small.1),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixProgress {
    pub name: String,
    pub color: u8,
    pub counts: StateCounts,
}

/// Tasks in each of the scheduler's states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateCounts {
    pub released: u64,
    pub waiting: u64,
    pub queued: u64,
    pub no_worker: u64,
    pub processing: u64,
    pub memory: u64,
    pub erred: u64,
}

impl StateCounts {
    /// All tasks that the scheduler has not forgotten.
    pub fn all(&self) -> u64 {
        self.released
            + self.waiting
            + self.queued
            + self.no_worker
            + self.processing
            + self.memory
            + self.erred
    }

    /// What Dask counts as done.
    pub fn done(&self) -> u64 {
        self.released + self.memory + self.erred
    }

    /// Tasks that are still to be computed.
    pub fn remaining(&self) -> u64 {
        self.waiting + self.queued + self.no_worker + self.processing
    }
}

impl std::ops::AddAssign for StateCounts {
    fn add_assign(&mut self, other: Self) {
        self.released += other.released;
        self.waiting += other.waiting;
        self.queued += other.queued;
        self.no_worker += other.no_worker;
        self.processing += other.processing;
        self.memory += other.memory;
        self.erred += other.erred;
    }
}

/// A worker as of its last heartbeat; the columns of Dask's Workers page.
///
/// What is optional comes over the scheduler's `feed`, which a site may refuse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    pub address: String,
    pub name: String,
    /// `running`, `paused`, `closing`, …
    pub status: String,
    pub threads: u32,
    /// Last heartbeat, microseconds since the Unix epoch, the scheduler's clock; 0 where it is not known.
    pub last_seen_us: i64,
    /// Sum over its threads, in percent of one core.
    pub cpu: f64,
    pub memory: WorkerMemory,
    /// Open file descriptors.
    pub fds: u32,
    /// Bytes a second of the whole host.
    pub net_read: f64,
    pub net_write: f64,
    pub disk_read: f64,
    pub disk_write: f64,
    /// Bytes of the transfers that are going on, and how many there are.
    pub incoming_bytes: u64,
    pub outgoing_bytes: u64,
    pub incoming: u32,
    pub outgoing: u32,
    /// Between two turns of its event loop, seconds.
    pub event_loop_interval: f64,
    pub executing: u32,
    pub ready: u32,
    pub in_memory: u32,
    /// Tasks that the scheduler has given it.
    pub processing: Option<u32>,
    /// Expected seconds of work that it was given.
    pub occupancy: Option<f64>,
    pub load: Option<Load>,
}

/// A worker's memory in bytes, as Dask divides it. `managed`, `unmanaged_old` and `unmanaged_recent` add up to `process`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerMemory {
    /// 0 where the worker has no limit.
    pub limit: u64,
    /// Resident memory.
    pub process: u64,
    /// Results that Dask accounts for.
    pub managed: u64,
    /// Other memory, for longer than 30 s.
    pub unmanaged_old: u64,
    /// Other memory, since less than 30 s.
    pub unmanaged_recent: u64,
    /// Results on disk.
    pub spilled: u64,
}

/// How busy the scheduler thinks a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Load {
    Idle,
    Normal,
    Saturated,
}

/// Samples of all workers together, oldest first: the history that is kept when a stream begins, then what is new.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Whether these replace all samples that came before.
    pub begins: bool,
    pub samples: Vec<Sample>,
}

/// Sums over the workers at one moment; bytes, and bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Microseconds since the Unix epoch.
    pub at_us: i64,
    pub workers: u32,
    pub threads: u32,
    /// In percent of one core.
    pub cpu: f32,
    pub memory: u64,
    pub memory_limit: u64,
    pub managed: u64,
    pub spilled: u64,
    pub net_read: f32,
    pub net_write: f32,
    pub disk_read: f32,
    pub disk_write: f32,
    pub executing: u32,
    /// Workers that the scheduler was asked for, where that is known; recordings do not hold it.
    pub asked: Option<u32>,
}

/// What went wrong, by prefix and exception, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    pub groups: Vec<ErrorGroup>,
    /// Records of erred tasks, those that are in no group because there were too many different ones included.
    pub total: u64,
}

/// Tasks of one prefix that raised the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorGroup {
    pub prefix: String,
    pub color: u8,
    /// Such as `ValueError('boom')`.
    pub exception: String,
    /// Of the latest; empty where the scheduler sent none.
    pub traceback: String,
    pub count: u64,
    /// Key of the latest, and of the task that raised where that is another one.
    pub key: String,
    pub cause: Option<String>,
    /// Address of the latest one's worker.
    pub worker: String,
    /// End of the first and the latest, microseconds since the Unix epoch.
    pub first_us: i64,
    pub last_us: i64,
    /// Record number of the latest.
    pub record: u64,
}

/// How well the watcher hears the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub state: crate::rest::LiveState,
    /// Duration of the last poll, milliseconds.
    pub poll_ms: f32,
    /// Records that the scheduler had dropped before we could read them.
    pub lost_records: u64,
    pub message: Option<String>,
    /// A sentence where the scheduler's `feed` is refused or off: what is optional in these frames is missing then.
    pub limited: Option<String>,
}

/// Which part of a recording there is to look at, and what is shown of it. A cluster that runs has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// First and last moment of it, microseconds since the Unix epoch.
    pub first_us: i64,
    pub last_us: i64,
    /// What the workers and the progress that follow are of; `None` for the end.
    pub at_us: Option<i64>,
}

/// A task's record in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub record: u64,
    /// Empty where the record is nowhere any more.
    pub key: String,
    pub worker: String,
    pub type_name: Option<String>,
    /// Bytes of the result.
    pub nbytes: Option<u64>,
    /// `exception_text` of an erred task.
    pub error: Option<String>,
}

/// A frame that can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("live frame: {0}")]
pub struct CodecError(#[from] postcard::Error);

/// Writes a frame or request for the WebSocket.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    Ok(postcard::to_stdvec(value)?)
}

/// Reads a frame or request from the WebSocket.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    Ok(postcard::from_bytes(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_costs_little() {
        let n = 1000;
        let batch = TaskBatch {
            records: n,
            base_us: 1_795_334_646_893_921,
            start_delta_us: (0..i64::from(n))
                .map(|i| if i % 2 == 0 { 20_000 } else { -15_000 })
                .collect(),
            duration_us: vec![20_000; n as usize],
            lane: (0..n as u16).map(|i| i % 64).collect(),
            prefix: vec![3; n as usize],
            action: vec![Action::Compute; n as usize],
            record: (0..n).collect(),
            ..TaskBatch::default()
        };
        let packet = Packet {
            seq: 1,
            frame: Frame::Tasks(batch),
        };
        let bytes = encode(&packet).expect("encodes");
        assert!(
            bytes.len() <= 13 * n as usize,
            "{} bytes for {n} rectangles",
            bytes.len()
        );
        assert_eq!(decode::<Packet>(&bytes).expect("decodes"), packet);
    }

    /// A state of two prefixes, with what is left.
    fn progress() -> Progress {
        let counts = StateCounts {
            memory: 3,
            waiting: 4,
            ..StateCounts::default()
        };
        let prefix = |name: &str| PrefixProgress {
            name: name.to_owned(),
            color: 3,
            counts,
        };
        Progress {
            prefixes: vec![prefix("inc"), prefix("sum")],
            totals: counts,
            left: TimeLeft {
                all: Some(150),
                prefixes: vec![Some(12)],
            },
        }
    }

    #[test]
    fn time_left_is_told_to_who_knows_it() {
        /// A packet of progress as it was before there was a time left.
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Before {
            seq: u64,
            frame: u32,
            prefixes: Vec<PrefixProgress>,
            totals: StateCounts,
        }
        let told = progress();
        assert_eq!((told.left(0), told.left(1)), (Some(12), None));
        let now = Packet {
            seq: 7,
            frame: Frame::Progress(told.clone()),
        };
        let bytes = encode(&now).expect("encodes");
        assert_eq!(decode::<Packet>(&bytes).expect("decodes"), now);
        let before: Before = decode(&bytes).expect("an older panel reads a newer server");
        assert_eq!((before.frame, &before.prefixes), (2, &told.prefixes));
        let older =
            decode::<Packet>(&encode(&before).expect("encodes")).expect("and a newer panel an older server");
        let untold = Progress {
            left: TimeLeft::default(),
            ..told
        };
        assert_eq!(older.frame, Frame::Progress(untold));
    }

    #[test]
    fn time_left_reads_well() {
        for (seconds, words) in [
            (1, "1 s"),
            (59, "59 s"),
            (60, "1 m"),
            (65, "1 m 5 s"),
            (3600, "1 h"),
            (7500, "2 h 5 m"),
        ] {
            assert_eq!(TimeLeft::in_words(seconds), words);
        }
    }

    #[test]
    fn a_truncated_frame_is_an_error() {
        let bytes = encode(&Frame::Workers(Vec::new())).expect("encodes");
        assert!(decode::<Frame>(&bytes[..bytes.len() - 1]).is_err());
    }
}
