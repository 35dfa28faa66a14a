//! A job's row in the store: what is known of it, and the step that is about to be taken.

use protocol::rest::{Job, JobState};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, params};

use crate::store::{Store, StoreError};

/// Jobs that a list shows at most, newest first.
const LISTED: u32 = 200;

/// The step that is about to be taken: stored first, so that a restarted server knows what may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing outside the store yet.
    Queued,
    /// A kernel is asked for. It may exist: its session's path names the job.
    StartKernel,
    /// The prelude and the code are sent to the kernel, which needs nobody from then on.
    Execute,
    /// The outcome is known; the kernel is being shut down.
    Close,
    /// Nothing is left to do.
    Over,
}

impl Step {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Queued, "queued"),
        (Self::StartKernel, "start_kernel"),
        (Self::Execute, "execute"),
        (Self::Close, "close"),
        (Self::Over, "over"),
    ];
}

const STATES: [(JobState, &str); 7] = [
    (JobState::Queued, "queued"),
    (JobState::Starting, "starting"),
    (JobState::Running, "running"),
    (JobState::Cancelling, "cancelling"),
    (JobState::Succeeded, "succeeded"),
    (JobState::Failed, "failed"),
    (JobState::Cancelled, "cancelled"),
];

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) state: JobState,
    /// A sentence, where it failed.
    pub(super) error: Option<String>,
}

impl Outcome {
    pub(super) fn succeeded() -> Self {
        Self {
            state: JobState::Succeeded,
            error: None,
        }
    }

    pub(super) fn cancelled() -> Self {
        Self {
            state: JobState::Cancelled,
            error: None,
        }
    }

    pub(super) fn failed(sentence: impl Into<String>) -> Self {
        Self {
            state: JobState::Failed,
            error: Some(sentence.into()),
        }
    }
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

const COLUMNS: &str = "id, name, cluster, kernel, state, code, error, created_at, started_at, ended_at, \
                       step, session_id, kernel_id, outcome";

impl Records {
    pub(super) fn new(store: Store, instance: String) -> Self {
        Self { store, instance }
    }

    /// Stores a new job as queued.
    pub(super) async fn insert(&self, job: &Job) -> Result<(), StoreError> {
        let (job, instance) = (job.clone(), self.instance.clone());
        self.store
            .call(move |db| {
                db.execute(
                    "INSERT INTO jobs (id, instance, step, state, name, cluster, kernel, code, created_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        job.id,
                        instance,
                        Step::Queued,
                        Named(job.state),
                        job.name,
                        job.cluster,
                        job.kernel,
                        job.code,
                        job.created_at
                    ],
                )
            })
            .await?;
        Ok(())
    }

    /// The newest jobs, of all servers.
    pub(super) async fn list(&self) -> Result<Vec<Record>, StoreError> {
        self.store
            .call(|db| {
                let sql = format!("SELECT {COLUMNS} FROM jobs ORDER BY created_at DESC, rowid DESC LIMIT ?1");
                db.prepare_cached(&sql)?.query_map([LISTED], read)?.collect()
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

    /// A kernel will be asked for. A cancellation that came before stays.
    pub(super) async fn start_kernel(&self, id: &str, now: i64) -> Result<Option<Record>, StoreError> {
        self.update(id, move |db, id| {
            db.execute(
                "UPDATE jobs SET step = ?2, started_at = coalesce(started_at, ?3), \
                 state = CASE state WHEN 'queued' THEN 'starting' ELSE state END WHERE id = ?1",
                params![id, Step::StartKernel, now],
            )
        })
        .await
    }

    /// The kernel is known, and code will be sent to it.
    pub(super) async fn execute(&self, id: &str, ids: &KernelIds) -> Result<Option<Record>, StoreError> {
        let ids = ids.clone();
        self.update(id, move |db, id| {
            db.execute(
                "UPDATE jobs SET step = ?2, session_id = ?3, kernel_id = ?4 WHERE id = ?1",
                params![id, Step::Execute, ids.session, ids.kernel],
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
                "UPDATE jobs SET state = 'cancelling' WHERE id = ?1 AND step NOT IN ('close', 'over')",
                [id],
            )
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

fn read(row: &Row<'_>) -> rusqlite::Result<Record> {
    let session: Option<String> = row.get(11)?;
    let kernel: Option<String> = row.get(12)?;
    Ok(Record {
        job: Job {
            id: row.get(0)?,
            name: row.get(1)?,
            cluster: row.get(2)?,
            kernel: row.get(3)?,
            state: row.get::<_, Named>(4)?.0,
            code: row.get(5)?,
            error: row.get(6)?,
            created_at: row.get(7)?,
            started_at: row.get(8)?,
            ended_at: row.get(9)?,
        },
        step: row.get(10)?,
        kernel: session
            .zip(kernel)
            .map(|(session, kernel)| KernelIds { session, kernel }),
        outcome: row.get::<_, Option<Named>>(13)?.map(|named| named.0),
    })
}

/// A state as the store spells it.
struct Named(JobState);

impl ToSql for Named {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        name_of(&STATES, self.0)
    }
}

impl FromSql for Named {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        named(&STATES, value).map(Self)
    }
}

impl ToSql for Step {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        name_of(&Self::NAMES, *self)
    }
}

impl FromSql for Step {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        named(&Self::NAMES, value)
    }
}

fn name_of<T: Copy + PartialEq>(
    names: &[(T, &'static str)],
    value: T,
) -> rusqlite::Result<ToSqlOutput<'static>> {
    names
        .iter()
        .find(|(known, _)| *known == value)
        .map(|(_, name)| ToSqlOutput::from(*name))
        .ok_or_else(|| rusqlite::Error::ToSqlConversionFailure("a value without a name".into()))
}

fn named<T: Copy>(names: &[(T, &'static str)], value: ValueRef<'_>) -> FromSqlResult<T> {
    let text = value.as_str()?;
    names
        .iter()
        .find(|(_, name)| *name == text)
        .map(|(known, _)| *known)
        .ok_or(FromSqlError::InvalidType)
}
