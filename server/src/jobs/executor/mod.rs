//! Drives one job from its stored step to its end; its kernel and its clusters are ended whatever way it ends.

mod after;
mod cluster;

use std::path::Path;
use std::time::Duration;

use protocol::jobs::{Cells, Job, JobState, PlaceKind, WorkKind};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(super) use self::after::NOTEBOOK;
use super::channels::{Channels, KernelEvent};
use super::fault::{self, Moment};
use super::health::{Health, Requests};
use super::host::Host;
use super::jupyter::{JupyterClient, JupyterError};
use super::output::{Line, POLL, Reader};
use super::plan::Plan;
use super::record::{KernelIds, Notes, Record};
use super::step::{Outcome, Step};
use super::{Inner, now_ms};
use crate::store::StoreError;

const PRELUDE: &str = include_str!("../prelude.py");

/// How long an interrupted job may take to end by itself.
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);

/// How often Jupyter is asked for the kernel's state, and the store whether another server cancelled the job.
const CHECK: Duration = Duration::from_secs(1);

/// How long the channels of a kernel that was left may take to open.
const REOPEN_LIMIT: Duration = Duration::from_secs(5);

/// How long the code may go on after its cluster ended: it may have a word to say about that, or want no more of it.
const LOST_LIMIT: Duration = Duration::from_secs(15);

/// Bytes of output that are kept of a job: more than anybody reads, and less than a disk.
const OUTPUT_LIMIT: u64 = 1 << 30;

/// Pieces of the output file that are read before anything else has its turn: some code writes faster than we read.
const PIECES_A_TURN: usize = 16;

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

/// How far a turn of reading came.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    Ended(Outcome),
    /// The file goes on.
    Behind,
    /// To the file's end, as it was.
    CaughtUp,
}

