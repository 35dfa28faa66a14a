//! The cluster of a job: one of its own that is asked for and waited for, or one that runs, and what fits it.

use std::time::Duration;

use protocol::jobs::{OnMismatch, PlaceKind};
use protocol::rest::{Cluster, ClusterState, CreateCluster, MAX_LABEL};
use protocol::versions::Agreement;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::super::host::Host;
use super::super::owned::Asked;
use super::super::request::{own_cluster, shorten};
use super::super::step::Step;
use super::watch::next_event;
use super::{Run, Stop};
use crate::clock::now_ms;
use crate::jobs::channels::Channels;
use crate::jobs::fault::{self, Moment};

/// How long a fresh cluster and its workers may take where nothing else was said.
const WAIT_LIMIT: Duration = Duration::from_secs(600);

/// Between two looks at a cluster that starts: a twentieth of the time that it has taken by then, within these bounds.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_millis(500);

impl Run<'_> {
    /// Sees to it that the job has its cluster, which may still start.
    pub(super) async fn find_cluster(&mut self, step: Step) -> Result<(), Stop> {
        if !self.has_cluster() {
            return Ok(());
        }
        if self.job.request.place.kind == PlaceKind::Fresh && self.job.cluster.is_none() {
            self.ask_for_cluster(step).await?;
        }
        // For one that is over no kernel is started.
        let (host, name) = (self.host()?, self.cluster_name()?);
        standing(host.find(&name).await.as_ref(), &name, 0).map(drop)
    }

    /// Whether there is a cluster to wait for. Where nothing here runs clusters, the kernel says whether the job's is there.
    fn has_cluster(&self) -> bool {
        match self.job.request.place.kind {
            PlaceKind::None => false,
            PlaceKind::Cluster => self.jobs.host().is_some(),
            PlaceKind::Fresh => true,
        }
    }

    fn cluster_name(&self) -> Result<String, Stop> {
        let name = self.job.cluster.clone();
        name.ok_or_else(|| Stop::Failed("The job has no cluster. Run it again.".into()))
    }

    async fn ask_for_cluster(&mut self, step: Step) -> Result<(), Stop> {
        let host = self.host()?;
        self.stored(
            self.jobs
                .records
                .prepare(&self.job.id, Step::AskCluster, now_ms())
                .await?,
        )?;
        // Asked for before we died? Then its answer, or the cluster itself, is there to be found.
        if step == Step::AskCluster
            && let Some(name) = self.found(&host).await?
        {
            // Label, lease and size may not have been noted any more.
            host.adopt(&name, self.cluster_request())
                .await
                .map_err(Stop::Failed)?;
            return self.take_cluster(&host, &name).await;
        }
        self.tell("Asks for a cluster").await?;
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Stop::Cancelled),
            () = host.started() => {}
        }
        let request = self.cluster_request();
        let known = host.listed().await.map_err(Stop::Failed)?;
        let known = known.into_iter().map(|cluster| cluster.name);
        let id = self
            .jobs
            .owned
            .asking(&self.job.id, &request.options, known, now_ms())
            .await?;
        let owned = self.jobs.owned.clone();
        let named = Box::new(
            move |name: String| -> futures_util::future::BoxFuture<'static, _> {
                Box::pin(async move {
                    fault::at(Step::AskCluster, Moment::After);
                    owned.named(id, &name).await
                })
            },
        );
        // A private Jupyter Server starts beside the cluster; why it does not is said when its kernel is asked for.
        let jupyter = self.jobs.jupyter.clone();
        tokio::spawn(async move { jupyter.endpoint().await.map(drop) });
        fault::at(Step::AskCluster, Moment::Before);
        // Not raced against a cancellation: a cluster whose name we never learn is harder to end.
        let name = host.create(request, named).await;
        if name.is_err() {
            // One that was made although the answer was lost is found by its row; a refusal made none.
            self.forget_unmade(&host).await;
        }
        let name = name.map_err(Stop::Failed)?;
        info!(
            job = self.job.id,
            cluster = name,
            "a job has a cluster of its own"
        );
        self.take_cluster(&host, &name).await
    }

    /// The cluster of its own that the job wants.
    fn cluster_request(&self) -> CreateCluster {
        CreateCluster {
            label: Some(shorten(&self.job.name, MAX_LABEL)),
            ..own_cluster(&self.job.request.place).unwrap_or_default()
        }
    }

    /// Drops the rows of clusters that were refused.
    async fn forget_unmade(&self, host: &Host) {
        let Ok(asked) = self.jobs.owned.of(&self.job.id).await else {
            return;
        };
        for asked in asked.into_iter().filter(|asked| asked.cluster.is_none()) {
            if matches!(self.search(host, &asked).await, Ok(None))
                && let Err(error) = self.jobs.owned.done(asked.id).await
            {
                warn!(job = self.job.id, %error, "a note about a cluster could not be dropped");
            }
        }
    }

    /// A cluster that an earlier run of this server asked for.
    async fn found(&self, host: &Host) -> Result<Option<String>, Stop> {
        for asked in self.jobs.owned.of(&self.job.id).await? {
            if let Some(name) = self.search(host, &asked).await? {
                return Ok(Some(name));
            }
            self.jobs.owned.done(asked.id).await?;
        }
        Ok(None)
    }

    /// The cluster of a row, noted where it was found again.
    pub(super) async fn search(&self, host: &Host, asked: &Asked) -> Result<Option<String>, Stop> {
        if let Some(name) = &asked.cluster {
            return Ok(Some(name.clone()));
        }
        let listed = host.listed().await.map_err(Stop::Failed)?;
        let taken = self.jobs.owned.names().await?;
        let Some(name) = asked.found_among(&listed, &taken) else {
            return Ok(None);
        };
        info!(
            job = self.job.id,
            cluster = name,
            "found the cluster that a job had asked for"
        );
        self.jobs.owned.named(asked.id, name).await?;
        Ok(Some(name.to_owned()))
    }

    async fn take_cluster(&mut self, host: &Host, name: &str) -> Result<(), Stop> {
        let label = host.find(name).await.and_then(|cluster| cluster.label);
        let record = self
            .jobs
            .records
            .on_cluster(&self.job.id, name, label.as_deref())
            .await?;
        self.stored(record)
    }

    /// Waits for the cluster and its workers. The kernel's channels are listened to meanwhile, and dropped where they close:
    /// Jupyter closes those of whoever does not answer it.
    pub(super) async fn await_cluster(&mut self, channels: &mut Option<Channels>) -> Result<(), Stop> {
        if !self.has_cluster() {
            return Ok(());
        }
        let (host, name) = (self.host()?, self.cluster_name()?);
        // An interpreter is run for it: beside the wait, not after it.
        tokio::spawn({
            let (host, kernel) = (host.clone(), self.job.request.kernel.clone());
            async move { host.know_kernel(kernel.as_deref()).await }
        });
        let place = &self.job.request.place;
        let own = place.kind == PlaceKind::Fresh;
        let limit = place.wait_limit_s.map_or(WAIT_LIMIT, Duration::from_secs);
        let wanted = place.wait_for.unwrap_or(u32::from(own));
        let began = Instant::now();
        let give_up = began + limit;
        fault::at(Step::AwaitCluster, Moment::Before);
        loop {
            let cluster = host.look_at(&name).await;
            let doing = match standing(cluster.as_ref(), &name, wanted)? {
                None => break,
                Some(doing) => doing,
            };
            if Instant::now() >= give_up {
                return Err(Stop::Failed(format!(
                    "Cluster {name} was not ready within {} s ({doing}). Wait longer, ask for fewer workers, or look at its card.",
                    limit.as_secs()
                )));
            }
            self.tell(&doing).await?;
            let look = Instant::now() + (began.elapsed() / 20).clamp(FIRST_LOOK, LAST_LOOK);
            loop {
                tokio::select! {
                    () = self.cancel.cancelled() => return Err(Stop::Cancelled),
                    event = next_event(channels) => if event.is_none() {
                        *channels = None;
                    },
                    () = tokio::time::sleep_until(look) => break,
                }
            }
        }
        debug!(
            job = self.job.id,
            waited_s = began.elapsed().as_secs_f64(),
            "a job's kernel and cluster are there"
        );
        fault::at(Step::AwaitCluster, Moment::After);
        self.compare(&host, &name).await
    }

    /// Why the job's cluster is there no more, in a sentence; `None` while it is.
    pub(super) async fn cluster_is_lost(&self) -> Option<String> {
        let (host, name) = self.jobs.host().zip(self.job.cluster.as_deref())?;
        let cluster = host.find(name).await;
        let reason = match &cluster {
            Some(cluster) if cluster.state.is_active() => return None,
            Some(cluster) => cluster.reason.as_deref(),
            None => None,
        };
        Some(format!(
            "Cluster {name} ended while the job ran. {} Run the job again.",
            reason.unwrap_or("Somebody shut it down, or its scheduler ended.")
        ))
    }

    /// Compares the kernel's packages with the cluster's.
    async fn compare(&mut self, host: &Host, name: &str) -> Result<(), Stop> {
        self.tell("Compares versions").await?;
        let found = tokio::select! {
            () = self.cancel.cancelled() => return Err(Stop::Cancelled),
            found = host.versions(name, self.kernel_name()) => found,
        };
        let found = match found {
            Ok(found) => found,
            // The work itself says what does not work.
            Err(error) => {
                warn!(job = self.job.id, error, "versions could not be compared");
                return Ok(());
            }
        };
        self.keep_versions(&found).await;
        let apart = found
            .rows
            .into_iter()
            .filter(|row| row.agreement == Agreement::Breaks);
        let found: Vec<_> = apart
            .map(|row| {
                row.explanation
                    .unwrap_or_else(|| format!("{} differs.", row.package))
            })
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        let stops = self.job.request.on_mismatch == OnMismatch::Stop;
        let sentence = format!(
            "The kernel and cluster {name} don't fit each other: {} Choose another kernel or environment, or let the job run \
             all the same.",
            found.join(" ")
        );
        self.job.mismatches = found;
        self.note().await?;
        if stops {
            Err(Stop::Failed(sentence))
        } else {
            Ok(())
        }
    }
}

/// What is still waited for; `None` where all is there.
pub(super) fn standing(cluster: Option<&Cluster>, name: &str, wanted: u32) -> Result<Option<String>, Stop> {
    let Some(cluster) = cluster else {
        return Err(Stop::Failed(format!(
            "Cluster {name} is gone. Choose another one, or let the job have a cluster of its own."
        )));
    };
    match cluster.state {
        ClusterState::Pending => Ok(Some("Waits for its cluster to start".into())),
        ClusterState::Running => {
            let workers = cluster.summary.as_ref().map_or(0, |summary| summary.workers);
            // Without workers to wait for, a scheduler that answers is enough.
            let there = wanted == 0 || workers >= wanted;
            Ok((!there).then(|| format!("Waits for workers: {workers} of {wanted}")))
        }
        ClusterState::Stopping | ClusterState::Stopped | ClusterState::Failed => {
            let reason = cluster.reason.as_deref().unwrap_or("The gateway gave no reason.");
            Err(Stop::Failed(format!(
                "Cluster {name} ended before the code could begin. {reason}"
            )))
        }
    }
}
