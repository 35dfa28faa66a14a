//! What is asked of a scheduler when somebody looks: profile, logs, a task's story, task groups. JSON, as in [`crate::rest`].

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::live::StateCounts;

/// `GET api/v1/clusters/{name}/profile`: where the workers' threads spent their time, by statistical sampling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Profile {
    /// Depth first: a frame's callees follow it, one deeper. The first is the root and stands for everything.
    pub frames: Vec<ProfileFrame>,
    /// Frames that were left out because they were too many, smallest first.
    pub left_out: u64,
}

/// A function called from one place of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ProfileFrame {
    pub depth: u32,
    pub function: String,
    pub file: String,
    pub line: u32,
    /// Samples that had it on the stack.
    pub count: u64,
}

/// `GET api/v1/clusters/{name}/logs`: of the scheduler, or with `?worker=ADDRESS` of a worker; the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Logs {
    pub entries: Vec<LogEntry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct LogEntry {
    /// `INFO`, `WARNING`, `ERROR`, …
    pub level: String,
    pub text: String,
}

/// `GET api/v1/clusters/{name}/story?key=KEY`: what became of a task, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Story {
    pub transitions: Vec<Transition>,
}

/// A task's change of state on the scheduler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Transition {
    /// Microseconds since the Unix epoch; 0 where the scheduler did not say.
    pub at_us: i64,
    pub from: String,
    pub to: String,
    /// What set it off, as the scheduler names it.
    pub stimulus: String,
}

/// `GET api/v1/clusters/{name}/groups`: the task groups and what they depend on, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct TaskGroups {
    pub groups: Vec<TaskGroup>,
    /// Older groups that are not among them.
    pub left_out: u64,
}

/// Tasks that were made together, such as the blocks of one array.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct TaskGroup {
    pub name: String,
    /// Key prefix.
    pub prefix: String,
    /// Index of the prefix's colour in Dask's palette.
    pub color: u8,
    pub counts: StateCounts,
    /// Places in the list of the groups whose results it needs.
    pub needs: Vec<u32>,
    /// Bytes of its results.
    pub bytes: u64,
    /// Seconds that workers spent on its tasks.
    pub seconds: f64,
}
