//! Runs steps in their order, side by side where they don't need each other, and only those whose inputs changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::board::{Board, Mark};
use crate::job::Job;
use crate::signals;
use crate::stamp::{Inputs, Stamp};
use crate::workspace::Workspace;

/// Steps at once: two compilers on two cores hide each other's single-threaded ends, a download beside them is free.
const SIDE_BY_SIDE: usize = 3;

type Work<'a> = Box<dyn Fn(&Job) -> Result<()> + Send + Sync + 'a>;

/// One named piece of set-up.
pub(crate) struct Step<'a> {
    /// Names the log and the stamp.
    pub name: &'static str,
    pub title: &'static str,
    pub needs: Vec<&'static str>,
    pub inputs: Inputs,
    pub outputs: Vec<PathBuf>,
    pub work: Work<'a>,
}

/// Runs what is not up to date.
///
/// # Errors
/// When a step fails, or somebody asked us to stop. What failed was shown on the board.
pub(crate) fn run(workspace: &Workspace, board: &Arc<Board>, steps: &[Step<'_>]) -> Result<()> {
    let stamps = workspace.path("target/stamps");
    fs::create_dir_all(&stamps)?;
    let (sender, receiver) = mpsc::channel();
    let mut waiting: BTreeMap<usize, &Step<'_>> = steps.iter().enumerate().collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut running = 0;
    let mut fresh = 0;
    let mut failure = None;
    thread::scope(|scope| {
        while failure.is_none() || running > 0 {
            let ready: Vec<usize> = waiting
                .iter()
                .filter(|(_, step)| step.needs.iter().all(|need| done.contains(need)))
                .map(|(id, _)| *id)
                .collect();
            for id in ready {
                if running == SIDE_BY_SIDE || failure.is_some() {
                    break;
                }
                let Some(step) = waiting.remove(&id) else { continue };
                let stamp = match Stamp::new(&stamps, step.name, &step.inputs) {
                    Ok(stamp) => stamp,
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                };
                if stamp.is_fresh(&step.outputs) {
                    fresh += 1;
                    done.insert(step.name);
                    // What waited for this one is ready now: look again before waiting for a thread.
                    sender.send(None).ok();
                    continue;
                }
                running += 1;
                let sender = sender.clone();
                scope.spawn(move || {
                    let outcome = perform(workspace, board, id, step, &stamp);
                    sender.send(Some((step.name, outcome))).ok();
                });
            }
            if running == 0 && (waiting.is_empty() || failure.is_some()) {
                break;
            }
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(Some((name, outcome))) => {
                    running -= 1;
                    match outcome {
                        Ok(()) => {
                            done.insert(name);
                        }
                        Err(error) => {
                            // What runs beside it is let finish: the next run need not do it again.
                            failure.get_or_insert(error);
                        }
                    }
                }
                Ok(None) | Err(RecvTimeoutError::Disconnected) => {}
                Err(RecvTimeoutError::Timeout) => {
                    board.tick();
                    if running == 0 && !waiting.is_empty() && stuck(&waiting, &done) {
                        failure = Some(anyhow!("steps wait for each other: {:?}", names(&waiting)));
                    }
                }
            }
        }
    });
    if signals::stopping() {
        bail!("interrupted");
    }
    if let Some(error) = failure {
        return Err(error);
    }
    if fresh > 0 {
        let count = if fresh == steps.len() {
            "everything".to_owned()
        } else {
            format!("{fresh} steps")
        };
        board.mark(Mark::Done, &board.dim(&format!("{count} up to date")));
    }
    Ok(())
}

fn stuck(waiting: &BTreeMap<usize, &Step<'_>>, done: &BTreeSet<&str>) -> bool {
    waiting
        .values()
        .all(|step| step.needs.iter().any(|need| !done.contains(need)))
}

fn names(waiting: &BTreeMap<usize, &Step<'_>>) -> Vec<&'static str> {
    waiting.values().map(|step| step.name).collect()
}

fn perform(
    workspace: &Workspace,
    board: &Arc<Board>,
    id: usize,
    step: &Step<'_>,
    stamp: &Stamp,
) -> Result<()> {
    let job = Job::new(id, board.clone(), &workspace.logs(), step.name)?;
    board.start(id, step.title);
    stamp.clear();
    // The stamp was taken before: what somebody edits meanwhile makes the step due again.
    let outcome = (step.work)(&job).and_then(|()| stamp.write());
    match &outcome {
        Ok(()) => board.end(id, Mark::Done, &job.remarked()),
        Err(_) if signals::stopping() => board.end(id, Mark::Note, "stopped"),
        Err(error) => {
            board.end(id, Mark::Failed, "");
            show_failure(board, &job, error);
        }
    }
    outcome.map_err(|error| error.context(format!("{} failed", step.title)))
}

/// Shows why a step failed: the sentence, and the end of its log.
pub(crate) fn show_failure(board: &Board, job: &Job, error: &anyhow::Error) {
    let tail: Vec<String> = job
        .tail()
        .iter()
        .map(|line| format!("      {}", board.dim(line)))
        .collect();
    board.say(&format!(
        "{}\n    {error:#}\n    The whole log: {}",
        tail.join("\n"),
        job.log_path().display()
    ));
}
