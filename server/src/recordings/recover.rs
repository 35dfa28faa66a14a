//! What a crash left is put in order: torn tails are cut, logs become Parquet, the index is completed.

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use protocol::recordings::{Recording, RecordingState};
use tracing::{info, warn};

use super::reader::{self, DataError, log_path};
use super::{EXPORTS, active, folder_bytes, parquet};

/// Puts a recording's folder in order, whose lock we hold.
pub(super) fn settle(folder: &Path) -> Result<(), DataError> {
    active::remove_drafts(folder)?;
    match fs::remove_dir_all(folder.join(EXPORTS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    for part in reader::parts(folder)? {
        if !part.is_log {
            continue;
        }
        let path = log_path(folder, part.number);
        if let Some(facts) = reader::read_log(&path, &mut |_| ControlFlow::Continue(()))?
            && facts.torn
        {
            info!(path = %path.display(), good = facts.good, "cut the torn tail of a recording");
            OpenOptions::new().write(true).open(&path)?.set_len(facts.good)?;
        }
        parquet::compact(folder, part.number)?;
    }
    Ok(())
}

/// Puts the recording with that id in order and says what is in it. `None` where nothing is, or another server writes it.
pub(super) fn recover(folder: &Path, id: &str) -> io::Result<Option<Recording>> {
    let Some(_lock) = active::lock(folder)? else {
        return Ok(None);
    };
    let settled = settle(folder).and_then(|()| describe(folder, id));
    match settled {
        Ok(Some(recording)) => Ok(Some(recording)),
        Ok(None) => {
            // It ended before its first word was on the disk.
            fs::remove_dir_all(folder)?;
            Ok(None)
        }
        Err(error) => {
            warn!(%error, recording = id, "a recording can't be read");
            Ok(Some(Recording {
                id: id.to_owned(),
                cluster: id.to_owned(),
                label: None,
                scheduler: id.to_owned(),
                state: RecordingState::Stopped,
                started_at: 0,
                ended_at: None,
                tasks: 0,
                lost: 0,
                bytes: folder_bytes(folder),
                message: Some(format!(
                    "This recording can't be read: {error}. Delete it, or read it with the version of Gatehouse that wrote it."
                )),
            }))
        }
    }
}

fn describe(folder: &Path, id: &str) -> Result<Option<Recording>, DataError> {
    let parts = reader::parts(folder)?;
    let Some(last) = parts.last() else {
        return Ok(None);
    };
    let meta = parquet::meta(folder, last.number)?;
    Ok(Some(Recording {
        id: id.to_owned(),
        cluster: meta.cluster,
        label: meta.label,
        scheduler: meta.scheduler,
        state: RecordingState::Ready,
        started_at: meta.started_ms,
        ended_at: Some(meta.ended_ms),
        tasks: meta.first_record + meta.tasks,
        lost: meta.lost,
        bytes: folder_bytes(folder),
        message: None,
    }))
}
