//! Leases and deeds in the store. Several servers of one user guard the same clusters: a change counts once.

use protocol::guard::{AtEnd, Deed, LeaseTerms};
use rusqlite::{Row, TransactionBehavior, params};

use super::lease::{LeaseRow, Origin};
use crate::store::{Store, StoreError};

/// Deeds that are kept.
const KEPT_DEEDS: u32 = 500;

/// A claim to act on a cluster is good for so long; a server that claimed and died must not save it for ever.
const CLAIM_MS: i64 = 60_000;

/// The leases on the gateway at this address.
pub(super) async fn leases(store: &Store, gateway: &str) -> Result<Vec<LeaseRow>, StoreError> {
    let gateway = gateway.to_owned();
    store
        .call(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT cluster, owner, idle_s, lifetime_s, stops, at_end, origin, kept_at, ends_at, told_at, version \
                 FROM leases WHERE gateway = ?1",
            )?;
            let rows = statement.query_map([gateway], row)?;
            rows.collect()
        })
        .await
}

fn row(row: &Row<'_>) -> rusqlite::Result<LeaseRow> {
    let seconds = |column| {
        row.get::<_, Option<i64>>(column)
            .map(|s| s.map(i64::cast_unsigned))
    };
    let (at_end, origin): (String, String) = (row.get(5)?, row.get(6)?);
    Ok(LeaseRow {
        cluster: row.get(0)?,
        owner: row.get(1)?,
        terms: LeaseTerms {
            idle_s: seconds(2)?,
            lifetime_s: seconds(3)?,
            stops: row.get(4)?,
            at_end: match at_end.as_str() {
                "keep" => AtEnd::Keep,
                _ => AtEnd::Stop,
            },
        },
        origin: match origin.as_str() {
            "chosen" => Origin::Chosen,
            "elsewhere" => Origin::Elsewhere,
            _ => Origin::Default,
        },
        kept_at: row.get(7)?,
        ends_at: row.get(8)?,
        told_at: row.get(9)?,
        version: row.get(10)?,
    })
}

/// Writes a lease. One that is there already is replaced where `replace`, with a higher version, and else left alone.
pub(super) async fn put(
    store: &Store,
    gateway: &str,
    lease: LeaseRow,
    replace: bool,
) -> Result<(), StoreError> {
    let gateway = gateway.to_owned();
    store
        .call(move |db| {
            let conflict = if replace {
                "DO UPDATE SET owner = excluded.owner, idle_s = excluded.idle_s, lifetime_s = excluded.lifetime_s, \
                 stops = excluded.stops, at_end = excluded.at_end, origin = excluded.origin, kept_at = excluded.kept_at, \
                 ends_at = excluded.ends_at, told_at = excluded.told_at, acted_at = NULL, version = version + 1"
            } else {
                "DO NOTHING"
            };
            db.prepare_cached(&format!(
                "INSERT INTO leases (cluster, gateway, owner, idle_s, lifetime_s, stops, at_end, origin, kept_at, ends_at, \
                 told_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (cluster) {conflict}"
            ))?
            .execute(params![
                lease.cluster,
                gateway,
                lease.owner,
                lease.terms.idle_s.map(u64::cast_signed),
                lease.terms.lifetime_s.map(u64::cast_signed),
                lease.terms.stops,
                match lease.terms.at_end {
                    AtEnd::Stop => "stop",
                    AtEnd::Keep => "keep",
                },
                match lease.origin {
                    Origin::Chosen => "chosen",
                    Origin::Default => "default",
                    Origin::Elsewhere => "elsewhere",
                },
                lease.kept_at,
                lease.ends_at,
                lease.told_at,
            ])
        })
        .await?;
    Ok(())
}

/// Drops the leases of clusters that are gone.
pub(super) async fn forget(store: &Store, clusters: Vec<String>) -> Result<(), StoreError> {
    store
        .call(move |db| {
            for cluster in clusters {
                db.execute("DELETE FROM leases WHERE cluster = ?1", [cluster])?;
            }
            Ok(())
        })
        .await
}

/// Remembers when the user was told, or with `None` that it is no longer so. Says whether it was this call that did.
pub(super) async fn told(store: &Store, lease: &LeaseRow, at: Option<i64>) -> Result<bool, StoreError> {
    let (cluster, version) = (lease.cluster.clone(), lease.version);
    let changed = store
        .call(move |db| {
            db.prepare_cached(
                "UPDATE leases SET told_at = ?2 WHERE cluster = ?1 AND version = ?3 AND (told_at IS NULL) <> (?2 IS NULL)",
            )?
            .execute(params![cluster, at, version])
        })
        .await?;
    Ok(changed == 1)
}

/// Whether it is for this server to act on the lease now: not where the user changed it since, nor where another server
/// is about it.
pub(super) async fn claim(store: &Store, lease: &LeaseRow, now: i64) -> Result<bool, StoreError> {
    let (cluster, version) = (lease.cluster.clone(), lease.version);
    let changed = store
        .call(move |db| {
            db.prepare_cached(
                "UPDATE leases SET acted_at = ?2 WHERE cluster = ?1 AND version = ?3 \
                 AND (acted_at IS NULL OR acted_at < ?2 - ?4)",
            )?
            .execute(params![cluster, now, version, CLAIM_MS])
        })
        .await?;
    Ok(changed == 1)
}

