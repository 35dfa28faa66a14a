//! What the end of a cluster would lose, read from its scheduler when somebody is about to end it.

use std::time::Duration;

use protocol::life::AtStake;
use protocol::rest::{ClusterState, LiveState};

use super::{ClusterError, Clusters};
use crate::live::Watcher;

/// Whoever asks has a dialog before them: a scheduler that takes longer is told of as it was.
const PATIENCE: Duration = Duration::from_secs(3);

impl Clusters {
    /// What a shutdown would lose. A scheduler that can't be asked is described as it was last seen, which is said.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`].
    pub async fn at_stake(&self, name: &str) -> Result<AtStake, ClusterError> {
        let cluster = self.find(name).await?;
        if cluster.state != ClusterState::Running {
            let ending = cluster.state == ClusterState::Stopping;
            return Ok(AtStake {
                clients: (!ending).then_some(0),
                stale: ending.then(|| "It is being shut down already; what it held is lost.".to_owned()),
                ..AtStake::default()
            });
        }
        let Ok((feed, inspector)) = self
            .watcher(name, |watcher: &Watcher| (watcher.feed(), watcher.inspector()))
            .await
        else {
            return Ok(AtStake {
                stale: Some("Its scheduler can't be reached, so what it holds is not known.".to_owned()),
                ..AtStake::default()
            });
        };
        let health = feed.health().borrow().clone();
        // One that refuses this would log an error each time.
        if self.0.live.feed && health.limited.is_none() {
            match tokio::time::timeout(PATIENCE, inspector.stake()).await {
                Ok(Ok(stake)) => {
                    return Ok(AtStake {
                        workers: u32::try_from(stake.workers).unwrap_or(u32::MAX),
                        tasks_running: stake.tasks_running,
                        tasks_in_memory: stake.tasks_in_memory,
                        bytes: stake.bytes,
                        clients: Some(u32::try_from(stake.clients).unwrap_or(u32::MAX)),
                        stale: None,
                    });
                }
                Ok(Err(error)) => tracing::debug!(cluster = %name, %error, "what is at stake can't be asked"),
                Err(_elapsed) => tracing::debug!(cluster = %name, "what is at stake was not told in time"),
            }
        }
        let summary = feed.summary().borrow().clone();
        let known = summary.is_some();
        let summary = summary.unwrap_or_default();
        Ok(AtStake {
            workers: summary.workers,
            tasks_running: summary.tasks_processing,
            tasks_in_memory: summary.tasks_in_memory,
            bytes: feed.held_bytes(),
            clients: None,
            stale: match (health.state, known) {
                (LiveState::Live, true) => None,
                (_, true) => Some("Its scheduler does not answer now; this is what it said last.".to_owned()),
                (_, false) => {
                    Some("Its scheduler has not answered yet, so what it holds is not known.".to_owned())
                }
            },
        })
    }
}
