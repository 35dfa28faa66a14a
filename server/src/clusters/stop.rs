//! The end of one cluster.

use protocol::rest::ClusterState;
use tracing::info;

use super::{ClusterError, Clusters};

impl Clusters {
    /// Asks for the end of a cluster. A failed one is only taken off the list.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] or [`ClusterError::Gateway`].
    pub async fn stop(&self, name: &str) -> Result<(), ClusterError> {
        let cluster = self.find(name).await?;
        if cluster.state == ClusterState::Failed {
            self.book().dismissed.insert(name.to_owned());
            self.0.dirty.notify_one();
            return Ok(());
        }
        self.book().stopping.insert(name.to_owned());
        self.0.client.delete(name).await?;
        info!(cluster = %name, "asked the gateway to stop a cluster");
        self.refresh().await;
        Ok(())
    }
}
