//! Drives one job from its stored step to its end; the kernel is shut down whatever way it ends.

use std::path::Path;
use std::time::Duration;

use protocol::rest::{Job, JobState};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::channels::{Channels, KernelEvent};
use super::health::{Health, Requests};
use super::jupyter::{JupyterClient, JupyterError};
use super::output::{Line, POLL, Reader};
use super::record::{KernelIds, Outcome, Record, Step};
use super::{Inner, now_ms};
use crate::store::StoreError;

const PRELUDE: &str = include_str!("prelude.py");

/// How long an interrupted job may take to end by itself.
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);

/// How often Jupyter is asked for the kernel's state, and the store whether another server cancelled the job.
const CHECK: Duration = Duration::from_secs(1);

/// How long the channels of a kernel that was left may take to open.
const REOPEN_LIMIT: Duration = Duration::from_secs(5);

/// Bytes of output that are kept of a job: more than anybody reads, and less than a disk.
const OUTPUT_LIMIT: u64 = 1 << 30;

/// Pieces of the output file that are read before anything else has its turn: some code writes faster than we read.
const PIECES_A_TURN: usize = 16;

/// How often a kernel's end is asked for where Jupyter does not answer.
const CLOSE_ATTEMPTS: u32 = 3;

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
        cancel,
    };
    let outcome = match (record.step, record.outcome) {
        (Step::Over, _) => return,
        (Step::Close, Some(state)) => Outcome {
            state,
            error: run.job.error.clone(),
        },
        (step, _) => match run.drive(step).await {
            Ok(outcome) => outcome,
            Err(Stop::Cancelled) if jobs.closing.is_cancelled() => Outcome {
                state: JobState::Cancelled,
                error: Some("The server ended before the job did. Run the job again.".into()),
            },
            Err(Stop::Cancelled) => Outcome::cancelled(),
            Err(stop) => Outcome::failed(stop.to_string()),
        },
    };
    run.close(outcome).await;
}

struct Run<'a> {
    jobs: &'a Inner,
    job: Job,
    kernel: Option<KernelIds>,
    client: Option<JupyterClient>,
    cancel: CancellationToken,
}

