//! What remains of a job: what its clusters did and cost, the executed notebook, and the report.

use std::path::{Path, PathBuf};

use protocol::guard::Spent;
use protocol::jobs::{Job, PlaceKind};
use protocol::versions::VersionTable;
use serde_json::{Value, json};
use tracing::warn;

use super::super::JobError;
use super::super::files::{Destination, file_stem};
use super::super::host::{Stretch, Trace};
use super::super::notebook::Executed;
use super::super::output::Reader;
use super::super::plan::Plan;
use super::super::report::{self, Known, Outputs};
use super::super::step::Outcome;
use super::super::stretches;
use super::{Run, make_folder};
use crate::clock::now_ms;

/// Folder below the Jupyter Server's root for what remains of jobs.
const FOLDER: &str = "gatehouse-jobs";

/// A file that remains of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs) enum Remnant {
    Notebook,
    Report,
    Tasks,
}

impl Remnant {
    const ALL: [Self; 3] = [Self::Notebook, Self::Report, Self::Tasks];

    /// Its name in the job's own folder.
    pub(in crate::jobs) fn name(self) -> &'static str {
        match self {
            Self::Notebook => "executed.ipynb",
            Self::Report => "report.html",
            Self::Tasks => "tasks.parquet",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Notebook => "ipynb",
            Self::Report => "html",
            Self::Tasks => "parquet",
        }
    }

    /// Where the job says that it lies.
    fn place(self, job: &mut Job) -> &mut Option<String> {
        match self {
            Self::Notebook => &mut job.notebook,
            Self::Report => &mut job.report,
            Self::Tasks => &mut job.tasks,
        }
    }
}

/// A name in the job's own folder.
const VERSIONS: &str = "versions.json";

/// Prefixes that a summary holds; a report shows fewer.
const PREFIXES: usize = 300;

/// Tasks and bytes beyond which a job has no table of its own: its recordings have them all.
const TABLE_TASKS: u64 = 1_000_000;
const TABLE_BYTES: u64 = 16 << 20;

