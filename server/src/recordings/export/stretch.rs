//! Stretches of clusters' time: what was recorded in them, and their tasks as a table.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::recordings::{Recording, RecordingState};
use tracing::warn;

use super::super::parquet::{Chosen, Table};
use super::super::reader::{self, DataError, Item, WorkerNames};
use super::super::{RecordingError, Recordings};
use super::scene::{Source, Window};

/// How often it is looked whether a recording is at rest where nobody says so.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A stretch of a cluster's time, milliseconds since the Unix epoch: to its beginning and its end where they are not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub cluster: String,
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
}

impl Stretch {
    fn window(&self) -> Window {
        Window {
            from_us: self.from_ms.map(|ms| ms.saturating_mul(1000)),
            to_us: self.to_ms.map(|ms| ms.saturating_mul(1000)),
        }
    }

    fn touches(&self, recording: &Recording) -> bool {
        // Where it began late, its scheduler may have told what was before.
        recording.cluster == self.cluster
            && self
                .from_ms
                .zip(recording.ended_at)
                .is_none_or(|(from, ended)| ended >= from)
    }
}

impl Recordings {
    /// Writes the tasks of these stretches as [`Table::Tasks`] into one file, in place of one that is there, and returns
    /// how many there are: of none there is no file.
    ///
    /// # Errors
    /// Where a recording can't be read or the file can't be written.
    pub async fn write_tasks(&self, stretches: &[Stretch], target: PathBuf) -> Result<u64, RecordingError> {
        let parts = self.parts(stretches).await?;
        let written = self
            .tracker()
            .spawn_blocking(move || {
                write_tasks(&parts, &target).inspect_err(|_unwritten| Chosen::discard(&target))
            })
            .await;
        Ok(written.map_err(|_panicked| DataError::Damaged("its tasks could not be written"))??)
    }

    /// What was recorded in these stretches, oldest first, as it went.
    pub(super) async fn parts(&self, stretches: &[Stretch]) -> Result<Vec<Part>, RecordingError> {
        let list = self.list().await?;
        let parts = list.into_iter().rev().filter_map(|recording| {
            let own = stretches.iter().filter(|stretch| stretch.touches(&recording));
            let windows: Vec<_> = own.map(Stretch::window).collect();
            (!windows.is_empty()).then(|| Part {
                folder: self.folder(&recording.id),
                recording,
                windows,
            })
        });
        Ok(parts.collect())
    }

    /// Waits until whole clusters' recordings are at rest.
    pub(super) async fn rested(&self, stretches: &[Stretch], limit: Duration) {
        let mut changes = self.changes();
        let wait = async {
            loop {
                changes.mark_unchanged();
                let list = self.list().await?;
                let runs = list.iter().any(|recording| {
                    let of = |stretch: &Stretch| stretch.to_ms.is_none() && stretch.touches(recording);
                    recording.state == RecordingState::Recording && stretches.iter().any(of)
                });
                if !runs {
                    return Ok::<(), RecordingError>(());
                }
                // Another server of the user may be the one that records it, and tells nobody here.
                tokio::time::timeout(LOOK_EVERY, changes.changed()).await.ok();
            }
        };
        match tokio::time::timeout(limit, wait).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "whether recordings are at rest can't be told"),
            Err(_elapsed) => warn!("a recording did not come to rest in time; what it has by now is taken"),
        }
    }
}

/// Stretches of one recording.
pub(super) struct Part {
    pub(super) folder: PathBuf,
    pub(super) recording: Recording,
    windows: Vec<Window>,
}

impl Part {
    pub(super) fn source(&self) -> Source<'_> {
        Source {
            folder: &self.folder,
            windows: &self.windows,
        }
    }
}

fn write_tasks(parts: &[Part], target: &Path) -> Result<u64, DataError> {
    let mut chosen = Chosen::create(target)?;
    let mut names = WorkerNames::new();
    for part in parts {
        let source = part.source();
        let mut refused = None;
        reader::read(&part.folder, &[Table::Tasks], &mut |item| {
            match item {
                Item::Name { address, name } => {
                    names.insert(address, name);
                }
                Item::Tasks(tasks) => {
                    for task in tasks.iter().filter(|task| source.shows(task)) {
                        let name = names.get(&task.worker).unwrap_or(&task.worker);
                        if let Err(error) = chosen.put(task, name) {
                            refused = Some(error);
                            return ControlFlow::Break(());
                        }
                    }
                }
                Item::Workers { .. } | Item::Progress { .. } => {}
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = refused {
            return Err(error);
        }
    }
    chosen.finish()
}
