//! The end of one cluster.

use protocol::rest::ClusterState;
use tracing::{info, warn};

use super::{ClusterError, Clusters};

impl Clusters {
    /// Asks for the end of a cluster. One that is over already is only taken off the list.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] or [`ClusterError::Gateway`], which its card says too.
    pub async fn stop(&self, name: &str) -> Result<(), ClusterError> {
        let cluster = self.find(name).await?;
        if matches!(cluster.state, ClusterState::Failed | ClusterState::Stopped) {
            self.book().dismissed.insert(name.to_owned());
            self.0.dirty.notify_one();
            return Ok(());
        }
        self.book().stopping.insert(name.to_owned());
        if let Err(error) = self.0.client.delete(name).await {
            warn!(cluster = %name, %error, "a cluster could not be stopped");
            let mut book = self.book();
            book.stopping.remove(name);
            let problem = format!("It could not be shut down: {error} Then try again.");
            book.lives.set_not_ended(name, problem);
            drop(book);
            self.0.dirty.notify_one();
            return Err(error.into());
        }
        self.book().lives.set_problem(name, None);
        info!(cluster = %name, "asked the gateway to stop a cluster");
        self.refresh().await;
        self.wake();
        Ok(())
    }
}
