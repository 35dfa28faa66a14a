//! Which recordings are deleted: those that are too old, and the oldest while all take too much.

use protocol::recordings::{Recording, RecordingState};
use tracing::{info, warn};

use super::{RecordingSettings, Recordings};
use crate::clock;

const DAY_MS: i64 = 86_400_000;

impl Recordings {
    /// Deletes what is beyond the bounds and not in use.
    pub(super) async fn retain(&self) {
        let list = match self.list().await {
            Ok(list) => list,
            Err(error) => return warn!(%error, "the recordings can't be listed, so none is deleted"),
        };
        for id in surplus(&list, &self.0.settings, clock::now_ms(), |id| self.is_open(id)) {
            match self.delete(&id).await {
                Ok(()) => info!(recording = %id, "deleted a recording that was beyond the bounds"),
                Err(error) => warn!(%error, recording = %id, "a recording beyond the bounds stays"),
            }
        }
    }
}

/// The recordings to delete, of a list whose newest is first.
fn surplus(
    list: &[Recording],
    settings: &RecordingSettings,
    now_ms: i64,
    in_use: impl Fn(&str) -> bool,
) -> Vec<String> {
    let oldest_kept = now_ms - i64::from(settings.keep_days) * DAY_MS;
    let mut bytes: u64 = list.iter().map(|recording| recording.bytes).sum();
    let mut surplus = Vec::new();
    for recording in list.iter().rev() {
        let ended = recording.ended_at.unwrap_or(recording.started_at);
        let beyond = ended < oldest_kept || bytes > settings.keep_bytes;
        if beyond && recording.state != RecordingState::Recording && !in_use(&recording.id) {
            bytes -= recording.bytes;
            surplus.push(recording.id.clone());
        }
    }
    surplus
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(id: &str, days_ago: i64, bytes: u64, state: RecordingState) -> Recording {
        let ended = 100 * DAY_MS - days_ago * DAY_MS;
        Recording {
            id: id.to_owned(),
            cluster: "c".to_owned(),
            label: None,
            scheduler: "s".to_owned(),
            state,
            started_at: ended - 1,
            ended_at: (state != RecordingState::Recording).then_some(ended),
            tasks: 0,
            lost: 0,
            bytes,
            message: None,
        }
    }

    #[test]
    fn the_old_go_then_the_oldest_while_there_is_too_much() {
        use RecordingState::{Ready, Recording, Stopped};
        let settings = RecordingSettings {
            keep_days: 30,
            keep_bytes: 100,
            ..RecordingSettings::default()
        };
        let list = [
            recording("running", 0, 60, Recording),
            recording("new", 1, 30, Ready),
            recording("stopped", 2, 5, Stopped),
            recording("watched", 3, 20, Ready),
            recording("big", 4, 50, Ready),
            recording("running long", 40, 5, Recording),
            recording("old", 31, 1, Ready),
        ];
        let now = 100 * DAY_MS;
        let surplus = surplus(&list, &settings, now, |id| id == "watched");
        assert_eq!(surplus, ["old", "big", "stopped", "new"]);
    }

    #[test]
    fn what_is_within_the_bounds_stays() {
        let list = [recording("new", 29, 30, RecordingState::Ready)];
        let settings = RecordingSettings::default();
        assert!(surplus(&list, &settings, 100 * DAY_MS, |_| false).is_empty());
    }
}
