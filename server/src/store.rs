//! SQLite: what must survive a restart.
//!
//! One thread owns the connection; [`Store`] is a cheap handle to it. Several servers of one user share the file.

mod migrations;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::rest::Scaling;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use self::migrations::MIGRATIONS;

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls that may wait for the thread before callers wait too.
const QUEUE: usize = 64;

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("Gatehouse's store could not be opened: {source}. Check that its folder is writable ({}).", path.display())]
    Open { source: rusqlite::Error, path: PathBuf },
    #[error(
        "Gatehouse's store was written by a newer version (schema {found}, this version knows {known}). \
         Update Gatehouse, or choose another state folder."
    )]
    Newer { found: usize, known: usize },
    #[error("Gatehouse's store did not take the change: {0}. Check the disk's free space and try again.")]
    Sqlite(#[from] rusqlite::Error),
    #[error("Gatehouse's store is closed, because the server is ending.")]
    Closed,
}

/// What the user said of a cluster that the gateway does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNote {
    pub label: Option<String>,
    /// [`Scaling::Unknown`] until a size was asked for through one of our doors.
    pub scaling: Scaling,
    /// The server through which it was created; `None` for one made by other means on the same gateway.
    pub created_by: Option<String>,
}

type Call = Box<dyn FnOnce(&mut Connection) + Send>;

/// Handle to the store. The connection closes when the last handle is dropped.
#[derive(Clone)]
pub struct Store {
    calls: mpsc::Sender<Call>,
}

impl Store {
    /// Opens or creates the file and brings its schema up to date.
    ///
    /// # Errors
    /// Where the file can't be opened, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let (calls, mut queue) = mpsc::channel::<Call>(QUEUE);
        let (opened, ready) = oneshot::channel();
        std::thread::spawn(move || {
            let mut connection = match connect(&path) {
                Ok(connection) => connection,
                Err(error) => {
                    opened.send(Err(error)).ok();
                    return;
                }
            };
            if opened.send(Ok(())).is_err() {
                return;
            }
            while let Some(call) = queue.blocking_recv() {
                call(&mut connection);
            }
        });
        ready.await.map_err(|_gone| StoreError::Closed)??;
        Ok(Self { calls })
    }

    /// Runs `work` on the store's thread.
    ///
    /// # Errors
    /// What `work` returned, or [`StoreError::Closed`].
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            // A caller that went away has no use for the answer.
            reply.send(work(connection)).ok();
        });
        self.calls
            .send(call)
            .await
            .map_err(|_closed| StoreError::Closed)?;
        Ok(answer.await.map_err(|_gone| StoreError::Closed)??)
    }

    /// Remembers a cluster that was created through us, with the user's name for it.
    ///
    /// # Errors
    /// Where the store does not take it.
    pub async fn add_cluster(
        &self,
        name: &str,
        label: Option<&str>,
        instance: &str,
    ) -> Result<(), StoreError> {
        let (name, label, instance) = (name.to_owned(), label.map(str::to_owned), instance.to_owned());
        self.call(move |db| {
            db.execute(
                "INSERT INTO cluster_labels (name, label, created_by) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (name) DO UPDATE SET label = excluded.label, created_by = excluded.created_by",
                params![name, label, instance],
            )
        })
        .await?;
        Ok(())
    }

    /// Sets or, with `None`, clears the user's name for a cluster.
    ///
    /// # Errors
    /// Where the store does not take it.
    pub async fn set_label(&self, name: &str, label: Option<&str>) -> Result<(), StoreError> {
        let (name, label) = (name.to_owned(), label.map(str::to_owned));
        self.call(move |db| {
            db.execute(
                "INSERT INTO cluster_labels (name, label) VALUES (?1, ?2) \
                 ON CONFLICT (name) DO UPDATE SET label = excluded.label",
                params![name, label],
            )
        })
        .await?;
        Ok(())
    }

    /// Remembers what was asked of a cluster's size.
    ///
    /// # Errors
    /// Where the store does not take it.
    pub async fn set_scaling(&self, name: &str, scaling: &Scaling) -> Result<(), StoreError> {
        let name = name.to_owned();
        let scaling = serde_json::to_string(scaling)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        self.call(move |db| {
            db.execute(
                "INSERT INTO cluster_labels (name, scaling) VALUES (?1, ?2) \
                 ON CONFLICT (name) DO UPDATE SET scaling = excluded.scaling",
                params![name, scaling],
            )
        })
        .await?;
        Ok(())
    }

    /// All notes, by cluster name.
    ///
    /// # Errors
    /// Where the store can't be read.
    pub async fn clusters(&self) -> Result<HashMap<String, ClusterNote>, StoreError> {
        self.call(|db| {
            let mut statement =
                db.prepare_cached("SELECT name, label, scaling, created_by FROM cluster_labels")?;
            let rows = statement.query_map([], |row| {
                let scaling: Option<String> = row.get(2)?;
                let note = ClusterNote {
                    label: row.get(1)?,
                    // A size this version can't read is as good as none: the user sets it again.
                    scaling: scaling
                        .and_then(|text| serde_json::from_str(&text).ok())
                        .unwrap_or(Scaling::Unknown),
                    created_by: row.get(3)?,
                };
                Ok((row.get(0)?, note))
            })?;
            rows.collect()
        })
        .await
    }

    /// Drops the note of a cluster that is gone.
    ///
    /// # Errors
    /// Where the store does not take it.
    pub async fn forget_cluster(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.call(move |db| db.execute("DELETE FROM cluster_labels WHERE name = ?1", [name]))
            .await?;
        Ok(())
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let open_error = |source| StoreError::Open {
        source,
        path: path.to_owned(),
    };
    let mut connection = Connection::open(path).map_err(open_error)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(open_error)?;
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(open_error)?;
    // A step counts as recorded only when it is on the disk.
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(open_error)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(open_error)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Takes the write lock first, so that two servers starting at once don't both migrate.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = user_version(&transaction)?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer {
            found,
            known: MIGRATIONS.len(),
        });
    }
    for (index, step) in MIGRATIONS.iter().enumerate().skip(found) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", i64::try_from(index + 1).unwrap_or(i64::MAX))?;
    }
    transaction.commit()?;
    Ok(())
}

