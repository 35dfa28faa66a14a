//! What changed: messages of the WebSocket `api/v1/events`, as JSON text.

use serde::{Deserialize, Serialize};

use crate::attached::Attached;
use crate::guard::{Guard, Offer, Spent};
use crate::jobs::Job;
use crate::kernels::KernelNote;
use crate::recordings::Recording;
use crate::rest::{Cluster, ClusterSummary, Status};

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
    /// What figures became of clusters that are the same otherwise; a list of all of them each second would be most of
    /// what a panel receives.
    Figures {
        figures: Vec<Figures>,
    },
    /// One job, new or changed.
    Job {
        job: Box<Job>,
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
    /// What the guard did and what was used, as a whole.
    Guard {
        guard: Guard,
    },
    Notice {
        notice: Notice,
    },
}

/// What changes of a cluster all the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub name: String,
    pub summary: Option<ClusterSummary>,
    pub cost: Option<Spent>,
}

impl Figures {
    /// The figures that changed from one list of clusters to the next; `None` where something else did, too.
    pub fn between(old: &[Cluster], new: &[Cluster]) -> Option<Vec<Self>> {
        let mut changed = Vec::new();
        for (old, new) in old.iter().zip(new) {
            if old == new {
                continue;
            }
            let figures = Self {
                name: new.name.clone(),
                summary: new.summary.clone(),
                cost: new.cost.clone(),
            };
            if figures.on(old) != *new {
                return None;
            }
            changed.push(figures);
        }
        (old.len() == new.len()).then_some(changed)
    }

    /// The cluster with these figures.
    pub fn on(&self, cluster: &Cluster) -> Cluster {
        Cluster {
            summary: self.summary.clone(),
            cost: self.cost.clone(),
            ..cluster.clone()
        }
    }
}

/// Something the user should know that belongs to no single request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub level: NoticeLevel,
    pub message: String,
    /// What can be done about it with one click.
    #[serde(default)]
    pub offer: Option<Offer>,
}

impl Notice {
    /// A notice that offers nothing.
    pub fn new(level: NoticeLevel, message: String) -> Self {
        Self {
            level,
            message,
            offer: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    Info,
    Warning,
    Error,
}
