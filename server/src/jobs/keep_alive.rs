//! A hub's user server lives on while a job runs: what culls idle servers goes by Jupyter's last activity, and a job that
//! prints nothing makes none. Everything else that we ask of Jupyter does not count there.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::jupyter::{JupyterClient, JupyterError};
use super::queue::Standing;
use super::{Inner, Jobs};

/// Between two signs of life; whoever culls waits some minutes at least.
pub const TOUCH: Duration = Duration::from_secs(60);

impl Jobs {
    /// Lets the Jupyter Server that people use see activity once in `every` while a job runs, until `stop`.
    pub async fn keep_jupyter_alive(self, every: Duration, stop: CancellationToken) {
        // One of our own ends with us, and nobody culls it.
        if !self.0.jupyter.is_external() {
            return;
        }
        let touching = async {
            loop {
                tokio::time::sleep(every).await;
                if self.0.any_runs()
                    && let Err(error) = self.0.touch().await
                {
                    // The job's own watch says what that means for it.
                    debug!(%error, "the Jupyter Server could not be told that a job runs");
                }
            }
        };
        stop.run_until_cancelled(touching).await;
    }
}

impl Inner {
    /// Whether a job of ours does more than wait for its turn.
    fn any_runs(&self) -> bool {
        let waits = |job: &String| matches!(self.queue.standing(job), Some(Standing::Waits(_)));
        self.active().keys().any(|job| !waits(job))
    }

    async fn touch(&self) -> Result<(), JupyterError> {
        let endpoint = self.jupyter.endpoint().await?;
        JupyterClient::new(self.http.clone(), endpoint).touch().await
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::job;
    use super::super::step::Step;
    use super::*;

    #[tokio::test]
    async fn a_job_that_waits_is_no_work() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::unavailable(folder.path(), "a").await;
        assert!(!jobs.0.any_runs());
        let others = ["a", "b", "c", "d"].map(|id| jobs.0.queue.enter(&job(id, 1), Step::Queued));
        jobs.0.records.insert(&job("1", 1)).await.unwrap();
        jobs.drive(jobs.0.record("1").await.unwrap());
        assert_eq!(jobs.get("1").await.unwrap().position, Some(1));
        assert!(!jobs.0.any_runs());
        drop(others);
        assert!(jobs.0.any_runs(), "it has its turn");
    }
}
