//! What clusters used, in the store. Each stretch of time is counted once, whichever server of the user counts it.

use std::collections::HashMap;

use protocol::guard::Spent;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::settings::Rates;
use crate::store::{Store, StoreError};

/// Days that are kept.
const KEPT_DAYS: u32 = 400;

/// What a running cluster is like now.
#[derive(Clone, Debug)]
pub(in crate::clusters) struct Present {
    pub(in crate::clusters) cluster: String,
    /// When it began to run or was asked for, Unix time in milliseconds: a first count begins there.
    pub(in crate::clusters) started_at: i64,
    pub(in crate::clusters) workers: f64,
    /// Memory that workers may use.
    pub(in crate::clusters) memory_gib: f64,
    pub(in crate::clusters) rates: Option<Rates>,
}

impl Present {
    /// Whether it has the same workers and memory.
    pub(in crate::clusters) fn is_as_big_as(&self, other: &Self) -> bool {
        (self.workers, self.memory_gib) == (other.workers, other.memory_gib)
    }
}

/// Counts what these clusters used until `now`, Unix time in milliseconds, each from where it was counted last. What was there
/// in between is taken to be halfway between then and now, also where no server looked for a while. Of clusters that are no longer
/// `running`, only those are counted that were counted before: of the others another server has counted the end.
pub(in crate::clusters) async fn count(
    store: &Store,
    gateway: &str,
    currency: &str,
    now: i64,
    clusters: Vec<Present>,
    running: bool,
) -> Result<(), StoreError> {
    let (gateway, currency) = (gateway.to_owned(), currency.to_owned());
    store
        .call(move |db| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for present in &clusters {
                count_one(&transaction, &gateway, &currency, now, present, running)?;
            }
            transaction.execute(
                "DELETE FROM usage WHERE day < date(?1 / 1000, 'unixepoch', 'localtime', ?2)",
                params![now, format!("-{KEPT_DAYS} days")],
            )?;
            transaction.commit()
        })
        .await
}

fn count_one(
    db: &Transaction<'_>,
    gateway: &str,
    currency: &str,
    now: i64,
    present: &Present,
    running: bool,
) -> rusqlite::Result<()> {
    let last = db
        .prepare_cached("SELECT until, workers, memory_gib FROM usage_until WHERE cluster = ?1")?
        .query_row([&present.cluster], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, f64>(1)?,
                row.get::<_, f64>(2)?,
            ))
        })
        .optional()?;
    // What lies before the days that are kept is not counted at all.
    if last.is_none() && !running {
        return Ok(());
    }
    let earliest = now - i64::from(KEPT_DAYS) * 86_400_000;
    let (mut from, workers, memory) = last.unwrap_or((
        present.started_at.max(earliest),
        present.workers,
        present.memory_gib,
    ));
    if from > now {
        return Ok(());
    }
    let (workers, memory) = (
        (workers + present.workers) / 2.0,
        (memory + present.memory_gib) / 2.0,
    );
    let rates = present.rates.unwrap_or_default();
    // A stretch over midnight belongs to both days.
    while from < now {
        let (day, midnight): (String, i64) = db
            .prepare_cached(
                "SELECT date(?1 / 1000, 'unixepoch', 'localtime'), \
                 1000 * CAST(strftime('%s', ?1 / 1000, 'unixepoch', 'localtime', 'start of day', '+1 day', 'utc') AS INTEGER)",
            )?
            .query_row([from], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // Where clocks are put back, midnight may not lie ahead.
        let to = now.min(midnight.max(from + 1000));
        let seconds = (to - from) as f64 / 1e3;
        let amount = (rates.scheduler + rates.worker * workers) * seconds / 3600.0;
        db.prepare_cached(
            "INSERT INTO usage (cluster, day, currency, worker_s, memory_gib_s, amount) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (cluster, day, currency) DO UPDATE SET worker_s = worker_s + excluded.worker_s, \
             memory_gib_s = memory_gib_s + excluded.memory_gib_s, amount = amount + excluded.amount",
        )?
        .execute(params![
            present.cluster,
            day,
            currency,
            workers * seconds,
            memory * seconds,
            amount
        ])?;
        from = to;
    }
    db.prepare_cached(
        "INSERT OR REPLACE INTO usage_until (cluster, gateway, until, workers, memory_gib) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        present.cluster,
        gateway,
        now,
        present.workers,
        present.memory_gib
    ])?;
    Ok(())
}

