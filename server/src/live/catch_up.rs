//! Hearing a scheduler out, before what it did is read or it is ended.

use tokio::time::Instant;

use super::Feed;

impl Feed {
    /// Ends when everything that the scheduler did by now is taken in, and can be read from the disk where it is recorded.
    /// Does not end while the scheduler does not answer.
    pub async fn caught_up(&self) {
        self.asked_anew().await;
        if let Some(written) = self.archive.as_ref().and_then(|archive| archive.written()) {
            // A recorder that ended has written what it had.
            written.await.ok();
        }
    }

    /// Ends when the scheduler told its workers and its tasks as they are now. Does not end while it does not answer.
    pub async fn asked_anew(&self) {
        let now = Instant::now();
        let mut heard = self.heard.subscribe();
        self.ask_again.notify_one();
        // The feed outlives the wait.
        heard
            .wait_for(|heard| heard.is_some_and(|began| began >= now))
            .await
            .ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_what_was_asked_afterwards_counts() {
        let feed = Arc::new(Feed::default());
        let before = Instant::now();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let waiting = tokio::spawn({
            let feed = Arc::clone(&feed);
            async move { feed.caught_up().await }
        });
        // The watcher is asked not to rest, and tells of a round that was under way.
        feed.ask_again.notified().await;
        feed.heard.send_replace(Some(before));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        feed.heard.send_replace(Some(Instant::now()));
        waiting.await.unwrap();
    }
}
