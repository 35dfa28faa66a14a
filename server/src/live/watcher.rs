//! One task a scheduler: connects, arms the task stream, asks at a steady rate, and comes back when the connection is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dask_comm::{Address, ClusterCert, CommError, Connection, Identity, TaskStreamCursor, Timeouts, Version};
use dask_gateway::{ClusterTls, GatewayConfig};
use protocol::live::{Health, PrefixProgress, Progress, StateCounts, Worker};
use protocol::rest::{ClusterSummary, LiveState};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{Feed, TaskLog};

/// New task records are asked for at this rate.
const TASKS_EVERY: Duration = Duration::from_millis(200);

/// Prefix states follow every second poll of the tasks.
const PROGRESS_EVERY: u32 = 2;

/// A scheduler that has not answered for so long is shown as busy; it is waited for all the same.
const BUSY_AFTER: Duration = Duration::from_secs(2);

/// Taking in a graph of a million tasks blocks a scheduler for minutes, and nothing is won by asking it anew.
const REPLY_TIMEOUT: Duration = Duration::from_secs(600);

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Prefixes in a progress frame; Dask shows 24.
const MAX_PREFIXES: usize = 500;

/// A scheduler, and what it takes to speak to it.
#[derive(Debug)]
pub struct Target {
    address: Address,
    cert: Option<ClusterCert>,
}

impl Target {
    /// The scheduler of a gateway's cluster.
    ///
    /// # Errors
    /// Where the certificate or the address can't be read.
    pub fn gateway(config: &GatewayConfig, name: &str, tls: &ClusterTls) -> Result<Self, CommError> {
        let proxy = config.proxy_address.as_deref().unwrap_or_default();
        Ok(Self {
            address: format!("gateway://{proxy}/{name}").parse()?,
            cert: Some(ClusterCert::from_pem(tls.cert_pem(), tls.key_pem())?),
        })
    }
}

/// The running task of one scheduler.
pub struct Watcher {
    feed: Arc<Feed>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Begins to watch; `changed` is notified when the summary or the health may look different.
    pub fn start(target: Target, changed: Arc<Notify>) -> Self {
        let feed = Arc::new(Feed::default());
        let cancel = CancellationToken::new();
        let task = tokio::spawn({
            let (feed, cancel) = (feed.clone(), cancel.clone());
            async move {
                let mut watch = Watch {
                    target,
                    feed,
                    changed,
                    stream: None,
                };
                cancel.run_until_cancelled(watch.run()).await;
            }
        });
        Self { feed, cancel, task }
    }

