//! What is asked of a scheduler when somebody looks, on a connection of its own: it may take long, and the watcher goes on.

use std::sync::Arc;
use std::time::Duration;

use dask_comm::{CommError, Connection, ProfileNode, Stake, Timeouts};
use protocol::inspect::{LogEntry, Logs, Profile, ProfileFrame, Story, TaskGroups, Transition};
use tokio::sync::{Mutex, MutexGuard};

use super::feeder::{OFF, is_refusal};
use super::target::Target;
use super::{Feed, groups};

/// How long a browser is kept waiting.
const PATIENCE: Duration = Duration::from_secs(30);

/// Frames of a profile that a browser is sent; the smallest are left out.
const MAX_FRAMES: usize = 5_000;

/// Lines of a log that are asked for; the scheduler keeps 10,000 of its own.
const LOG_LINES: u64 = 2_000;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("There is no worker {0} any more; choose another one.")]
    NoWorker(String),
    /// The site does not allow it; a sentence for the user.
    #[error("{0}")]
    Refused(&'static str),
    #[error("The scheduler could not be asked: {0}.")]
    Comm(#[from] CommError),
}

/// Asks one scheduler, one question after the other. The connection is made with the first and kept.
#[derive(Debug)]
pub struct Inspector {
    target: Target,
    feed: Arc<Feed>,
    /// Whether the scheduler may be asked by its `feed`.
    feed_allowed: bool,
    connection: Mutex<Option<Connection>>,
}

/// Runs a question on the kept connection. One that went stale is made anew, once: the scheduler may have been restarted
/// since, or an earlier asker left in the middle.
macro_rules! ask {
    ($inspector:expr, $connection:ident => $question:expr) => {{
        let mut kept = $inspector.connection().await?;
        let mut fresh = false;
        loop {
            if kept.is_none() {
                *kept = Some($inspector.connect().await?);
                fresh = true;
            }
            let Some($connection) = kept.as_mut() else {
                continue;
            };
            match $question.await {
                Err(error) if !error.keeps_connection() => {
                    *kept = None;
                    if fresh || matches!(error, CommError::Timeout { .. }) {
                        break Err(error);
                    }
                }
                answer => break answer,
            }
        }
    }};
}

// Below the macro, which it uses.
mod about;
pub use about::{ClusterVersions, Connected};

impl Inspector {
    pub(super) fn new(target: Target, feed: Arc<Feed>, feed_allowed: bool) -> Self {
        Self {
            target,
            feed,
            feed_allowed,
            connection: Mutex::default(),
        }
    }

    /// Where the threads of all workers, or of one, spent their time; on all tasks, or on those of a key prefix.
    ///
    /// # Errors
    /// Where the worker is not there, and where the scheduler can't be reached or does not answer in time.
    pub async fn profile(&self, worker: Option<&str>, prefix: Option<&str>) -> Result<Profile, InspectError> {
        worker.map_or(Ok(()), |worker| self.check(worker))?;
        let root = ask!(self, scheduler => scheduler.profile(worker, prefix))?;
        Ok(flatten(&root))
    }

    /// The latest log lines of the scheduler, or of a worker.
    ///
    /// # Errors
    /// As [`Inspector::profile`].
    pub async fn logs(&self, worker: Option<&str>) -> Result<Logs, InspectError> {
        let lines = match worker {
            None => ask!(self, scheduler => scheduler.logs(LOG_LINES))?,
            Some(worker) => {
                self.check(worker)?;
                ask!(self, scheduler => scheduler.worker_logs(worker, LOG_LINES))?
            }
        };
        let entries = lines.into_iter().rev().map(|line| LogEntry {
            level: line.level,
            text: line.text,
        });
        Ok(Logs {
            entries: entries.collect(),
        })
    }

    /// What became of a task.
    ///
    /// # Errors
    /// As [`Inspector::profile`].
    pub async fn story(&self, key: &str) -> Result<Story, InspectError> {
        let rows = ask!(self, scheduler => scheduler.story(key))?;
        Ok(Story {
            transitions: rows
                .into_iter()
                .map(|row| Transition {
                    at_us: (row.at * 1e6) as i64,
                    from: row.from,
                    to: row.to,
                    stimulus: row.stimulus,
                })
                .collect(),
        })
    }

    /// The task groups and what they depend on, over a connection of their own.
    ///
    /// # Errors
    /// [`InspectError::Refused`] where the site does not allow `feed`, and as [`Inspector::profile`].
    pub async fn groups(&self) -> Result<TaskGroups, InspectError> {
        if !self.feed_allowed {
            return Err(InspectError::Refused(OFF));
        }
        match self.connect().await?.task_groups().await {
            Ok(found) => Ok(groups::groups(found)),
            Err(error) if is_refusal(&error) => Err(InspectError::Refused(groups::REFUSED)),
            Err(error) => Err(error.into()),
        }
    }

    /// What the cluster's end would lose, on a connection of its own.
    ///
    /// # Errors
    /// Where the scheduler can't be reached or refuses the operation.
    pub async fn stake(&self) -> Result<Stake, InspectError> {
        Ok(self.connect().await?.stake().await?)
    }

    /// Only a worker that is there may be asked for: the scheduler would connect to any address.
    fn check(&self, worker: &str) -> Result<(), InspectError> {
        let there = self.feed.workers.borrow().iter().any(|w| w.address == worker);
        there
            .then_some(())
            .ok_or_else(|| InspectError::NoWorker(worker.to_owned()))
    }

    async fn connection(&self) -> Result<MutexGuard<'_, Option<Connection>>, CommError> {
        tokio::time::timeout(PATIENCE, self.connection.lock())
            .await
            .map_err(|_elapsed| CommError::Timeout {
                op: "an earlier question".to_owned(),
                after: PATIENCE,
            })
    }

    async fn connect(&self) -> Result<Connection, CommError> {
        let timeouts = Timeouts {
            reply: PATIENCE,
            ..Timeouts::default()
        };
        Connection::connect(&self.target.address, self.target.cert.as_ref(), timeouts).await
    }
}

