//! One task a scheduler: connects, arms the task stream, asks at a steady rate, and comes back when the connection is lost.

use std::sync::Arc;
use std::time::Duration;

use dask_comm::{CommError, Connection, Identity, SchedulerState, TaskStreamCursor, Timeouts, Versions};
use protocol::live::{Health, Sample, TimeLeft};
use protocol::rest::{ClusterSummary, LiveState};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::asked;
use super::calm::Calm;
use super::errors::ErrorLog;
use super::feeder::{Feeder, OFF};
use super::idle::{IdleReader, IdleWatch};
use super::inspect::Inspector;
use super::left::Estimator;
use super::progress::progress;
use super::series::sample;
use super::target::{Settings, Target};
use super::workers::Workers;
use super::{Archive, Feed, Tap, Task, TaskLog};
use crate::clock;

/// New task records are asked for at this rate while somebody looks, and at that one while nobody does. The scheduler
/// keeps the last 100,000, so none is lost at either. Each question costs it about half a millisecond.
const TASKS_EVERY: Duration = Duration::from_millis(150);
const TASKS_UNSEEN_EVERY: Duration = Duration::from_secs(1);

/// Prefix states follow every so many polls of the tasks.
const PROGRESS_EVERY: u32 = 4;

/// The scheduler's own view is asked for at this rate at most: figures go out no more often.
const FEED_EVERY: Duration = Duration::from_secs(1);

/// A scheduler that has not answered for so long is shown as busy; it is waited for all the same.
const BUSY_AFTER: Duration = Duration::from_secs(2);

/// Taking in a graph of a million tasks blocks a scheduler for minutes, and nothing is won by asking it anew.
const REPLY_TIMEOUT: Duration = Duration::from_secs(600);

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// The running task of one scheduler.
pub struct Watcher {
    feed: Arc<Feed>,
    inspector: Arc<Inspector>,
    idle: Option<IdleWatch>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Begins to watch; `changed` is notified when the summary or the health may look different, `tap` hears everything.
    pub fn start(
        target: Target,
        settings: Settings,
        changed: Arc<Notify>,
        tap: Option<Arc<dyn Tap>>,
    ) -> Self {
        let feed = Arc::new(Feed {
            archive: tap.clone().map(|tap| tap as Arc<dyn Archive>),
            ..Feed::default()
        });
        let inspector = Arc::new(Inspector::new(target.clone(), feed.clone(), settings.feed));
        let idle = settings
            .idle
            .then(|| IdleWatch::start(target.clone(), feed.clone(), settings.feed));
        let cancel = CancellationToken::new();
        let task = tokio::spawn({
            let (feed, cancel) = (feed.clone(), cancel.clone());
            async move {
                let mut watch = Watch {
                    target,
                    settings,
                    feed,
                    tap,
                    changed,
                    stream: None,
                    errors: ErrorLog::default(),
                    workers: Workers::default(),
                    calm: Calm::default(),
                    left: Estimator::default(),
                };
                cancel.run_until_cancelled(watch.run()).await;
                if let Some(tap) = &watch.tap {
                    tap.end();
                }
            }
        });
        Self {
            feed,
            inspector,
            idle,
            cancel,
            task,
        }
    }

    pub fn feed(&self) -> Arc<Feed> {
        self.feed.clone()
    }

    pub fn inspector(&self) -> Arc<Inspector> {
        self.inspector.clone()
    }

    /// Tells whether the scheduler has work.
    pub fn idle(&self) -> Option<IdleReader> {
        self.idle.as_ref().map(IdleWatch::reader)
    }

    /// Cancelled when the watcher ends.
    pub fn ended(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub async fn stop(self) {
        self.cancel.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a watcher did not end well");
        }
    }
}

struct Watch {
    target: Target,
    settings: Settings,
    feed: Arc<Feed>,
    tap: Option<Arc<dyn Tap>>,
    changed: Arc<Notify>,
    /// Where we are in the task stream of the scheduler with that identity.
    stream: Option<(String, TaskStreamCursor)>,
    errors: ErrorLog,
    workers: Workers,
    calm: Calm,
    left: Estimator,
}

