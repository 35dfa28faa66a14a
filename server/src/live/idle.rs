//! Whether a cluster works, and since when it does not: read from its scheduler on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use dask_comm::{CommError, Connection, Timeouts, Work};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::Feed;
use super::feeder::is_refusal;
use super::target::Target;
use crate::clock;

/// How often the scheduler is asked.
const EVERY: Duration = Duration::from_secs(2);

/// What is older is not known any more: the scheduler may do anything meanwhile.
const STALE: Duration = Duration::from_secs(15);

/// How long a scheduler may take for one of our answers before the connection is made anew.
const PATIENCE: Duration = Duration::from_secs(30);

/// Readings of the same moment differ by what the network takes.
const JITTER_MS: i64 = 1_500;

/// What a cluster is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Its scheduler can't be asked. That is no sign of idleness.
    Unknown,
    Busy,
    Idle {
        /// Unix time in milliseconds.
        since_ms: i64,
    },
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    activity: Activity,
}

/// A task that keeps asking; dropped, it ends.
#[derive(Debug)]
pub(super) struct IdleWatch {
    readings: watch::Receiver<Reading>,
    _task: AbortOnDropHandle<()>,
}

impl IdleWatch {
    /// Begins; `expression` says whether the scheduler may be asked to run one.
    pub(super) fn start(target: Target, feed: Arc<Feed>, expression: bool) -> Self {
        let (sender, readings) = watch::channel(Reading {
            at: Instant::now(),
            activity: Activity::Unknown,
        });
        let asker = Asker {
            target,
            feed,
            readings: sender,
        };
        Self {
            readings,
            _task: AbortOnDropHandle::new(tokio::spawn(asker.run(expression))),
        }
    }

    pub(super) fn reader(&self) -> IdleReader {
        IdleReader(self.readings.clone())
    }
}

/// Reads what a scheduler said of its work; outlives its watcher, and then knows nothing any more.
#[derive(Clone, Debug)]
pub struct IdleReader(watch::Receiver<Reading>);

impl IdleReader {
    /// As it was told last.
    pub fn now(&self) -> Activity {
        let reading = *self.0.borrow();
        if reading.at.elapsed() > STALE {
            return Activity::Unknown;
        }
        reading.activity
    }

    /// As the scheduler tells from now on; waits for its next word.
    pub async fn fresh(&self) -> Activity {
        let mut readings = self.0.clone();
        let asked = Instant::now();
        let next = readings.wait_for(|reading| reading.at > asked);
        match tokio::time::timeout(STALE, next).await {
            Ok(Ok(reading)) => reading.activity,
            Ok(Err(_)) | Err(_) => Activity::Unknown,
        }
    }
}

struct Asker {
    target: Target,
    feed: Arc<Feed>,
    readings: watch::Sender<Reading>,
}

impl Asker {
    async fn run(self, expression: bool) {
        let mut by_expression = expression;
        loop {
            let Err(error) = match by_expression {
                true => self.follow().await,
                false => self.poll().await,
            };
            if by_expression && is_refusal(&error) {
                // A scheduler that refused is not asked again: it would log an error each time.
                by_expression = false;
                continue;
            }
            debug!(address = %self.target.address, %error, "the scheduler does not tell what it does");
            self.tell(Activity::Unknown);
            tokio::time::sleep(EVERY).await;
        }
    }

    fn timeouts() -> Timeouts {
        Timeouts {
            reply: PATIENCE,
            ..Timeouts::default()
        }
    }

    async fn connect(&self) -> Result<Connection, CommError> {
        Connection::connect(&self.target.address, self.target.cert.as_ref(), Self::timeouts()).await
    }

    /// The exact way: the scheduler sends what it has to do.
    async fn follow(&self) -> Result<std::convert::Infallible, CommError> {
        let (mut feed, mut work) = self.connect().await?.work_feed(EVERY).await?;
        loop {
            self.tell(self.judge(work));
            work = match tokio::time::timeout(PATIENCE, feed.next()).await {
                Ok(work) => work?,
                Err(_elapsed) => {
                    return Err(CommError::Timeout {
                        op: "feed".to_owned(),
                        after: PATIENCE,
                    });
                }
            };
        }
    }

