//! What jobs ask of clusters, answered by the rooms of this server.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use protocol::guard::Spent;
use protocol::jobs::JobSummary;
use protocol::rest::{Cluster, CreateCluster, GatewayState};
use protocol::versions::VersionTable;

use crate::clusters::{Clusters, Named};
use crate::jobs::{ClusterHost, Listed, Stretch, Trace, WorkerPeaks};
use crate::kernels::{KernelVersions, Kernels};
use crate::recordings::{self, Recordings};
use crate::versions::{self, KernelSide};

/// How long the recording of a cluster that has ended may take to come to rest.
const REST_LIMIT: Duration = Duration::from_secs(5);

/// How long a gateway may take to start, where a job needs it.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The clusters of this server.
pub(super) struct ServerHost {
    pub(super) clusters: Clusters,
    pub(super) kernels: Kernels,
    pub(super) recordings: Recordings,
    /// Python's door, without a trailing slash.
    pub(super) door: String,
    /// What a kernel needs that reaches the gateway by the door.
    pub(super) env: BTreeMap<String, String>,
}

impl ServerHost {
    /// A kernel's packages; `None` where there is no such kernel.
    async fn kernel_side(&self, kernel: Option<&str>) -> Result<Option<KernelSide>, String> {
        let specs = self.kernels.specs().await.map_err(|error| error.to_string())?;
        let chosen = specs.into_iter().find(|spec| spec.is_chosen_by(kernel));
        let Some(listed) = chosen else { return Ok(None) };
        let packages = self.kernels.versions_of(&listed).await;
        Ok(Some(KernelSide {
            name: listed.shown.display_name,
            packages: packages
                .map(KernelVersions::into_packages)
                .map_err(|error| error.to_string()),
        }))
    }
}

impl ClusterHost for ServerHost {
    fn started(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut gateway = self.clusters.gateway();
            let started = gateway.wait_for(|status| status.state != GatewayState::Starting);
            // Past the time, or without a gateway, the next request fails with its reason.
            tokio::time::timeout(START_LIMIT, started).await.ok();
        })
    }

    fn max_workers(&self) -> Option<u32> {
        self.clusters.max_workers()
    }

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

    fn look_at<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Cluster>> {
        Box::pin(self.clusters.look_at(name))
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

    fn know_kernel<'a>(&'a self, kernel: Option<&'a str>) -> BoxFuture<'a, ()> {
        // What is wrong with it is told with the versions.
        Box::pin(async move { self.kernel_side(kernel).await.map_or((), drop) })
    }

    fn versions<'a>(
        &'a self,
        cluster: &'a str,
        kernel: Option<&'a str>,
    ) -> BoxFuture<'a, Result<VersionTable, String>> {
        Box::pin(async move {
            let inspector = self.clusters.inspector(cluster).await;
            let asked = inspector.map_err(|error| error.to_string())?.versions().await;
            let side = self.kernel_side(kernel).await?;
            Ok(versions::table(&asked.map_err(|error| error.to_string())?, side))
        })
    }

    fn catch_up<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.clusters.catch_up(cluster))
    }

    fn spent<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Result<Option<Spent>, String>> {
        Box::pin(async move {
            let spent = self.clusters.spent_now(cluster).await;
            spent.map_err(|error| error.to_string())
        })
    }

    fn currency(&self) -> Option<String> {
        self.clusters.currency()
    }

    fn trace<'a>(
        &'a self,
        title: &'a str,
        stretches: &'a [Stretch],
    ) -> BoxFuture<'a, Result<Option<Trace>, String>> {
        Box::pin(async move {
            let wanted = recorded(stretches);
            let account = self
                .recordings
                .account(title.to_owned(), &wanted, REST_LIMIT)
                .await;
            let account = account.map_err(|error| error.to_string())?;
            Ok(account.map(|account| {
                let mut trace = Trace::from(account);
                trace.summary.shared = stretches.iter().any(|stretch| stretch.shared);
                trace
            }))
        })
    }

    fn write_tasks<'a>(
        &'a self,
        stretches: &'a [Stretch],
        target: &'a Path,
    ) -> BoxFuture<'a, Result<u64, String>> {
        Box::pin(async move {
            let written = self
                .recordings
                .write_tasks(&recorded(stretches), target.to_owned())
                .await;
            written.map_err(|error| error.to_string())
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

/// Stretches as recordings know them.
fn recorded(stretches: &[Stretch]) -> Vec<recordings::Stretch> {
    let stretches = stretches.iter().map(|stretch| recordings::Stretch {
        cluster: stretch.cluster.clone(),
        from_ms: stretch.from_ms,
        to_ms: stretch.to_ms,
    });
    stretches.collect()
}

/// What was recorded, as jobs keep it.
impl From<recordings::Account> for Trace {
    fn from(account: recordings::Account) -> Self {
        let workers = account.workers.into_iter().map(|worker| WorkerPeaks {
            name: worker.name,
            address: worker.address,
            tasks: worker.tasks,
            threads: worker.threads,
            memory: worker.memory,
            memory_limit: worker.memory_limit,
            spilled: worker.spilled,
            cpu: worker.cpu,
        });
        let workers: Vec<_> = workers.collect();
        Self {
            summary: JobSummary {
                recordings: account.recordings,
                shared: false,
                tasks: account.tasks,
                erred: account.erred,
                compute_us: account.compute_us,
                transfer_us: account.transfer_us,
                peak_workers: account.peak_workers,
                peak_memory: account.peak_memory,
                peak_worker_memory: workers.iter().map(|worker| worker.memory).max().unwrap_or(0),
                prefixes: account.prefixes,
            },
            range_us: account.range_us,
            threads: account.threads,
            lost: account.lost,
            workers,
            errors: account.errors,
            versions: account.versions,
            stream: account.stream,
            progress: account.progress,
        }
    }
}
