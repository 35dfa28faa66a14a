//! Jobs: code that runs in a kernel of the Jupyter Server, with its output stored.
//!
//! [`Jobs`] is the handle. Each job has one task ([`executor`]) that starts its kernel through [`jupyter`], hands it the
//! prelude and the code, watches the output file ([`output`]) and shuts the kernel down. [`record`] keeps each step.

mod channels;
mod checks;
mod door;
mod executor;
mod fault;
mod files;
mod health;
mod host;
mod jupyter;
mod keep;
mod keep_alive;
mod names;
mod notebook;
mod others;
mod output;
mod owned;
mod parameters;
mod plan;
mod published;
mod queue;
mod record;
mod remains;
mod report;
mod request;
mod step;
mod stretches;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use protocol::jobs::{CreateJob, Job, JobFile, JobOutput, JobState};
use protocol::rest::JupyterStatus;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use self::fault::check as check_fault;
pub use self::files::file_stem;
pub use self::host::{ClusterHost, Host, Stretch, Trace, WorkerPeaks};
pub use self::jupyter::JupyterSource;
pub(crate) use self::jupyter::{JupyterClient, ListedKernel, http_client as jupyter_http_client};
pub use self::keep_alive::TOUCH;
pub use self::owned::Listed;
use self::owned::Owned;
use self::published::Published;
use self::queue::Queue;
pub use self::queue::{Keep, Limits};
use self::record::{Record, Records};
pub use self::request::{own_cluster, parameters_of};
pub use self::step::Step;
use self::stretches::Stretches;
use crate::store::{Store, StoreError};

/// How long [`Jobs::shutdown`] waits for kernels to end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// Where a server keeps its jobs.
#[derive(Clone, Debug)]
pub struct JobsConfig {
    /// Holds one folder a job.
    pub folder: PathBuf,
    /// Names this server across restarts; its unsettled jobs are found by it.
    pub instance: String,
    pub limits: Limits,
}

/// Why a job was not created, found or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("There is no job {0}. It may have been removed; reload the list of jobs.")]
    NotFound(String),
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    #[error("{0}")]
    WrongState(String),
    #[error("{0}")]
    Jupyter(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The newest jobs in a store, of all servers, newest first.
///
/// # Errors
/// Where the store can't be read.
pub async fn list(store: Store) -> Result<Vec<Job>, JobError> {
    Ok(Records::new(store, String::new()).list().await?)
}

/// Handle to the jobs of this server.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    records: Records,
    owned: Owned,
    stretches: Stretches,
    published: Published,
    queue: Queue,
    /// What runs the clusters; jobs that need none run without it.
    host: OnceLock<Host>,
    config: JobsConfig,
    jupyter: JupyterSource,
    http: reqwest::Client,
    events: broadcast::Sender<Job>,
    /// Held by whoever looks for free names below Jupyter's root, until the files are there.
    publishing: tokio::sync::Mutex<()>,
    /// Jobs that this process drives.
    active: Mutex<HashMap<String, Active>>,
    tasks: TaskTracker,
    /// The server is ending: jobs are cancelled without the time to think that a user's cancellation gives.
    closing: CancellationToken,
}

/// A job that this process drives.
struct Active {
    cancel: CancellationToken,
    /// The attempt that runs.
    attempt: u32,
}

