//! The life of a cluster beyond what the gateway reports: REST models, as in [`crate::rest`].

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// A maximum of adaptive scaling that is none: Python's `adapt()` may leave it open.
pub const UNBOUNDED: u32 = u32::MAX;

/// What is known of a cluster besides its report: part of [`crate::rest::Cluster`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(default)]
pub struct Life {
    /// When its present state began, Unix time in milliseconds; `None` where nobody saw it begin.
    pub since: Option<i64>,
    /// Workers that the scheduler wants to have now, where that is known: while it adapts, as many as it chose itself.
    pub asked: Option<u32>,
    /// `scaling` is not in force yet: it is asked for as soon as the cluster runs.
    pub scaling_waits: bool,
    /// What went wrong with the last change, or keeps it from being watched: a sentence.
    pub problem: Option<String>,
    /// Whether `problem` is that it could not be shut down.
    pub not_ended: bool,
    /// Whether `GET api/v1/clusters/{name}/tails` has logs of it.
    pub tails: bool,
}

/// `PUT api/v1/clusters/{name}/label`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetLabel {
    /// The user's own name for the cluster; none or an empty one takes it away.
    pub label: Option<String>,
}

/// `GET api/v1/clusters/{name}/at-stake`: what a shutdown would lose, read from the scheduler at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(default)]
pub struct AtStake {
    pub workers: u32,
    /// Tasks that workers are processing or that wait for one.
    pub tasks_running: u64,
    /// Results that workers hold.
    pub tasks_in_memory: u64,
    /// Bytes of those results, on disk or not.
    pub bytes: u64,
    /// Clients that are connected, such as notebooks; `None` where the scheduler does not tell.
    pub clients: Option<u32>,
    /// Why this is not of this moment, in a sentence; the figures are the last known ones then.
    pub stale: Option<String>,
}

/// `GET api/v1/clusters/{name}/tails`: the ends of the logs that the gateway keeps of a cluster's processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(default)]
pub struct LogTails {
    /// The scheduler first, then the workers, the latest first.
    pub tails: Vec<LogTail>,
    /// Why there is none, and where to look instead: a sentence.
    pub message: Option<String>,
}

/// The end of one process's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(default)]
pub struct LogTail {
    /// `scheduler`, or `worker` and its name.
    pub of: String,
    pub text: String,
    /// Whether earlier lines are left out.
    pub cut: bool,
}
