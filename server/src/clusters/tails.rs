//! The ends of the logs of a cluster's processes, where the gateway's files are on this machine.

use protocol::life::LogTails;
use protocol::rest::ClusterState;

use super::{ClusterError, Clusters, GatewayOrigin};

impl Clusters {
    /// What the scheduler and the workers of a cluster wrote last; of a failed one, what was kept.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`].
    pub async fn tails(&self, name: &str) -> Result<LogTails, ClusterError> {
        let cluster = self.find(name).await?;
        let GatewayOrigin::Embedded(embedded) = &self.0.origin else {
            return Ok(LogTails {
                message: Some(
                    "This gateway does not give out the logs of its clusters. While a cluster runs, its pane Logs shows \
                     them; after that, whoever runs the gateway finds them."
                        .to_owned(),
                ),
                ..LogTails::default()
            });
        };
        let (embedded, failed) = (embedded.clone(), cluster.state == ClusterState::Failed);
        let name = name.to_owned();
        let tails = tokio::task::spawn_blocking(move || embedded.log_tails(&name, failed))
            .await
            .unwrap_or_default();
        let message = tails.is_empty().then(|| {
            match cluster.state {
                ClusterState::Pending => "Its scheduler has written nothing yet.",
                ClusterState::Failed => "Its processes wrote nothing before they ended.",
                _ => "There are no logs of it any more.",
            }
            .to_owned()
        });
        Ok(LogTails { tails, message })
    }
}
