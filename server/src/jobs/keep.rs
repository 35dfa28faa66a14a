//! How long jobs that are over are kept.

use std::io;

use tracing::{debug, warn};

use super::Inner;

/// Jobs that are kept when they are over.
pub(super) const KEPT: u32 = 200;

impl Inner {
    /// Removes jobs that are over, but for the `kept` that ended last, with their output.
    pub(super) async fn prune(&self, kept: u32) {
        let surplus = match self.records.surplus(kept).await {
            Ok(surplus) => surplus,
            Err(error) => return warn!(%error, "old jobs can't be looked for"),
        };
        for id in surplus {
            // The folder first: without its row, nobody would look for it again.
            match tokio::fs::remove_dir_all(self.folder(&id)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!(job = id, %error, "an old job's output can't be removed");
                    continue;
                }
                _ => {}
            }
            match self.records.remove(&id).await {
                Ok(()) => debug!(job = id, "old job removed"),
                Err(error) => warn!(job = id, %error, "an old job can't be removed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Jobs;
    use super::super::record::job;
    use super::super::step::Outcome;
    use super::*;
    use crate::clock::now_ms;
    use crate::store::Store;

    #[tokio::test]
    async fn keeps_the_jobs_that_ended_last() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::unavailable(folder.path(), "a").await;
        let records = &jobs.0.records;
        // The one created first ended last.
        for (id, ended) in [("1", 90), ("2", 20), ("3", 30)] {
            records.insert(&job(id, 1)).await.unwrap();
            records.over(id, &Outcome::succeeded(), ended).await.unwrap();
            std::fs::create_dir_all(folder.path().join("jobs").join(id)).unwrap();
        }
        records.insert(&job("running", 1)).await.unwrap();
        jobs.0.prune(1).await;
        let mut left: Vec<_> = jobs.list().await.unwrap().into_iter().map(|job| job.id).collect();
        left.sort();
        assert_eq!(left, ["1", "running"]);
        let folders: Vec<_> = std::fs::read_dir(folder.path().join("jobs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(folders, ["1"]);
    }

    #[tokio::test]
    async fn old_jobs_go_at_the_start_and_after_each_job() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::unavailable(folder.path(), "a").await;
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let fill = async || {
            let insert = "
                WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n <= ?1)
                INSERT INTO jobs (id, instance, step, state, name, request, cluster, created_at, ended_at)
                SELECT hex(randomblob(8)), 'a', 'over', 'succeeded', 'n', ?2, 'c', n, n FROM n";
            let request = serde_json::to_string(&job("1", 1).request).unwrap();
            store
                .call(move |db| db.execute(insert, rusqlite::params![KEPT, request]))
                .await
                .unwrap()
        };
        assert_eq!(fill().await, KEPT as usize + 1);
        jobs.settle(|_| true).await.unwrap();
        assert_eq!(jobs.0.records.surplus(KEPT).await.unwrap(), Vec::<String>::new());

        fill().await;
        let ends_at_once = job("ends", now_ms());
        jobs.0.records.insert(&ends_at_once).await.unwrap();
        jobs.0.records.cancelling("ends").await.unwrap();
        let record = jobs.0.record("ends").await.unwrap();
        jobs.drive(record);
        jobs.0.tasks.close();
        jobs.0.tasks.wait().await;
        assert_eq!(jobs.0.records.surplus(KEPT).await.unwrap(), Vec::<String>::new());
        assert!(jobs.get("ends").await.unwrap().state.is_over());
    }
}
