//! What jobs ask of clusters.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use protocol::guard::{AtEnd, LeaseTerms};
use protocol::rest::{Cluster, CreateCluster};

use super::owned::Listed;
use crate::clusters::Named;

/// The clusters that jobs run on; sentences where something can't be done.
pub trait ClusterHost: Send + Sync {
    /// Asks for a cluster, whose name `named` hears first, and returns it.
    fn create(&self, request: CreateCluster, named: Named) -> BoxFuture<'_, Result<String, String>>;

    /// Takes on a cluster that was asked for with this request before we died.
    fn adopt<'a>(&'a self, name: &'a str, request: CreateCluster) -> BoxFuture<'a, Result<(), String>>;

    /// One cluster as the panel shows it; `None` where there is none.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Cluster>>;

    /// What the gateway lists of this user that is not over.
    fn listed(&self) -> BoxFuture<'_, Result<Vec<Listed>, String>>;

    /// Asks for a cluster's end and waits until the gateway says that it is over. One that is not there is.
    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), String>>;

    /// Where a kernel's packages and a cluster's don't fit each other, each in a sentence.
    fn mismatches<'a>(
        &'a self,
        cluster: &'a str,
        kernel: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<String>, String>>;

    /// Variables through which a job's kernel finds the gateway, where they are not those of every kernel: clusters that
    /// its code creates are then known to be the job's.
    fn kernel_env(&self, job: &str) -> BTreeMap<String, String>;
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
