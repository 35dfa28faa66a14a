//! What remains of a job: what its clusters did and cost, the executed notebook, and the report.

use std::path::{Path, PathBuf};

use protocol::guard::Spent;
use protocol::jobs::{Job, PlaceKind, WorkKind};
use protocol::versions::VersionTable;
use serde_json::json;
use tracing::warn;

use super::super::host::Trace;
use super::super::notebook::Executed;
use super::super::output::Reader;
use super::super::plan::Plan;
use super::super::report::{self, Known, Outputs};
use super::super::step::Outcome;
use super::super::stretches;
use super::{Run, Stop, make_folder};
use crate::clock::now_ms;

/// Folder below the Jupyter Server's root for what remains of jobs.
const FOLDER: &str = "gatehouse-jobs";

/// Names in the job's own folder.
pub(in crate::jobs) const NOTEBOOK: &str = "executed.ipynb";
pub(in crate::jobs) const REPORT: &str = "report.html";
const VERSIONS: &str = "versions.json";

/// Prefixes that a summary holds; a report shows fewer.
const PREFIXES: usize = 300;

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
        let trace = self.trace().await;
        if let Some(trace) = &trace {
            let mut summary = trace.summary.clone();
            summary.prefixes.truncate(PREFIXES);
            self.job.summary = Some(summary);
        }
        let plan = Plan::of(&self.job.request.work)
            .inspect_err(|error| warn!(job = self.job.id, error, "a job's work can't be read any more"))
            .ok();
        let (executed, outputs) = self.read_output(plan.as_ref()).await;
        if let Some(executed) = executed
            && let Err(error) = self.keep_notebook(executed).await
        {
            warn!(job = self.job.id, %error, "a job's notebook could not be kept");
        }
        if let Err(error) = self
            .keep_report(outcome, plan.as_ref(), &outputs, trace.as_ref())
            .await
        {
            warn!(job = self.job.id, %error, "a job's report could not be kept");
        }
        if let Err(error) = self.note().await {
            warn!(job = self.job.id, %error, "what remains of a job was not stored");
        }
    }

    /// What the job's clusters did, all attempts together; their cost is noted.
    async fn trace(&mut self) -> Option<Trace> {
        let host = self.jobs.host()?;
        let stretches = self.jobs.stretches.of(&self.job.id).await;
        let stretches = stretches
            .inspect_err(|error| warn!(job = self.job.id, %error, "where a job ran can't be looked for"))
            .ok()?;
        if stretches.is_empty() {
            return None;
        }
        let mut shares = Vec::new();
        for stretch in &stretches {
            if stretch.shared {
                host.catch_up(&stretch.cluster).await;
                shares.extend(stretches::between(stretch));
            } else {
                shares.extend(self.spent(&stretch.cluster).await);
            }
        }
        self.job.cost = stretches::sum(&shares);
        let trace = host.trace(&self.job.name, &stretches).await;
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

    /// Writes the executed notebook: into the job's folder, and where there is a JupyterLab, below its root.
    async fn keep_notebook(&mut self, executed: Executed) -> Result<(), Stop> {
        let about = json!({
            "job": self.job.id, "name": self.job.name, "cluster": self.job.cluster, "attempt": self.job.attempt,
            "parameters": self.job.request.work.parameters,
        });
        let file = self.file(NOTEBOOK);
        let unwritable = |error| Stop::Failed(format!("its notebook can't be written: {error}"));
        tokio::fs::write(&file, executed.finish(about).to_string().as_bytes())
            .await
            .map_err(unwritable)?;
        self.job.notebook = Some(self.publish(&file, "ipynb").await);
        Ok(())
    }

    /// Writes the report, which also a job has that never began.
    async fn keep_report(
        &mut self,
        outcome: &Outcome,
        plan: Option<&Plan>,
        outputs: &Outputs,
        trace: Option<&Trace>,
    ) -> Result<(), Stop> {
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
        let file = self.file(REPORT);
        make_folder(&file).await?;
        let unwritable = |error| Stop::Failed(format!("its report can't be written: {error}"));
        tokio::fs::write(&file, page.as_bytes())
            .await
            .map_err(unwritable)?;
        self.job.report = Some(self.publish(&file, "html").await);
        Ok(())
    }

    /// Where a file that remains lies: below Jupyter's root, for a file of the user's and where there is one.
    async fn publish(&self, file: &Path, extension: &str) -> String {
        let here = file.to_string_lossy().into_owned();
        let work = &self.job.request.work;
        // Of a job that never began nothing is worth a place among the user's files.
        let begun = tokio::fs::try_exists(self.output()).await.unwrap_or(false);
        if work.kind == WorkKind::Snippet || !begun || !self.jobs.jupyter.is_external() {
            return here;
        }
        let path = work.path.as_deref().unwrap_or(&self.job.name);
        let stem = Path::new(path)
            .file_stem()
            .map_or(path.into(), |stem| stem.to_string_lossy());
        let saved = match self
            .jobs
            .save_file(FOLDER, &format!("{stem}.{extension}"), file)
            .await
        {
            Ok(saved) => saved,
            Err(error) => {
                warn!(job = self.job.id, %error, "what remains of a job was not written into Jupyter's folder");
                return here;
            }
        };
        if let Err(error) = self.jobs.published.add(&self.job.id, &saved).await {
            warn!(job = self.job.id, %error, path = saved.path, "a file will not go with its job");
        }
        saved.path
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
