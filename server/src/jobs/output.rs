//! A job's output file: JSON lines that the prelude appends, read while they come.
//!
//! The file is the truth about what a job wrote and whether it ended; readers hold a bounded piece of it at a time.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use protocol::jobs::{Job, JobOutput, JobState, WorkKind};
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tracing::warn;

use super::Inner;
use super::plan::Plan;

/// How often a reader looks for more.
pub(super) const POLL: Duration = Duration::from_millis(75);

/// How often a reader asks the store whether a job of another server is over.
const POLL_OTHERS: Duration = Duration::from_secs(1);

/// Bytes read at once.
pub(super) const PIECE: usize = 256 << 10;

/// Bytes of a line that are kept; the prelude writes shorter ones.
const LINE_LIMIT: usize = 10 << 20;

/// Bytes of text that are joined into one message.
const MESSAGE: usize = 64 << 10;

/// Messages that wait for a subscriber; then the reading waits.
const QUEUE: usize = 16;

/// One line of the file. Fields and kinds of later versions are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    Stdout {
        text: String,
    },
    Stderr {
        text: String,
    },
    /// Something that was displayed, by media type.
    Shown {
        data: BTreeMap<String, String>,
        #[serde(default)]
        result: bool,
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        update: bool,
    },
    /// A cell of the plan begins or ended.
    Cell {
        cell: u32,
        #[serde(default)]
        ended: bool,
        /// Its execution count, once it ended.
        #[serde(default)]
        count: Option<u32>,
    },
    Error {
        name: String,
        value: String,
        traceback: Vec<String>,
    },
    /// What the cell has shown so far is taken away.
    Cleared,
    /// The prelude connected to the cluster; the code runs next, in that process of that machine.
    Ready {
        #[serde(default)]
        host: String,
        #[serde(default)]
        pid: i32,
        /// What the kernel says of its language, as notebooks have it in their metadata.
        #[serde(default)]
        language: Option<serde_json::Value>,
    },
    /// The code ended. Nothing after this line counts.
    End {
        ok: bool,
        /// A sentence, where it is not ok.
        #[serde(default)]
        error: Option<String>,
        /// What the process would have told a shell.
        #[serde(default)]
        status: Option<i32>,
    },
    #[serde(other)]
    Unknown,
}

impl Line {
    fn into_message(self) -> Option<JobOutput> {
        match self {
            Self::Stdout { text } => Some(JobOutput::Stdout { text }),
            Self::Stderr { text } => Some(JobOutput::Stderr { text }),
            Self::Shown {
                data,
                result,
                id,
                update,
            } => Some(JobOutput::Shown {
                data,
                result,
                id,
                update,
            }),
            Self::Cell { cell, ended, .. } => Some(JobOutput::Cell {
                cell,
                ended,
                source: None,
            }),
            Self::Cleared => Some(JobOutput::Cleared),
            Self::Error {
                name,
                value,
                traceback,
            } => Some(JobOutput::Error {
                name,
                value,
                traceback,
            }),
            Self::Ready { .. } | Self::End { .. } | Self::Unknown => None,
        }
    }
}

/// Reads the file from its beginning, and on where it grows.
pub(super) struct Reader {
    path: PathBuf,
    file: Option<File>,
    piece: Vec<u8>,
    /// The start of a line whose end is not written yet.
    partial: Vec<u8>,
    /// The line being read is longer than is kept.
    overlong: bool,
}

impl Reader {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            piece: Vec::new(),
            partial: Vec::new(),
            overlong: false,
        }
    }

    /// Whether the file was there.
    pub(super) fn has_begun(&self) -> bool {
        self.file.is_some()
    }

    /// The lines of the next piece, or `None` where there is nothing more by now.
    ///
    /// # Errors
    /// Where the file is there and can't be read.
    pub(super) async fn read(&mut self) -> io::Result<Option<Vec<Line>>> {
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path).await {
                Ok(file) => self.file.insert(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        self.piece.resize(PIECE, 0);
        let length = file.read(&mut self.piece).await?;
        if length == 0 {
            return Ok(None);
        }
        let mut lines = Vec::new();
        for part in self.piece[..length].split_inclusive(|byte| *byte == b'\n') {
            let ends = part.last() == Some(&b'\n');
            if self.partial.len() + part.len() > LINE_LIMIT {
                self.overlong = true;
                self.partial = Vec::new();
            }
            if !self.overlong {
                self.partial.extend_from_slice(part);
            }
            if ends {
                lines.push(if self.overlong {
                    lost("a line too long to show")
                } else {
                    parse(&self.partial)
                });
                self.partial.clear();
                self.overlong = false;
            }
        }
        Ok(Some(lines))
    }
}

fn parse(line: &[u8]) -> Line {
    serde_json::from_slice(line).unwrap_or_else(|error| {
        warn!(%error, "a line of a job's output can't be read");
        lost("a line that can't be read")
    })
}

