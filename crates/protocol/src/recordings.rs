//! REST models of the recordings: `api/v1/recordings…`.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// A pane whose cluster is this, followed by a recording's id, shows the recording.
pub const PANE_PREFIX: &str = "recording:";

/// What a cluster did, kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Recording {
    pub id: String,
    /// Name of the cluster, and the user's label for it.
    pub cluster: String,
    pub label: Option<String>,
    /// Identity of the scheduler: a restarted one has a recording of its own.
    pub scheduler: String,
    pub state: RecordingState,
    /// Milliseconds since the Unix epoch.
    pub started_at: i64,
    pub ended_at: Option<i64>,
    /// Task records in it.
    pub tasks: u64,
    /// Records that could not be recorded: the scheduler had dropped them, or the disk was too slow.
    pub lost: u64,
    /// On the disk.
    pub bytes: u64,
    /// A sentence where the recording stopped before its cluster, or can't be read.
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// The cluster runs and is recorded.
    Recording,
    /// It is over and at rest.
    Ready,
    /// It stopped before its cluster; `message` says why.
    Stopped,
}

/// What can be made of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// One table for pandas, Dask, polars.
    Parquet,
    /// Chrome's Trace Event Format, which Perfetto and `chrome://tracing` open.
    Trace,
    Svg,
    Png,
    /// A report of one file.
    Html,
}

/// `POST api/v1/recordings/{id}/export`: writes an export into Jupyter's folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ExportToJupyter {
    /// Folder below Jupyter's root, which must be there; empty for the root itself.
    #[serde(default)]
    pub folder: String,
}

/// Where an export was written, or what it is called and how long it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Exported {
    /// Below Jupyter's root; its name alone where it was not written.
    pub path: String,
    pub bytes: u64,
}
