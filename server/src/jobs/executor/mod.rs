//! Drives one job from its stored step to its end; its kernel and its clusters are ended whatever way it ends.

mod after;
mod cluster;
mod keep;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;

use protocol::jobs::{Job, JobState, PlaceKind, WorkKind};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(super) use self::keep::Remnant;
use self::watch::Read;
use super::Inner;
use super::channels::Channels;
use super::fault::{self, Moment};
use super::health::{Health, Requests};
use super::host::Host;
use super::jupyter::{JupyterClient, JupyterError};
use super::output::Reader;
use super::plan::Plan;
use super::queue::Place;
use super::record::{KernelIds, Notes, Record};
use super::step::{Outcome, Step};
use crate::clock::now_ms;
use crate::store::StoreError;

const PRELUDE: &str = include_str!("../prelude.py");
const WARM_UP: &str = include_str!("../warm_up.py");

/// Bytes of output that are kept of a job: more than anybody reads, and less than a disk.
const OUTPUT_LIMIT: u64 = 1 << 30;

/// What stops a job before it ends by itself.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the job was cancelled")]
    Cancelled,
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Jupyter(#[from] JupyterError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Stop {
    fn overdue(limit_s: u64) -> Self {
        Self::Failed(format!(
            "The job ran into its time limit of {limit_s} s and was ended. Give it more time, or less to do."
        ))
    }
}

/// Takes the job's remaining steps. `place` is the one that it has in the queue, where it still needs one.
pub(super) async fn run(jobs: &Inner, record: Record, mut place: Option<Place>, cancel: CancellationToken) {
    let mut run = Run {
        jobs,
        job: record.job,
        kernel: record.kernel,
        client: None,
        cells: 0,
        cancel,
    };
    let (mut step, mut known) = (record.step, record.outcome);
    loop {
        let outcome = match (step, known) {
            (Step::Over, _) => return,
            (Step::Close | Step::StopClusters | Step::Keep, Some(state)) => Outcome {
                state,
                error: run.job.error.clone(),
            },
            _ => {
                let place = place.take().unwrap_or_else(|| run.line_up(step));
                match run.drive(step, place).await {
                    Ok(outcome) => outcome,
                    Err(Stop::Cancelled) if jobs.closing.is_cancelled() => Outcome {
                        state: JobState::Cancelled,
                        error: Some("The server ended before the job did. Run the job again.".into()),
                    },
                    Err(Stop::Cancelled) => Outcome::cancelled(),
                    Err(stop) => Outcome::failed(stop.to_string()),
                }
            }
        };
        if !run.end(step, outcome).await {
            return;
        }
        (step, known) = (Step::Queued, None);
    }
}

struct Run<'a> {
    jobs: &'a Inner,
    job: Job,
    kernel: Option<KernelIds>,
    client: Option<JupyterClient>,
    /// How many there are to run.
    cells: u32,
    cancel: CancellationToken,
}

