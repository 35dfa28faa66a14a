//! What remains of a job: what its clusters did and cost, the executed notebook, and the report.

use std::path::{Path, PathBuf};

use protocol::guard::Spent;
use protocol::jobs::{Job, PlaceKind};
use protocol::versions::VersionTable;
use serde_json::json;
use tracing::warn;

use super::super::JobError;
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

/// Names in the job's own folder.
pub(in crate::jobs) const NOTEBOOK: &str = "executed.ipynb";
pub(in crate::jobs) const REPORT: &str = "report.html";
pub(in crate::jobs) const RECORDING: &str = "tasks.parquet";
const VERSIONS: &str = "versions.json";

/// Prefixes that a summary holds; a report shows fewer.
const PREFIXES: usize = 300;

/// Tasks that are written into a table of the job's own, some 50 bytes each. The recordings have them all.
const RECORDED_TASKS: u64 = 1_000_000;

/// Characters of the name that a job's files have below Jupyter's root.
const STEM_LIMIT: usize = 80;

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
            ("ipynb", self.write_notebook(executed).await),
            ("html", report.await),
            ("parquet", self.write_recording(&stretches).await),
        ];
        let mut files = Vec::new();
        for (extension, path) in written {
            match path {
                Ok(path) => files.extend(path.map(|path| (extension, path))),
                Err(error) => warn!(
                    job = self.job.id,
                    error, extension, "what remains of a job could not be kept"
                ),
            }
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
        self.write(NOTEBOOK, executed.finish(about).to_string().as_bytes())
            .await
            .map(Some)
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
        self.write(REPORT, page.as_bytes()).await.map(Some)
    }

    /// Writes the tasks of the job's stretches as a table, where there were any and not too many.
    async fn write_recording(&self, stretches: &[Stretch]) -> Result<Option<PathBuf>, String> {
        let tasks = self.job.summary.as_ref().map_or(0, |summary| summary.tasks);
        let Some(host) = self.jobs.host().filter(|_| (1..=RECORDED_TASKS).contains(&tasks)) else {
            return Ok(None);
        };
        let file = self.file(RECORDING);
        make_folder(&file).await.map_err(|error| error.to_string())?;
        let written = host.write_tasks(stretches, &file).await?;
        Ok((written > 0).then_some(file))
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, String> {
        let file = self.file(name);
        make_folder(&file).await.map_err(|error| error.to_string())?;
        let written = tokio::fs::write(&file, bytes).await;
        written
            .map(|()| file)
            .map_err(|error| format!("{name} can't be written: {error}"))
    }

    /// Notes where what remains lies: below Jupyter's root, all under one name, where there is a JupyterLab.
    async fn publish(&mut self, files: &[(&str, PathBuf)]) {
        for (extension, file) in files {
            self.note_file(extension, file.to_string_lossy().into_owned());
        }
        // Of a job that never began nothing is worth a place among the user's files.
        let begun = tokio::fs::try_exists(self.output()).await.unwrap_or(false);
        if !begun || !self.jobs.jupyter.is_external() {
            return;
        }
        self.jobs.withdraw_files(&self.job.id).await;
        if let Err(error) = self.publish_in_jupyter(files).await {
            warn!(job = self.job.id, %error, "what remains of a job was not written into Jupyter's folder");
        }
    }

    async fn publish_in_jupyter(&mut self, files: &[(&str, PathBuf)]) -> Result<(), JobError> {
        let extensions: Vec<_> = files.iter().map(|(extension, _)| *extension).collect();
        let stem = stem_of(&self.job);
        let destination = self.jobs.destination(FOLDER, &stem, &extensions).await?;
        for (extension, file) in files {
            let saved = destination.save(extension, file).await?;
            if let Err(error) = self.jobs.published.add(&self.job.id, &saved).await {
                warn!(job = self.job.id, %error, path = saved.path, "a file will not go with its job");
            }
            self.note_file(extension, saved.path);
        }
        Ok(())
    }

    fn note_file(&mut self, extension: &str, path: String) {
        let place = match extension {
            "ipynb" => &mut self.job.notebook,
            "html" => &mut self.job.report,
            _ => &mut self.job.recording,
        };
        *place = Some(path);
    }

    fn output(&self) -> PathBuf {
        self.jobs.output_path(&self.job.id, self.job.attempt)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.jobs.folder(&self.job.id).join(name)
    }
}

/// What a job's files are called below Jupyter's root: as the file that ran, else as the job, in letters and digits.
fn stem_of(job: &Job) -> String {
    let stem = match job.request.work.path.as_deref().map(Path::new) {
        Some(path) => path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        None => {
            let words = job
                .name
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            words
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join("-")
        }
    };
    // Jupyter hides what begins with a dot.
    let stem: String = stem.trim_start_matches('.').chars().take(STEM_LIMIT).collect();
    if stem.is_empty() { "job".to_owned() } else { stem }
}

/// When a file was written last, milliseconds since the Unix epoch.
async fn written_ms(path: &Path) -> Option<i64> {
    let modified = tokio::fs::metadata(path).await.ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_what_ran() {
        let called = |path: Option<&str>, name: &str| {
            let mut job = crate::jobs::record::job("1", 1);
            job.name = name.to_owned();
            job.request.work.path = path.map(str::to_owned);
            stem_of(&job)
        };
        for (path, stem) in [
            ("a/b/totals.py", "totals"),
            ("/abs/study 2.ipynb", "study 2"),
            (".hidden.py", "hidden"),
        ] {
            assert_eq!(called(Some(path), "nightly"), stem, "{path}");
        }
        for (name, stem) in [
            ("Sum of squares", "Sum-of-squares"),
            ("x = f(\"a/b\") # c:\\d", "x-f-a-b-c-d"),
            ("client.submit(inc_1, 1)", "client.submit-inc_1-1"),
            ("été", "été"),
            ("..", "job"),
            ("//", "job"),
        ] {
            assert_eq!(called(None, name), stem, "{name}");
        }
        assert_eq!(called(None, &"x".repeat(200)).len(), STEM_LIMIT);
    }
}
