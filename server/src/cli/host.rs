//! What jobs ask of clusters, answered by the rooms of this server.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use protocol::rest::{Cluster, CreateCluster};
use protocol::versions::Agreement;

use crate::clusters::{Clusters, Named};
use crate::jobs::{ClusterHost, Listed};
use crate::kernels::{KernelVersions, Kernels};
use crate::versions::{self, KernelSide};

/// The clusters of this server.
pub(super) struct ServerHost {
    pub(super) clusters: Clusters,
    pub(super) kernels: Kernels,
    /// Python's door, without a trailing slash.
    pub(super) door: String,
    /// What a kernel needs that reaches the gateway by the door.
    pub(super) env: BTreeMap<String, String>,
}

impl ClusterHost for ServerHost {
    fn create(&self, request: CreateCluster, named: Named) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async move {
            let made = self.clusters.create_named(request, named).await;
            made.map_err(|error| error.to_string())
        })
    }

    fn adopt<'a>(&'a self, name: &'a str, request: CreateCluster) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let adopted = self.clusters.adopt(name, request).await;
            adopted.map_err(|error| error.to_string())
        })
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Cluster>> {
        Box::pin(async move { self.clusters.find(name).await.ok() })
    }

    fn listed(&self) -> BoxFuture<'_, Result<Vec<Listed>, String>> {
        Box::pin(async move {
            self.clusters
                .listed_now()
                .await
                .map_err(|error| error.to_string())
        })
    }

    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let stopped = self.clusters.stop_and_wait(name).await;
            stopped.map_err(|error| error.to_string())
        })
    }

    fn mismatches<'a>(
        &'a self,
        cluster: &'a str,
        kernel: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<String>, String>> {
        Box::pin(async move {
            let inspector = self.clusters.inspector(cluster).await;
            let asked = inspector.map_err(|error| error.to_string())?.versions().await;
            let specs = self.kernels.specs().await.map_err(|error| error.to_string())?;
            let chosen = specs.into_iter().find(|spec| match kernel {
                Some(name) => spec.shown.name == name,
                None => spec.shown.default,
            });
            // That there is no such kernel is said when it is started.
            let Some(listed) = chosen else {
                return Ok(Vec::new());
            };
            let packages = self.kernels.versions_of(&listed).await;
            let side = KernelSide {
                name: listed.shown.display_name,
                packages: packages
                    .map(KernelVersions::into_packages)
                    .map_err(|error| error.to_string()),
            };
            let table = versions::table(&asked.map_err(|error| error.to_string())?, Some(side));
            let apart = table
                .rows
                .into_iter()
                .filter(|row| row.agreement == Agreement::Breaks);
            Ok(apart
                .map(|row| {
                    row.explanation
                        .unwrap_or_else(|| format!("{} differs.", row.package))
                })
                .collect())
        })
    }

    fn kernel_env(&self, job: &str) -> BTreeMap<String, String> {
        let mut env = self.env.clone();
        env.insert(
            "DASK_GATEWAY__ADDRESS".to_owned(),
            format!("{}/jobs/{job}", self.door),
        );
        env
    }
}