impl Run<'_> {
    /// Everything up to the outcome.
    async fn drive(&mut self, step: Step, mut place: Place) -> Result<Outcome, Stop> {
        let jobs = self.jobs;
        let plan = Plan::of(&self.job.request.work).map_err(Stop::Failed)?;
        self.cells = u32::try_from(plan.cells.len()).unwrap_or(u32::MAX);
        if step == Step::Queued {
            self.await_turn(&mut place).await?;
            self.check_kernel().await?;
        }
        let mut reader = Reader::new(jobs.output_path(&self.job.id, self.job.attempt));
        let mut health = match step {
            Step::Execute => Health::of_left(),
            _ => Health::new(),
        };
        let channels = if step == Step::Execute {
            // The code may run, or have run, and must not run twice.
            let may_run = jobs.jupyter.may_hold_kernels().await;
            loop {
                match self.read(&mut reader, &mut health).await? {
                    Read::Ended(outcome) => return Ok(outcome),
                    Read::Behind if may_run && self.cancel.is_cancelled() => break,
                    Read::Behind => {}
                    Read::CaughtUp => break,
                }
            }
            if !may_run {
                return Err(Stop::Failed(
                    "The server and its Jupyter Server ended while the job ran. Run the job again.".into(),
                ));
            }
            None
        } else {
            self.find_cluster(step).await?;
            self.tell("Starts its kernel").await?;
            let client = self.client_unless_cancelled().await?;
            let mut channels = Some(self.start_kernel(&client).await?);
            self.await_cluster(&mut channels).await?;
            let channels = match channels {
                Some(channels) => channels,
                // Its kernel may have been culled while the cluster started: asking again gives the same one, or a new one.
                None => self.start_kernel(&client).await?,
            };
            let sent = self.begin(channels, &plan).await?;
            // How long it may take until the code begins counts from now.
            health = Health::new();
            Some(sent)
        };
        self.watch(reader, health, channels).await
    }

    /// Lines the job up for another attempt.
    fn line_up(&self, step: Step) -> Place {
        let place = self.jobs.queue.enter(&self.job, step);
        self.jobs.announce(&self.job);
        place
    }

    /// Waits for the job's turn; whoever listens is told when it comes nearer.
    async fn await_turn(&self, place: &mut Place) -> Result<(), Stop> {
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Stop::Cancelled),
                has_turn = place.moved() => if has_turn {
                    return Ok(());
                },
            }
            self.jobs.announce(&self.job);
        }
    }

    /// The clusters, which jobs without any don't need.
    fn host(&self) -> Result<Host, Stop> {
        let none = || Stop::Failed("There are no clusters here to run the job on.".into());
        self.jobs.host().ok_or_else(none)
    }

    /// The kernelspec to start; Jupyter's default where `None`.
    fn kernel_name(&self) -> Option<&str> {
        self.job.request.kernel.as_deref()
    }

    /// Says what the job does beside its code.
    async fn tell(&mut self, doing: &str) -> Result<(), Stop> {
        if self.job.doing.as_deref() == Some(doing) {
            return Ok(());
        }
        self.job.doing = Some(doing.to_owned());
        self.note().await
    }

    /// Stores what is told beside the state.
    async fn note(&mut self) -> Result<(), Stop> {
        let record = self
            .jobs
            .records
            .note(&self.job.id, &Notes::of(&self.job))
            .await?;
        self.jobs.announce(&self.job);
        self.stored(record)
    }

    async fn client(&mut self) -> Result<JupyterClient, Stop> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = self.connect().await?;
        Ok(self.client.insert(client).clone())
    }

    async fn connect(&self) -> Result<JupyterClient, Stop> {
        let endpoint = self.jobs.jupyter.endpoint().await?;
        Ok(JupyterClient::new(self.jobs.http.clone(), endpoint))
    }

    /// A Jupyter Server that is starting is given up with the job.
    async fn client_unless_cancelled(&mut self) -> Result<JupyterClient, Stop> {
        let cancel = self.cancel.clone();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Stop::Cancelled),
            client = self.client() => client,
        }
    }

    /// Sees to it that the kernel is there before a cluster is asked for in vain: a Jupyter Server that did not run when
    /// the job was created could not be asked then, and the kernel may have gone since.
    async fn check_kernel(&mut self) -> Result<(), Stop> {
        let Some(kernel) = self.kernel_name().map(str::to_owned) else {
            return Ok(());
        };
        self.tell("Looks for its kernel").await?;
        let client = self.client_unless_cancelled().await?;
        Ok(client.check_kernel(&kernel).await?)
    }

    /// Starts the kernel, which makes itself ready for the cluster.
    async fn start_kernel(&mut self, client: &JupyterClient) -> Result<Channels, Stop> {
        let jobs = self.jobs;
        let prepared = jobs
            .records
            .prepare(&self.job.id, Step::StartKernel, now_ms())
            .await?;
        self.stored(prepared)?;
        fault::at(Step::StartKernel, Moment::Before);
        // Not raced against a cancellation: a kernel whose name we never learn is harder to end.
        let started = client
            .start_session(&self.session_path(), &self.job.name, self.kernel_name())
            .await;
        fault::at(Step::StartKernel, Moment::After);
        let ids = started?;
        self.kernel = Some(ids.clone());
        self.stored(jobs.records.has_kernel(&self.job.id, &ids).await?)?;
        let mut channels = tokio::select! {
            () = self.cancel.cancelled() => return Err(Stop::Cancelled),
            channels = Channels::open(client, &ids.kernel) => channels?,
        };
        if self.job.request.place.kind != PlaceKind::None {
            let parameters = json!({ "environment": self.environment(), "folder": self.absolute_folder() });
            channels
                .execute(&cell(WARM_UP, &parameters), false, false)
                .await?;
        }
        Ok(channels)
    }

    /// Sends the kernel all it needs.
    async fn begin(&mut self, mut channels: Channels, plan: &Plan) -> Result<(Channels, Requests), Stop> {
        let jobs = self.jobs;
        let prepared = jobs
            .records
            .prepare(&self.job.id, Step::Execute, now_ms())
            .await?;
        self.stored(prepared)?;
        let output = jobs.output_path(&self.job.id, self.job.attempt);
        make_folder(&output).await?;
        self.note_begin_on_cluster().await;
        fault::at(Step::Execute, Moment::Before);
        // All at once: the kernel goes on by itself should we end in between.
        let prelude = channels
            .execute(&self.prelude(&output, plan), false, true)
            .await?;
        let mut code = String::new();
        for cell in &plan.cells {
            code = channels.execute(&cell.source, true, !cell.may_raise).await?;
        }
        fault::at(Step::Execute, Moment::After);
        Ok((channels, Requests { prelude, code }))
    }

    /// Variables that the job's kernel has beside its own.
    fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = self
            .jobs
            .host()
            .map_or_else(Default::default, |host| host.kernel_env(&self.job.id));
        environment.extend(self.job.request.environment.clone());
        environment
    }

    /// The folder to work in, where Jupyter does not start the kernel there by itself.
    fn absolute_folder(&self) -> Option<&str> {
        let folder = self.job.request.folder.as_deref();
        folder.filter(|folder| Path::new(folder).is_absolute())
    }

    /// The cell that comes before the code.
    fn prelude(&self, output: &Path, plan: &Plan) -> String {
        let request = &self.job.request;
        let script = (request.work.kind == WorkKind::Script).then(|| {
            let path = request.work.path.as_deref().unwrap_or("script.py");
            let absolute = Path::new(path).is_absolute();
            // Below Jupyter's root the kernel is in the file's folder already.
            let name = Path::new(path)
                .file_name()
                .map_or(path.into(), |name| name.to_string_lossy());
            json!([if absolute { path.into() } else { name }, request.work.args])
        });
        let cluster = self
            .job
            .cluster
            .as_deref()
            .filter(|_| request.place.kind != PlaceKind::None);
        let parameters = json!({
            "output": output.to_string_lossy(), "limit": OUTPUT_LIMIT, "cluster": cluster,
            "folder": self.absolute_folder(), "environment": self.environment(), "script": script,
            "cells": plan.cells.iter().map(|cell| cell.may_raise).collect::<Vec<_>>(),
        });
        cell(PRELUDE, &parameters)
    }

    /// Names the job's session on the Jupyter Server, so that its kernel can be found however little was stored. Its
    /// kernel works in the folder that the path is in.
    fn session_path(&self) -> String {
        let request = &self.job.request;
        let of_file = || {
            request
                .work
                .path
                .as_deref()
                .and_then(|path| Some(path.rsplit_once('/')?.0))
        };
        let folder = request
            .folder
            .as_deref()
            .or_else(of_file)
            .filter(|folder| !folder.starts_with('/'));
        match folder
            .map(|folder| folder.trim_matches('/'))
            .filter(|folder| !folder.is_empty())
        {
            Some(folder) => format!("{folder}/gatehouse-job-{}", self.job.id),
            None => format!("gatehouse-job-{}", self.job.id),
        }
    }

    /// Takes over the row as it was stored and tells whoever listens.
    fn stored(&mut self, record: Option<Record>) -> Result<(), Stop> {
        let record = record.ok_or_else(|| Stop::Failed("The job was removed from the store.".into()))?;
        if record.job != self.job {
            self.job = record.job;
            self.jobs.announce(&self.job);
        }
        Ok(())
    }
}

/// A cell of ours. It keeps to a namespace of its own.
fn cell(source: &str, parameters: &Value) -> String {
    // A JSON string is a Python string, too.
    let source = json!(source);
    let parameters = json!(parameters.to_string());
    format!(
        "exec(compile({source}, '<gatehouse>', 'exec'), \
         {{'__name__': 'gatehouse_prelude', 'PARAMETERS': __import__('json').loads({parameters})}})"
    )
}

async fn make_folder(output: &Path) -> Result<(), Stop> {
    let folder = output.parent().unwrap_or(output);
    let made = tokio::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .await;
    made.map_err(|error| {
        Stop::Failed(format!(
            "The folder for the job's output can't be made ({}): {error}.",
            folder.display()
        ))
    })
}
