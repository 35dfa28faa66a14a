//! Whose turn it is: so many jobs at once in all, and so many on one cluster; in the order in which they came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::jobs::{Job, PlaceKind};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// The places that running jobs have.
pub(super) struct Queue {
    limits: Limits,
    all: Arc<Semaphore>,
    clusters: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A job's places; given back when dropped.
#[derive(Debug)]
pub(super) struct Places(#[expect(dead_code, reason = "kept for their Drop")] Vec<OwnedSemaphorePermit>);

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            all: Arc::new(Semaphore::new(limits.at_once.max(1))),
            clusters: Mutex::default(),
        }
    }

    /// Waits for the job's turn. First on its cluster: who waits for a cluster takes no place from the others.
    pub(super) async fn wait(&self, job: &Job) -> Places {
        let shared = job
            .cluster
            .as_deref()
            .filter(|_| job.request.place.kind == PlaceKind::Cluster);
        let mut places = Vec::new();
        for semaphore in shared
            .map(|name| self.of_cluster(name))
            .into_iter()
            .chain([self.all.clone()])
        {
            // Never closed.
            places.extend(semaphore.acquire_owned().await.ok());
        }
        Places(places)
    }

    fn of_cluster(&self, name: &str) -> Arc<Semaphore> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody has or waits for a place on the others.
        clusters.retain(|known, places| known == name || Arc::strong_count(places) > 1);
        let new = || Arc::new(Semaphore::new(self.limits.per_cluster.max(1)));
        Arc::clone(clusters.entry(name.to_owned()).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::job;
    use super::*;

    async fn soon<T>(work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(30), work).await.ok()
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
    async fn jobs_take_turns() {
        let limits = Limits {
            at_once: 3,
            per_cluster: 1,
            keep: Keep::default(),
        };
        let queue = Queue::new(limits);
        let on = |cluster: Option<&str>| {
            let mut job = job("1", 1);
            job.cluster = cluster.map(str::to_owned);
            job
        };
        let (a, b) = (on(Some("a")), on(Some("b")));
        let first = soon(queue.wait(&a)).await.unwrap();
        assert!(soon(queue.wait(&a)).await.is_none(), "the cluster has one place");
        let _second = soon(queue.wait(&b)).await.unwrap();
        let _third = soon(queue.wait(&on(None))).await.unwrap();
        assert!(
            soon(queue.wait(&on(None))).await.is_none(),
            "there are three places in all"
        );
        drop(first);
        assert!(soon(queue.wait(&a)).await.is_some());
    }
}
