//! A job's row in the store: what is known of it, and the step that is about to be taken.

use std::collections::HashMap;

use protocol::guard::Spent;
use protocol::jobs::{Cells, CreateJob, Job, JobState, JobSummary};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::names::Named;
use super::step::{Outcome, Step};
use crate::store::{Store, StoreError};

/// Jobs that a list shows at most, newest first.
const LISTED: u32 = 200;

/// What is told of a job beside its state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    pub(super) doing: Option<String>,
    pub(super) cells: Option<Cells>,
    pub(super) mismatches: Vec<String>,
    pub(super) notebook: Option<String>,
    pub(super) report: Option<String>,
    pub(super) tasks: Option<String>,
    pub(super) cost: Option<Spent>,
    pub(super) summary: Option<JobSummary>,
    pub(super) exit_status: Option<i32>,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) job: Job,
    pub(super) step: Step,
    /// Jupyter's session and kernel, once they are known.
    pub(super) kernel: Option<KernelIds>,
    /// Set with [`Step::Close`].
    pub(super) outcome: Option<JobState>,
}

/// Jupyter's names for the job's session and its kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelIds {
    pub(super) session: String,
    pub(super) kernel: String,
}

/// The jobs in the store, as one server sees them: it reads all and drives its own.
#[derive(Clone)]
pub(super) struct Records {
    store: Store,
    instance: String,
}

const COLUMNS: &str = "id, name, request, cluster, cluster_label, state, attempt, notes, error, created_at, started_at, \
                       ended_at, step, session_id, kernel_id, outcome";

impl Records {
    pub(super) fn new(store: Store, instance: String) -> Self {
        Self { store, instance }
    }

