//! Watches a job's code: its output file decides, then the kernel, the cluster, the clock and the user.

use std::time::Duration;

use protocol::jobs::{Cells, JobState, WorkKind};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::warn;

use super::super::channels::{Channels, KernelEvent};
use super::super::health::{Health, Requests};
use super::super::jupyter::JupyterClient;
use super::super::output::{Line, POLL, Reader};
use super::super::record::KernelIds;
use super::super::step::Outcome;
use super::{Run, Stop};
use crate::clock::now_ms;

/// How long an interrupted job may take to end by itself.
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);

/// How often Jupyter is asked for the kernel's state, and the store whether another server cancelled the job.
pub(super) const CHECK: Duration = Duration::from_secs(1);

/// How long the channels of a kernel that was left may take to open.
const REOPEN_LIMIT: Duration = Duration::from_secs(5);

/// How long the code may go on after its cluster ended: it may have a word to say about that, or want no more of it.
const LOST_LIMIT: Duration = Duration::from_secs(15);

/// Pieces of the output file that are read before anything else has its turn: some code writes faster than we read.
const PIECES_A_TURN: usize = 16;

/// How far a turn of reading came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Ended(Outcome),
    /// The file goes on.
    Behind,
    /// To the file's end, as it was.
    CaughtUp,
}

impl Run<'_> {
    /// Watches the output file, the kernel and the cancellation until one of them decides.
    pub(super) async fn watch(
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
    pub(super) async fn read(&mut self, reader: &mut Reader, health: &mut Health) -> Result<Read, Stop> {
        for _ in 0..PIECES_A_TURN {
            let lines = reader
                .read()
                .await
                .map_err(|error| Stop::Failed(format!("The job's output file can't be read: {error}.")))?;
            if reader.has_begun() {
                health.begins();
            }
            let Some(lines) = lines else {
                return Ok(Read::CaughtUp);
            };
            for line in lines {
                match line {
                    Line::Ready { host, pid, .. } => {
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
}

/// The next event, or never, where there are no channels.
pub(super) async fn next_event(channels: &mut Option<Channels>) -> Option<KernelEvent> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::super::super::Jobs;
    use super::super::super::output::PIECE;
    use super::super::super::record::job;
    use super::super::make_folder;
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
