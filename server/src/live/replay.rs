//! A feed filled from a recording, served to browsers as a watcher's is.

use std::sync::Arc;

use protocol::live::{Health, Progress, Worker};
use protocol::rest::LiveState;

use super::errors::ErrorLog;
use super::log::{Limits, TaskLog};
use super::raised::History;
use super::series::sample;
use super::{Archive, Feed, Task};

/// Fills a feed with what was recorded, in the recording's order.
pub struct Replay {
    feed: Arc<Feed>,
    errors: ErrorLog,
    raised: History,
    workers: Vec<Worker>,
    progress: Option<Progress>,
    /// First and last moment of which something is known, and of the tasks, by the workers' clocks.
    sampled: Span,
    worked: Span,
}

/// From when to when, microseconds since the Unix epoch; `None` while nothing was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span(Option<(i64, i64)>);

impl Span {
    fn add(&mut self, from_us: i64, to_us: i64) {
        let (first, last) = self.0.unwrap_or((from_us, to_us));
        self.0 = Some((first.min(from_us), last.max(to_us)));
    }
}

impl Replay {
    /// A feed of the scheduler of that identity, without records yet; `archive` is asked for details that are not kept.
    pub fn new(
        scheduler: &str,
        limits: Limits,
        message: String,
        archive: Arc<dyn Archive>,
    ) -> (Self, Arc<Feed>) {
        let feed = Feed {
            archive: Some(archive),
            ..Feed::default()
        };
        *feed.log_mut() = TaskLog::new(scheduler.to_owned(), limits);
        feed.health.send_replace(Health {
            state: LiveState::Recording,
            poll_ms: 0.0,
            lost_records: 0,
            message: Some(message),
            limited: None,
        });
        let feed = Arc::new(feed);
        let replay = Self {
            feed: Arc::clone(&feed),
            errors: ErrorLog::default(),
            raised: History::default(),
            workers: Vec::new(),
            progress: None,
            sampled: Span::default(),
            worked: Span::default(),
        };
        (replay, feed)
    }

    /// Whether anybody but this one holds the feed.
    pub fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.feed) > 1
    }

    pub fn tasks(&mut self, tasks: &[Task]) {
        let first_record = self.feed.log().next_record();
        self.errors.extend(tasks, first_record);
        self.raised.extend(tasks, first_record);
        for (start, end) in tasks.iter().filter_map(Task::span) {
            self.worked.add(start, end);
        }
        self.feed.log_mut().extend(tasks);
        self.feed.log_version.send_modify(|version| *version += 1);
    }

    /// New lanes of that worker are shown by this name.
    pub fn name(&mut self, address: &str, name: &str) {
        self.feed.log_mut().name_worker(address, name);
    }

    /// A sample of all workers; the last one is what the panes of workers show.
    pub fn workers(&mut self, at_us: i64, workers: Vec<Worker>) {
        self.feed.series_mut().push(sample(at_us, &workers));
        self.sampled.add(at_us, at_us);
        // Workers leave before a cluster ends; who was there is what one wants to see.
        if !workers.is_empty() || self.workers.is_empty() {
            self.workers = workers;
        }
    }

    /// A state of the prefixes; the last one that is not empty is shown: a scheduler forgets when its client leaves.
    pub fn progress(&mut self, at_us: i64, progress: Progress) {
        self.sampled.add(at_us, at_us);
        if progress.totals.all() > 0 {
            self.progress = Some(progress);
        }
    }

    /// Everything was read.
    pub fn finish(mut self, lost_records: u64) {
        self.raised.finish();
        if self.feed.raised.set(self.raised).is_err() {
            tracing::error!("a recording was read twice into the same feed");
        }
        self.feed
            .health
            .send_modify(|health| health.lost_records = lost_records);
        self.feed.series_version.send_modify(|version| *version += 1);
        self.feed.errors.send_replace(Arc::new(self.errors.errors()));
        self.feed.workers.send_replace(Arc::new(self.workers));
        self.feed
            .progress
            .send_replace(Arc::new(self.progress.unwrap_or_default()));
        // A task that began before the first sample, or by a clock that is wrong, makes no moment that could be shown.
        let span = self.sampled.0.or(self.worked.0).unwrap_or_default();
        self.feed.span.send_replace(Some(span));
    }
}