    /// Stores a new job as queued.
    pub(super) async fn insert(&self, job: &Job) -> Result<(), StoreError> {
        let (job, instance) = (job.clone(), self.instance.clone());
        let request = text_of(&job.request)?;
        self.store
            .call(move |db| {
                db.execute(
                    "INSERT INTO jobs (id, instance, step, state, name, request, cluster, cluster_label, created_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        job.id,
                        instance,
                        Step::Queued,
                        Named(job.state),
                        job.name,
                        request,
                        job.cluster,
                        job.cluster_label,
                        job.created_at,
                    ],
                )
            })
            .await?;
        Ok(())
    }

    /// The newest jobs, of all servers, as lists show them.
    pub(super) async fn list(&self) -> Result<Vec<Job>, StoreError> {
        self.store
            .call(|db| {
                let sql = format!("SELECT {COLUMNS} FROM jobs ORDER BY created_at DESC, rowid DESC LIMIT ?1");
                // Cut row by row, so that no more than one long code is held.
                let listed = |row: &Row<'_>| Ok(read(row)?.job.listed());
                db.prepare_cached(&sql)?.query_map([LISTED], listed)?.collect()
            })
            .await
    }

    pub(super) async fn get(&self, id: &str) -> Result<Option<Record>, StoreError> {
        let id = id.to_owned();
        self.store
            .call(move |db| {
                let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1");
                db.prepare_cached(&sql)?.query_row([id], read).optional()
            })
            .await
    }

    /// A step before the code runs will be taken. A cancellation that came before stays.
    pub(super) async fn prepare(&self, id: &str, step: Step, now: i64) -> Result<Option<Record>, StoreError> {
        self.update(id, move |db, id| {
            db.execute(
                "UPDATE jobs SET step = ?2, started_at = coalesce(started_at, ?3), \
                 state = CASE state WHEN 'queued' THEN 'starting' ELSE state END WHERE id = ?1",
                params![id, step, now],
            )
        })
        .await
    }

    /// The job has this cluster from now on, and a kernel will be asked for.
    pub(super) async fn on_cluster(
        &self,
        id: &str,
        cluster: &str,
        label: Option<&str>,
    ) -> Result<Option<Record>, StoreError> {
        let (cluster, label) = (cluster.to_owned(), label.map(str::to_owned));
        self.update(id, move |db, id| {
            db.execute(
                "UPDATE jobs SET cluster = ?2, cluster_label = ?3, step = ?4 WHERE id = ?1",
                params![id, cluster, label, Step::StartKernel],
            )
        })
        .await
    }

    /// What is told of the job beside its state.
    pub(super) async fn note(&self, id: &str, notes: &Notes) -> Result<Option<Record>, StoreError> {
        let notes = text_of(notes)?;
        self.update(id, move |db, id| {
            db.execute("UPDATE jobs SET notes = ?2 WHERE id = ?1", params![id, notes])
        })
        .await
    }

    /// Begins the job anew after an attempt that failed, unless it was cancelled. Its own cluster is gone.
    pub(super) async fn again(&self, id: &str, keeps_cluster: bool) -> Result<Option<Record>, StoreError> {
        self.update(id, move |db, id| {
            db.execute(
                "UPDATE jobs SET step = ?2, state = 'queued', attempt = attempt + 1, notes = '{}', session_id = NULL, \
                 kernel_id = NULL, outcome = NULL, error = NULL, cluster = CASE WHEN ?3 THEN cluster END, \
                 cluster_label = CASE WHEN ?3 THEN cluster_label END WHERE id = ?1 AND state <> 'cancelling'",
                params![id, Step::Queued, keeps_cluster],
            )
        })
        .await
    }

    /// The kernel is known, and the cluster will be waited for.
    pub(super) async fn has_kernel(&self, id: &str, ids: &KernelIds) -> Result<Option<Record>, StoreError> {
        let ids = ids.clone();
        self.update(id, move |db, id| {
            db.execute(
                "UPDATE jobs SET step = ?2, session_id = ?3, kernel_id = ?4 WHERE id = ?1",
                params![id, Step::AwaitCluster, ids.session, ids.kernel],
            )
        })
        .await
    }

    /// The kernel connected to the cluster and runs the code.
    pub(super) async fn running(&self, id: &str) -> Result<Option<Record>, StoreError> {
        self.update(id, |db, id| {
            db.execute(
                "UPDATE jobs SET state = 'running' WHERE id = ?1 AND state = 'starting'",
                [id],
            )
        })
        .await
    }

    /// A cancellation is asked for. Does nothing to a job that is ending already.
    pub(super) async fn cancelling(&self, id: &str) -> Result<Option<Record>, StoreError> {
        self.update(id, |db, id| {
            db.execute(
                "UPDATE jobs SET state = 'cancelling' WHERE id = ?1 \
                 AND step NOT IN ('close', 'stop_clusters', 'keep', 'over')",
                [id],
            )
        })
        .await
    }

    /// A step after the outcome will be taken.
    pub(super) async fn clean(&self, id: &str, step: Step) -> Result<Option<Record>, StoreError> {
        self.update(id, move |db, id| {
            db.execute("UPDATE jobs SET step = ?2 WHERE id = ?1", params![id, step])
        })
        .await
    }

    /// The outcome is known, and the kernel will be shut down.
    pub(super) async fn close(&self, id: &str, outcome: &Outcome) -> Result<Option<Record>, StoreError> {
        let outcome = outcome.clone();
        self.update(id, move |db, id| {
            db.execute(
                "UPDATE jobs SET step = ?2, outcome = ?3, error = ?4 WHERE id = ?1",
                params![id, Step::Close, Named(outcome.state), outcome.error],
            )
        })
        .await
    }

    /// Nothing is left to do.
    pub(super) async fn over(
        &self,
        id: &str,
        outcome: &Outcome,
        now: i64,
    ) -> Result<Option<Record>, StoreError> {
        let outcome = outcome.clone();
        self.update(id, move |db, id| {
            db.execute(
                "UPDATE jobs SET step = ?2, state = ?3, outcome = ?3, error = ?4, ended_at = ?5 WHERE id = ?1",
                params![id, Step::Over, Named(outcome.state), outcome.error, now],
            )
        })
        .await
    }

    /// Servers that have jobs which are not over.
    pub(super) async fn unsettled_instances(&self) -> Result<Vec<String>, StoreError> {
        self.store
            .call(|db| {
                db.prepare_cached("SELECT DISTINCT instance FROM jobs WHERE step <> 'over'")?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await
    }

    /// Makes the unsettled jobs of `instance` ours and returns them, oldest first. Of two servers that try, one gets each.
    pub(super) async fn adopt(&self, instance: &str) -> Result<Vec<Record>, StoreError> {
        let (from, to) = (instance.to_owned(), self.instance.clone());
        self.store
            .call(move |db| {
                let sql = format!(
                    "UPDATE jobs SET instance = ?2 WHERE instance = ?1 AND step <> 'over' RETURNING {COLUMNS}"
                );
                let mut records = db
                    .prepare(&sql)?
                    .query_map([from, to], read)?
                    .collect::<rusqlite::Result<Vec<Record>>>()?;
                records.sort_by_key(|record| record.job.created_at);
                Ok(records)
            })
            .await
    }

    /// Step and state of each job of another server, by its id. Reads no long column.
    pub(super) async fn of_others(&self) -> Result<HashMap<String, (Step, JobState)>, StoreError> {
        let ours = self.instance.clone();
        self.store
            .call(move |db| {
                db.prepare_cached("SELECT id, step, state FROM jobs WHERE instance <> ?1")?
                    .query_map([ours], |row| {
                        Ok((row.get(0)?, (row.get(1)?, row.get::<_, Named>(2)?.0)))
                    })?
                    .collect()
            })
            .await
    }

    /// Jobs that are over, but for the `kept` that ended last; of those, too, the ones that ended before `oldest`, Unix time in
    /// milliseconds.
    pub(super) async fn surplus(&self, kept: u32, oldest: i64) -> Result<Vec<String>, StoreError> {
        self.store
            .call(move |db| {
                db.prepare_cached(
                    "SELECT id FROM (SELECT id, ended_at, row_number() OVER (ORDER BY ended_at DESC, rowid DESC) AS place \
                     FROM jobs WHERE step = 'over') WHERE place > ?1 OR ended_at < ?2",
                )?
                .query_map([i64::from(kept), oldest], |row| row.get(0))?
                .collect()
            })
            .await
    }

    pub(super) async fn remove(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.store
            .call(move |db| {
                let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
                let sql = "DELETE FROM jobs WHERE id = ?1 AND step = 'over'";
                if transaction.execute(sql, [&id])? > 0 {
                    transaction.execute("DELETE FROM job_stretches WHERE job = ?1", [&id])?;
                }
                transaction.commit()
            })
            .await
    }

    /// Applies a change and returns the row as it is afterwards.
    async fn update<F>(&self, id: &str, change: F) -> Result<Option<Record>, StoreError>
    where
        F: FnOnce(&rusqlite::Connection, &str) -> rusqlite::Result<usize> + Send + 'static,
    {
        let id = id.to_owned();
        self.store
            .call(move |db| {
                let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
                change(&transaction, &id)?;
                let record = transaction
                    .query_row(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"), [&id], read)
                    .optional()?;
                transaction.commit()?;
                Ok(record)
            })
            .await
    }
}

pub(super) fn text_of(value: &impl Serialize) -> Result<String, StoreError> {
    Ok(
        serde_json::to_string(value)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?,
    )
}

fn read(row: &Row<'_>) -> rusqlite::Result<Record> {
    let session: Option<String> = row.get(13)?;
    let kernel: Option<String> = row.get(14)?;
    let unreadable = |column, error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    };
    let request = serde_json::from_str::<CreateJob>(&row.get::<_, String>(2)?);
    let notes =
        serde_json::from_str::<Notes>(&row.get::<_, String>(7)?).map_err(|error| unreadable(7, error))?;
    let step: Step = row.get(12)?;
    Ok(Record {
        job: Job {
            id: row.get(0)?,
            name: row.get(1)?,
            request: request.map_err(|error| unreadable(2, error))?,
            cluster: row.get(3)?,
            cluster_label: row.get(4)?,
            state: row.get::<_, Named>(5)?.0,
            // The last thing that it did stays in its row.
            doing: notes.doing.filter(|_| step != Step::Over),
            cells: notes.cells,
            attempt: row.get(6)?,
            mismatches: notes.mismatches,
            notebook: notes.notebook,
            report: notes.report,
            tasks: notes.tasks,
            // Told by the queue, whose order it is.
            position: None,
            cost: notes.cost,
            summary: notes.summary,
            exit_status: notes.exit_status,
            error: row.get(8)?,
            created_at: row.get(9)?,
            started_at: row.get(10)?,
            ended_at: row.get(11)?,
        },
        step,
        kernel: session
            .zip(kernel)
            .map(|(session, kernel)| KernelIds { session, kernel }),
        outcome: row.get::<_, Option<Named>>(15)?.map(|named| named.0),
    })
}

impl Notes {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            doing: job.doing.clone(),
            cells: job.cells,
            mismatches: job.mismatches.clone(),
            notebook: job.notebook.clone(),
            report: job.report.clone(),
            tasks: job.tasks.clone(),
            cost: job.cost.clone(),
            summary: job.summary.clone(),
            exit_status: job.exit_status,
        }
    }
}

/// A queued job, for tests.
#[cfg(test)]
pub(super) fn job(id: &str, created_at: i64) -> Job {
    use protocol::jobs::{Place, PlaceKind, Work};
    let work = Work {
        source: "1".into(),
        ..Work::default()
    };
    let place = Place {
        kind: PlaceKind::Cluster,
        cluster: Some("c".into()),
        ..Place::default()
    };
    let request = CreateJob {
        work,
        place,
        ..CreateJob::default()
    };
    Job {
        cluster: Some("c".into()),
        cluster_label: Some("etl".into()),
        ..Job::queued(id, "sum", request, created_at)
    }
}

#[cfg(test)]
mod tests;
