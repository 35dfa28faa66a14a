//! Which stretches of which clusters' time belong to a job: what it took is read from there when it is over.
//!
//! Clusters of its own, which [`super::owned`] notes by their names, are its own altogether. On one that goes on running it is
//! the time from when a kernel is handed the code to the outcome, attempt by attempt.

use protocol::guard::Spent;
use rusqlite::params;

use super::host::Stretch;
use super::record::text_of;
use crate::store::{Store, StoreError};

/// The rows.
#[derive(Clone)]
pub(super) struct Stretches(Store);

impl Stretches {
    pub(super) fn new(store: Store) -> Self {
        Self(store)
    }

    /// The code of an attempt is about to run on a cluster that others may use, too. One that is noted already stays.
    pub(super) async fn begins(
        &self,
        job: &str,
        attempt: u32,
        cluster: &str,
        before: Option<&Spent>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let before = before.map(text_of).transpose()?;
        let (job, cluster) = (job.to_owned(), cluster.to_owned());
        self.0
            .call(move |db| {
                db.execute(
                    "INSERT OR IGNORE INTO job_stretches (job, cluster, attempt, shared, from_ms, before) \
                     VALUES (?1, ?2, ?3, 1, ?4, ?5)",
                    params![job, cluster, attempt, now_ms, before],
                )
            })
            .await?;
        Ok(())
    }

    /// The code of an attempt ended on that cluster.
    pub(super) async fn ends(
        &self,
        job: &str,
        cluster: &str,
        after: Option<&Spent>,
        at_ms: i64,
    ) -> Result<(), StoreError> {
        let after = after.map(text_of).transpose()?;
        let (job, cluster) = (job.to_owned(), cluster.to_owned());
        self.0
            .call(move |db| {
                db.execute(
                    "UPDATE job_stretches SET to_ms = max(from_ms, ?3), after = ?4 \
                     WHERE job = ?1 AND cluster = ?2 AND shared AND to_ms IS NULL",
                    params![job, cluster, at_ms, after],
                )
            })
            .await?;
        Ok(())
    }

    /// All of a job, attempt by attempt.
    pub(super) async fn of(&self, job: &str) -> Result<Vec<Stretch>, StoreError> {
        let job = job.to_owned();
        self.0
            .call(move |db| {
                db.prepare_cached(
                    "SELECT cluster, shared, from_ms, to_ms, before, after FROM job_stretches WHERE job = ?1 ORDER BY attempt, rowid",
                )?
                .query_map([job], |row| {
                    // What this version can't read is as good as not counted.
                    let spent = |column| -> rusqlite::Result<Option<Spent>> {
                        let text: Option<String> = row.get(column)?;
                        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
                    };
                    Ok(Stretch {
                        cluster: row.get(0)?,
                        shared: row.get(1)?,
                        from_ms: row.get(2)?,
                        to_ms: row.get(3)?,
                        before: spent(4)?,
                        after: spent(5)?,
                    })
                })?
                .collect()
            })
            .await
    }
}

/// What was used between the beginning and the end of a stretch on a cluster that others may use, too; `None` where that was
/// not counted.
pub(super) fn between(stretch: &Stretch) -> Option<Spent> {
    let (before, after) = stretch.before.as_ref().zip(stretch.after.as_ref())?;
    let less = |after: f64, before: f64| (after - before).max(0.0);
    Some(Spent {
        amount: after
            .amount
            .zip(before.amount)
            .map(|(after, before)| less(after, before)),
        per_hour: None,
        worker_hours: less(after.worker_hours, before.worker_hours),
        memory_hours: less(after.memory_hours, before.memory_hours),
    })
}

/// Adds up; an amount is known where all are.
pub(super) fn sum(shares: &[Spent]) -> Option<Spent> {
    let (first, rest) = shares.split_first()?;
    let sum = rest.iter().fold(first.clone(), |sum, share| Spent {
        amount: sum.amount.zip(share.amount).map(|(a, b)| a + b),
        per_hour: None,
        worker_hours: sum.worker_hours + share.worker_hours,
        memory_hours: sum.memory_hours + share.memory_hours,
    });
    // So exact that a short job's are told, and no more.
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    Some(Spent {
        amount: sum.amount.map(rounded),
        per_hour: None,
        worker_hours: rounded(sum.worker_hours),
        memory_hours: rounded(sum.memory_hours),
    })
}

#[cfg(test)]
mod tests {
    use super::super::owned::Owned;
    use super::*;

    fn spent(amount: Option<f64>, hours: f64) -> Spent {
        Spent {
            amount,
            per_hour: None,
            worker_hours: hours,
            memory_hours: hours * 2.0,
        }
    }

    #[tokio::test]
    async fn clusters_of_its_own_are_the_jobs_and_others_by_the_stretch() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let (stretches, owned) = (Stretches::new(store.clone()), Owned::new(store));
        let row = owned.asking("1", &Default::default(), [], 5).await.unwrap();
        owned.named(row, "own").await.unwrap();
        owned.done(row).await.unwrap();
        let before = spent(Some(0.5), 1.0);
        stretches
            .begins("1", 1, "shared", Some(&before), 10)
            .await
            .unwrap();
        // A server that was started again says the same anew.
        stretches.begins("1", 1, "shared", None, 99).await.unwrap();
        let after = spent(Some(0.75), 1.5);
        stretches.ends("1", "shared", Some(&after), 20).await.unwrap();
        stretches.begins("1", 2, "shared", None, 30).await.unwrap();
        stretches.ends("1", "shared", None, 40).await.unwrap();
        stretches.ends("1", "shared", None, 50).await.unwrap();
        let found: Vec<_> = stretches
            .of("1")
            .await
            .unwrap()
            .into_iter()
            .map(|s| (s.cluster, s.shared, s.from_ms, s.to_ms, s.before, s.after))
            .collect();
        assert_eq!(
            found,
            [
                ("own".to_owned(), false, None, None, None, None),
                (
                    "shared".to_owned(),
                    true,
                    Some(10),
                    Some(20),
                    Some(before),
                    Some(after)
                ),
                ("shared".to_owned(), true, Some(30), Some(40), None, None),
            ]
        );
        assert_eq!(stretches.of("2").await.unwrap(), []);
    }

    #[test]
    fn what_was_used_before_is_not_the_jobs() {
        let of = |before, after| {
            between(&Stretch {
                cluster: "c".into(),
                shared: true,
                from_ms: None,
                to_ms: None,
                before,
                after,
            })
        };
        let after = spent(Some(3.0), 5.0);
        assert_eq!(
            of(None, Some(after.clone())),
            None,
            "it was not counted at the start"
        );
        let own = of(Some(spent(Some(1.0), 2.0)), Some(after.clone())).unwrap();
        assert_eq!(own, spent(Some(2.0), 3.0));
        let unpriced = of(Some(spent(None, 2.0)), Some(after.clone())).unwrap();
        assert_eq!((unpriced.amount, unpriced.worker_hours), (None, 3.0));
        assert_eq!(sum(&[own, after]), Some(spent(Some(5.0), 8.0)));
        assert_eq!(sum(&[]), None);
    }
}
