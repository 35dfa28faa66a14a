//! Which step of a job is taken, and how it ended.

use protocol::jobs::JobState;

/// The step that is about to be taken: stored first, so that a restarted server knows what may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nothing outside the store yet.
    Queued,
    /// A cluster of its own is asked for. It may exist: [`super::owned`] says how it is found.
    AskCluster,
    /// The cluster's name is stored, and a kernel is asked for. It may exist: its session's path names the job.
    StartKernel,
    /// The kernel is known; the cluster and its workers are waited for.
    AwaitCluster,
    /// The prelude and the code are sent to the kernel, which needs nobody from then on.
    Execute,
    /// The outcome is known; the kernel is being shut down, and beside it the clusters that belong to the job.
    Close,
    /// The kernel is gone; clusters that its code made until then, or that did not stop, are being stopped.
    StopClusters,
    /// Nothing of it runs any more; what remains of it is being written.
    Keep,
    /// Nothing is left to do.
    Over,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) state: JobState,
    /// A sentence, where it failed.
    pub(super) error: Option<String>,
}

impl Outcome {
    pub(super) fn succeeded() -> Self {
        Self {
            state: JobState::Succeeded,
            error: None,
        }
    }

    pub(super) fn cancelled() -> Self {
        Self {
            state: JobState::Cancelled,
            error: None,
        }
    }

    pub(super) fn failed(sentence: impl Into<String>) -> Self {
        Self {
            state: JobState::Failed,
            error: Some(sentence.into()),
        }
    }
}
