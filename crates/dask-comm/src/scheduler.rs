//! The scheduler's operations that we use, with typed answers.
//!
//! Answers are read tolerantly: what a version of distributed does not send is empty here, what it sends beyond is
//! passed over.

use std::collections::BTreeMap;

use rmpv::Value;

use crate::task_stream::TaskRecord;
use crate::value::{get, get_f64, get_str, get_u64, to_u64};
use crate::{CommError, Connection, TaskKey};

/// Answer of `identity`: the scheduler and its workers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// `Scheduler`, or what else of Dask answers at that address: `Worker`, `Nanny`.
    pub kind: String,
    /// The scheduler's own identity; another one means that it was restarted.
    pub id: String,
    pub address: String,
    /// When it started, seconds since the epoch.
    pub started: Option<f64>,
    /// Port of its dashboard.
    pub dashboard_port: Option<u16>,
    /// In the scheduler's order.
    pub workers: Vec<WorkerInfo>,
}

/// A worker, as the scheduler knows it since the worker's last heartbeat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerInfo {
    pub address: String,
    /// Often a number.
    pub name: String,
    /// `running`, `paused`, `closing`, …
    pub status: String,
    pub nthreads: u32,
    /// Bytes; none where the worker has no limit.
    pub memory_limit: Option<u64>,
    /// Last heartbeat, seconds since the epoch.
    pub last_seen: Option<f64>,
    pub metrics: Metrics,
}

/// Metrics of a worker's last heartbeat; zero where it did not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Sum over its threads, in percent of one core.
    pub cpu: f64,
    /// Resident memory, bytes.
    pub memory: u64,
    /// Bytes of results that Dask accounts for.
    pub managed_bytes: u64,
    /// Bytes of results in memory's stead on disk, as they lie there and as they were accounted for in memory.
    pub spilled_bytes: u64,
    pub spilled_memory: u64,
    /// Open file descriptors.
    pub num_fds: u64,
    /// Between two turns of its event loop, seconds.
    pub event_loop_interval: f64,
    /// Of its whole host.
    pub host_net_io: Rates,
    pub host_disk_io: Rates,
    pub transfer: Transfers,
    pub task_counts: TaskCounts,
}

/// Bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub read_bps: f64,
    pub write_bps: f64,
}

/// A worker's transfers that are going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    pub incoming_bytes: u64,
    pub incoming_count: u64,
    pub outgoing_bytes: u64,
    pub outgoing_count: u64,
}

/// Tasks of a worker by its own states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    pub executing: u64,
    pub ready: u64,
    pub memory: u64,
}

/// A version of distributed, such as 2026.8.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    pub year: u32,
    pub month: u32,
    pub patch: u32,
}

impl Version {
    pub const fn new(year: u32, month: u32, patch: u32) -> Self {
        Self { year, month, patch }
    }

    /// Reads `2026.8.0`, also with a suffix such as `2026.8.1.dev3` or `2026.8.0+12.gabcdef`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(['.', '+', '-']);
        let mut next = || {
            let part = parts.next()?;
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        };
        Some(Self {
            year: next()?,
            month: next()?,
            patch: next().unwrap_or(0),
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.year, self.month, self.patch)
    }
}

/// Answer of `versions`: what the scheduler's environment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    pub distributed: Version,
    /// Such as `3.11.7`.
    pub python: String,
    /// Packages that matter to Dask, with their versions; those not installed are left out.
    pub packages: BTreeMap<String, String>,
}

/// Answer of `get_task_prefix_states`: for each key prefix, its tasks by state. Without `queued` and `no-worker`.
pub type PrefixStates = Vec<(String, BTreeMap<String, u64>)>;

/// Which records of the task stream's buffer to ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TaskStreamQuery {
    /// All from this index on; distributed 2026.6.0 or newer.
    FromIndex(u64),
    /// At most `count`, from the first that stopped at `start` or later, seconds since the epoch.
    FromTime { start: f64, count: u64 },
    /// At most the newest `count`.
    Newest { count: u64 },
}

