//! What jobs ask of clusters.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use protocol::guard::{AtEnd, LeaseTerms, Spent};
use protocol::jobs::JobSummary;
use protocol::live::Errors;
use protocol::rest::{Cluster, CreateCluster};
use protocol::versions::VersionTable;

use super::owned::Listed;
use crate::clusters::Named;

/// The clusters that jobs run on; sentences where something can't be done.
pub trait ClusterHost: Send + Sync {
    /// Waits while the gateway starts, for a minute at most. What keeps it from it is said by what is asked of it next.
    fn started(&self) -> BoxFuture<'_, ()>;

    /// How many workers a cluster may have, where the gateway tells.
    fn max_workers(&self) -> Option<u32>;

    /// Asks for a cluster, whose name `named` hears first, and returns it.
    fn create(&self, request: CreateCluster, named: Named) -> BoxFuture<'_, Result<String, String>>;

    /// Takes on a cluster that was asked for with this request before we died.
    fn adopt<'a>(&'a self, name: &'a str, request: CreateCluster) -> BoxFuture<'a, Result<(), String>>;

    /// One cluster as the panel shows it; `None` where there is none.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Cluster>>;

    /// As [`ClusterHost::find`], with the workers that its scheduler has now.
    fn look_at<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Cluster>>;

    /// What the gateway lists of this user that is not over.
    fn listed(&self) -> BoxFuture<'_, Result<Vec<Listed>, String>>;

    /// Asks for a cluster's end and waits until the gateway says that it is over. One that is not there is.
    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), String>>;

    /// Looks at a kernel's packages, so that [`ClusterHost::versions`] has them for the next seconds.
    fn know_kernel<'a>(&'a self, kernel: Option<&'a str>) -> BoxFuture<'a, ()>;

    /// A cluster's packages and a kernel's side by side. That there is no such kernel is for others to say: then its column
    /// is missing.
    fn versions<'a>(
        &'a self,
        cluster: &'a str,
        kernel: Option<&'a str>,
    ) -> BoxFuture<'a, Result<VersionTable, String>>;

    /// Waits, for a few seconds at most, until what a cluster did by now is recorded, and counts what it used.
    fn catch_up<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, ()>;

    /// What a cluster used, up to now where it runs; `None` where that was not counted.
    fn spent<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<Option<Spent>, String>>;

    /// What amounts are in, such as `EUR`; `None` where nothing has a price.
    fn currency(&self) -> Option<String>;

    /// What was recorded in these stretches, added up; `None` where nothing was. A recording of a cluster that has just ended
    /// is waited for, a few seconds at most. `title` is written into the figures.
    fn trace<'a>(
        &'a self,
        title: &'a str,
        stretches: &'a [Stretch],
    ) -> BoxFuture<'a, Result<Option<Trace>, String>>;

    /// Writes the tasks of these stretches into one Parquet file, and returns how many there are: of none there is no file.
    fn write_tasks<'a>(
        &'a self,
        stretches: &'a [Stretch],
        target: &'a Path,
    ) -> BoxFuture<'a, Result<u64, String>>;

    /// Variables through which a job's kernel finds the gateway, where they are not those of every kernel: clusters that
    /// its code creates are then known to be the job's.
    fn kernel_env(&self, job: &str) -> BTreeMap<String, String>;
}

/// A stretch of a cluster's time that belongs to a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    pub cluster: String,
    /// The cluster is not the job's own: others may have worked there, too.
    pub shared: bool,
    /// Milliseconds since the Unix epoch; all of the cluster's time where `None`.
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    /// What a cluster that is not the job's own had used at its beginning and at its end.
    pub before: Option<Spent>,
    pub after: Option<Spent>,
}

/// What a job's clusters did.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub summary: JobSummary,
    /// From the first task to the last, microseconds since the Unix epoch.
    pub range_us: (i64, i64),
    pub threads: usize,
    /// Records that could not be recorded.
    pub lost: u64,
    pub workers: Vec<WorkerPeaks>,
    pub errors: Errors,
    /// Packages of the scheduler.
    pub versions: BTreeMap<String, String>,
    /// The task stream, and finished tasks over time: SVG in whose words nothing is HTML, empty where there was no task.
    pub stream: String,
    pub progress: String,
}

/// The most that a worker had.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerPeaks {
    pub name: String,
    pub address: String,
    pub tasks: u64,
    pub threads: u32,
    /// Bytes; a limit of 0 is none.
    pub memory: u64,
    pub memory_limit: u64,
    pub spilled: u64,
    /// Percent of a core.
    pub cpu: f64,
}

/// A shared handle.
pub type Host = Arc<dyn ClusterHost>;

/// The limits of a cluster that a job has to itself: none, since it ends with the job.
pub(super) const LEASE: LeaseTerms = LeaseTerms {
    idle_s: None,
    lifetime_s: None,
    stops: true,
    at_end: AtEnd::Stop,
};