/// Adds to the history, of which the oldest goes.
pub(super) async fn record(store: &Store, deed: Deed) -> Result<(), StoreError> {
    store
        .call(move |db| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute(
                "INSERT INTO guard_deeds (at, cluster, label, what, message) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![deed.at, deed.cluster, deed.label, deed.what, deed.message],
            )?;
            transaction.execute(
                "DELETE FROM guard_deeds WHERE id <= (SELECT max(id) FROM guard_deeds) - ?1",
                [KEPT_DEEDS],
            )?;
            transaction.commit()
        })
        .await
}

/// The latest deeds, newest first.
pub(super) async fn deeds(store: &Store, count: u32) -> Result<Vec<Deed>, StoreError> {
    store
        .call(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT at, cluster, label, what, message FROM guard_deeds ORDER BY id DESC LIMIT ?1",
            )?;
            let rows = statement.query_map([count], |row| {
                Ok(Deed {
                    at: row.get(0)?,
                    cluster: row.get(1)?,
                    label: row.get(2)?,
                    what: row.get(3)?,
                    message: row.get(4)?,
                })
            })?;
            rows.collect()
        })
        .await
}

/// Says whether this is the first call with that word, by any server.
pub(super) async fn first_time(store: &Store, what: String) -> Result<bool, StoreError> {
    let changed = store
        .call(move |db| db.execute("INSERT OR IGNORE INTO guard_told (what) VALUES (?1)", [what]))
        .await?;
    Ok(changed == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fresh() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        (folder, store)
    }

    fn lease(cluster: &str) -> LeaseRow {
        LeaseRow {
            cluster: cluster.into(),
            owner: Some("lab".into()),
            terms: LeaseTerms {
                idle_s: Some(3600),
                lifetime_s: None,
                stops: true,
                at_end: AtEnd::Keep,
            },
            origin: Origin::Elsewhere,
            kept_at: Some(5),
            ends_at: None,
            told_at: None,
            version: 1,
        }
    }

    #[tokio::test]
    async fn a_lease_survives_and_belongs_to_its_gateway() {
        let (folder, store) = fresh().await;
        put(&store, "http://a", lease("one"), true).await.unwrap();
        put(&store, "http://b", lease("two"), true).await.unwrap();
        drop(store);
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        assert_eq!(leases(&store, "http://a").await.unwrap(), [lease("one")]);
        forget(&store, vec!["one".into()]).await.unwrap();
        assert!(leases(&store, "http://a").await.unwrap().is_empty());
        assert_eq!(leases(&store, "http://b").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_default_never_replaces_what_was_chosen() {
        let (_folder, store) = fresh().await;
        let mut chosen = lease("one");
        chosen.origin = Origin::Chosen;
        put(&store, "g", chosen.clone(), true).await.unwrap();
        put(&store, "g", lease("one"), false).await.unwrap();
        assert_eq!(leases(&store, "g").await.unwrap(), [chosen.clone()]);
        put(&store, "g", chosen, true).await.unwrap();
        assert_eq!(
            leases(&store, "g").await.unwrap()[0].version,
            2,
            "a change is seen"
        );
    }

    #[tokio::test]
    async fn two_servers_tell_and_act_once() {
        let (folder, first) = fresh().await;
        let second = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        put(&first, "g", lease("one"), true).await.unwrap();
        let row = leases(&second, "g").await.unwrap().remove(0);
        assert!(told(&first, &row, Some(1)).await.unwrap());
        assert!(!told(&second, &row, Some(2)).await.unwrap());
        assert!(told(&second, &row, None).await.unwrap());
        assert!(claim(&first, &row, 1000).await.unwrap());
        assert!(!claim(&second, &row, 1001).await.unwrap());
        assert!(
            claim(&second, &row, 1002 + CLAIM_MS).await.unwrap(),
            "the first may have died"
        );
        put(&first, "g", row.clone(), true).await.unwrap();
        assert!(
            !claim(&second, &row, 1_000_000).await.unwrap(),
            "the user has changed it since"
        );
        assert!(first_time(&first, "x".into()).await.unwrap());
        assert!(!first_time(&second, "x".into()).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_servers_that_race_one_acts() {
        let (folder, first) = fresh().await;
        let second = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        for cluster in (0..50).map(|n| format!("c{n}")) {
            put(&first, "g", lease(&cluster), true).await.unwrap();
            let row = leases(&first, "g").await.unwrap();
            let row = row.iter().find(|row| row.cluster == cluster).unwrap();
            let race = async |store: &Store, now: i64| {
                let told = told(store, row, Some(now)).await.unwrap();
                (told, claim(store, row, now).await.unwrap())
            };
            let (a, b) = tokio::join!(race(&first, 1000), race(&second, 1001));
            assert!(a.0 != b.0 && a.1 != b.1, "{cluster}: {a:?} {b:?}");
        }
    }

    #[tokio::test]
    async fn the_history_keeps_the_latest() {
        let (_folder, store) = fresh().await;
        for at in 0..i64::from(KEPT_DEEDS) + 3 {
            let deed = Deed {
                at,
                cluster: "c".into(),
                label: None,
                what: "told".into(),
                message: "m".into(),
            };
            record(&store, deed).await.unwrap();
        }
        let all = deeds(&store, 10_000).await.unwrap();
        assert_eq!(all.len(), KEPT_DEEDS as usize);
        assert_eq!(all[0].at, i64::from(KEPT_DEEDS) + 2);
    }
}
