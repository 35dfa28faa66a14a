//! What jobs need of clusters beyond what the panel does.

use std::sync::Arc;
use std::time::Duration;

use protocol::guard::Spent;
use protocol::rest::{Cluster, CreateCluster, LiveState, Scaling};
use tracing::warn;

use super::poll::ACTIVE;
use super::{ClusterError, Clusters};
use crate::jobs::Listed;
use crate::live::{Feed, Watcher};

/// How long the gateway may take to end a cluster.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// How long a scheduler may take to tell its workers.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// How long a scheduler may take to tell what it did last.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(3);

impl Clusters {
    /// The user's clusters that are not over, as the gateway lists them now.
    ///
    /// # Errors
    /// [`ClusterError::Gateway`].
    pub(crate) async fn listed_now(&self) -> Result<Vec<Listed>, ClusterError> {
        let reports = self.0.client.list(&ACTIVE).await?;
        let notes = self.0.store.clusters().await?;
        let listed = reports.into_iter().map(|report| Listed {
            noted: notes
                .get(&report.name)
                .is_some_and(|note| note.created_by.is_some()),
            started_at: report.start_time.unwrap_or(i64::MAX),
            name: report.name,
            options: report.options,
        });
        Ok(listed.collect())
    }

    /// Takes on a cluster that was asked for with `request` by a server that died before it heard the answer.
    ///
    /// # Errors
    /// As [`Clusters::create`].
    pub(crate) async fn adopt(&self, name: &str, request: CreateCluster) -> Result<(), ClusterError> {
        self.refresh().await;
        let scaling = request.scaling.unwrap_or(Scaling::Unknown);
        self.take_on(name, request.label, scaling, request.lease).await
    }

    /// What amounts are in; `None` where nothing has a price.
    pub(crate) fn currency(&self) -> Option<String> {
        self.usage().currency
    }

    /// One cluster with its workers as its scheduler tells them now, for who waits for them; `None` where there is none.
    pub(crate) async fn look_at(&self, name: &str) -> Option<Cluster> {
        let feed = self.reached(name);
        if let Some(feed) = feed {
            // One that is too busy to answer has its last word told.
            tokio::time::timeout(LOOK_LIMIT, feed.asked_anew()).await.ok();
            self.publish_now(true);
        }
        self.find(name).await.ok()
    }

    /// The live data of a cluster whose scheduler answers.
    fn reached(&self, name: &str) -> Option<Arc<Feed>> {
        let feed = self.book().watchers.get(name).map(Watcher::feed)?;
        let state = feed.health().borrow().state;
        matches!(state, LiveState::Live | LiveState::Busy).then_some(feed)
    }

    /// Waits until what the cluster did by now is taken in and can be read where it is recorded, for a few seconds at most, and
    /// counts what it used. One whose scheduler is not reached has nothing to tell.
    pub(crate) async fn catch_up(&self, name: &str) {
        if let Some(feed) = self.reached(name)
            && tokio::time::timeout(CATCH_UP_LIMIT, feed.caught_up())
                .await
                .is_err()
        {
            warn!(
                cluster = name,
                "the scheduler did not tell in time what it did last"
            );
        }
        if let Err(error) = self.count_one(name).await {
            warn!(cluster = name, %error, "what a cluster used could not be counted");
        }
    }

    /// What a cluster used, up to now where it runs; `None` where nothing was ever counted.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub(crate) async fn spent_now(&self, name: &str) -> Result<Option<Spent>, ClusterError> {
        Ok(self.count_one(name).await?)
    }

    /// Asks for the end of a cluster and waits until the gateway says that it is over. One that it does not know is.
    ///
    /// # Errors
    /// [`ClusterError::Gateway`], or [`ClusterError::WrongState`] where it takes longer than 90 s.
    pub(crate) async fn stop_and_wait(&self, name: &str) -> Result<(), ClusterError> {
        self.book().stopping.insert(name.to_owned());
        let ended = self.0.client.end(name, STOP_LIMIT).await;
        if ended.is_err() {
            self.book().stopping.remove(name);
        }
        self.wake();
        if ended? {
            return Ok(());
        }
        Err(ClusterError::WrongState(format!(
            "The gateway did not end cluster {name} within {} s. Shut it down in the panel.",
            STOP_LIMIT.as_secs()
        )))
    }
}
