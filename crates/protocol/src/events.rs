//! What changed: messages of the WebSocket `api/v1/events`, as JSON text.

use serde::{Deserialize, Serialize};

use crate::attached::Attached;
use crate::kernels::KernelNote;
use crate::recordings::Recording;
use crate::rest::{Cluster, Job, Status};

/// The first message is always a `Snapshot`; each later one replaces what it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Snapshot {
        status: Status,
        clusters: Vec<Cluster>,
        jobs: Vec<Job>,
    },
    Status {
        status: Status,
    },
    /// The whole list, newest first: it is short, and a list can't be half applied.
    Clusters {
        clusters: Vec<Cluster>,
    },
    /// One job, new or changed.
    Job {
        job: Job,
    },
    /// The whole list, newest first; while one is written its figures are those of its begin.
    Recordings {
        recordings: Vec<Recording>,
    },
    /// The whole list, newest first.
    Attached {
        attached: Vec<Attached>,
    },
    /// All notes on kernels whose `Gateway()` finds something else than we do.
    KernelNotes {
        notes: Vec<KernelNote>,
    },
    Notice {
        notice: Notice,
    },
}

/// Something the user should know that belongs to no single request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub level: NoticeLevel,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    Info,
    Warning,
    Error,
}