fn lost(what: &str) -> Line {
    Line::Stderr {
        text: format!("[Gatehouse: {what} was left out of the output.]\n"),
    }
}

/// Starts a reader for one subscriber.
pub(super) fn follow(jobs: Arc<Inner>, id: String) -> mpsc::Receiver<JobOutput> {
    let (messages, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        // `Err` means that the subscriber went away.
        forward(&jobs, &id, &messages).await.ok();
    });
    receiver
}

type Gone = mpsc::error::SendError<JobOutput>;

async fn forward(jobs: &Inner, id: &str, messages: &mpsc::Sender<JobOutput>) -> Result<(), Gone> {
    let sources = sources(jobs, id).await;
    let mut attempt = 1;
    let mut reader = Reader::new(jobs.output_path(id, attempt));
    let mut ended = false;
    let mut events = jobs.events.subscribe();
    loop {
        // Asked before the file is read to its end, so that nothing written before the end is missed.
        let (newest, over) = standing(jobs, id).await;
        while !ended {
            match reader.read().await {
                Ok(Some(lines)) => ended = send(lines, &sources, messages).await?,
                Ok(None) => break,
                Err(error) => {
                    messages.send(unreadable(&error)).await?;
                    ended = true;
                }
            }
        }
        if newest > attempt {
            attempt += 1;
            (reader, ended) = (Reader::new(jobs.output_path(id, attempt)), false);
            let text = format!("[Gatehouse: attempt {attempt} begins, because the one before failed.]\n");
            messages.send(JobOutput::Stderr { text }).await?;
            continue;
        }
        if let Some((state, error)) = over {
            return messages.send(JobOutput::End { state, error }).await;
        }
        let pause = if jobs.active().contains_key(id) {
            POLL
        } else {
            POLL_OTHERS
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = is_over(&mut events, id) => {}
            () = messages.closed() => return Ok(()),
        }
    }
}

/// Ends when it is told that the job is over.
async fn is_over(events: &mut broadcast::Receiver<Job>, id: &str) {
    loop {
        match events.recv().await {
            Ok(job) if job.id == id && job.state.is_over() => return,
            // The file and the store are looked at from time to time all the same.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// The code of a notebook's cells, in the order in which they run.
async fn sources(jobs: &Inner, id: &str) -> Vec<String> {
    let work = match jobs.records.get(id).await {
        Ok(Some(record)) if record.job.request.work.kind == WorkKind::Notebook => record.job.request.work,
        // Without its code the output is still told.
        _ => return Vec::new(),
    };
    Plan::of(&work).map_or_else(
        |_refused| Vec::new(),
        |plan| plan.cells.into_iter().map(|cell| cell.source).collect(),
    )
}

/// Sends what a piece says, neighbouring text joined. True once the end was seen.
async fn send(
    lines: Vec<Line>,
    sources: &[String],
    messages: &mpsc::Sender<JobOutput>,
) -> Result<bool, Gone> {
    let mut waiting: Option<JobOutput> = None;
    let mut ended = false;
    for line in lines {
        ended = matches!(line, Line::End { .. });
        if ended {
            break;
        }
        let Some(mut message) = line.into_message() else {
            continue;
        };
        if let JobOutput::Cell {
            cell,
            ended: false,
            source,
        } = &mut message
        {
            *source = sources.get(*cell as usize).cloned();
        }
        let message = match waiting
            .as_mut()
            .map_or(Some(message.clone()), |before| join(before, message))
        {
            None => continue,
            Some(message) => message,
        };
        if let Some(before) = waiting.replace(message) {
            messages.send(before).await?;
        }
    }
    if let Some(message) = waiting {
        messages.send(message).await?;
    }
    Ok(ended)
}

/// Appends `next` to `before` where both are text of one stream and not long; gives it back otherwise.
fn join(before: &mut JobOutput, next: JobOutput) -> Option<JobOutput> {
    match (before, &next) {
        (JobOutput::Stdout { text }, JobOutput::Stdout { text: more })
        | (JobOutput::Stderr { text }, JobOutput::Stderr { text: more })
            if text.len() + more.len() <= MESSAGE =>
        {
            text.push_str(more);
            None
        }
        _ => Some(next),
    }
}

fn unreadable(error: &io::Error) -> JobOutput {
    JobOutput::Stderr {
        text: format!("[Gatehouse: the job's output can't be read: {error}.]\n"),
    }
}

/// The newest attempt, and how the job ended where it did.
async fn standing(jobs: &Inner, id: &str) -> (u32, Option<(JobState, Option<String>)>) {
    if let Some(active) = jobs.active().get(id) {
        return (active.attempt, None);
    }
    match jobs.records.get(id).await {
        Ok(Some(record)) => {
            let job = record.job;
            (job.attempt, job.state.is_over().then_some((job.state, job.error)))
        }
        Ok(None) => (1, Some((JobState::Failed, Some("The job was removed.".into())))),
        Err(error) => (1, Some((JobState::Failed, Some(error.to_string())))),
    }
}

#[cfg(test)]
mod tests;
