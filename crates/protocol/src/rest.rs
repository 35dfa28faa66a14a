//! REST models: what `api/v1/…` takes and gives, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::flat::{FlatOption, FlatScaling};
use crate::guard::{Lease, LeaseTerms, Spent};
use crate::life::Life;

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// The header every changing request must carry: a page of another origin can't set it without our consent.
pub const CSRF_HEADER: &str = "x-gatehouse";

/// Longest label a user may give a cluster, in characters.
pub const MAX_LABEL: usize = 80;

/// Chosen option values by field name.
pub type OptionValues = Map<String, Value>;

/// `GET api/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Status {
    /// Version of Gatehouse.
    pub version: String,
    pub gateway: GatewayStatus,
    pub jupyter: JupyterStatus,
}

/// The gateway that this server uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct GatewayStatus {
    pub kind: GatewayKind,
    pub state: GatewayState,
    /// Address of the gateway's API, without credentials.
    pub address: Option<String>,
    /// Version that the gateway reports.
    pub version: Option<String>,
    /// A sentence for the user: what is wrong and what to do. `None` while all is well.
    pub message: Option<String>,
    /// Python that makes `gateway`, without a secret in it, where no kernel's configuration leads `Gateway()` there.
    pub access: Option<String>,
}

/// Where the gateway comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GatewayKind {
    /// Gatehouse brought it along and runs it on this machine.
    Embedded,
    /// Dask's configuration names it.
    Remote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GatewayState {
    Starting,
    Up,
    /// Not reachable; tried again by itself.
    Down,
    /// Reachable, but it refuses our credentials.
    Unauthorized,
}

/// The Jupyter Server whose kernels run the jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct JupyterStatus {
    /// Whether jobs can be run.
    pub available: bool,
    /// A private headless Jupyter Server, started for jobs because there is no JupyterLab around us.
    pub private: bool,
    pub message: Option<String>,
}

/// `GET api/v1/options`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Options {
    /// In the gateway's order.
    pub options: Vec<OptionSpec>,
    /// Workers that a cluster may have, where that is known beforehand.
    pub max_workers: Option<u32>,
    /// Sentences on local defaults that are not used, and why.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One option of the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct OptionSpec {
    pub field: String,
    pub label: String,
    /// The site's default, or the local one of Dask's configuration (`gateway.cluster.options`).
    pub default: Value,
    pub spec: OptionKind,
    /// Whether the default is the local one.
    #[serde(default)]
    pub local: bool,
    /// What each choice of a select means, in its order, where that is known: `2 threads, 4 GiB`. A bool's choices are
    /// `false` and `true`.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What the option itself means, where the settings say it.
    #[serde(default)]
    pub about: Option<String>,
}

/// The six types of Dask Gateway's options; bounds are inclusive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(tag = "type", rename_all = "lowercase", try_from = "FlatOption")]
pub enum OptionKind {
    Select {
        options: Vec<String>,
    },
    String,
    Bool,
    Int {
        #[serde(default)]
        min: Option<i64>,
        #[serde(default)]
        max: Option<i64>,
    },
    Float {
        #[serde(default)]
        min: Option<f64>,
        #[serde(default)]
        max: Option<f64>,
    },
    Mapping,
    /// A type this version does not know: edited as JSON.
    #[serde(other)]
    Unknown,
}

/// A cluster of the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Cluster {
    pub name: String,
    /// The user's own name for it.
    pub label: Option<String>,
    pub state: ClusterState,
    /// Why it failed or what it waits for, in a sentence.
    pub reason: Option<String>,
    /// Unix time in milliseconds.
    pub started_at: Option<i64>,
    /// Unix time in milliseconds.
    pub stopped_at: Option<i64>,
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub options: OptionValues,
    pub scaling: Scaling,
    /// What the scheduler says of itself; `None` until it was reached once.
    pub summary: Option<ClusterSummary>,
    pub live: LiveState,
    /// Path of the Bokeh dashboard below the server's prefix, such as `clusters/NAME/status`.
    pub dashboard: Option<String>,
    #[serde(default)]
    pub life: Life,
    /// When it ends by itself; `None` until the guard knows it.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// What it used so far; `None` until it was counted once.
    #[serde(default)]
    pub cost: Option<Spent>,
}

/// A plot of a cluster's Bokeh dashboard: `GET api/v1/clusters/{name}/plots`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Plot {
    /// What the dashboard calls it, such as `Task Stream`.
    pub title: String,
    /// Path of the page that holds this plot alone, below the server's prefix: `clusters/NAME/individual-task-stream`.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum ClusterState {
    Pending,
    Running,
    Stopping,
    Stopped,
    Failed,
}

impl ClusterState {
    /// Whether the cluster may still cost something.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Stopping)
    }
}

/// What was asked of the cluster's size. The gateway does not tell, so only what passed our doors is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(tag = "mode", rename_all = "snake_case", try_from = "FlatScaling")]
pub enum Scaling {
    /// Set elsewhere, or never set.
    Unknown,
    Manual {
        workers: u32,
    },
    Adaptive {
        minimum: u32,
        maximum: u32,
    },
}

/// The scheduler's own figures, at the workers' heartbeat rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ClusterSummary {
    pub workers: u32,
    pub threads: u32,
    /// Sum of the workers' memory limits, bytes.
    pub memory_limit: u64,
    /// Sum of the workers' resident memory, bytes.
    pub memory_used: u64,
    /// Sum over the workers, in percent of one core.
    pub cpu: f64,
    pub tasks_processing: u64,
    pub tasks_in_memory: u64,
}

/// How well the scheduler answers our watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    /// Nothing to watch: not running.
    Off,
    Connecting,
    Live,
    /// Connected, but it has not answered for a while: a big graph is being taken in, for example.
    Busy,
    /// The connection was lost; tried again by itself.
    Lost,
    /// No scheduler: what is shown was recorded.
    Recording,
}

/// `POST api/v1/clusters`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateCluster {
    /// Fields left out take the gateway's defaults.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub options: OptionValues,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Applied as soon as the cluster runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// When it ends by itself; the configured default where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseTerms>,
}

/// Answer of `POST api/v1/clusters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Created {
    pub name: String,
}

/// `POST api/v1/clusters/{name}/scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Scale {
    pub workers: u32,
}

/// `POST api/v1/clusters/{name}/adapt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Adapt {
    pub minimum: u32,
    pub maximum: u32,
}

/// Answer of scale and adapt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Scaled {
    /// The gateway's own words where it did less than was asked, such as a limit.
    pub warning: Option<String>,
}

/// Body of every error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[error("{message}")]
pub struct ApiError {
    /// Stable, for programs: `not_found`, `wrong_state`, `invalid`, `unauthorized`, `gateway`, `internal`, …
    pub code: String,
    /// A sentence for people: what happened and what to do.
    pub message: String,
    /// The option or field that is wrong, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Names the request in the server's log.
    pub request_id: String,
}
