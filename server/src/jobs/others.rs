//! Jobs of other servers that share the store: their changes are seen there, and told here.

use std::collections::HashMap;
use std::time::Duration;

use protocol::jobs::JobState;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::step::Step;
use super::{Inner, Jobs};
use crate::store::StoreError;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

type Seen = HashMap<String, (Step, JobState)>;

impl Jobs {
    /// Announces what changes of other servers' jobs until `stop`; those that are not over, once at the beginning too.
    pub async fn watch_others(self, stop: CancellationToken) {
        let mut seen = None;
        let looking = async {
            loop {
                if let Err(error) = self.0.look(&mut seen).await {
                    debug!(%error, "other servers' jobs can't be looked at");
                }
                tokio::time::sleep(EVERY).await;
            }
        };
        stop.run_until_cancelled(looking).await;
    }
}

impl Inner {
    /// One look, beside what was seen in the last one.
    async fn look(&self, seen: &mut Option<Seen>) -> Result<(), StoreError> {
        let now = self.records.of_others().await?;
        for (id, state) in &now {
            let news = match &seen {
                Some(seen) => seen.get(id) != Some(state),
                // A long history is in the list already.
                None => state.0 != Step::Over,
            };
            if news && let Some(record) = self.records.get(id).await? {
                self.announce(&record.job);
            }
        }
        *seen = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::job;
    use super::super::step::Outcome;
    use super::*;

    #[tokio::test]
    async fn tells_of_other_servers_jobs() {
        let folder = tempfile::tempdir().unwrap();
        let ours = Jobs::unavailable(folder.path(), "ours").await;
        let other = Jobs::unavailable(folder.path(), "other").await;
        let theirs = &other.0.records;
        for id in ["old", "running"] {
            theirs.insert(&job(id, 1)).await.unwrap();
        }
        theirs.over("old", &Outcome::succeeded(), 2).await.unwrap();
        ours.0.records.insert(&job("our own", 3)).await.unwrap();

        let mut events = ours.0.events.subscribe();
        let stop = CancellationToken::new();
        let watching = tokio::spawn(ours.clone().watch_others(stop.clone()));
        let mut next = async || {
            let limit = Duration::from_secs(60);
            let event = tokio::time::timeout(limit, events.recv()).await;
            let job = event.expect("a job is announced").unwrap();
            (job.id, job.state)
        };
        assert_eq!(next().await, ("running".to_owned(), JobState::Queued));
        theirs.prepare("running", Step::StartKernel, 5).await.unwrap();
        assert_eq!(next().await, ("running".to_owned(), JobState::Starting));
        theirs.over("running", &Outcome::failed("No."), 6).await.unwrap();
        assert_eq!(next().await, ("running".to_owned(), JobState::Failed));
        theirs.insert(&job("new", 7)).await.unwrap();
        assert_eq!(next().await, ("new".to_owned(), JobState::Queued));

        stop.cancel();
        watching.await.unwrap();
        assert!(
            events.try_recv().is_err(),
            "nothing of our own is announced twice"
        );
    }
}