    /// Without the expression: what a task's states, the number of finished tasks and the wish for workers tell. Tasks that
    /// no worker which is there may take are not seen.
    async fn poll(&self) -> Result<std::convert::Infallible, CommError> {
        let mut scheduler = self.connect().await?;
        let mut before = None;
        let mut changed = Instant::now();
        loop {
            let states = scheduler.get_task_prefix_states().await?;
            let of = |state: &str| -> u64 { states.iter().filter_map(|(_, counts)| counts.get(state)).sum() };
            let (processing, mut waiting) = (of("processing"), of("waiting"));
            let workers = self.feed.summary.borrow().as_ref().map_or(0, |s| s.workers);
            if workers == 0 {
                waiting += scheduler.adaptive_target().await?;
            }
            let now = (states, self.feed.log().next_record());
            if before.as_ref() != Some(&now) {
                changed = Instant::now();
                before = Some(now);
            }
            self.tell(self.judge(Work {
                waiting,
                processing,
                quiet_s: changed.elapsed().as_secs_f64(),
            }));
            tokio::time::sleep(EVERY).await;
        }
    }

    fn judge(&self, work: Work) -> Activity {
        let now_ms = clock::now_ms();
        let since_ms = now_ms - (work.quiet_s.max(0.0) * 1e3) as i64;
        judge(work, since_ms, now_ms, self.readings.borrow().activity)
    }

    fn tell(&self, activity: Activity) {
        self.readings.send_replace(Reading {
            at: Instant::now(),
            activity,
        });
    }
}

/// A scheduler that keeps no log of what it did says that it was quiet since its start: what was seen of it counts more.
fn judge(work: Work, since_ms: i64, now_ms: i64, before: Activity) -> Activity {
    match before {
        _ if work.processing + work.waiting > 0 => Activity::Busy,
        Activity::Idle { since_ms: known } if since_ms - known <= JITTER_MS => before,
        Activity::Busy => Activity::Idle {
            since_ms: since_ms.max(now_ms - EVERY.as_millis() as i64),
        },
        _ => Activity::Idle { since_ms },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(waiting: u64, processing: u64) -> Work {
        Work {
            waiting,
            processing,
            quiet_s: 0.0,
        }
    }

    #[test]
    fn what_waits_or_is_processed_is_work() {
        assert_eq!(judge(work(1, 0), 5, 5, Activity::Unknown), Activity::Busy);
        assert_eq!(judge(work(0, 1), 5, 5, Activity::Unknown), Activity::Busy);
        assert_eq!(
            judge(work(0, 0), 5, 5, Activity::Busy),
            Activity::Idle { since_ms: 5 }
        );
    }

    #[test]
    fn a_moment_is_told_the_same_again_and_again() {
        let idle = |since_ms| Activity::Idle { since_ms };
        assert_eq!(judge(work(0, 0), 10_900, 20_000, idle(10_000)), idle(10_000));
        // A task between two readings that nobody saw at work.
        assert_eq!(judge(work(0, 0), 12_000, 20_000, idle(10_000)), idle(12_000));
        // One without a log was busy a moment ago.
        assert_eq!(judge(work(0, 0), 5, 20_000, Activity::Busy), idle(18_000));
        assert_eq!(judge(work(0, 0), 5, 20_000, idle(18_000)), idle(18_000));
    }

    #[tokio::test]
    async fn old_news_is_no_news() {
        let reading = |at| Reading {
            at,
            activity: Activity::Idle { since_ms: 1 },
        };
        let (sender, receiver) = watch::channel(reading(Instant::now()));
        let reader = IdleReader(receiver);
        assert_eq!(reader.now(), Activity::Idle { since_ms: 1 });
        sender.send_replace(reading(Instant::now() - STALE * 2));
        assert_eq!(reader.now(), Activity::Unknown);
        let (told, fresh) = tokio::join!(
            async {
                tokio::task::yield_now().await;
                sender.send_replace(Reading {
                    at: Instant::now(),
                    activity: Activity::Busy,
                });
            },
            reader.fresh()
        );
        let () = told;
        assert_eq!(fresh, Activity::Busy);
        drop(sender);
        assert_eq!(reader.fresh().await, Activity::Unknown, "nobody asks any more");
    }
}