impl Connection {
    /// Who the scheduler is, and its workers. About 1 kB a worker.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn identity(&mut self) -> Result<Identity, CommError> {
        let reply = self.call("identity", []).await?;
        parse_identity(&reply).ok_or(unexpected("identity", "it names no scheduler"))
    }

    /// Versions of Python, distributed and their kin on the scheduler.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn versions(&mut self) -> Result<Versions, CommError> {
        let reply = self.call("versions", []).await?;
        parse_versions(&reply).ok_or(unexpected("versions", "it names no version of distributed"))
    }

    /// Records of finished tasks, oldest first. The first such call, or [`Self::get_task_stream_index`], makes the
    /// scheduler begin to keep them.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn get_task_stream(&mut self, query: TaskStreamQuery) -> Result<Vec<TaskRecord>, CommError> {
        let args: Vec<(&'static str, Value)> = match query {
            TaskStreamQuery::FromIndex(index) => vec![("start_index", index.into())],
            TaskStreamQuery::FromTime { start, count } => {
                vec![("start", start.into()), ("count", count.into())]
            }
            TaskStreamQuery::Newest { count } => vec![("count", count.into())],
        };
        let reply = self.call("get_task_stream", args).await?;
        let records = reply
            .as_array()
            .ok_or(unexpected("get_task_stream", "it is no list of records"))?;
        Ok(records.iter().map(TaskRecord::parse).collect())
    }

    /// How many records the task stream has seen; distributed 2026.6.0 or newer.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn get_task_stream_index(&mut self) -> Result<u64, CommError> {
        let reply = self.call("get_task_stream_index", []).await?;
        to_u64(&reply).ok_or(unexpected("get_task_stream_index", "it is no number"))
    }

    /// Tasks by key prefix and state.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn get_task_prefix_states(&mut self) -> Result<PrefixStates, CommError> {
        let reply = self.call("get_task_prefix_states", []).await?;
        let prefixes = reply
            .as_map()
            .ok_or(unexpected("get_task_prefix_states", "it is no map"))?;
        Ok(prefixes
            .iter()
            .map(|(name, states)| (TaskKey(name).to_string(), parse_counts(states)))
            .collect())
    }
}

pub(crate) fn unexpected(op: &'static str, reason: &'static str) -> CommError {
    CommError::UnexpectedReply { op, reason }
}

pub(crate) fn parse_counts(states: &Value) -> BTreeMap<String, u64> {
    let pairs = states.as_map().map(Vec::as_slice).unwrap_or_default();
    pairs
        .iter()
        .filter_map(|(state, count)| Some((state.as_str()?.to_owned(), to_u64(count)?)))
        .collect()
}

fn parse_identity(reply: &Value) -> Option<Identity> {
    let services = get(reply, "services");
    let workers = get(reply, "workers")
        .and_then(Value::as_map)
        .map(Vec::as_slice)
        .unwrap_or_default();
    Some(Identity {
        kind: get_str(reply, "type").unwrap_or_default().to_owned(),
        id: get_str(reply, "id")?.to_owned(),
        address: get_str(reply, "address").unwrap_or_default().to_owned(),
        started: get_f64(reply, "started"),
        dashboard_port: services
            .and_then(|s| get_u64(s, "dashboard"))
            .and_then(|port| port.try_into().ok()),
        workers: workers
            .iter()
            .map(|(address, info)| parse_worker(address, info))
            .collect(),
    })
}

fn parse_worker(address: &Value, info: &Value) -> WorkerInfo {
    let address = TaskKey(address).to_string();
    let name = match get(info, "name") {
        None | Some(Value::Nil) => address.clone(),
        Some(name) => TaskKey(name).to_string(),
    };
    WorkerInfo {
        name,
        status: get_str(info, "status").unwrap_or_default().to_owned(),
        nthreads: get_u64(info, "nthreads")
            .and_then(|n| n.try_into().ok())
            .unwrap_or(0),
        memory_limit: get_u64(info, "memory_limit").filter(|limit| *limit > 0),
        last_seen: get_f64(info, "last_seen"),
        metrics: get(info, "metrics").map(parse_metrics).unwrap_or_default(),
        address,
    }
}

fn parse_metrics(metrics: &Value) -> Metrics {
    let count = |state| {
        get(metrics, "task_counts")
            .and_then(|counts| get_u64(counts, state))
            .unwrap_or(0)
    };
    let spilled = |place| {
        get(metrics, "spilled_bytes")
            .and_then(|bytes| get_u64(bytes, place))
            .unwrap_or(0)
    };
    let rates = |device| {
        let rates = get(metrics, device);
        let of = |direction| rates.and_then(|rates| get_f64(rates, direction)).unwrap_or(0.0);
        Rates {
            read_bps: of("read_bps"),
            write_bps: of("write_bps"),
        }
    };
    let transfer = |what| {
        get(metrics, "transfer")
            .and_then(|t| get_u64(t, what))
            .unwrap_or(0)
    };
    Metrics {
        cpu: get_f64(metrics, "cpu").unwrap_or(0.0),
        memory: get_u64(metrics, "memory").unwrap_or(0),
        managed_bytes: get_u64(metrics, "managed_bytes").unwrap_or(0),
        spilled_bytes: spilled("disk"),
        spilled_memory: spilled("memory"),
        num_fds: get_u64(metrics, "num_fds").unwrap_or(0),
        event_loop_interval: get_f64(metrics, "event_loop_interval").unwrap_or(0.0),
        host_net_io: rates("host_net_io"),
        host_disk_io: rates("host_disk_io"),
        transfer: Transfers {
            incoming_bytes: transfer("incoming_bytes"),
            incoming_count: transfer("incoming_count"),
            outgoing_bytes: transfer("outgoing_bytes"),
            outgoing_count: transfer("outgoing_count"),
        },
        task_counts: TaskCounts {
            executing: count("executing"),
            ready: count("ready"),
            memory: count("memory"),
        },
    }
}

