//! Attached schedulers in the store: only what the user typed, no certificate and no key.

use rusqlite::{Row, params};

use crate::store::{Store, StoreError};

/// What the user gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) address: String,
    pub(super) files: Option<Files>,
    /// Unix time in milliseconds.
    pub(super) attached_at: i64,
}

/// Absolute paths of what TLS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) ca: String,
    pub(super) cert: String,
    pub(super) key: String,
}

/// Adds one; whether its address was not there yet.
pub(super) async fn add(store: &Store, given: Given) -> Result<bool, StoreError> {
    let added = store
        .call(move |db| {
            let files = given.files.as_ref();
            db.execute(
                "INSERT OR IGNORE INTO attached (id, label, address, ca_file, cert_file, key_file, attached_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    given.id,
                    given.label,
                    given.address,
                    files.map(|files| &files.ca),
                    files.map(|files| &files.cert),
                    files.map(|files| &files.key),
                    given.attached_at,
                ],
            )
        })
        .await?;
    Ok(added > 0)
}

/// All of them, newest first.
pub(super) async fn list(store: &Store) -> Result<Vec<Given>, StoreError> {
    store
        .call(|db| {
            let mut statement = db.prepare_cached(
                "SELECT id, label, address, ca_file, cert_file, key_file, attached_at FROM attached \
                 ORDER BY attached_at DESC, id",
            )?;
            let rows = statement.query_map([], given)?;
            rows.collect()
        })
        .await
}

/// Removes one; whether it was there.
pub(super) async fn remove(store: &Store, id: &str) -> Result<bool, StoreError> {
    let id = id.to_owned();
    let removed = store
        .call(move |db| db.execute("DELETE FROM attached WHERE id = ?1", [id]))
        .await?;
    Ok(removed > 0)
}

fn given(row: &Row<'_>) -> rusqlite::Result<Given> {
    let files = match (row.get(3)?, row.get(4)?, row.get(5)?) {
        (Some(ca), Some(cert), Some(key)) => Some(Files { ca, cert, key }),
        _ => None,
    };
    Ok(Given {
        id: row.get(0)?,
        label: row.get(1)?,
        address: row.get(2)?,
        files,
        attached_at: row.get(6)?,
    })
}