impl Jobs {
    /// `events` gets a job, as lists show it, whenever something of it changed.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(
        store: Store,
        mut config: JobsConfig,
        jupyter: JupyterSource,
        events: broadcast::Sender<Job>,
    ) -> Result<Self, JobError> {
        // Kernels write there, and run in other folders than we do.
        config.folder = std::path::absolute(&config.folder).unwrap_or(config.folder);
        let http = jupyter::http_client()
            .map_err(|error| JobError::Jupyter(format!("Jobs can't reach a Jupyter Server: {error}.")))?;
        Ok(Self(Arc::new(Inner {
            records: Records::new(store.clone(), config.instance.clone()),
            owned: Owned::new(store.clone()),
            stretches: Stretches::new(store.clone()),
            published: Published::new(store),
            queue: Queue::new(config.limits),
            host: OnceLock::new(),
            config,
            jupyter,
            http,
            events,
            publishing: tokio::sync::Mutex::default(),
            active: Mutex::new(HashMap::new()),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        })))
    }

    /// Says what runs the clusters; once.
    pub fn tell_host(&self, host: Host) {
        self.0.host.set(host).ok();
    }

    /// Stores a job and starts it.
    ///
    /// # Errors
    /// [`JobError::Invalid`] for what can't be run, [`JobError::Jupyter`] where no Jupyter Server is there.
    pub async fn create(&self, request: CreateJob) -> Result<Job, JobError> {
        let inner = &self.0;
        if inner.closing.is_cancelled() {
            return Err(JobError::WrongState(
                "The server is ending and takes no more jobs. Start it again, then run the job.".into(),
            ));
        }
        if let JupyterSource::Unavailable { message } = &inner.jupyter {
            return Err(JobError::Jupyter(message.clone()));
        }
        let job = inner.job_of(request).await?;
        inner.records.insert(&job).await?;
        info!(job = job.id, cluster = job.cluster, "job created");
        self.drive(Record {
            job: job.clone(),
            step: Step::Queued,
            kernel: None,
            outcome: None,
        });
        Ok(inner.queue.placed(job))
    }

    /// What a file below the Jupyter Server's root is as a job: its kind, and a notebook's kernel and parameters.
    ///
    /// # Errors
    /// [`JobError::Invalid`] for a path that is no file to run, [`JobError::Jupyter`] where it can't be asked for.
    pub async fn file(&self, path: &str) -> Result<JobFile, JobError> {
        self.0.file_of(path).await
    }

    /// The newest jobs, of all servers that share the store, newest first; [`Jobs::get`] has the whole of a long code.
    ///
    /// # Errors
    /// Where the store can't be read.
    pub async fn list(&self) -> Result<Vec<Job>, JobError> {
        let listed = self.0.records.list().await?;
        Ok(listed.into_iter().map(|job| self.0.queue.placed(job)).collect())
    }

    /// One job.
    ///
    /// # Errors
    /// [`JobError::NotFound`].
    pub async fn get(&self, id: &str) -> Result<Job, JobError> {
        Ok(self.0.queue.placed(self.0.record(id).await?.job))
    }

    /// Asks for a cancellation and returns at once: the kernel is interrupted, and ended where that does not help. A job
    /// that is over, or ending, stays as it is.
    ///
    /// # Errors
    /// [`JobError::NotFound`].
    pub async fn cancel(&self, id: &str) -> Result<Job, JobError> {
        let record = self
            .0
            .records
            .cancelling(id)
            .await?
            .ok_or_else(|| JobError::NotFound(id.to_owned()))?;
        if record.job.state == JobState::Cancelling {
            self.0.announce(&record.job);
            // A job of another server is cancelled there: it reads the state.
            if let Some(active) = self.0.active().get(id) {
                active.cancel.cancel();
            }
        }
        Ok(record.job)
    }

    /// The job's output from its beginning, then as it comes; [`JobOutput::End`] is the last message. Dropping the
    /// receiver ends the reading.
    ///
    /// # Errors
    /// [`JobError::NotFound`].
    pub async fn output(&self, id: &str) -> Result<mpsc::Receiver<JobOutput>, JobError> {
        self.0.record(id).await?;
        Ok(output::follow(Arc::clone(&self.0), id.to_owned()))
    }

    /// Takes up the jobs that an earlier run of this server left, and those of other servers that don't live any more:
    /// each is finished or ended. Of jobs that are over, the oldest go. Call it once, when the Jupyter Server can be reached.
    ///
    /// # Errors
    /// Where the store can't be read.
    pub async fn settle(&self, lives: impl Fn(&str) -> bool + Send) -> Result<(), JobError> {
        let inner = &self.0;
        let mut left = Vec::new();
        for instance in inner.records.unsettled_instances().await? {
            if instance == inner.config.instance || !lives(&instance) {
                left.extend(inner.records.adopt(&instance).await?);
            }
        }
        // They line up in the order in which they came, and behind those that run already.
        left.sort_by_key(|record| (record.step == Step::Queued, record.job.created_at));
        for record in left {
            if !inner.active().contains_key(&record.job.id) {
                info!(job = record.job.id, step = ?record.step, "settling a job that was left");
                self.drive(record);
            }
        }
        inner.prune().await;
        let inner = Arc::clone(&self.0);
        self.0
            .tasks
            .spawn(async move { inner.stop_left_clusters().await });
        Ok(())
    }

    /// Cancels what runs and waits until its kernels are gone, 10 s at most.
    pub async fn shutdown(&self) {
        let inner = &self.0;
        inner.closing.cancel();
        inner.tasks.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, inner.tasks.wait())
            .await
            .is_err()
        {
            warn!("some jobs' kernels did not end in time; the next start settles them");
        }
    }

    /// Whether jobs can run, and why not.
    pub fn jupyter_status(&self) -> JupyterStatus {
        self.0.jupyter.status()
    }

    fn drive(&self, record: Record) {
        let inner = Arc::clone(&self.0);
        let cancel = inner.closing.child_token();
        if record.job.state == JobState::Cancelling {
            cancel.cancel();
        }
        let active = Active {
            cancel: cancel.clone(),
            attempt: record.job.attempt,
        };
        inner.active().insert(record.job.id.clone(), active);
        // At once, so that jobs line up in the order in which they come here.
        let place = (record.step < Step::Close).then(|| inner.queue.enter(&record.job, record.step));
        inner.announce(&record.job);
        self.0.tasks.spawn(async move {
            let id = record.job.id.clone();
            executor::run(&inner, record, place, cancel).await;
            inner.active().remove(&id);
            inner.prune().await;
        });
    }
}

