//! Sizes that were asked for before the cluster runs: kept in the store, so that a restart of the server forgets none.

use std::collections::HashMap;

use protocol::rest::Scaling;
use rusqlite::{OptionalExtension, params};

use crate::store::{Store, StoreError};

/// Remembers the size to ask for as soon as the cluster runs; replaces an earlier one.
pub(super) async fn put(store: &Store, name: &str, scaling: &Scaling) -> Result<(), StoreError> {
    let name = name.to_owned();
    let scaling = serde_json::to_string(scaling)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    store
        .call(move |db| {
            db.execute(
                "INSERT OR REPLACE INTO waiting_scaling (name, scaling) VALUES (?1, ?2)",
                params![name, scaling],
            )
        })
        .await?;
    Ok(())
}

/// All of them, by cluster.
pub(super) async fn all(store: &Store) -> Result<HashMap<String, Scaling>, StoreError> {
    store
        .call(|db| {
            let mut statement = db.prepare_cached("SELECT name, scaling FROM waiting_scaling")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| row.map(|(name, text)| (name, read(&text))))
                .collect()
        })
        .await
}

/// That of one cluster, as it is now: another server of this user may have asked meanwhile, or changed it.
pub(super) async fn of(store: &Store, name: &str) -> Result<Option<Scaling>, StoreError> {
    let name = name.to_owned();
    let found: Option<String> = store
        .call(move |db| {
            db.query_row(
                "SELECT scaling FROM waiting_scaling WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
            .optional()
        })
        .await?;
    Ok(found.map(|text| read(&text)))
}

/// It was asked for, or the cluster is gone.
pub(super) async fn drop(store: &Store, name: &str) -> Result<(), StoreError> {
    let name = name.to_owned();
    store
        .call(move |db| db.execute("DELETE FROM waiting_scaling WHERE name = ?1", [name]))
        .await?;
    Ok(())
}

/// A size this version can't read is as good as none: the user sets it again.
fn read(text: &str) -> Scaling {
    serde_json::from_str(text).unwrap_or(Scaling::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_outlives_the_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.sqlite");
        let adaptive = Scaling::Adaptive {
            minimum: 1,
            maximum: 3,
        };
        let store = Store::open(&path).await.expect("opened");
        put(&store, "a", &Scaling::Manual { workers: 2 })
            .await
            .expect("put");
        put(&store, "a", &adaptive).await.expect("replaced");
        put(&store, "b", &Scaling::Manual { workers: 0 })
            .await
            .expect("put");
        std::mem::drop(store);

        let store = Store::open(&path).await.expect("opened again");
        assert_eq!(of(&store, "a").await.expect("read"), Some(adaptive.clone()));
        drop(&store, "b").await.expect("dropped");
        assert_eq!(of(&store, "b").await.expect("read"), None);
        assert_eq!(
            all(&store).await.expect("read"),
            HashMap::from([("a".to_owned(), adaptive)])
        );
    }
}