fn user_version(transaction: &Transaction<'_>) -> rusqlite::Result<usize> {
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fresh() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn keeps_labels_and_scaling_apart() {
        let (folder, store) = fresh().await;
        store.add_cluster("a", Some("Taxi"), "lab").await.unwrap();
        store
            .set_scaling(
                "a",
                &Scaling::Adaptive {
                    minimum: 1,
                    maximum: 4,
                },
            )
            .await
            .unwrap();
        store
            .set_scaling("b", &Scaling::Manual { workers: 2 })
            .await
            .unwrap();
        store.set_label("a", Some("Taxi data")).await.unwrap();
        drop(store);

        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let notes = store.clusters().await.unwrap();
        assert_eq!(
            notes["a"],
            ClusterNote {
                label: Some("Taxi data".into()),
                scaling: Scaling::Adaptive {
                    minimum: 1,
                    maximum: 4
                },
                created_by: Some("lab".into()),
            }
        );
        assert_eq!(
            notes["b"],
            ClusterNote {
                label: None,
                scaling: Scaling::Manual { workers: 2 },
                created_by: None
            }
        );
        store.forget_cluster("a").await.unwrap();
        assert_eq!(store.clusters().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn is_shared_by_several_servers() {
        let (folder, first) = fresh().await;
        let path = folder.path().join("store.sqlite");
        let (second, third) = tokio::join!(Store::open(&path), Store::open(&path));
        let (second, third) = (second.unwrap(), third.unwrap());
        let writes = (0..20).map(|n| {
            let store = [&first, &second, &third][n % 3].clone();
            tokio::spawn(async move { store.set_label(&format!("c{n}"), Some("x")).await })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap().unwrap();
        }
        assert_eq!(first.clusters().await.unwrap().len(), 20);
    }

    #[tokio::test]
    async fn refuses_a_newer_schema() {
        let (folder, store) = fresh().await;
        let path = folder.path().join("store.sqlite");
        store
            .call(|db| db.pragma_update(None, "user_version", 99))
            .await
            .unwrap();
        drop(store);
        let error = Store::open(&path).await.err().unwrap();
        assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    }

    #[tokio::test]
    async fn says_where_it_could_not_open() {
        let error = Store::open(Path::new("/nowhere/at/all.sqlite"))
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("/nowhere/at/all.sqlite"), "{error}");
    }
}
