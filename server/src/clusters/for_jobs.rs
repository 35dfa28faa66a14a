//! What jobs need of clusters beyond what the panel does.

use std::time::Duration;

use protocol::rest::{CreateCluster, Scaling};

use super::poll::ACTIVE;
use super::{ClusterError, Clusters};
use crate::jobs::Listed;

/// How long the gateway may take to end a cluster.
const STOP_LIMIT: Duration = Duration::from_secs(90);

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