impl Run<'_> {
    /// Notes that the code begins now on a cluster that goes on running: what it does from now on is the job's.
    pub(super) async fn note_begin_on_cluster(&self) {
        let Some(cluster) = self.shared_cluster() else {
            return;
        };
        let (before, job) = (self.spent(cluster).await, &self.job);
        let begins = self
            .jobs
            .stretches
            .begins(&job.id, job.attempt, cluster, before.as_ref(), now_ms());
        if let Err(error) = begins.await {
            warn!(job = job.id, %error, "when a job began on its cluster was not stored");
        }
    }

    /// Notes that it ended there.
    pub(super) async fn note_end_on_cluster(&self) {
        let Some(cluster) = self.shared_cluster() else {
            return;
        };
        let mut at_ms = now_ms();
        // Code that ended while nobody watched ended when it wrote that.
        if self.job.exit_status.is_some()
            && let Some(written) = written_ms(&self.output()).await
        {
            at_ms = at_ms.min(written);
        }
        let after = self.spent(cluster).await;
        let ends = self
            .jobs
            .stretches
            .ends(&self.job.id, cluster, after.as_ref(), at_ms);
        if let Err(error) = ends.await {
            warn!(job = self.job.id, %error, "when a job ended on its cluster was not stored");
        }
    }

    fn shared_cluster(&self) -> Option<&str> {
        let is_shared = self.job.request.place.kind == PlaceKind::Cluster;
        self.job.cluster.as_deref().filter(|_| is_shared)
    }

    async fn spent(&self, cluster: &str) -> Option<Spent> {
        let host = self.jobs.host()?;
        let spent = host.spent(cluster).await;
        spent
            .inspect_err(|error| {
                warn!(
                    job = self.job.id,
                    cluster, error, "what a cluster used can't be told"
                )
            })
            .ok()?
    }

    /// Keeps what the versions were, for the report.
    pub(super) async fn keep_versions(&self, table: &VersionTable) {
        let path = self.file(VERSIONS);
        let kept = match (make_folder(&path).await, serde_json::to_vec(table)) {
            (Ok(()), Ok(text)) => tokio::fs::write(&path, &text)
                .await
                .map_err(|error| error.to_string()),
            (Err(error), _) => Err(error.to_string()),
            (_, Err(error)) => Err(error.to_string()),
        };
        if let Err(error) = kept {
            warn!(job = self.job.id, error, "versions could not be kept");
        }
    }

    /// Gathers and writes what remains. What can't be is missing, and said in the log: the job is over all the same.
    pub(super) async fn keep(&mut self, outcome: &Outcome) {
        self.tell("Writes its report").await.ok();
        let stretches = self.stretches().await;
        let trace = self.trace(&stretches).await;
        if let Some(trace) = &trace {
            let mut summary = trace.summary.clone();
            summary.prefixes.truncate(PREFIXES);
            self.job.summary = Some(summary);
        }
        let plan = Plan::of(&self.job.request.work)
            .inspect_err(|error| warn!(job = self.job.id, error, "a job's work can't be read any more"))
            .ok();
        let (executed, outputs) = self.read_output(plan.as_ref()).await;
        let report = self.write_report(outcome, plan.as_ref(), &outputs, trace.as_ref());
        let written = [
            (Remnant::Notebook, self.write_notebook(executed).await),
            (Remnant::Report, report.await),
            (Remnant::Tasks, self.write_tasks(&stretches).await),
        ];
        let mut files = Vec::new();
        for (remnant, path) in written {
            let path = path.unwrap_or_else(|error| {
                warn!(
                    job = self.job.id,
                    error,
                    ?remnant,
                    "what remains of a job could not be kept"
                );
                None
            });
            *remnant.place(&mut self.job) = path.as_ref().map(|path| path.to_string_lossy().into_owned());
            files.extend(path.map(|path| (remnant, path)));
        }
        self.publish(&files).await;
        if let Err(error) = self.note().await {
            warn!(job = self.job.id, %error, "what remains of a job was not stored");
        }
    }

    /// Where the job ran.
    async fn stretches(&self) -> Vec<Stretch> {
        let stretches = self.jobs.stretches.of(&self.job.id).await;
        stretches.unwrap_or_else(|error| {
            warn!(job = self.job.id, %error, "where a job ran can't be looked for");
            Vec::new()
        })
    }

    /// What the job's clusters did, all attempts together; their cost is noted.
    async fn trace(&mut self, stretches: &[Stretch]) -> Option<Trace> {
        let host = self.jobs.host().filter(|_| !stretches.is_empty())?;
        let mut shares = Vec::new();
        for stretch in stretches {
            if stretch.shared {
                host.catch_up(&stretch.cluster).await;
                shares.extend(stretches::between(stretch));
            } else {
                shares.extend(self.spent(&stretch.cluster).await);
            }
        }
        self.job.cost = stretches::sum(&shares);
        let trace = host.trace(&self.job.name, stretches).await;
        trace
            .inspect_err(|error| {
                warn!(
                    job = self.job.id,
                    error, "what a job's clusters did can't be told"
                )
            })
            .ok()?
    }

    /// Reads the last attempt's output once, for the notebook and for the report. Without any there is no notebook.
    async fn read_output(&self, plan: Option<&Plan>) -> (Option<Executed>, Outputs) {
        let output = self.output();
        let begun = tokio::fs::try_exists(&output).await.unwrap_or(false);
        let mut executed = plan.filter(|_| begun).map(|plan| Executed::new(plan.clone()));
        let mut outputs = Outputs::default();
        let mut reader = Reader::new(output);
        loop {
            match reader.read().await {
                Ok(Some(lines)) => {
                    for line in lines {
                        outputs.take(&line);
                        if let Some(executed) = &mut executed {
                            executed.take(line);
                        }
                    }
                }
                Ok(None) => return (executed, outputs),
                Err(error) => {
                    warn!(job = self.job.id, %error, "a job's output can't be read to its end");
                    return (executed, outputs);
                }
            }
        }
    }

    /// Writes the executed notebook; there is none of code that never began.
    async fn write_notebook(&self, executed: Option<Executed>) -> Result<Option<PathBuf>, String> {
        let Some(executed) = executed else {
            return Ok(None);
        };
        let about = json!({
            "job": self.job.id, "name": self.job.name, "cluster": self.job.cluster, "attempt": self.job.attempt,
            "parameters": self.job.request.work.parameters,
        });
        let notebook = executed.finish(about, self.kernelspec().await);
        self.write(Remnant::Notebook, notebook.to_string().as_bytes())
            .await
            .map(Some)
    }

    /// The kernelspec that the code had, as notebooks have it in their metadata; `None` where Jupyter does not tell.
    async fn kernelspec(&self) -> Option<Value> {
        if !self.jobs.jupyter.may_hold_kernels().await {
            return None;
        }
        let listed = self.connect().await.ok()?.kernelspecs().await;
        let listed = listed.inspect_err(|error| warn!(job = self.job.id, %error, "kernels can't be listed"));
        let kernel = listed
            .ok()?
            .into_iter()
            .find(|kernel| kernel.is_chosen_by(self.kernel_name()))?;
        Some(
            json!({ "name": kernel.shown.name, "display_name": kernel.shown.display_name, "language": kernel.language }),
        )
    }

    /// Writes the report, which also a job has that never began.
    async fn write_report(
        &self,
        outcome: &Outcome,
        plan: Option<&Plan>,
        outputs: &Outputs,
        trace: Option<&Trace>,
    ) -> Result<Option<PathBuf>, String> {
        let versions = tokio::fs::read(self.file(VERSIONS)).await.ok();
        let versions: Option<VersionTable> = versions.and_then(|text| serde_json::from_slice(&text).ok());
        let job = Job {
            state: outcome.state,
            error: outcome.error.clone(),
            ended_at: Some(now_ms()),
            ..self.job.clone()
        };
        let currency = self.jobs.host().and_then(|host| host.currency());
        let page = report::write(&Known {
            job: &job,
            plan,
            outputs,
            trace,
            versions: versions.as_ref(),
            currency: currency.as_deref(),
        });
        self.write(Remnant::Report, page.as_bytes()).await.map(Some)
    }

    /// Writes the tasks of the job's stretches as a table, where there were any and not too many.
    async fn write_tasks(&self, stretches: &[Stretch]) -> Result<Option<PathBuf>, String> {
        let file = self.file(Remnant::Tasks.name());
        make_folder(&file).await.map_err(|error| error.to_string())?;
        let tasks = self.job.summary.as_ref().map_or(0, |summary| summary.tasks);
        let mut is_kept = false;
        if let Some(host) = self.jobs.host().filter(|_| (1..=TABLE_TASKS).contains(&tasks)) {
            let written = host.write_tasks(stretches, &file).await?;
            is_kept = written > 0
                && tokio::fs::metadata(&file)
                    .await
                    .is_ok_and(|file| file.len() <= TABLE_BYTES);
        }
        if is_kept {
            return Ok(Some(file));
        }
        // Perhaps that of a server that died over it.
        match tokio::fs::remove_file(&file).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(None),
        }
    }

    async fn write(&self, remnant: Remnant, bytes: &[u8]) -> Result<PathBuf, String> {
        let file = self.file(remnant.name());
        make_folder(&file).await.map_err(|error| error.to_string())?;
        tokio::fs::write(&file, bytes)
            .await
            .map_err(|error| error.to_string())?;
        Ok(file)
    }

    /// Puts what remains below Jupyter's root, all under one name, where there is a JupyterLab.
    async fn publish(&mut self, files: &[(Remnant, PathBuf)]) {
        // Of a job that never began nothing is worth a place among the user's files.
        let begun = tokio::fs::try_exists(self.output()).await.unwrap_or(false);
        if !begun || !self.jobs.jupyter.is_external() {
            return;
        }
        let jobs = self.jobs;
        let _alone = jobs.publishing.lock().await;
        jobs.withdraw_files(&self.job.id).await;
        let extensions = Remnant::ALL.map(Remnant::extension);
        let destination = match jobs.destination(FOLDER, &file_stem(&self.job), &extensions).await {
            Ok(destination) => destination,
            Err(error) => {
                return warn!(job = self.job.id, %error, "what remains of a job has no place in Jupyter's folder");
            }
        };
        for (remnant, file) in files {
            match self.publish_file(&destination, remnant.extension(), file).await {
                Ok(path) => *remnant.place(&mut self.job) = Some(path),
                Err(error) => {
                    warn!(job = self.job.id, %error, ?remnant, "what remains of a job was not written into Jupyter's folder");
                    jobs.discard_file(&destination.path(remnant.extension())).await;
                }
            }
        }
    }

    async fn publish_file(
        &self,
        destination: &Destination,
        extension: &str,
        file: &Path,
    ) -> Result<String, JobError> {
        let published = &self.jobs.published;
        published
            .begins(&self.job.id, &destination.path(extension))
            .await?;
        let saved = destination.save(extension, file).await?;
        published.is_written(&saved).await?;
        Ok(saved.path)
    }

    fn output(&self) -> PathBuf {
        self.jobs.output_path(&self.job.id, self.job.attempt)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.jobs.folder(&self.job.id).join(name)
    }
}

/// When a file was written last, milliseconds since the Unix epoch.
async fn written_ms(path: &Path) -> Option<i64> {
    let modified = tokio::fs::metadata(path).await.ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
