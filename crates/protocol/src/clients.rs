//! Who is connected to a cluster's scheduler, and how Python would be: the client view of a cluster.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// `GET api/v1/clusters/{name}/clients`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ClientView {
    /// How Python's `Client` is given the cluster: `Cluster object`, or `Direct` for a scheduler's address.
    pub connection_method: String,
    /// `dask_gateway.GatewayCluster`; `None` where there is no cluster object.
    pub cluster_type: Option<String>,
    /// Name of the cluster, or address of an attached scheduler.
    pub name: String,
    /// Path of the dashboard below the server's prefix, or a URL of its own.
    pub dashboard: Option<String>,
    pub scheduler: SchedulerView,
    /// Clients of users; Gatehouse itself connects without registering as one.
    pub clients: Vec<ConnectedClient>,
    /// What could not be told of them and why, in a sentence.
    pub limited: Option<String>,
}

/// The scheduler as it names itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct SchedulerView {
    pub id: String,
    pub address: String,
    /// Unix time in milliseconds.
    pub started_at: Option<i64>,
    pub workers: u32,
    pub threads: u32,
    /// Sum of the workers' limits, bytes.
    pub memory_limit: u64,
}

/// A client that is connected. Times are Unix times in milliseconds; what is not known is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct ConnectedClient {
    pub id: String,
    /// Whether it is a worker's own, by which tasks submit tasks.
    pub of_worker: bool,
    pub connected_at: Option<i64>,
    pub last_seen_at: Option<i64>,
    /// Where it connects from.
    pub address: Option<String>,
    /// Results that it keeps.
    pub results: Option<u64>,
    pub python: Option<String>,
    pub dask: Option<String>,
    pub distributed: Option<String>,
}
