//! Whose turn it is: so many jobs at once in all, and so many on one cluster; in the order in which they came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::jobs::{Job, JobState, PlaceKind};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::sync::watch;

use super::step::Step;

/// How many jobs run at once, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub at_once: usize,
    /// On one cluster that goes on running; a cluster of a job's own has only that one.
    pub per_cluster: usize,
    pub keep: Keep,
}

/// How long jobs that are over are kept, with all that remains of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Those that ended last.
    #[serde(deserialize_with = "at_least_one")]
    pub jobs: u32,
    /// Those that ended so many days ago.
    #[serde(deserialize_with = "at_least_one")]
    pub days: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self { jobs: 200, days: 90 }
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom(
            "at least one job must be kept, for at least one day",
        )),
        kept => Ok(kept),
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 16,
            per_cluster: 4,
            keep: Keep::default(),
        }
    }
}

/// The jobs that run and those that wait.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    limits: Limits,
    line: Mutex<Line>,
}

/// In the order in which they came.
#[derive(Default)]
struct Line {
    entries: Vec<Entry>,
    next_ticket: u64,
}

struct Entry {
    ticket: u64,
    job: String,
    /// The cluster that it shares with others.
    cluster: Option<String>,
    standing: watch::Sender<Standing>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has its turn.
    Runs,
    Waits(Waits),
}

/// What a job waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waits {
    /// Its place among all that wait, counted from 1.
    position: u32,
    /// Jobs that run already,
    run: usize,
    /// on its cluster, or in all.
    on_its_cluster: bool,
}

impl Waits {
    fn sentence(self) -> String {
        let jobs = match self.run {
            1 => "1 job already runs".to_owned(),
            run => format!("{run} jobs already run"),
        };
        let place = if self.on_its_cluster {
            " on its cluster"
        } else {
            ""
        };
        format!("Waits: {jobs}{place}")
    }
}

/// A job's place; given back when dropped.
pub(super) struct Place {
    queue: Queue,
    ticket: u64,
    standing: watch::Receiver<Standing>,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            limits: Limits {
                at_once: limits.at_once.max(1),
                per_cluster: limits.per_cluster.max(1),
                ..limits
            },
            line: Mutex::default(),
        }))
    }

    /// Lines a job up. One that began already, before a server died, goes on beside the others, however many there are.
    pub(super) fn enter(&self, job: &Job, step: Step) -> Place {
        let shared = job.request.place.kind == PlaceKind::Cluster;
        let first = match step {
            Step::Queued => Standing::Waits(Waits::default()),
            _ => Standing::Runs,
        };
        let (sender, mut standing) = watch::channel(first);
        let mut line = self.line();
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        line.entries.push(Entry {
            ticket,
            job: job.id.clone(),
            cluster: job.cluster.clone().filter(|_| shared),
            standing: sender,
        });
        line.settle(self.0.limits);
        standing.mark_unchanged();
        Place {
            queue: self.clone(),
            ticket,
            standing,
        }
    }

    /// The job as it is shown: with its position and what it waits for, where it waits.
    pub(super) fn placed(&self, mut job: Job) -> Job {
        if job.state == JobState::Queued
            && let Some(Standing::Waits(waits)) = self.standing(&job.id)
        {
            job.position = Some(waits.position);
            job.doing = Some(waits.sentence());
        }
        job
    }

    /// How a job stands; `None` where it is not, or no longer, in line.
    pub(super) fn standing(&self, job: &str) -> Option<Standing> {
        let line = self.line();
        let entry = line.entries.iter().find(|entry| entry.job == job)?;
        Some(*entry.standing.borrow())
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Gives their turn to those who can have it, and tells the others where they stand now. Who waits for a cluster takes
    /// no place from those behind.
    fn settle(&mut self, limits: Limits) {
        let runs = |entry: &&Entry| *entry.standing.borrow() == Standing::Runs;
        let mut in_all = self.entries.iter().filter(runs).count();
        let mut on_clusters = HashMap::<&str, usize>::new();
        for cluster in self
            .entries
            .iter()
            .filter(runs)
            .filter_map(|entry| entry.cluster.as_deref())
        {
            *on_clusters.entry(cluster).or_default() += 1;
        }
        let mut position = 0;
        for entry in &self.entries {
            if *entry.standing.borrow() == Standing::Runs {
                continue;
            }
            let on_its_cluster = entry
                .cluster
                .as_deref()
                .map(|cluster| on_clusters.entry(cluster).or_default());
            let waits = match &on_its_cluster {
                Some(run) if **run >= limits.per_cluster => Some((**run, true)),
                _ if in_all >= limits.at_once => Some((in_all, false)),
                _ => None,
            };
            let standing = match waits {
                Some((run, on_its_cluster)) => {
                    position += 1;
                    Standing::Waits(Waits {
                        position,
                        run,
                        on_its_cluster,
                    })
                }
                None => {
                    in_all += 1;
                    if let Some(run) = on_its_cluster {
                        *run += 1;
                    }
                    Standing::Runs
                }
            };
            entry
                .standing
                .send_if_modified(|known| std::mem::replace(known, standing) != standing);
        }
    }
}

