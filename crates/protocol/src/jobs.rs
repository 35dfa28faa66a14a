//! Jobs: what runs, where it runs, and what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::flat::FlatOutput;
use crate::guard::Spent;
use crate::rest::{OptionValues, Scaling};

/// `POST api/v1/jobs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    pub work: Work,
    pub place: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Kernelspec; a notebook's own, else the Jupyter Server's default, where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Working folder of the kernel, below the Jupyter Server's root; that of the file, else the root, where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Variables that are set in the kernel before anything is imported.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Seconds after which its code is ended, all attempts together; counted from when its own cluster, or else its kernel, is
    /// asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_s: Option<u64>,
    /// How often it is begun anew after a failure.
    #[serde(default)]
    pub retries: u32,
    #[serde(default)]
    pub on_mismatch: OnMismatch,
}

/// What runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Work {
    pub kind: WorkKind,
    /// Python source, or a notebook's JSON. Read from `path` where it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The file below the Jupyter Server's root, or wherever else it is, for its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `sys.argv` of a script, without its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What overrides the cell of a notebook that is tagged `parameters`, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub parameters: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// Some lines, run like a cell.
    #[default]
    Snippet,
    /// A `.py` file, run like `python FILE ARGS`.
    Script,
    /// An `.ipynb` file, cell by cell.
    Notebook,
}

/// `GET api/v1/jobs/file`: what a file below the Jupyter Server's root is as a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct JobFile {
    pub path: String,
    pub kind: WorkKind,
    /// The kernelspec that a notebook was saved with.
    pub kernel: Option<String>,
    /// What the cell of a notebook that is tagged `parameters` assigns, in its order.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a notebook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Parameter {
    pub name: String,
    /// As its cell has it: Python.
    pub code: String,
    /// The same as a value; `None` where it is no literal, and where it is `None`.
    #[serde(default)]
    pub default: Option<Value>,
    /// The comment behind it.
    #[serde(default)]
    pub about: Option<String>,
}

/// Where it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub kind: PlaceKind,
    /// The running cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Options of the fresh cluster; what is left out takes the gateway's defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub options: OptionValues,
    /// Size of the fresh cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// The code begins when the cluster has so many workers. Where `None`, a fresh one needs one, and another none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for: Option<u32>,
    /// Seconds that a fresh cluster and its workers may take; 600 where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_limit_s: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// A cluster that runs, and goes on running.
    Cluster,
    /// A cluster of the job's own, which ends with it.
    Fresh,
    /// None: the code makes its own, or needs none.
    #[default]
    None,
}

/// What to do where the kernel's packages and the cluster's don't fit each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnMismatch {
    /// Say so beside the job.
    #[default]
    Show,
    /// Fail before the code begins.
    Stop,
}

/// Bytes of a job's source that lists and events carry.
pub const LISTED_CODE: usize = 4096;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Job {
    pub id: String,
    pub name: String,
    /// As it was asked for, with the source in it. Whole where one job is asked for; lists and events cut the source after
    /// 4096 bytes, with a last line `…` that says so, and a notebook's altogether.
    pub request: CreateJob,
    /// The cluster it runs on, once there is one.
    pub cluster: Option<String>,
    /// The cluster's label when the job got it: the job outlives it.
    pub cluster_label: Option<String>,
    pub state: JobState,
    /// What it waits for, or does beside the code, in a few words.
    #[serde(default)]
    pub doing: Option<String>,
    /// Of a notebook.
    #[serde(default)]
    pub cells: Option<Cells>,
    /// Counted from 1.
    pub attempt: u32,
    /// Packages of the kernel that don't fit the cluster's, each in a sentence.
    #[serde(default)]
    pub mismatches: Vec<String>,
    /// Why it failed, in a sentence.
    pub error: Option<String>,
    /// Where its executed notebook lies, below the Jupyter Server's root or on this machine.
    #[serde(default)]
    pub notebook: Option<String>,
    /// Where its report lies, like the notebook; `api/v1/jobs/{id}/report` serves it. `None` while there is none.
    #[serde(default)]
    pub report: Option<String>,
    /// Where the table of its clusters' tasks lies, Parquet, like the notebook; `api/v1/jobs/{id}/tasks` serves it. `None` while
    /// there is none, where there were no tasks, and where they are so many that only the recordings have them.
    #[serde(default)]
    pub tasks: Option<String>,
    /// Its place among those that wait, counted from 1; `None` where it does not wait.
    #[serde(default)]
    pub position: Option<u32>,
    /// What its clusters used while they were its own, or while it ran on them; `None` where that was not counted.
    #[serde(default)]
    pub cost: Option<Spent>,
    /// What its tasks took, once it is over; `None` where nothing was recorded. Lists and events leave its prefixes out.
    #[serde(default)]
    pub summary: Option<JobSummary>,
    /// What a process with this code would have told a shell; `None` while it is not known.
    #[serde(default)]
    pub exit_status: Option<i32>,
    /// Unix times in milliseconds.
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
}