pub(crate) fn parse_versions(reply: &Value) -> Option<Versions> {
    let listed = get(reply, "packages").and_then(Value::as_map)?;
    let mut packages: BTreeMap<String, String> = listed
        .iter()
        .filter_map(|(k, v)| Some((k.as_str()?.to_owned(), v.as_str()?.to_owned())))
        .collect();
    // `3.11.7.final.0` comes among the packages.
    let python = packages.remove("python").unwrap_or_default();
    let python = python.splitn(4, '.').take(3).collect::<Vec<_>>().join(".");
    let distributed = Version::parse(packages.get("distributed")?)?;
    Some(Versions {
        distributed,
        python,
        packages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::map;

    #[test]
    fn versions_are_ordered_and_suffixes_ignored() {
        assert_eq!(Version::parse("2026.8.0"), Some(Version::new(2026, 8, 0)));
        assert_eq!(
            Version::parse("2026.6.1.dev3+gabc"),
            Some(Version::new(2026, 6, 1))
        );
        assert_eq!(
            Version::parse("2026.8.0+12.gabcdef"),
            Some(Version::new(2026, 8, 0))
        );
        assert_eq!(Version::parse("2026.8"), Some(Version::new(2026, 8, 0)));
        assert_eq!(Version::parse("2023.9.2rc1"), Some(Version::new(2023, 9, 2)));
        assert_eq!(Version::parse("unknown"), None);
        assert!(Version::new(2025, 12, 9) < Version::new(2026, 6, 0));
    }

    #[test]
    fn an_old_and_a_bare_identity_are_read() {
        let metrics = map([
            ("cpu", 6.5.into()),
            ("memory", 1000.into()),
            (
                "task_counts",
                map([("executing", 2.into()), ("memory", 3.into())]),
            ),
            ("spilled_bytes", map([("memory", 1.into()), ("disk", 9.into())])),
            (
                "digests",
                Value::Map(vec![(
                    Value::Array(vec!["execute".into(), "inc".into()]),
                    1.0.into(),
                )]),
            ),
        ]);
        let worker = map([
            ("name", 3.into()),
            ("nthreads", 2.into()),
            ("memory_limit", 0.into()),
            ("status", "running".into()),
            ("metrics", metrics),
        ]);
        let reply = map([
            ("id", "Scheduler-1".into()),
            ("services", map([("dashboard", 8787.into())])),
            ("workers", map([("tcp://w:1", worker), ("tcp://w:2", map([]))])),
        ]);
        let identity = parse_identity(&reply).expect("an identity");
        assert_eq!(
            (identity.id.as_str(), identity.dashboard_port),
            ("Scheduler-1", Some(8787))
        );
        let [full, bare] = identity.workers.as_slice() else {
            panic!("two workers")
        };
        assert_eq!(
            (full.name.as_str(), full.nthreads, full.memory_limit),
            ("3", 2, None)
        );
        assert_eq!(
            (full.metrics.cpu, full.metrics.memory, full.metrics.spilled_bytes),
            (6.5, 1000, 9)
        );
        assert_eq!(
            full.metrics.task_counts,
            TaskCounts {
                executing: 2,
                ready: 0,
                memory: 3
            }
        );
        assert_eq!(
            (bare.name.as_str(), bare.address.as_str(), bare.nthreads),
            ("tcp://w:2", "tcp://w:2", 0)
        );
        assert_eq!(parse_identity(&Value::Nil), None);
    }

    #[test]
    fn packages_that_are_not_installed_are_left_out() {
        let packages = map([
            ("python", "3.11.7.final.0".into()),
            ("distributed", "2026.8.0".into()),
            ("numpy", Value::Nil),
        ]);
        let versions = parse_versions(&map([("packages", packages)])).expect("versions");
        assert_eq!(
            (versions.python.as_str(), versions.distributed),
            ("3.11.7", Version::new(2026, 8, 0))
        );
        assert_eq!(versions.packages.keys().collect::<Vec<_>>(), ["distributed"]);
    }
}
