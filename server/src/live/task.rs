//! A finished task as the server keeps it: reduced once from the scheduler's record, for the log and the recording.

use dask_comm::TaskRecord;
use protocol::live::Action;

/// A task that ended in memory, or erred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    pub key: String,
    /// What Dask's `key_split` makes of the key.
    pub prefix: String,
    /// Address of the worker.
    pub worker: String,
    pub thread: u64,
    pub type_name: Option<String>,
    /// Bytes of the result.
    pub nbytes: Option<u64>,
    /// `exception_text` of an erred task.
    pub error: Option<String>,
    pub traceback: Option<String>,
    /// Key of the task that raised, if this one erred.
    pub cause: Option<String>,
    /// What the thread did for it.
    pub bars: Vec<Bar>,
}

/// A stretch of work; microseconds since the Unix epoch, scheduler clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    pub action: Action,
    pub start_us: i64,
    pub duration_us: u64,
}

impl From<TaskRecord> for Task {
    fn from(record: TaskRecord) -> Self {
        let erred = record.error.is_some();
        let bars = record.startstops.iter().map(|part| {
            let start_us = microseconds(part.start);
            Bar {
                action: action(&part.action, erred),
                start_us,
                duration_us: microseconds(part.stop)
                    .saturating_sub(start_us)
                    .max(0)
                    .unsigned_abs(),
            }
        });
        Self {
            bars: bars.collect(),
            // Dask says `Other` of keys that are no text.
            prefix: record
                .stem
                .as_deref()
                .map_or_else(|| "Other".to_owned(), timeline::key_split),
            key: record.key,
            worker: record.worker,
            thread: record.thread,
            type_name: record.typename,
            nbytes: record.nbytes,
            error: record.error,
            traceback: record.traceback,
            cause: record.cause,
        }
    }
}

impl Task {
    /// Seconds that it was computed, also in vain.
    pub(super) fn computed(&self) -> f64 {
        let computes = |bar: &&Bar| matches!(bar.action, Action::Compute | Action::Erred);
        let us: u64 = self
            .bars
            .iter()
            .filter(computes)
            .fold(0, |sum, bar| sum.saturating_add(bar.duration_us));
        us as f64 / 1e6
    }

    /// Earliest start and latest end, where it has any work.
    pub fn span(&self) -> Option<(i64, i64)> {
        let start = self.bars.iter().map(|bar| bar.start_us).min()?;
        let end = self
            .bars
            .iter()
            .map(|bar| bar.start_us.saturating_add_unsigned(bar.duration_us))
            .max()?;
        Some((start, end))
    }
}

fn action(word: &str, erred: bool) -> Action {
    match word {
        "transfer" => Action::Transfer,
        "disk-read" => Action::DiskRead,
        "disk-write" => Action::DiskWrite,
        "deserialize" => Action::Deserialize,
        _ if erred => Action::Erred,
        _ => Action::Compute,
    }
}

/// Unix seconds as microseconds; what is no time counts as 0.
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
