//! Clusters that belong to jobs: asked for by us or by a job's code, and stopped with it.
//!
//! Before a cluster is asked for, a row says when, with which options, and which clusters there were. The name that the
//! gateway answers is added to it. Where that never happened, because we died in between, the cluster is found again: it
//! is the only one that began since, that was not there before, that has these options, and that nobody else noted as
//! theirs. Where several fit, none is touched: one of them is somebody's work.

use std::collections::HashSet;

use protocol::rest::OptionValues;
use rusqlite::{TransactionBehavior, params};
use tracing::{info, warn};

use super::Inner;
use crate::store::{Store, StoreError};

/// By how much the gateway's clock may be behind ours, milliseconds.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// A cluster in the gateway's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub name: String,
    /// Unix milliseconds.
    pub started_at: i64,
    pub options: OptionValues,
    /// Somebody noted it as created through this or another of our servers.
    pub noted: bool,
}

/// That a cluster was, or is about to be, asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) id: i64,
    pub(super) cluster: Option<String>,
    pub(super) asked_at: i64,
    pub(super) options: OptionValues,
    /// Names of the clusters that there were.
    pub(super) known: HashSet<String>,
}

impl Asked {
    /// The cluster that this made, among those that are listed.
    pub(super) fn found_among<'a>(&self, listed: &'a [Listed], taken: &HashSet<String>) -> Option<&'a str> {
        let mut fitting = listed.iter().filter(|cluster| {
            !self.known.contains(&cluster.name)
                && !taken.contains(&cluster.name)
                && !cluster.noted
                && cluster.started_at >= self.asked_at - CLOCKS_DIFFER_MS
                // The gateway adds what was left out.
                && self.options.iter().all(|(name, value)| cluster.options.get(name) == Some(value))
        });
        let found = fitting.next()?;
        fitting.next().is_none().then_some(found.name.as_str())
    }
}

/// The rows.
#[derive(Clone)]
pub(super) struct Owned(Store);

impl Owned {
    pub(super) fn new(store: Store) -> Self {
        Self(store)
    }