/// Takes the job's remaining steps.
pub(super) async fn run(jobs: &Inner, record: Record, cancel: CancellationToken) {
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
            _ => match run.drive(step).await {
                Ok(outcome) => outcome,
                Err(Stop::Cancelled) if jobs.closing.is_cancelled() => Outcome {
                    state: JobState::Cancelled,
                    error: Some("The server ended before the job did. Run the job again.".into()),
                },
                Err(Stop::Cancelled) => Outcome::cancelled(),
                Err(stop) => Outcome::failed(stop.to_string()),
            },
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
    async fn drive(&mut self, step: Step) -> Result<Outcome, Stop> {
        let jobs = self.jobs;
        let plan = Plan::of(&self.job.request.work).map_err(Stop::Failed)?;
        self.cells = u32::try_from(plan.cells.len()).unwrap_or(u32::MAX);
        let _places = tokio::select! {
            biased;
            () = self.cancel.cancelled(), if step == Step::Queued => return Err(Stop::Cancelled),
            places = jobs.queue.wait(&self.job) => places,
        };
        let mut reader = Reader::new(jobs.output_path(&self.job.id, self.job.attempt));
        let mut health = Health::new();
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
            let cancel = self.cancel.clone();
            // A Jupyter Server that is starting is given up with the job.
            let client = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Stop::Cancelled),
                client = self.client() => client?,
            };
            Some(self.begin(&client, &plan).await?)
        };
        self.watch(reader, health, channels).await
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
        let client = JupyterClient::new(self.jobs.http.clone(), self.jobs.jupyter.endpoint().await?);
        Ok(self.client.insert(client).clone())
    }

    /// Starts the kernel and sends it all it needs.
    async fn begin(&mut self, client: &JupyterClient, plan: &Plan) -> Result<(Channels, Requests), Stop> {
        let jobs = self.jobs;
        let prepared = jobs
            .records
            .prepare(&self.job.id, Step::StartKernel, now_ms())
            .await?;
        self.stored(prepared)?;
        let output = jobs.output_path(&self.job.id, self.job.attempt);
        make_folder(&output).await?;
        fault::at(Step::StartKernel, Moment::Before);
        // Not raced against a cancellation: a kernel whose name we never learn is harder to end.
        let started = client
            .start_session(&self.session_path(), &self.job.name, self.kernel_name())
            .await;
        fault::at(Step::StartKernel, Moment::After);
        let ids = started?;
        self.kernel = Some(ids.clone());
        self.stored(jobs.records.execute(&self.job.id, &ids).await?)?;

        let mut channels = tokio::select! {
            () = self.cancel.cancelled() => return Err(Stop::Cancelled),
            channels = Channels::open(client, &ids.kernel) => channels?,
        };
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

    /// The cell that comes before the code. It keeps to a namespace of its own.
    fn prelude(&self, output: &Path, plan: &Plan) -> String {
        let request = &self.job.request;
        let mut environment = self
            .jobs
            .host()
            .map_or_else(Default::default, |host| host.kernel_env(&self.job.id));
        environment.extend(request.environment.clone());
        let script = (request.work.kind == WorkKind::Script).then(|| {
            let path = request.work.path.as_deref().unwrap_or("script.py");
            let absolute = Path::new(path).is_absolute();
            // Below Jupyter's root the kernel is in the file's folder already.
            let name = Path::new(path)
                .file_name()
                .map_or(path.into(), |name| name.to_string_lossy());
            json!([if absolute { path.into() } else { name }, request.work.args])
        });
        let folder = request
            .folder
            .as_deref()
            .filter(|folder| Path::new(folder).is_absolute());
        let cluster = self
            .job
            .cluster
            .as_deref()
            .filter(|_| request.place.kind != PlaceKind::None);
        let parameters = json!({
            "output": output.to_string_lossy(), "limit": OUTPUT_LIMIT, "cluster": cluster, "folder": folder,
            "environment": environment, "script": script,
            "cells": plan.cells.iter().map(|cell| cell.may_raise).collect::<Vec<_>>(),
        });
        // A JSON string is a Python string, too.
        let source = json!(PRELUDE);
        let parameters = json!(parameters.to_string());
        format!(
            "exec(compile({source}, '<gatehouse>', 'exec'), \
             {{'__name__': 'gatehouse_prelude', 'PARAMETERS': __import__('json').loads({parameters})}})"
        )
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

    /// Watches the output file, the kernel and the cancellation until one of them decides.
    async fn watch(
        &mut self,
        mut reader: Reader,
        mut health: Health,
        channels: Option<(Channels, Requests)>,
    ) -> Result<Outcome, Stop> {
        let client = self.client().await?;
        let Some(ids) = self.kernel.clone() else {
            return Err(Stop::Failed(
                "The job's kernel is not known. Run the job again.".into(),
            ));
        };
        let (mut channels, requests) = match channels {
            Some((channels, requests)) => (Some(channels), Some(requests)),
            None => (reopen(&client, &ids.kernel).await, None),
        };
        let mut deadline = None;
        let mut overdue = None;
        let mut lost = None::<Instant>;
        let time_limit = self.job.request.time_limit_s;
        let mut check = tokio::time::interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause = POLL;
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled(), if deadline.is_none() => {
                    let grace = if self.jobs.closing.is_cancelled() { Duration::ZERO } else { INTERRUPT_GRACE };
                    deadline = Some(Instant::now() + grace);
                    self.interrupt(&client, &ids).await;
                }
                limit = run_out(self.job.started_at, time_limit), if deadline.is_none() => {
                    deadline = Some(Instant::now() + INTERRUPT_GRACE);
                    overdue = Some(limit);
                    self.interrupt(&client, &ids).await;
                }
                _ = check.tick() => {
                    health.see(client.kernel_state(&ids.kernel).await);
                    health.look();
                    self.look_for_foreign_cancel().await;
                    lost = match self.cluster_is_lost().await {
                        Some(_) if lost.is_none() => Some(Instant::now()),
                        Some(why) if lost.is_some_and(|since| since.elapsed() >= LOST_LIMIT) && deadline.is_none() => {
                            return Err(Stop::Failed(why));
                        }
                        Some(_) => lost,
                        None => None,
                    };
                }
                event = next_event(&mut channels) => match event {
                    Some(event) => health.hear(event, requests.as_ref()),
                    None => channels = None,
                },
                () = tokio::time::sleep(pause) => {}
            }
            // The file decides before anything else does: it is written before the kernel says that it is done.
            let read = self.read(&mut reader, &mut health).await?;
            pause = if read == Read::Behind {
                Duration::ZERO
            } else {
                POLL
            };
            let stopped = || overdue.map_or(Stop::Cancelled, Stop::overdue);
            match (read, deadline) {
                (Read::Ended(_), Some(_)) => return Err(stopped()),
                (Read::Ended(outcome), None) => return Ok(outcome),
                (_, Some(at)) if Instant::now() >= at => return Err(stopped()),
                (Read::Behind, _) => {}
                (Read::CaughtUp, Some(_)) if health.verdict().is_some() => return Err(stopped()),
                (Read::CaughtUp, Some(_)) => {}
                (Read::CaughtUp, None) => {
                    if let Some(sentence) = health.verdict() {
                        return Err(Stop::Failed(sentence));
                    }
                }
            }
        }
    }

    async fn interrupt(&self, client: &JupyterClient, ids: &KernelIds) {
        if let Err(error) = client.interrupt(&ids.kernel).await {
            warn!(job = self.job.id, %error, "a job's kernel was not interrupted");
        }
    }

    /// Reads what is new in the file, at most [`PIECES_A_TURN`].
    async fn read(&mut self, reader: &mut Reader, health: &mut Health) -> Result<Read, Stop> {
        for _ in 0..PIECES_A_TURN {
            let lines = reader
                .read()
                .await
                .map_err(|error| Stop::Failed(format!("The job's output file can't be read: {error}.")))?;
            let Some(lines) = lines else {
                return Ok(Read::CaughtUp);
            };
            for line in lines {
                match line {
                    Line::Ready { host, pid } => {
                        health.ready_in(&host, pid);
                        self.job.doing = None;
                        self.note().await?;
                        self.stored(self.jobs.records.running(&self.job.id).await?)?;
                    }
                    Line::Cell { cell, ended, .. } if self.job.request.work.kind == WorkKind::Notebook => {
                        self.count_cell(cell, ended).await?;
                    }
                    Line::End { ok: true, .. } => {
                        self.job.exit_status = Some(0);
                        self.note().await?;
                        return Ok(Read::Ended(Outcome::succeeded()));
                    }
                    Line::End {
                        ok: false,
                        error,
                        status,
                    } => {
                        self.job.exit_status = status;
                        self.note().await?;
                        let sentence = error.unwrap_or_else(|| "The code failed; see its output.".into());
                        return Ok(Read::Ended(Outcome::failed(sentence)));
                    }
                    _ => {}
                }
            }
        }
        Ok(Read::Behind)
    }

    /// Another server that shares the store can't reach our token; it leaves the wish in the row.
    async fn look_for_foreign_cancel(&self) {
        if let Ok(Some(record)) = self.jobs.records.get(&self.job.id).await
            && record.job.state == JobState::Cancelling
        {
            self.cancel.cancel();
        }
    }

    /// How many of a notebook's cells have run.
    async fn count_cell(&mut self, cell: u32, ended: bool) -> Result<(), Stop> {
        let done = cell + u32::from(ended);
        if self.job.cells.is_some_and(|cells| cells.done >= done) {
            return Ok(());
        }
        self.job.cells = Some(Cells {
            done,
            all: self.cells,
        });
        self.note().await
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

/// The next event, or never, where there are no channels.
async fn next_event(channels: &mut Option<Channels>) -> Option<KernelEvent> {
    match channels {
        Some(channels) => channels.next().await,
        None => std::future::pending().await,
    }
}

/// Channels of a kernel that was left: they tell of its death, and Jupyter keeps no messages in memory for nobody. The job
/// is watched without them, too.
async fn reopen(client: &JupyterClient, kernel: &str) -> Option<Channels> {
    tokio::time::timeout(REOPEN_LIMIT, Channels::open(client, kernel))
        .await
        .ok()?
        .ok()
}

/// Ends when the job has run as long as it may, with that limit in seconds; never where it has none.
async fn run_out(started_at: Option<i64>, limit_s: Option<u64>) -> u64 {
    let Some((started_at, limit_s)) = started_at.zip(limit_s) else {
        return std::future::pending().await;
    };
    let gone_ms = u64::try_from(now_ms() - started_at).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(
        limit_s.saturating_mul(1000).saturating_sub(gone_ms),
    ))
    .await;
    limit_s
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

#[cfg(test)]
mod tests {
    use super::super::Jobs;
    use super::super::output::PIECE;
    use super::super::record::job;
    use super::*;

    #[tokio::test]
    async fn reads_a_long_file_in_turns() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::unavailable(folder.path(), "a").await;
        jobs.0.records.insert(&job("1", 10)).await.unwrap();
        let mut run = Run {
            jobs: &jobs.0,
            job: job("1", 10),
            kernel: None,
            client: None,
            cells: 0,
            cancel: CancellationToken::new(),
        };
        let output = jobs.0.output_path("1", 1);
        make_folder(&output).await.unwrap();
        let line = format!("{}\n", json!({ "kind": "stdout", "text": "x".repeat(1000) }));
        let length = PIECE * PIECES_A_TURN * 3 / 2;
        let text = line.repeat(length / line.len()) + "{\"kind\":\"end\",\"ok\":true}\n";
        std::fs::write(&output, text).unwrap();

        let (mut reader, mut health) = (Reader::new(output), Health::new());
        assert_eq!(run.read(&mut reader, &mut health).await.unwrap(), Read::Behind);
        let end = Read::Ended(Outcome::succeeded());
        assert_eq!(run.read(&mut reader, &mut health).await.unwrap(), end);
    }
}