/// What the cluster did while a job's code ran, from its recordings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct JobSummary {
    /// The recordings of its clusters, by id.
    pub recordings: Vec<String>,
    /// Whether others may have worked there, too: the cluster was not the job's own.
    pub shared: bool,
    pub tasks: u64,
    pub erred: u64,
    /// Threads' time in tasks, microseconds.
    pub compute_us: u64,
    /// Threads' time in transfers between workers, microseconds.
    pub transfer_us: u64,
    pub peak_workers: u32,
    /// The most that all workers held at one moment, bytes.
    pub peak_memory: u64,
    /// The most that one worker held, bytes.
    pub peak_worker_memory: u64,
    /// Those that took longest first.
    #[serde(default)]
    pub prefixes: Vec<PrefixTime>,
}

/// What the tasks of one key prefix took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct PrefixTime {
    pub name: String,
    pub tasks: u64,
    pub erred: u64,
    /// Microseconds.
    pub compute_us: u64,
    /// Microseconds.
    pub longest_us: u64,
}

/// How many of a notebook's cells have run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Cells {
    pub done: u32,
    pub all: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Queued,
    /// Its cluster and its kernel start and find each other.
    Starting,
    Running,
    Cancelling,
    Succeeded,
    Failed,
    Cancelled,
}

impl Job {
    /// A job that waits for its turn.
    pub fn queued(
        id: impl Into<String>,
        name: impl Into<String>,
        request: CreateJob,
        created_at: i64,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            request,
            cluster: None,
            cluster_label: None,
            state: JobState::Queued,
            doing: None,
            cells: None,
            attempt: 1,
            mismatches: Vec::new(),
            error: None,
            notebook: None,
            report: None,
            tasks: None,
            position: None,
            cost: None,
            summary: None,
            exit_status: None,
            created_at,
            started_at: None,
            ended_at: None,
        }
    }

    /// The job as lists and events carry it: some hundreds of them must fit into one WebSocket message.
    pub fn listed(mut self) -> Self {
        if let Some(summary) = &mut self.summary {
            summary.prefixes.clear();
        }
        let work = &mut self.request.work;
        if work.kind == WorkKind::Notebook {
            work.source.clear();
        } else if work.source.len() > LISTED_CODE {
            work.source.truncate(work.source.floor_char_boundary(LISTED_CODE));
            work.source.push_str("\n…");
        }
        self
    }

    /// Whether the source is not the job's whole one.
    pub fn is_cut(&self) -> bool {
        let work = &self.request.work;
        match work.kind {
            WorkKind::Notebook => work.source.is_empty(),
            _ => work.source.len() > LISTED_CODE && work.source.ends_with("\n…"),
        }
    }
}

impl JobState {
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// One message of `GET api/v1/jobs/{id}/output` (WebSocket, JSON text), in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "FlatOutput")]
pub enum JobOutput {
    Stdout {
        text: String,
    },
    Stderr {
        text: String,
    },
    /// Something that was displayed, in the forms that it has: by media type, images but SVG in base64.
    Shown {
        data: BTreeMap<String, String>,
        /// It is the value of the last expression.
        result: bool,
        /// Names it, so that it can be shown anew.
        id: Option<String>,
        /// It takes the place of what was shown under this id.
        update: bool,
    },
    /// A cell begins, or ended; counted from 0 among those that run.
    Cell {
        cell: u32,
        ended: bool,
        /// The code of a notebook's cell that begins.
        source: Option<String>,
    },
    /// What the cell has shown so far is taken away, as by `clear_output()`.
    Cleared,
    Error {
        name: String,
        value: String,
        /// Lines, without terminal colours.
        traceback: Vec<String>,
    },
    /// The job is over; the last message.
    End {
        state: JobState,
        error: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: WorkKind, source: String) -> Job {
        let work = Work {
            kind,
            source,
            ..Work::default()
        };
        let request = CreateJob {
            work,
            ..CreateJob::default()
        };
        Job::queued("1", "n", request, 0)
    }

    #[test]
    fn a_long_code_is_cut_between_characters() {
        let whole = job(WorkKind::Script, "x".repeat(LISTED_CODE));
        assert!(!whole.is_cut());
        assert_eq!(whole.clone().listed(), whole);
        let long = format!("{}☃ and on", "x".repeat(LISTED_CODE - 1));
        let cut = job(WorkKind::Snippet, long).listed();
        assert!(cut.is_cut());
        let beginning = format!("{}\n…", "x".repeat(LISTED_CODE - 1));
        assert_eq!(cut.request.work.source, beginning);
        assert!(job(WorkKind::Notebook, "{}".into()).listed().is_cut());
    }

    #[test]
    fn little_is_needed_to_ask_for_a_job() {
        let text = r#"{"work": {"kind": "snippet", "source": "1"}, "place": {"kind": "none"}}"#;
        let request: CreateJob = serde_json::from_str(text).expect("a request");
        assert_eq!(request.place.kind, PlaceKind::None);
        assert_eq!(
            serde_json::to_string(&request)
                .expect("text")
                .matches("null")
                .count(),
            0
        );
    }
}
