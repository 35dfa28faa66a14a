//! How long jobs that are over are kept.

use std::io;

use tracing::{debug, warn};

use super::Inner;
use crate::clock::now_ms;

const DAY_MS: i64 = 86_400_000;

impl Inner {
    /// Removes jobs that are over and beyond what is kept, with their output and what was written into JupyterLab's folder.
    pub(super) async fn prune(&self) {
        let keep = self.config.limits.keep;
        let oldest = now_ms() - i64::from(keep.days) * DAY_MS;
        let surplus = match self.records.surplus(keep.jobs, oldest).await {
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
        self.remove_left_files().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::job;
    use super::super::step::Outcome;
    use super::super::{Jobs, Keep, Limits};
    use super::*;
    use crate::store::Store;

    async fn jobs(folder: &tempfile::TempDir, keep: Keep) -> Jobs {
        let limits = Limits {
            keep,
            ..Limits::default()
        };
        Jobs::limited(folder.path(), "a", limits).await
    }

    #[tokio::test]
    async fn keeps_the_jobs_that_ended_last() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = jobs(&folder, Keep { jobs: 2, days: 7 }).await;
        let records = &jobs.0.records;
        let now = now_ms();
        // The one created first ended last.
        for (id, days_ago) in [("1", 1), ("2", 3), ("3", 2), ("old", 8)] {
            records.insert(&job(id, 1)).await.unwrap();
            let ended = now - days_ago * DAY_MS;
            records.over(id, &Outcome::succeeded(), ended).await.unwrap();
            std::fs::create_dir_all(folder.path().join("jobs").join(id)).unwrap();
            jobs.0.stretches.begins(id, 1, "c", None, ended).await.unwrap();
        }
        records.insert(&job("running", 1)).await.unwrap();
        jobs.0.prune().await;
        let mut left: Vec<_> = jobs.list().await.unwrap().into_iter().map(|job| job.id).collect();
        left.sort();
        assert_eq!(left, ["1", "3", "running"]);
        let mut folders: Vec<_> = std::fs::read_dir(folder.path().join("jobs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        folders.sort();
        assert_eq!(folders, ["1", "3"]);
        assert_eq!(jobs.0.stretches.of("2").await.unwrap(), []);
        assert_eq!(jobs.0.stretches.of("3").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn jobs_go_when_they_are_old() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = jobs(&folder, Keep { jobs: 9, days: 7 }).await;
        for (id, days_ago) in [("new", 6), ("old", 8)] {
            jobs.0.records.insert(&job(id, 1)).await.unwrap();
            let ended = now_ms() - days_ago * DAY_MS;
            jobs.0
                .records
                .over(id, &Outcome::succeeded(), ended)
                .await
                .unwrap();
        }
        jobs.0.prune().await;
        let left: Vec<_> = jobs.list().await.unwrap().into_iter().map(|job| job.id).collect();
        assert_eq!(left, ["new"]);
    }

    #[tokio::test]
    async fn old_jobs_go_at_the_start_and_after_each_job() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = jobs(&folder, Keep { jobs: 20, days: 7 }).await;
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let fill = async || {
            let insert = "
                WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n <= 20)
                INSERT INTO jobs (id, instance, step, state, name, request, cluster, created_at, ended_at)
                SELECT hex(randomblob(8)), 'a', 'over', 'succeeded', 'n', ?1, 'c', n, ?2 + n FROM n";
            let request = serde_json::to_string(&job("1", 1).request).unwrap();
            store
                .call(move |db| db.execute(insert, rusqlite::params![request, now_ms() - DAY_MS]))
                .await
                .unwrap()
        };
        assert_eq!(fill().await, 21);
        jobs.settle(|_| true).await.unwrap();
        assert_eq!(jobs.list().await.unwrap().len(), 20);

        fill().await;
        let ends_at_once = job("ends", now_ms());
        jobs.0.records.insert(&ends_at_once).await.unwrap();
        jobs.0.records.cancelling("ends").await.unwrap();
        let record = jobs.0.record("ends").await.unwrap();
        jobs.drive(record);
        jobs.0.tasks.close();
        jobs.0.tasks.wait().await;
        assert_eq!(jobs.list().await.unwrap().len(), 20);
        assert!(jobs.get("ends").await.unwrap().state.is_over());
    }
}
