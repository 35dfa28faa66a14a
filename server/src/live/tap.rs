//! Who else hears what a watcher hears, and where older records are read from: the recording.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use protocol::live::{Details, Progress, Worker};

use tokio::sync::oneshot;

use super::Task;

/// Told of everything that a watcher learns of its cluster, in order. Nothing in it may wait: a full disk is no reason to
/// show nothing.
pub trait Tap: Archive {
    /// A scheduler of that identity is watched from now on, with the packages that it has.
    fn begin(&self, scheduler: &str, versions: &BTreeMap<String, String>);

    /// The workers as they reported at that moment, microseconds since the Unix epoch.
    fn workers(&self, at_us: i64, workers: &[Worker]);

    /// The tasks' states at that moment; without what is left, which is true only while one looks.
    fn progress(&self, at_us: i64, progress: &Arc<Progress>);

    /// Finished tasks, the first of which has that number in the log.
    fn tasks(&self, first_record: u64, tasks: Vec<Task>);

    /// Records that the scheduler dropped before they could be read.
    fn lost(&self, records: u64);

    /// The cluster is no longer watched.
    fn end(&self);
}

/// Where records are found that a log has let go.
pub trait Archive: fmt::Debug + Send + Sync {
    /// The record that had that number in the log of that scheduler. Reads from the disk.
    fn details(&self, scheduler: &str, record: u64) -> Option<Details>;

    /// What was recorded last at that moment or before it. Reads from the disk.
    fn past(&self, at_us: i64) -> Past;

    /// Ends when all that was told before can be read from the disk; `None` where nothing is written.
    fn written(&self) -> Option<oneshot::Receiver<()>> {
        None
    }
}

/// A moment of a recording. What was not yet recorded then is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    pub workers: Arc<Vec<Worker>>,
    pub progress: Arc<Progress>,
}

impl Task {
    /// The task as a tooltip shows it.
    pub fn details(self, record: u64) -> Details {
        Details {
            record,
            key: self.key,
            worker: self.worker,
            type_name: self.type_name,
            nbytes: self.nbytes,
            error: self.error,
        }
    }
}
