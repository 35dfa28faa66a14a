//! The index of recordings in the store; the folders are the truth, and what the index lacks is read from them.

use protocol::recordings::{Recording, RecordingState};
use rusqlite::{Row, params};

use crate::store::{Store, StoreError};

/// Adds or replaces a recording.
pub(super) async fn put(store: &Store, recording: Recording) -> Result<(), StoreError> {
    store
        .call(move |db| {
            db.prepare_cached(
                "INSERT OR REPLACE INTO recordings (id, cluster, label, scheduler, state, started_at, ended_at, tasks, \
                 lost, bytes, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                recording.id,
                recording.cluster,
                recording.label,
                recording.scheduler,
                word(recording.state),
                recording.started_at,
                recording.ended_at,
                recording.tasks.cast_signed(),
                recording.lost.cast_signed(),
                recording.bytes.cast_signed(),
                recording.message,
            ])
        })
        .await?;
    Ok(())
}

/// All recordings, newest first.
pub(super) async fn list(store: &Store) -> Result<Vec<Recording>, StoreError> {
    store
        .call(|db| {
            let mut statement = db.prepare_cached(
                "SELECT id, cluster, label, scheduler, state, started_at, ended_at, tasks, lost, bytes, message \
                 FROM recordings ORDER BY started_at DESC, id",
            )?;
            let rows = statement.query_map([], recording)?;
            rows.collect()
        })
        .await
}

pub(super) async fn remove(store: &Store, id: &str) -> Result<(), StoreError> {
    let id = id.to_owned();
    store
        .call(move |db| db.execute("DELETE FROM recordings WHERE id = ?1", [id]))
        .await?;
    Ok(())
}

fn recording(row: &Row<'_>) -> rusqlite::Result<Recording> {
    let state: String = row.get(4)?;
    let count = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(Recording {
        id: row.get(0)?,
        cluster: row.get(1)?,
        label: row.get(2)?,
        scheduler: row.get(3)?,
        state: match state.as_str() {
            "recording" => RecordingState::Recording,
            "stopped" => RecordingState::Stopped,
            _ => RecordingState::Ready,
        },
        started_at: row.get(5)?,
        ended_at: row.get(6)?,
        tasks: count(7)?,
        lost: count(8)?,
        bytes: count(9)?,
        message: row.get(10)?,
    })
}

fn word(state: RecordingState) -> &'static str {
    match state {
        RecordingState::Recording => "recording",
        RecordingState::Ready => "ready",
        RecordingState::Stopped => "stopped",
    }
}