    pub fn feed(&self) -> Arc<Feed> {
        self.feed.clone()
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
    feed: Arc<Feed>,
    changed: Arc<Notify>,
    /// Where we are in the task stream of the scheduler with that identity.
    stream: Option<(String, TaskStreamCursor)>,
}

impl Watch {
    async fn run(&mut self) {
        let mut pause = FIRST_RETRY;
        loop {
            let Err(error) = self.watch_once(&mut pause).await;
            debug!(address = %self.target.address, %error, "lost the scheduler");
            self.health(|health| {
                health.state = LiveState::Lost;
                health.message = Some(format!("The scheduler can't be reached: {error} Trying again."));
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
        self.begin(&identity, versions.distributed);
        self.take_identity(&identity);
        let (_, mut cursor) = self
            .stream
            .clone()
            .unwrap_or_else(|| (identity.id.clone(), TaskStreamCursor::new(versions.distributed)));
        self.patiently(cursor.arm(&mut scheduler)).await?;
        info!(address = %self.target.address, version = %versions.packages.get("distributed").map_or("", String::as_str), "watching a scheduler");
        *pause = FIRST_RETRY;

        let mut ticks = tokio::time::interval(TASKS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_identity = Instant::now() + heartbeat(identity.workers.len());
        let mut round: u32 = 0;
        loop {
            ticks.tick().await;
            let began = Instant::now();
            let polled = self.patiently(cursor.poll(&mut scheduler)).await?;
            let more = polled.more;
            self.take_tasks(polled);
            self.stream = Some((identity.id.clone(), cursor.clone()));
            self.answered(began.elapsed());
            if more {
                ticks.reset_immediately();
            }
            if round.is_multiple_of(PROGRESS_EVERY) {
                let states = self.patiently(scheduler.get_task_prefix_states()).await?;
                self.take_progress(states);
            }
            if Instant::now() >= next_identity {
                let now = self.patiently(scheduler.identity()).await?;
                next_identity = Instant::now() + heartbeat(now.workers.len());
                self.take_identity(&now);
            }
            round = round.wrapping_add(1);
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
    fn begin(&mut self, identity: &Identity, version: Version) {
        if self.stream.as_ref().is_none_or(|(id, _)| *id != identity.id) {
            *self.feed.log_mut() = TaskLog::new(identity.id.clone());
            self.stream = Some((identity.id.clone(), TaskStreamCursor::new(version)));
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
            (before.state, before.lost_records, &before.message)
                != (health.state, health.lost_records, &health.message)
        });
        if seen {
            self.changed.notify_one();
        }
    }

    fn take_tasks(&self, polled: dask_comm::Polled) {
        if polled.lost > 0 {
            self.health(|health| health.lost_records += polled.lost);
        }
        if !polled.records.is_empty() {
            self.feed.log_mut().extend(polled.records);
            self.feed.log_version.send_modify(|version| *version += 1);
        }
    }

    fn take_progress(&self, states: dask_comm::PrefixStates) {
        let progress = progress(states);
        let totals = progress.totals;
        let changed = self.feed.progress.send_if_modified(|old| {
            let changed = **old != progress;
            if changed {
                *old = Arc::new(progress);
            }
            changed
        });
        if changed {
            self.summarise(|summary| {
                summary.tasks_processing = totals.processing;
                summary.tasks_in_memory = totals.memory;
            });
        }
    }

    fn take_identity(&self, identity: &Identity) {
        let workers = workers(identity);
        self.feed
            .log_mut()
            .name_workers(workers.iter().map(|w| (w.address.as_str(), w.name.as_str())));
        self.summarise(|summary| {
            summary.workers = workers.len() as u32;
            summary.threads = workers.iter().map(|w| w.threads).sum();
            summary.memory_limit = workers.iter().map(|w| w.memory_limit).sum();
            summary.memory_used = workers.iter().map(|w| w.memory).sum();
            summary.cpu = workers.iter().map(|w| w.cpu).sum();
        });
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

fn workers(identity: &Identity) -> Vec<Worker> {
    let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let mut workers: Vec<Worker> = identity
        .workers
        .iter()
        .map(|worker| Worker {
            address: worker.address.clone(),
            name: worker.name.clone(),
            status: worker.status.clone(),
            threads: worker.nthreads,
            memory_limit: worker.memory_limit.unwrap_or(0),
            memory: worker.metrics.memory,
            cpu: worker.metrics.cpu,
            executing: count(worker.metrics.task_counts.executing),
            ready: count(worker.metrics.task_counts.ready),
            in_memory: count(worker.metrics.task_counts.memory),
        })
        .collect();
    workers.sort_by(|a, b| a.address.cmp(&b.address));
    workers
}

/// Counts by prefix, the largest first; what the scheduler has forgotten does not count.
fn progress(states: dask_comm::PrefixStates) -> Progress {
    let mut progress = Progress::default();
    for (name, counts) in states {
        let counts = state_counts(&counts);
        if counts.all() > 0 {
            progress.totals += counts;
            progress.prefixes.push(PrefixProgress {
                color: timeline::color_index(&name),
                name,
                counts,
            });
        }
    }
    progress.prefixes.sort_by(|a, b| {
        b.counts
            .all()
            .cmp(&a.counts.all())
            .then_with(|| a.name.cmp(&b.name))
    });
    progress.prefixes.truncate(MAX_PREFIXES);
    progress
}

fn state_counts(counts: &BTreeMap<String, u64>) -> StateCounts {
    let of = |state: &str| counts.get(state).copied().unwrap_or(0);
    StateCounts {
        released: of("released"),
        waiting: of("waiting"),
        queued: of("queued"),
        no_worker: of("no-worker"),
        processing: of("processing"),
        memory: of("memory"),
        erred: of("erred"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_leaves_out_what_is_forgotten() {
        let states = |pairs: &[(&str, u64)]| pairs.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect();
        let progress = progress(vec![
            ("small".to_owned(), states(&[("memory", 1)])),
            ("gone".to_owned(), states(&[("forgotten", 9)])),
            (
                "big".to_owned(),
                states(&[("memory", 3), ("no-worker", 2), ("erred", 1), ("forgotten", 4)]),
            ),
        ]);
        let names: Vec<_> = progress
            .prefixes
            .iter()
            .map(|p| (p.name.as_str(), p.counts.all()))
            .collect();
        assert_eq!(names, [("big", 6), ("small", 1)]);
        assert_eq!((progress.totals.memory, progress.totals.all()), (4, 7));
    }
}