impl Place {
    /// Waits until the job stands otherwise than it did when this was asked last; true once it has its turn.
    pub(super) async fn moved(&mut self) -> bool {
        let has_turn = |standing: &watch::Receiver<Standing>| *standing.borrow() == Standing::Runs;
        if !has_turn(&self.standing) {
            // The sender lives as long as the entry, and the entry as long as this.
            self.standing.changed().await.ok();
        }
        has_turn(&self.standing)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        line.entries.retain(|entry| entry.ticket != self.ticket);
        line.settle(self.queue.0.limits);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::job;
    use super::*;

    fn queue(at_once: usize, per_cluster: usize) -> Queue {
        Queue::new(Limits {
            at_once,
            per_cluster,
            ..Limits::default()
        })
    }

    fn on(id: &str, cluster: Option<&str>) -> Job {
        let mut job = job(id, 1);
        job.cluster = cluster.map(str::to_owned);
        job
    }

    fn shown(queue: &Queue, job: &Job) -> Option<(u32, String)> {
        let placed = queue.placed(job.clone());
        placed.position.zip(placed.doing)
    }

    fn waits(position: u32, sentence: &str) -> Option<(u32, String)> {
        Some((position, sentence.to_owned()))
    }

    #[test]
    fn what_is_kept_can_be_said() {
        let read = |text: &str| serde_saphyr::from_str::<Limits>(text).map_err(|error| error.to_string());
        let limits = read("keep:\n  days: 7\n").unwrap();
        assert_eq!(limits.keep, Keep { jobs: 200, days: 7 });
        let wrong = read("keep:\n  jobs: 0\n").unwrap_err();
        assert!(wrong.contains("at least one job must be kept"), "{wrong}");
    }

    #[tokio::test]
    async fn jobs_take_turns_in_the_order_in_which_they_came() {
        let queue = queue(3, 1);
        let jobs = [
            on("1", Some("a")),
            on("2", Some("a")),
            on("3", Some("b")),
            on("4", None),
            on("5", None),
        ];
        let mut places: Vec<_> = jobs.iter().map(|job| queue.enter(job, Step::Queued)).collect();
        for runs in [0, 2, 3] {
            assert_eq!(
                shown(&queue, &jobs[runs]),
                None,
                "who has its turn has no position"
            );
            assert!(places[runs].moved().await);
        }
        assert_eq!(
            shown(&queue, &jobs[1]),
            waits(1, "Waits: 1 job already runs on its cluster")
        );
        assert_eq!(shown(&queue, &jobs[4]), waits(2, "Waits: 3 jobs already run"));

        // One that is given up moves the others.
        let mut last = places.pop().unwrap();
        drop(places.remove(1));
        assert!(!last.moved().await, "it came nearer");
        assert_eq!(shown(&queue, &jobs[4]), waits(1, "Waits: 3 jobs already run"));
        drop(places.remove(0));
        assert!(last.moved().await, "its turn came");
        assert_eq!(shown(&queue, &jobs[4]), None);
        assert_eq!(queue.standing("1"), None);
    }

    #[test]
    fn those_on_a_full_cluster_keep_nobody_from_running() {
        let queue = queue(9, 1);
        let jobs = [on("1", Some("a")), on("2", Some("a")), on("3", Some("a"))];
        let mut places: Vec<_> = jobs.iter().map(|job| queue.enter(job, Step::Queued)).collect();
        drop(places.remove(0));
        assert_eq!(
            queue.standing("2"),
            Some(Standing::Runs),
            "the one that came first"
        );
        assert_eq!(shown(&queue, &jobs[2]).unwrap().0, 1);
        let _other = queue.enter(&on("4", None), Step::Queued);
        assert_eq!(queue.standing("4"), Some(Standing::Runs));
    }

    #[test]
    fn what_began_already_goes_on() {
        let queue = queue(1, 1);
        let (first, second, third) = (on("1", None), on("2", None), on("3", None));
        let running = [
            queue.enter(&first, Step::Execute),
            queue.enter(&second, Step::AwaitCluster),
        ];
        let _waiting = queue.enter(&third, Step::Queued);
        assert_eq!(queue.standing("2"), Some(Standing::Runs));
        assert_eq!(shown(&queue, &third), waits(1, "Waits: 2 jobs already run"));
        let [one, two] = running;
        drop(one);
        assert_eq!(shown(&queue, &third), waits(1, "Waits: 1 job already runs"));
        drop(two);
        assert_eq!(queue.standing("3"), Some(Standing::Runs));
    }
}