/// The frames depth first, without the smallest where they are too many.
fn flatten(root: &ProfileNode) -> Profile {
    let mut counts = Vec::new();
    each(root, &mut |node| counts.push(node.count));
    // No frame is on more stacks than its caller, so what is left out is left out with all that it calls.
    let least = if counts.len() > MAX_FRAMES {
        let (_, least, _) = counts.select_nth_unstable_by(MAX_FRAMES, |a, b| b.cmp(a));
        *least + 1
    } else {
        0
    };
    let mut profile = Profile::default();
    push(root, root.count, 0, least, &mut profile);
    profile.left_out = (counts.len() - profile.frames.len()) as u64;
    profile
}

fn each(node: &ProfileNode, see: &mut impl FnMut(&ProfileNode)) {
    see(node);
    for child in &node.children {
        each(child, see);
    }
}

fn push(node: &ProfileNode, count: u64, depth: u32, least: u64, profile: &mut Profile) {
    if count < least.max(1) && depth > 0 {
        return;
    }
    profile.frames.push(ProfileFrame {
        depth,
        function: node.function.clone(),
        file: node.file.clone(),
        line: u32::try_from(node.line).unwrap_or(0),
        count,
    });
    // A function that called nothing has no count of its own: a single one has what is left of its caller's. Of several
    // nobody can say which, so that stays with the caller.
    let known: u64 = node.children.iter().map(|child| child.count).sum();
    let uncounted = node.children.iter().filter(|child| child.count == 0).count();
    for child in &node.children {
        let count = match child.count {
            0 if uncounted == 1 => count.saturating_sub(known),
            counted => counted,
        };
        push(child, count, depth + 1, least, profile);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(count: u64, children: Vec<ProfileNode>) -> ProfileNode {
        ProfileNode {
            count,
            children,
            ..ProfileNode::default()
        }
    }

    fn seen(root: &ProfileNode) -> Vec<(u32, u64)> {
        flatten(root).frames.iter().map(|f| (f.depth, f.count)).collect()
    }

    #[test]
    fn frames_come_depth_first() {
        let root = node(9, vec![node(6, vec![node(5, vec![])]), node(3, vec![])]);
        assert_eq!(seen(&root), [(0, 9), (1, 6), (2, 5), (1, 3)]);
    }

    #[test]
    fn a_function_at_the_top_of_the_stack_has_what_is_left() {
        let one = node(9, vec![node(6, vec![]), node(0, vec![])]);
        assert_eq!(seen(&one), [(0, 9), (1, 6), (1, 3)]);
        let several = node(9, vec![node(6, vec![]), node(0, vec![]), node(0, vec![])]);
        assert_eq!(seen(&several), [(0, 9), (1, 6)]);
    }

    #[test]
    fn of_too_many_frames_the_smallest_are_left_out() {
        let leaves = (1..=MAX_FRAMES as u64 + 500).map(|i| node(i, vec![])).collect();
        let profile = flatten(&node(u64::MAX, leaves));
        assert_eq!(profile.frames.len(), MAX_FRAMES);
        assert_eq!(profile.left_out, 501);
        assert!(profile.frames[1..].iter().all(|frame| frame.count > 500));
    }
}