/// When anything on this gateway was counted last, Unix time in milliseconds.
pub(in crate::clusters) async fn counted_until(
    store: &Store,
    gateway: &str,
) -> Result<Option<i64>, StoreError> {
    let gateway = gateway.to_owned();
    store
        .call(move |db| {
            db.query_row(
                "SELECT max(until) FROM usage_until WHERE gateway = ?1",
                [gateway],
                |row| row.get(0),
            )
        })
        .await
}

/// Forgets where clusters were counted last that are gone; what they used stays.
pub(in crate::clusters) async fn forget(store: &Store, clusters: Vec<String>) -> Result<(), StoreError> {
    store
        .call(move |db| {
            for cluster in clusters {
                db.execute("DELETE FROM usage_until WHERE cluster = ?1", [cluster])?;
            }
            Ok(())
        })
        .await
}

/// What was used, by day, month and cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::clusters) struct Totals {
    /// `2026-11-28`, at the server.
    pub(in crate::clusters) day: String,
    pub(in crate::clusters) today: Spent,
    pub(in crate::clusters) month: Spent,
    /// Of clusters that are still counted.
    pub(in crate::clusters) clusters: HashMap<String, Spent>,
}

/// Sums up. Amounts of another currency are left out: the configuration was changed since.
pub(in crate::clusters) async fn totals(
    store: &Store,
    currency: &str,
    now: i64,
) -> Result<Totals, StoreError> {
    let currency = currency.to_owned();
    store
        .call(move |db| {
            let day: String = db.query_row(
                "SELECT date(?1 / 1000, 'unixepoch', 'localtime')",
                [now],
                |row| row.get(0),
            )?;
            let spent = |row: &rusqlite::Row<'_>, first: usize| {
                Ok(Spent {
                    amount: (!currency.is_empty())
                        .then(|| row.get::<_, f64>(first + 2))
                        .transpose()?,
                    per_hour: None,
                    worker_hours: row.get::<_, f64>(first)? / 3600.0,
                    memory_hours: row.get::<_, f64>(first + 1)? / 3600.0,
                })
            };
            let sums = "total(worker_s), total(memory_gib_s), total(CASE WHEN currency = ?1 THEN amount END)";
            let total = |days: &str| {
                db.prepare_cached(&format!("SELECT {sums} FROM usage WHERE day LIKE ?2"))?
                    .query_row([&currency, days], |row| spent(row, 0))
            };
            let today = total(&day)?;
            let month = total(&format!("{}%", day.get(..8).unwrap_or(&day)))?;
            let mut statement = db.prepare_cached(&format!(
                "SELECT cluster, {sums} FROM usage WHERE cluster IN (SELECT cluster FROM usage_until) GROUP BY cluster"
            ))?;
            let clusters = statement
                .query_map([&currency], |row| Ok((row.get(0)?, spent(row, 1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Totals {
                day,
                today,
                month,
                clusters,
            })
        })
        .await
}

/// What a cluster used as far as it was counted, also one that is gone; `None` where nothing was. An amount of another
/// currency is left out.
pub(in crate::clusters) async fn of_cluster(
    store: &Store,
    currency: &str,
    cluster: &str,
) -> Result<Option<Spent>, StoreError> {
    let (currency, cluster) = (currency.to_owned(), cluster.to_owned());
    store
        .call(move |db| {
            db.prepare_cached(
                "SELECT sum(worker_s), total(memory_gib_s), total(CASE WHEN currency = ?1 THEN amount END) \
                 FROM usage WHERE cluster = ?2",
            )?
            .query_row([&currency, &cluster], |row| {
                let Some(worker_s) = row.get::<_, Option<f64>>(0)? else {
                    return Ok(None);
                };
                Ok(Some(Spent {
                    amount: (!currency.is_empty()).then(|| row.get(2)).transpose()?,
                    per_hour: None,
                    worker_hours: worker_s / 3600.0,
                    memory_hours: row.get::<_, f64>(1)? / 3600.0,
                }))
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    /// Noon somewhere on 2026-11-14 whatever the time zone: tests must not depend on it.
    const NOON: i64 = 1_794_657_600_000;

    fn present(workers: f64) -> Present {
        Present {
            cluster: "c".into(),
            started_at: NOON,
            workers,
            memory_gib: workers * 2.0,
            rates: Some(Rates {
                worker: 0.5,
                scheduler: 0.1,
            }),
        }
    }

    async fn fresh() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        (folder, store)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[tokio::test]
    async fn hours_and_amounts_add_up() {
        let (_folder, store) = fresh().await;
        for (minutes, workers) in [(0, 2.0), (60, 2.0), (120, 4.0)] {
            count(
                &store,
                "g",
                "EUR",
                NOON + minutes * 60_000,
                vec![present(workers)],
                true,
            )
            .await
            .unwrap();
        }
        let totals = totals(&store, "EUR", NOON + 2 * HOUR).await.unwrap();
        let spent = &totals.clusters["c"];
        // Two hours of the scheduler; two workers for an hour, three on average in the second.
        assert!(close(spent.worker_hours, 5.0), "{spent:?}");
        assert!(close(spent.memory_hours, 10.0), "{spent:?}");
        assert!(close(spent.amount.unwrap(), 0.2 + 2.5), "{spent:?}");
        assert!(close(totals.month.worker_hours, 5.0));
    }

    #[tokio::test]
    async fn a_size_counts_from_its_moment() {
        let (_folder, store) = fresh().await;
        let minutes = |minutes: i64| NOON + minutes * 60_000;
        // Counted as it was and as it is, in the moment of the change.
        for (at, workers) in [(0, 0.0), (20, 0.0), (20, 3.0), (60, 3.0)] {
            let counted = count(&store, "g", "EUR", minutes(at), vec![present(workers)], true);
            counted.await.unwrap();
        }
        let totals = totals(&store, "EUR", minutes(60)).await.unwrap();
        assert!(close(totals.clusters["c"].worker_hours, 2.0), "{totals:?}");
    }

    #[tokio::test]
    async fn two_servers_and_a_restart_count_each_hour_once() {
        let (folder, first) = fresh().await;
        let second = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        for minutes in 0..=60 {
            let now = NOON + minutes * 60_000;
            let (a, b) = tokio::join!(
                count(&first, "g", "EUR", now, vec![present(1.0)], true),
                count(&second, "g", "EUR", now + 7, vec![present(1.0)], true)
            );
            a.unwrap();
            b.unwrap();
        }
        drop((first, second));
        // Nobody counted for two hours, while the cluster ran.
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        assert_eq!(counted_until(&store, "g").await.unwrap(), Some(NOON + HOUR + 7));
        assert_eq!(counted_until(&store, "other").await.unwrap(), None);
        count(&store, "g", "EUR", NOON + 3 * HOUR, vec![present(1.0)], true)
            .await
            .unwrap();
        let totals = totals(&store, "EUR", NOON + 3 * HOUR).await.unwrap();
        assert!(close(totals.clusters["c"].worker_hours, 3.0), "{totals:?}");
        // A clock that went back counts nothing twice.
        count(&store, "g", "EUR", NOON, vec![present(1.0)], true)
            .await
            .unwrap();
        let again = super::totals(&store, "EUR", NOON + 3 * HOUR).await.unwrap();
        assert_eq!(again.clusters, totals.clusters);
    }

    #[tokio::test]
    async fn days_have_their_own() {
        let (_folder, store) = fresh().await;
        let mut long = present(1.0);
        long.started_at = NOON - 30 * HOUR;
        count(&store, "g", "EUR", NOON, vec![long], true).await.unwrap();
        let days: Vec<f64> = store
            .call(|db| {
                let mut statement = db.prepare("SELECT worker_s / 3600 FROM usage ORDER BY day")?;
                statement.query_map([], |row| row.get(0))?.collect()
            })
            .await
            .unwrap();
        assert!(days.len() >= 2, "{days:?}");
        assert!(close(days.iter().sum(), 30.0), "{days:?}");
        let totals = totals(&store, "EUR", NOON).await.unwrap();
        assert!(
            close(totals.today.worker_hours, *days.last().unwrap()),
            "{totals:?}"
        );
        assert!(close(totals.month.worker_hours, 30.0), "{totals:?}");
    }

    #[tokio::test]
    async fn what_a_cluster_used_stays_when_it_is_gone() {
        let (_folder, store) = fresh().await;
        count(&store, "g", "", NOON + HOUR, vec![present(1.0)], true)
            .await
            .unwrap();
        forget(&store, vec!["c".into()]).await.unwrap();
        let own = of_cluster(&store, "", "c").await.unwrap().unwrap();
        assert!(
            close(own.worker_hours, 1.0) && close(own.memory_hours, 2.0),
            "{own:?}"
        );
        assert_eq!(own.amount, None);
        assert_eq!(of_cluster(&store, "", "another").await.unwrap(), None);
        let totals = totals(&store, "", NOON + HOUR).await.unwrap();
        assert!(totals.clusters.is_empty());
        assert!(close(totals.month.worker_hours, 1.0));
        assert_eq!(totals.month.amount, None, "nothing has a price");
        let other = super::totals(&store, "USD", NOON + HOUR).await.unwrap();
        assert_eq!(
            other.month.amount,
            Some(0.0),
            "another currency is another amount"
        );
    }
}