    /// A cluster will be asked for.
    pub(super) async fn asking(
        &self,
        job: &str,
        options: &OptionValues,
        known: impl IntoIterator<Item = String>,
        now_ms: i64,
    ) -> Result<i64, StoreError> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
        };
        let options = json(serde_json::to_string(options))?;
        let known = json(serde_json::to_string(&known.into_iter().collect::<Vec<_>>()))?;
        let job = job.to_owned();
        self.0
            .call(move |db| {
                db.execute(
                    "INSERT INTO job_clusters (job, asked_at, options, known) VALUES (?1, ?2, ?3, ?4)",
                    params![job, now_ms, options, known],
                )?;
                Ok(db.last_insert_rowid())
            })
            .await
    }

    /// The gateway gave it this name.
    pub(super) async fn named(&self, id: i64, cluster: &str) -> Result<(), StoreError> {
        let cluster = cluster.to_owned();
        self.0
            .call(move |db| {
                let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                transaction.execute(
                    "UPDATE OR REPLACE job_clusters SET cluster = ?2 WHERE id = ?1",
                    params![id, cluster],
                )?;
                // What it did is the job's, also when nothing is left of it.
                transaction.execute(
                    "INSERT OR IGNORE INTO job_stretches (job, cluster, attempt, shared) \
                     SELECT job, cluster, 0, 0 FROM job_clusters WHERE id = ?1",
                    [id],
                )?;
                transaction.commit()
            })
            .await
    }

    /// It is over, or was never made.
    pub(super) async fn done(&self, id: i64) -> Result<(), StoreError> {
        self.0
            .call(move |db| db.execute("DELETE FROM job_clusters WHERE id = ?1", [id]))
            .await?;
        Ok(())
    }

    /// What belongs to a job, oldest first.
    pub(super) async fn of(&self, job: &str) -> Result<Vec<Asked>, StoreError> {
        let job = job.to_owned();
        self.0
            .call(move |db| {
                db.prepare_cached(
                    "SELECT id, cluster, asked_at, options, known FROM job_clusters WHERE job = ?1 ORDER BY id",
                )?
                .query_map([job], |row| {
                    Ok(Asked {
                        id: row.get(0)?,
                        cluster: row.get(1)?,
                        asked_at: row.get(2)?,
                        // What this version can't read fits no cluster.
                        options: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
                        known: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
                    })
                })?
                .collect()
            })
            .await
    }

    /// Names of clusters that belong to jobs which are over, or are not there any more: they could not be stopped then.
    pub(super) async fn left(&self) -> Result<Vec<(i64, String)>, StoreError> {
        self.0
            .call(|db| {
                db.prepare_cached(
                    "SELECT id, cluster FROM job_clusters WHERE cluster IS NOT NULL AND job NOT IN \
                     (SELECT id FROM jobs WHERE step <> 'over')",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
            })
            .await
    }

    /// Names of all clusters that belong to jobs.
    pub(super) async fn names(&self) -> Result<HashSet<String>, StoreError> {
        self.0
            .call(|db| {
                db.prepare_cached("SELECT cluster FROM job_clusters WHERE cluster IS NOT NULL")?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await
    }
}

impl Inner {
    /// Stops clusters that could not be stopped with their jobs.
    pub(super) async fn stop_left_clusters(&self) {
        let Some(host) = self.host() else { return };
        let left = match self.owned.left().await {
            Ok(left) => left,
            Err(error) => return warn!(%error, "clusters of jobs that are over can't be looked for"),
        };
        for (id, name) in left {
            let stopped = host.stop(&name).await;
            match stopped {
                Ok(()) => {
                    info!(cluster = name, "stopped the cluster of a job that is over");
                    if let Err(error) = self.owned.done(id).await {
                        warn!(%error, "a note about a cluster could not be dropped");
                    }
                }
                Err(error) => warn!(
                    cluster = name,
                    error, "the cluster of a job that is over could not be stopped"
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(cores: i64) -> OptionValues {
        json!({ "worker_cores": cores }).as_object().cloned().unwrap()
    }

    fn listed(name: &str, started_at: i64, cores: i64) -> Listed {
        let mut options = options(cores);
        options.insert("image".into(), json!("dask"));
        Listed {
            name: name.into(),
            started_at,
            options,
            noted: false,
        }
    }

    #[tokio::test]
    async fn what_was_asked_for_is_found_where_only_one_fits() {
        let folder = tempfile::tempdir().unwrap();
        let owned = Owned::new(Store::open(&folder.path().join("store.sqlite")).await.unwrap());
        let at = 10 * CLOCKS_DIFFER_MS;
        let id = owned
            .asking("job", &options(2), ["before".to_owned()], at)
            .await
            .unwrap();
        let asked = owned.of("job").await.unwrap().remove(0);
        assert_eq!((asked.id, asked.cluster.as_deref()), (id, None));

        let none = HashSet::new();
        let all = vec![
            listed("before", at, 2),
            listed("ours", at + 40, 2),
            listed("other options", at + 50, 1),
            listed("long ago", at - 2 * CLOCKS_DIFFER_MS, 2),
            Listed {
                noted: true,
                ..listed("from the panel", at + 60, 2)
            },
        ];
        assert_eq!(asked.found_among(&all, &none), Some("ours"));
        assert_eq!(asked.found_among(&all, &HashSet::from(["ours".to_owned()])), None);
        // Which of the two it is can't be told.
        let twice = [all, vec![listed("from a notebook", at + 70, 2)]].concat();
        assert_eq!(asked.found_among(&twice, &none), None);

        owned.named(id, "ours").await.unwrap();
        assert_eq!(owned.of("job").await.unwrap()[0].cluster.as_deref(), Some("ours"));
        assert_eq!(owned.names().await.unwrap(), HashSet::from(["ours".to_owned()]));
        owned.done(id).await.unwrap();
        assert_eq!(owned.of("job").await.unwrap(), []);
    }
}