impl Watch {
    async fn run(&mut self) {
        let mut pause = FIRST_RETRY;
        loop {
            let Err(error) = self.watch_once(&mut pause).await;
            debug!(address = %self.target.address, %error, "lost the scheduler");
            self.health(|health| {
                health.state = LiveState::Lost;
                health.message = Some(format!("The scheduler can't be reached: {error}. Trying again."));
            });
            // Nobody knows how it goes on there.
            self.feed.progress.send_if_modified(|progress| {
                let told = progress.left != TimeLeft::default();
                if told {
                    Arc::make_mut(progress).left = TimeLeft::default();
                }
                told
            });
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_RETRY);
        }
    }

    async fn watch_once(&mut self, pause: &mut Duration) -> Result<std::convert::Infallible, CommError> {
        let timeouts = Timeouts {
            reply: REPLY_TIMEOUT,
            ..Timeouts::default()
        };
        let mut scheduler =
            Connection::connect(&self.target.address, self.target.cert.as_ref(), timeouts).await?;
        let versions = self.patiently(scheduler.versions()).await?;
        let identity = self.patiently(scheduler.identity()).await?;
        self.begin(&identity, &versions);
        self.take_identity(&identity, None);
        info!(address = %self.target.address, version = %versions.packages.get("distributed").map_or("", String::as_str), "watching a scheduler");
        let mut cursor = match self.stream.take() {
            Some((_, cursor)) => cursor,
            None => TaskStreamCursor::new(versions.distributed),
        };
        let every = heartbeat(identity.workers.len());
        let lost = self
            .follow(&mut scheduler, &mut cursor, timeouts, every, pause)
            .await;
        self.stream = Some((identity.id, cursor));
        lost
    }

    /// Asks until the connection is lost; `every` is how often workers report.
    async fn follow(
        &mut self,
        scheduler: &mut Connection,
        cursor: &mut TaskStreamCursor,
        timeouts: Timeouts,
        mut every: Duration,
        pause: &mut Duration,
    ) -> Result<std::convert::Infallible, CommError> {
        self.patiently(cursor.arm(scheduler)).await?;
        *pause = FIRST_RETRY;

        let mut viewers = self.feed.viewers.subscribe();
        let mut feeder = None::<Feeder>;
        let mut next_identity = Instant::now() + every;
        self.look_what_was_asked(scheduler).await?;
        let mut next_asked = Instant::now() + asked::EVERY;
        let mut round: u32 = 0;
        loop {
            let seen = *viewers.borrow_and_update() > 0;
            self.keep_feeder(&mut feeder, seen, timeouts, every);
            let state = feeder.as_ref().and_then(Feeder::state);

            let began = Instant::now();
            let polled = self.patiently(cursor.poll(scheduler)).await?;
            let more = polled.more;
            // A worker's rows are named when its first record comes.
            if Instant::now() >= next_identity || self.has_strangers(&polled) {
                let now = self.patiently(scheduler.identity()).await?;
                every = heartbeat(now.workers.len());
                next_identity = Instant::now() + every;
                // Who comes and goes was asked to: first the one, then the other.
                let moved = self.feed.workers.borrow().len() != now.workers.len();
                if moved || Instant::now() >= next_asked {
                    self.look_what_was_asked(scheduler).await?;
                    next_asked = Instant::now() + asked::EVERY;
                }
                self.take_identity(&now, state.as_deref());
            }
            self.take_tasks(polled);
            self.answered(began.elapsed());
            if !seen || round.is_multiple_of(PROGRESS_EVERY) {
                match &state {
                    Some(state) => self.take_progress(&state.prefixes),
                    None => {
                        let states = self.patiently(scheduler.get_task_prefix_states()).await?;
                        self.take_progress(&states);
                    }
                }
            }
            round = round.wrapping_add(1);
            if !more {
                self.feed.heard.send_replace(Some(began));
                let next = if seen { TASKS_EVERY } else { TASKS_UNSEEN_EVERY };
                tokio::select! {
                    () = tokio::time::sleep_until(began + next) => {}
                    // Who comes need not wait; who leaves changes nothing before the next turn.
                    Ok(_) = viewers.wait_for(|viewers| *viewers > 0), if !seen => {}
                    () = self.feed.ask_again.notified() => {
                        next_asked = Instant::now();
                        next_identity = next_asked;
                    }
                }
            }
        }
    }

    /// A log that can't be read, because a site does not let it, leaves unknown what was asked.
    async fn look_what_was_asked(&self, scheduler: &mut Connection) -> Result<(), CommError> {
        let lines = match self.patiently(scheduler.logs(asked::LINES)).await {
            Err(error) if error.keeps_connection() => return Ok(()),
            lines => lines?,
        };
        let changed = self.feed.asked.send_if_modified(|asked| {
            let before = asked.clone();
            asked.read(&lines);
            *asked != before
        });
        if changed {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Runs the feed while somebody looks, at the rate of the workers' reports.
    fn keep_feeder(&self, feeder: &mut Option<Feeder>, seen: bool, timeouts: Timeouts, every: Duration) {
        if !self.settings.feed {
            return self.limited(Some(OFF));
        }
        // A scheduler that refused is not asked again: it would log an error each time.
        if let Some(why) = feeder.as_ref().and_then(Feeder::refusal) {
            return self.limited(Some(why));
        }
        self.limited(None);
        let every = every.max(FEED_EVERY);
        if !seen {
            *feeder = None;
        } else if feeder.as_ref().is_none_or(|feeder| feeder.every != every) {
            *feeder = Some(Feeder::start(self.target.clone(), timeouts, every));
        }
    }

    fn limited(&self, why: Option<&str>) {
        if self.feed.health.borrow().limited.as_deref() != why {
            self.health(|health| health.limited = why.map(str::to_owned));
        }
    }

    /// Waits for an answer for as long as it takes, and says so when it takes long.
    async fn patiently<T>(&self, answer: impl Future<Output = Result<T, CommError>>) -> Result<T, CommError> {
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = tokio::time::sleep(BUSY_AFTER) => {}
        }
        self.health(|health| {
            health.state = LiveState::Busy;
            health.message = Some(
                "The scheduler is busy: it has not answered for a while. Taking in a big graph does that."
                    .to_owned(),
            );
        });
        answer.await
    }

    /// A scheduler we know goes on where it was; another one begins anew.
    fn begin(&mut self, identity: &Identity, versions: &Versions) {
        if self.stream.as_ref().is_none_or(|(id, _)| *id != identity.id) {
            *self.feed.log_mut() = TaskLog::new(identity.id.clone(), self.settings.limits);
            self.errors = ErrorLog::default();
            self.workers = Workers::default();
            self.left = Estimator::default();
            self.feed.errors.send_replace(Arc::default());
            self.feed.asked.send_replace(super::Asked::default());
            let cursor = TaskStreamCursor::new(versions.distributed);
            self.stream = Some((identity.id.clone(), cursor));
            if let Some(tap) = &self.tap {
                tap.begin(&identity.id, &versions.packages);
            }
            self.feed.log_version.send_modify(|version| *version += 1);
        }
    }

    fn answered(&self, took: Duration) {
        self.health(|health| {
            health.state = LiveState::Live;
            health.message = None;
            health.poll_ms = took.as_secs_f32() * 1e3;
        });
    }

    /// Changes the health; only a change that a user would see wakes anyone.
    fn health(&self, change: impl FnOnce(&mut Health)) {
        let seen = self.feed.health.send_if_modified(|health| {
            let before = health.clone();
            change(health);
            let poll_ms = health.poll_ms;
            Health { poll_ms, ..before } != *health
        });
        if seen {
            self.changed.notify_one();
        }
    }

    fn has_strangers(&self, polled: &dask_comm::Polled) -> bool {
        let log = self.feed.log();
        polled
            .records
            .iter()
            .any(|record| !log.knows_worker(&record.worker))
    }

    fn take_tasks(&mut self, polled: dask_comm::Polled) {
        if polled.lost > 0 {
            self.health(|health| health.lost_records += polled.lost);
            if let Some(tap) = &self.tap {
                tap.lost(polled.lost);
            }
        }
        if polled.records.is_empty() {
            return;
        }
        self.calm.worked(Instant::now());
        let first_record = self.feed.log().next_record();
        let tasks: Vec<Task> = polled.records.into_iter().map(Task::from).collect();
        for task in &tasks {
            self.left.ended(&task.prefix, task.computed());
        }
        if self.errors.extend(&tasks, first_record) {
            self.feed.errors.send_replace(Arc::new(self.errors.errors()));
        }
        self.feed.log_mut().extend(&tasks);
        if let Some(tap) = &self.tap {
            tap.tasks(first_record, tasks);
        }
        self.feed.log_version.send_modify(|version| *version += 1);
    }

    fn take_progress(&mut self, states: &dask_comm::PrefixStates) {
        let mut progress = progress(states);
        let (now, totals) = (Instant::now(), progress.totals);
        if totals.processing + totals.queued > 0 {
            self.calm.worked(now);
        }
        let told = self.feed.progress.borrow().clone();
        let moved = (&told.prefixes, told.totals) != (&progress.prefixes, totals);
        if moved {
            if let Some(tap) = &self.tap {
                tap.progress(clock::now_ms() * 1000, &Arc::new(progress.clone()));
            }
            self.summarise(|summary| {
                summary.tasks_processing = totals.processing;
                summary.tasks_in_memory = totals.memory;
            });
        }
        let threads = self
            .feed
            .workers
            .borrow()
            .iter()
            .map(|w| u64::from(w.threads))
            .sum();
        progress.left = self.left.read(&progress, threads, now);
        if moved || told.left != progress.left {
            self.feed.progress.send_replace(Arc::new(progress));
        }
    }

    fn take_identity(&mut self, identity: &Identity, state: Option<&SchedulerState>) {
        let now = Instant::now();
        let workers = self.workers.join(identity, state, now);
        self.feed
            .log_mut()
            .name_workers(workers.iter().map(|w| (w.address.as_str(), w.name.as_str())));
        let now_us = clock::now_ms() * 1000;
        if let Some(tap) = &self.tap {
            tap.workers(now_us, &workers);
        }
        let asked = self.feed.asked.borrow().workers;
        if !self.calm.is_due(&workers, state.is_some(), asked, now) {
            return;
        }
        self.summarise(|summary| {
            summary.workers = workers.len() as u32;
            summary.threads = workers.iter().map(|w| w.threads).sum();
            summary.memory_limit = workers.iter().map(|w| w.memory.limit).sum();
            // As precise as a card shows them: a change that nobody sees would be told to every panel.
            let used: u64 = workers.iter().map(|w| w.memory.process).sum();
            summary.memory_used = used >> 20 << 20;
            summary.cpu = workers.iter().map(|w| w.cpu).sum::<f64>().round();
        });
        self.feed.series_mut().push(Sample {
            asked,
            ..sample(now_us, &workers)
        });
        self.feed.series_version.send_modify(|version| *version += 1);
        self.feed.workers.send_if_modified(|old| {
            let changed = **old != workers;
            if changed {
                *old = Arc::new(workers);
            }
            changed
        });
    }

    fn summarise(&self, change: impl FnOnce(&mut ClusterSummary)) {
        let changed = self.feed.summary.send_if_modified(|summary| {
            let before = summary.clone();
            change(summary.get_or_insert_default());
            before != *summary
        });
        if changed {
            self.changed.notify_one();
        }
    }
}

/// How often workers report their metrics (`distributed`'s heartbeat interval): asking more often tells nothing new.
fn heartbeat(workers: usize) -> Duration {
    match workers {
        0..=10 => Duration::from_millis(500),
        11..50 => Duration::from_secs(1),
        50..200 => Duration::from_secs(2),
        _ => Duration::from_secs_f64(workers as f64 / 200.0 + 1.0),
    }
}

#[cfg(test)]
mod tests;
