//! Live data: one watcher a scheduler, and its fan-out to any number of browsers.
//!
//! A watcher reduces what the scheduler says to columns ([`log::TaskLog`]) and latest values; a session reads from there
//! at its own pace. Nothing is queued for a browser, so a slow one costs no memory.

mod log;
mod session;
mod watcher;

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::live::{Health, Progress, Worker};
use protocol::rest::{ClusterSummary, LiveState};
use tokio::sync::watch;

pub use log::TaskLog;
pub use session::serve;
pub use watcher::{Target, Watcher};

/// What is known of one scheduler, shared between its watcher and the sessions.
#[derive(Debug)]
pub struct Feed {
    log: RwLock<TaskLog>,
    /// Raised after each change of the log.
    log_version: watch::Sender<u64>,
    progress: watch::Sender<Arc<Progress>>,
    workers: watch::Sender<Arc<Vec<Worker>>>,
    health: watch::Sender<Health>,
    summary: watch::Sender<Option<ClusterSummary>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            log: RwLock::default(),
            log_version: watch::Sender::new(0),
            progress: watch::Sender::default(),
            workers: watch::Sender::default(),
            health: watch::Sender::new(Health {
                state: LiveState::Connecting,
                poll_ms: 0.0,
                lost_records: 0,
                message: None,
            }),
            summary: watch::Sender::default(),
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

    /// The scheduler's totals, changing; `None` until it was reached once.
    pub fn summary(&self) -> watch::Receiver<Option<ClusterSummary>> {
        self.summary.subscribe()
    }

    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}