impl Inner {
    fn active(&self) -> MutexGuard<'_, HashMap<String, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn record(&self, id: &str) -> Result<Record, JobError> {
        self.records
            .get(id)
            .await?
            .ok_or_else(|| JobError::NotFound(id.to_owned()))
    }

    /// Tells whoever listens.
    fn announce(&self, job: &Job) {
        self.events.send(self.queue.placed(job.clone().listed())).ok();
    }

    fn host(&self) -> Option<Host> {
        self.host.get().cloned()
    }

    /// The output file of one of a job's attempts, counted from 1.
    fn output_path(&self, id: &str, attempt: u32) -> PathBuf {
        let name = match attempt {
            1 => "output.jsonl".to_owned(),
            attempt => format!("output-{attempt}.jsonl"),
        };
        self.folder(id).join(name)
    }

    /// What a job leaves lies there.
    fn folder(&self, id: &str) -> PathBuf {
        self.config.folder.join(id)
    }
}

#[cfg(test)]
impl Jobs {
    /// Jobs with a store in `folder` and no Jupyter Server.
    async fn unavailable(folder: &std::path::Path, instance: &str) -> Self {
        Self::limited(folder, instance, Limits::default()).await
    }

    async fn limited(folder: &std::path::Path, instance: &str, limits: Limits) -> Self {
        let jupyter = JupyterSource::Unavailable {
            message: "There is none.".into(),
        };
        Self::beside(folder, instance, limits, jupyter).await
    }

    async fn beside(
        folder: &std::path::Path,
        instance: &str,
        limits: Limits,
        jupyter: JupyterSource,
    ) -> Self {
        let store = Store::open(&folder.join("store.sqlite")).await.unwrap();
        let config = JobsConfig {
            folder: folder.join("jobs"),
            instance: instance.into(),
            limits,
        };
        Self::new(store, config, jupyter, broadcast::channel(64).0).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::record::job;
    use super::*;

    #[tokio::test]
    async fn lists_and_events_hold_the_beginning_of_a_long_code() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::unavailable(folder.path(), "a").await;
        let mut long = job("long", 20);
        long.request.work.source = "é".repeat(300_000);
        let short = job("short", 10);
        jobs.0.records.insert(&long).await.unwrap();
        jobs.0.records.insert(&short).await.unwrap();

        let listed = jobs.list().await.unwrap();
        assert!(listed[0].is_cut() && listed[0].request.work.source.len() < 5000);
        assert_eq!(listed[1], short);
        let mut events = jobs.0.events.subscribe();
        jobs.cancel("long").await.unwrap();
        assert!(events.recv().await.unwrap().is_cut());
        assert_eq!(jobs.get("long").await.unwrap().request, long.request);
    }

    #[tokio::test]
    async fn those_that_wait_are_told_anew_when_the_line_moves() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::unavailable(folder.path(), "a").await;
        let mut events = jobs.0.events.subscribe();
        let others = ["a", "b", "c", "d"].map(|id| jobs.0.queue.enter(&job(id, 1), Step::Queued));
        for id in ["1", "2"] {
            jobs.0.records.insert(&job(id, 1)).await.unwrap();
            jobs.drive(jobs.0.record(id).await.unwrap());
        }
        let second = jobs.get("2").await.unwrap();
        assert_eq!(second.position, Some(2));
        assert_eq!(
            second.doing.as_deref(),
            Some("Waits: 4 jobs already run on its cluster")
        );
        let listed = jobs.list().await.unwrap();
        let positions: Vec<_> = listed.iter().map(|job| (job.id.as_str(), job.position)).collect();
        assert_eq!(positions, [("2", Some(2)), ("1", Some(1))]);

        let mut told = async |id: &str, position: Option<u32>, over: bool| {
            let limit = Duration::from_secs(60);
            let heard = async {
                loop {
                    let job = events.recv().await.unwrap();
                    if job.id == id && job.position == position && job.state.is_over() == over {
                        return;
                    }
                }
            };
            let heard = tokio::time::timeout(limit, heard).await;
            assert!(heard.is_ok(), "{id} at {position:?} was not told");
        };
        told("2", Some(2), false).await;
        let [first, ..] = others;
        drop(first);
        // Without a Jupyter Server it ends as soon as it has its turn.
        told("2", Some(1), false).await;
        told("2", None, true).await;
    }
}