impl Run<'_> {
    /// Everything up to the outcome.
    async fn drive(&mut self, step: Step) -> Result<Outcome, Stop> {
        let jobs = self.jobs;
        let _place = tokio::select! {
            biased;
            () = self.cancel.cancelled(), if step == Step::Queued => return Err(Stop::Cancelled),
            place = jobs.places.acquire() => place.ok(),
        };
        let mut reader = Reader::new(jobs.output_path(&self.job.id));
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
            let cancel = self.cancel.clone();
            // A Jupyter Server that is starting is given up with the job.
            let client = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Stop::Cancelled),
                client = self.client() => client?,
            };
            Some(self.begin(&client).await?)
        };
        self.watch(reader, health, channels).await
    }

    async fn client(&mut self) -> Result<JupyterClient, Stop> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = JupyterClient::new(self.jobs.http.clone(), self.jobs.jupyter.endpoint().await?);
        Ok(self.client.insert(client).clone())
    }

    /// Starts the kernel and sends it all it needs.
    async fn begin(&mut self, client: &JupyterClient) -> Result<(Channels, Requests), Stop> {
        self.stored(self.jobs.records.start_kernel(&self.job.id, now_ms()).await?)?;
        let output = self.jobs.output_path(&self.job.id);
        make_folder(&output).await?;
        // Not raced against a cancellation: a kernel whose name we never learn is harder to end.
        let ids = client
            .start_session(
                &session_path(&self.job.id),
                &self.job.name,
                self.job.kernel.as_deref(),
            )
            .await?;
        self.kernel = Some(ids.clone());
        self.stored(self.jobs.records.execute(&self.job.id, &ids).await?)?;

        let mut channels = tokio::select! {
            () = self.cancel.cancelled() => return Err(Stop::Cancelled),
            channels = Channels::open(client, &ids.kernel) => channels?,
        };
        // Both at once: the kernel goes on by itself should we end in between.
        let prelude = channels
            .execute(&prelude(&output, &self.job.cluster), false)
            .await?;
        let code = channels.execute(&self.job.code, true).await?;
        Ok((channels, Requests { prelude, code }))
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
        let mut check = tokio::time::interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause = POLL;
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled(), if deadline.is_none() => {
                    let grace = if self.jobs.closing.is_cancelled() { Duration::ZERO } else { INTERRUPT_GRACE };
                    deadline = Some(Instant::now() + grace);
                    if let Err(error) = client.interrupt(&ids.kernel).await {
                        warn!(job = self.job.id, %error, "a job's kernel was not interrupted");
                    }
                }
                _ = check.tick() => {
                    health.see(client.kernel_state(&ids.kernel).await);
                    health.look();
                    self.look_for_foreign_cancel().await;
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
            match (read, deadline) {
                (Read::Ended(_), Some(_)) => return Err(Stop::Cancelled),
                (Read::Ended(outcome), None) => return Ok(outcome),
                (_, Some(at)) if Instant::now() >= at => return Err(Stop::Cancelled),
                (Read::Behind, _) => {}
                (Read::CaughtUp, Some(_)) if health.verdict().is_some() => return Err(Stop::Cancelled),
                (Read::CaughtUp, Some(_)) => {}
                (Read::CaughtUp, None) => {
                    if let Some(sentence) = health.verdict() {
                        return Err(Stop::Failed(sentence));
                    }
                }
            }
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
                        self.stored(self.jobs.records.running(&self.job.id).await?)?;
                    }
                    Line::End { ok: true, .. } => return Ok(Read::Ended(Outcome::succeeded())),
                    Line::End { ok: false, error } => {
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

    /// Stores the outcome, ends the kernel, and tells that the job is over.
    async fn close(&mut self, outcome: Outcome) {
        if let Err(error) = self.jobs.records.close(&self.job.id, &outcome).await {
            warn!(job = self.job.id, %error, "a job's outcome was not stored");
        }
        self.end_kernel().await;
        match self.jobs.records.over(&self.job.id, &outcome, now_ms()).await {
            Ok(Some(record)) => {
                info!(job = self.job.id, state = ?outcome.state, "job over");
                self.jobs.active().remove(&self.job.id);
                self.jobs.announce(&record.job);
            }
            Ok(None) => {}
            Err(error) => {
                warn!(job = self.job.id, %error, "a job's end was not stored; the next start settles it")
            }
        }
    }

    /// Ends the job's kernel, found by its session's path where its name is not known.
    async fn end_kernel(&mut self) {
        // Where nothing was ever asked of Jupyter, none is started now.
        if self.job.started_at.is_none() || !self.jobs.jupyter.may_hold_kernels().await {
            return;
        }
        for attempt in 1..=CLOSE_ATTEMPTS {
            match self.try_end_kernel().await {
                Ok(()) => return,
                Err(error) => warn!(job = self.job.id, %error, attempt, "a job's kernel was not shut down"),
            }
            tokio::time::sleep(CHECK).await;
        }
    }

    async fn try_end_kernel(&mut self) -> Result<(), Stop> {
        let client = self.client().await?;
        let ids = match &self.kernel {
            Some(ids) => Some(ids.clone()),
            None => client.find_session(&session_path(&self.job.id)).await?,
        };
        if let Some(ids) = ids {
            client.end_session(&ids).await?;
        }
        Ok(())
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

/// Names a job's session on the Jupyter Server, so that its kernel can be found however little was stored.
fn session_path(id: &str) -> String {
    format!("gatehouse-job-{id}")
}

/// The cell that comes before the code. It keeps to a namespace of its own.
fn prelude(output: &Path, cluster: &str) -> String {
    // A JSON string is a Python string, too.
    let source = json!(PRELUDE);
    let parameters = json!({ "output": output.to_string_lossy(), "limit": OUTPUT_LIMIT, "cluster": cluster });
    format!(
        "exec(compile({source}, '<gatehouse>', 'exec'), \
         {{'__name__': 'gatehouse_prelude', 'PARAMETERS': {parameters}}})"
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
        let mut run = Run {
            jobs: &jobs.0,
            job: job("1", 10),
            kernel: None,
            client: None,
            cancel: CancellationToken::new(),
        };
        let output = jobs.0.output_path("1");
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
