//! Clusters that the gateway's list no longer has: it is asked what became of each, and that is shown for a moment.

use std::collections::BTreeMap;
use std::time::Duration;

use dask_gateway::{ClusterReport, ClusterStatus, GatewayError};
use tracing::warn;

use super::{Book, Clusters, waiting};

/// The list of all others waits for this.
const PATIENCE: Duration = Duration::from_secs(3);

impl Clusters {
    /// Adds to `reports`, which are fresh, those of clusters that were there before: as they ended, or as they were where
    /// that is not known. One that is over for a while is not added.
    pub(super) async fn follow_up(&self, reports: &mut BTreeMap<String, ClusterReport>, now_ms: i64) {
        let missing: Vec<ClusterReport> = {
            let mut book = self.book();
            book.unanswered.retain(|name, _| !reports.contains_key(name));
            let all = book.reports.values();
            all.filter(|old| !reports.contains_key(&old.name))
                .cloned()
                .collect()
        };
        let found = missing.into_iter().map(|old| async move {
            match old.status {
                // The gateway has let it go, or it was shown long enough.
                ClusterStatus::Failed => None,
                ClusterStatus::Stopped => self.book().lives.lingers(&old.name, now_ms).then_some(old),
                ClusterStatus::Pending | ClusterStatus::Running | ClusterStatus::Stopping => {
                    Some(self.what_became_of(old, now_ms).await)
                }
            }
        });
        for report in futures_util::future::join_all(found).await.into_iter().flatten() {
            reports.insert(report.name.clone(), report);
        }
    }

    async fn what_became_of(&self, old: ClusterReport, now_ms: i64) -> ClusterReport {
        match tokio::time::timeout(PATIENCE, self.0.client.get(&old.name)).await {
            Ok(Ok(report)) => {
                self.book().unanswered.remove(&old.name);
                report
            }
            Ok(Err(GatewayError::NotFound { .. })) => ClusterReport {
                status: ClusterStatus::Stopped,
                stop_time: Some(now_ms),
                dashboard_route: None,
                tls: None,
                ..old
            },
            // It may well run: it is asked about again with the next list.
            Ok(Err(error)) => self.unanswered(old, error.to_string()),
            Err(_elapsed) => self.unanswered(old, "the gateway does not answer in time".to_owned()),
        }
    }

    fn unanswered(&self, old: ClusterReport, why: String) -> ClusterReport {
        if self.book().is_new_answer(&old.name, &why) {
            warn!(cluster = %old.name, why, "what became of a cluster can't be asked");
        }
        old
    }

    /// Drops what is remembered of a cluster that is gone.
    pub(super) async fn forget(&self, name: &str) {
        {
            let mut book = self.book();
            book.remembered.remove(name);
            book.unanswered.remove(name);
        }
        let store = &self.0.store;
        if let Err(error) = store.forget_cluster(name).await {
            warn!(cluster = %name, %error, "what is remembered of a cluster that is gone can't be forgotten");
        }
        if let Err(error) = waiting::drop(store, name).await {
            warn!(cluster = %name, %error, "the size that waits for a cluster that is gone can't be forgotten");
        }
    }
}

impl Book {
    /// Takes note of why nobody says what became of a cluster. Whether that was not so a moment ago: it is asked with
    /// every list.
    fn is_new_answer(&mut self, name: &str, why: &str) -> bool {
        let before = self.unanswered.insert(name.to_owned(), why.to_owned());
        before.as_deref() != Some(why)
    }
}

/// What to say of reports that can't be read: a cluster that is not shown may still cost something.
pub(super) fn sentence(unreadable: &[(String, &'static str)]) -> Option<String> {
    let (name, reason) = unreadable.first()?;
    let others = match unreadable.len() - 1 {
        0 => String::new(),
        1 => " Another one can't be read either.".to_owned(),
        n => format!(" {n} others can't be read either."),
    };
    Some(format!(
        "The gateway's report on cluster {name} can't be read: {reason}. What is shown of it is what was known before, if \
         anything; whoever runs the gateway can tell more.{others}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_answer_is_logged_once() {
        let mut book = Book::default();
        assert!(book.is_new_answer("a", "No."));
        assert!(!book.is_new_answer("a", "No."));
        assert!(book.is_new_answer("a", "Not now."));
        assert!(book.is_new_answer("b", "No."));
    }

    #[test]
    fn reports_that_cannot_be_read_are_named() {
        assert_eq!(sentence(&[]), None);
        let two = [
            ("dev.a".to_owned(), "it has no status"),
            ("dev.b".to_owned(), "it has no name"),
        ];
        let words = sentence(&two).expect("a sentence");
        assert!(
            words.contains("dev.a can't be read: it has no status.") && words.contains("Another one"),
            "{words}"
        );
    }
}
