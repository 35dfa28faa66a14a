//! Live data: one watcher a scheduler, and its fan-out to any number of browsers.
//!
//! A watcher reduces what the scheduler says to columns ([`log::TaskLog`]) and latest values; a session reads from there
//! at its own pace. Nothing is queued for a browser, so a slow one costs no memory.

mod asked;
mod calm;
mod catch_up;
mod errors;
mod feeder;
mod groups;
mod idle;
mod inspect;
mod left;
mod log;
mod progress;
mod raised;
mod replay;
mod scrub;
mod series;
mod session;
mod tap;
mod target;
mod task;
mod watcher;
mod workers;

use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::live::{Details, Errors, Health, Progress, Worker};
use protocol::rest::{ClusterSummary, LiveState, Scaling};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub use asked::Asked;
pub use errors::ErrorLog;
pub use idle::{Activity, IdleReader};
pub use inspect::{ClusterVersions, Connected, InspectError, Inspector};
pub use log::{Limits, TaskLog};
use raised::History;
pub use replay::Replay;
use series::SampleLog;
pub use session::serve;
pub use tap::{Archive, Past, Tap};
pub use target::{Settings, Target};
pub use task::{Bar, Task};
pub use watcher::Watcher;

/// What is known of one scheduler, shared between its watcher and the sessions.
#[derive(Debug)]
pub struct Feed {
    log: RwLock<TaskLog>,
    /// Raised after each change of the log.
    log_version: watch::Sender<u64>,
    progress: watch::Sender<Arc<Progress>>,
    workers: watch::Sender<Arc<Vec<Worker>>>,
    series: RwLock<SampleLog>,
    /// Raised after each sample.
    series_version: watch::Sender<u64>,
    errors: watch::Sender<Arc<Errors>>,
    /// When each error of a recording was raised; a watcher's feed does not keep it.
    raised: OnceLock<History>,
    health: watch::Sender<Health>,
    /// Sessions that are being served.
    viewers: watch::Sender<usize>,
    summary: watch::Sender<Option<ClusterSummary>>,
    /// How many workers the scheduler was asked for, as far as its log tells.
    asked: watch::Sender<Asked>,
    /// The log has more to tell, for somebody knows that the scheduler was asked for something else.
    ask_again: Notify,
    /// When the latest round of questions began whose answers were all taken in.
    heard: watch::Sender<Option<Instant>>,
    /// Where records lie that the log has let go.
    archive: Option<Arc<dyn Archive>>,
    /// First and last moment of a recording, once it was read; a watcher's feed has none.
    span: watch::Sender<Option<(i64, i64)>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            log: RwLock::default(),
            log_version: watch::Sender::new(0),
            progress: watch::Sender::default(),
            workers: watch::Sender::default(),
            series: RwLock::default(),
            series_version: watch::Sender::new(0),
            errors: watch::Sender::default(),
            raised: OnceLock::new(),
            health: watch::Sender::new(Health {
                state: LiveState::Connecting,
                poll_ms: 0.0,
                lost_records: 0,
                message: None,
                limited: None,
            }),
            viewers: watch::Sender::new(0),
            summary: watch::Sender::default(),
            asked: watch::Sender::default(),
            ask_again: Notify::new(),
            heard: watch::Sender::default(),
            archive: None,
            span: watch::Sender::default(),
        }
    }
}

impl Feed {
    /// The log to read; a writer that panicked leaves it as it was, which is still whole.
    pub fn log(&self) -> RwLockReadGuard<'_, TaskLog> {
        self.log.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn log_mut(&self) -> RwLockWriteGuard<'_, TaskLog> {
        self.log
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn series(&self) -> RwLockReadGuard<'_, SampleLog> {
        self.series
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn series_mut(&self) -> RwLockWriteGuard<'_, SampleLog> {
        self.series
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A record in full: from the log while it is there, else from the recording. One that is nowhere has a number only,
    /// so that who asked for it need not wait for ever.
    async fn details(&self, record: u64) -> Details {
        let (found, scheduler) = {
            let log = self.log();
            (log.details(record), log.scheduler().to_owned())
        };
        if let Some(details) = found {
            return details;
        }
        let nowhere = Details {
            record,
            key: String::new(),
            worker: String::new(),
            type_name: None,
            nbytes: None,
            error: None,
        };
        let Some(archive) = self.archive.clone() else {
            return nowhere;
        };
        let read = tokio::task::spawn_blocking(move || archive.details(&scheduler, record));
        read.await.ok().flatten().unwrap_or(nowhere)
    }

    /// The errors of a recording as they were at a moment of it. May read from the disk.
    fn errors_at(&self, at_us: i64) -> Arc<Errors> {
        let whole = self.errors.borrow().clone();
        let Some(history) = self.raised.get() else {
            return whole;
        };
        let scheduler = self.log().scheduler().to_owned();
        let details = |record| {
            let kept = self.log().details(record);
            kept.or_else(|| self.archive.as_ref()?.details(&scheduler, record))
        };
        Arc::new(history.at(at_us, &whole, details))
    }

    /// Counts as one that looks, until it is dropped.
    pub fn viewer(self: &Arc<Self>) -> Viewer {
        self.viewers.send_modify(|viewers| *viewers += 1);
        Viewer(Arc::clone(self))
    }

    /// Tasks by prefix and state, changing.
    pub fn progress(&self) -> watch::Receiver<Arc<Progress>> {
        self.progress.subscribe()
    }

    /// The scheduler's totals, changing; `None` until it was reached once.
    pub fn summary(&self) -> watch::Receiver<Option<ClusterSummary>> {
        self.summary.subscribe()
    }

    /// How many workers the scheduler was asked for, as far as its log tells; changing.
    pub fn asked(&self) -> watch::Receiver<Asked> {
        self.asked.subscribe()
    }

    /// The scheduler was just asked for this, and its log will say so: it is read again soon.
    pub fn was_asked(&self, scaling: &Scaling) {
        self.asked.send_modify(|asked| match scaling {
            Scaling::Manual { workers } => {
                asked.workers = Some(*workers);
                asked.scaling = Some(scaling.clone());
            }
            Scaling::Adaptive { .. } => asked.scaling = Some(scaling.clone()),
            Scaling::Unknown => asked.scaling = None,
        });
        self.ask_again.notify_one();
    }

    /// Bytes of results that the workers hold, on disk or not, as they said last.
    pub fn held_bytes(&self) -> u64 {
        let workers = self.workers.borrow();
        workers.iter().map(|w| w.memory.managed + w.memory.spilled).sum()
    }

    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}

/// Somebody who looks; see [`Feed::viewer`].
pub struct Viewer(Arc<Feed>);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.viewers.send_modify(|viewers| *viewers -= 1);
    }
}
