//! The end of the server and the start after one that was no end: which clusters are stopped then.

use std::collections::HashSet;
use std::time::Duration;

use tracing::info;

use super::lease::LeaseRow;
use super::{Watched, store};
use crate::clusters::Clusters;
use crate::store::StoreError;

/// How long the gateway may take to hear that clusters are to end, when the server ends.
const DELETE_PATIENCE: Duration = Duration::from_secs(10);

/// How long writing it down may take.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);

impl Clusters {
    /// Asks for the end of the clusters whose leases say so: those of this server, and of servers that no longer live; with
    /// `everything`, of all that there are. Every request leaves before anything else is awaited, since whatever ends this
    /// server may end the whole container in a moment; the clusters' own end is not waited for. Returns the names that the
    /// gateway could not be asked for. What was taken once is not asked for again.
    pub async fn stop_at_end(&self, everything: bool) -> Vec<String> {
        let lives = |owner: &str| (self.0.guard.lives)(owner);
        let rows: Vec<LeaseRow> = self.0.guard.rows().values().cloned().collect();
        let ending: Vec<String> = rows
            .into_iter()
            .filter(|row| row.ends_with(&self.0.instance, lives))
            .map(|row| row.cluster)
            .chain(everything.then(|| self.active_names()).into_iter().flatten())
            .collect();
        let ending: Vec<String> = {
            let mut book = self.book();
            // A lease outlives its cluster for a moment; a cluster that was just made is remembered before it is listed.
            let ending = ending
                .into_iter()
                .filter(|name| book.reports.contains_key(name) || book.remembered.contains_key(name));
            let ending: Vec<String> = ending.collect();
            let fresh = ending
                .into_iter()
                .filter(|name| book.stopping.insert(name.clone()));
            fresh.collect()
        };
        if ending.is_empty() {
            return Vec::new();
        }
        let asked = tokio::time::timeout(DELETE_PATIENCE, self.delete_all(ending.clone())).await;
        let failed = asked.unwrap_or_else(|_elapsed| ending.clone());
        // They may be asked for once more while there is time.
        self.book().stopping.retain(|name| !failed.contains(name));
        let write = async {
            for name in ending.iter().filter(|name| !failed.contains(name)) {
                let message = format!(
                    "Cluster {} was stopped because Gatehouse ended.",
                    self.called(name)
                );
                if let Err(error) = self.done(name, "stopped", message).await {
                    tracing::warn!(cluster = %name, %error, "what was done can't be written down");
                }
            }
        };
        tokio::time::timeout(WRITE_PATIENCE, write).await.ok();
        failed
    }

    /// Ends what a server that was killed could not end: clusters whose leases say that they end with it.
    pub(super) async fn settle_leases(&self, watched: &[Watched]) -> Result<(), StoreError> {
        let lives = |owner: &str| owner == self.0.instance || (self.0.guard.lives)(owner);
        let there: HashSet<&str> = watched.iter().map(|cluster| cluster.name.as_str()).collect();
        let left: Vec<LeaseRow> = {
            let rows = self.0.guard.rows();
            let left = rows.values().filter(|row| {
                let owner_is_dead = row.owner.as_deref().is_some_and(|owner| !lives(owner));
                there.contains(row.cluster.as_str())
                    && owner_is_dead
                    && row.ends_with(&self.0.instance, lives)
            });
            left.cloned().collect()
        };
        let mut mine = Vec::new();
        for row in left {
            if store::claim(&self.0.store, &row, crate::clock::now_ms()).await? {
                mine.push(row.cluster);
            }
        }
        if mine.is_empty() {
            return Ok(());
        }
        info!(clusters = mine.len(), "ending what a killed server left");
        self.book().stopping.extend(mine.iter().cloned());
        let failed = self.delete_all(mine.clone()).await;
        for name in mine {
            let called = self.called(&name);
            let (what, message) = if failed.contains(&name) {
                (
                    "failed",
                    format!(
                        "Cluster {called} was left by a Gatehouse that was killed, and the gateway did not take its end. \
                         Shut it down on its card."
                    ),
                )
            } else {
                (
                    "stopped",
                    format!("Cluster {called} was stopped: the Gatehouse that it belonged to was killed."),
                )
            };
            self.done(&name, what, message).await?;
        }
        self.book().stopping.retain(|name| !failed.contains(name));
        self.wake();
        Ok(())
    }
}
