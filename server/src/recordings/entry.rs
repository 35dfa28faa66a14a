//! What a log holds, and how tasks are written in it: words once, then by number.

use std::collections::{BTreeMap, HashMap};

use protocol::live::{Action, Lane, Progress, Worker};
use serde::{Deserialize, Serialize};

use crate::live::{Bar, Task};

/// Bytes of an exception's text and of a traceback, whose end tells most.
const MAX_EXCEPTION: usize = 4_000;
const MAX_TRACEBACK: usize = 16_000;

/// One frame of a log.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Entry {
    /// The first of every log.
    Begin(Begin),
    /// Words, numbered from 0 in order of appearance.
    Lane(Lane),
    Prefix(String),
    Type(String),
    Tasks {
        /// Number of the first in the recording.
        first_record: u64,
        rows: Vec<Row>,
    },
    Workers {
        at_us: i64,
        workers: Vec<Worker>,
    },
    Progress {
        at_us: i64,
        progress: Progress,
    },
    /// So many records were dropped before they could be written.
    Lost(u64),
    /// The last of a log that ended in order.
    End {
        at_us: i64,
    },
}

/// When something was sampled that has a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    Workers(i64),
    Progress(i64),
}

impl Entry {
    /// The stamp of an entry as it was written, without reading what follows: the variant's number, then the moment.
    pub(super) fn stamp(payload: &[u8]) -> Option<Stamp> {
        match protocol::live::decode::<(u32, i64)>(payload).ok()? {
            (5, at_us) => Some(Stamp::Workers(at_us)),
            (6, at_us) => Some(Stamp::Progress(at_us)),
            _ => None,
        }
    }
}

/// Whose recording this is. Nothing secret: neither keys nor addresses that hold one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) cluster: String,
    pub(super) label: Option<String>,
    /// The scheduler's own identity.
    pub(super) scheduler: String,
    /// Packages of the scheduler that matter to Dask.
    pub(super) versions: BTreeMap<String, String>,
    /// When the recording began, milliseconds since the Unix epoch: the same in all its logs.
    pub(super) started_ms: i64,
    /// Number of this log's first record.
    pub(super) first_record: u64,
    /// Records lost before this log.
    pub(super) lost: u64,
}

/// A task.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    key: String,
    lane: u32,
    prefix: u32,
    type_id: Option<u32>,
    nbytes: Option<u64>,
    failure: Option<Failure>,
    bars: Vec<(Action, i64, u64)>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failure {
    exception: String,
    traceback: Option<String>,
    cause: Option<String>,
}

/// The words of a log that is being written.
#[derive(Debug, Default)]
pub(super) struct Words {
    lanes: HashMap<String, HashMap<u64, u32>>,
    lane_count: u32,
    prefixes: HashMap<String, u32>,
    types: HashMap<String, u32>,
    /// Names of workers by address, as far as they were told.
    pub(super) names: HashMap<String, String>,
}

impl Words {
    /// The task as a row; entries for words that it is the first to use go to `new` before it.
    pub(super) fn row(&mut self, task: &Task, new: &mut Vec<Entry>) -> Row {
        let known = self.lanes.get(&task.worker);
        let lane = match known.and_then(|threads| threads.get(&task.thread)) {
            Some(lane) => *lane,
            None => {
                let name = self.names.get(&task.worker).unwrap_or(&task.worker);
                new.push(Entry::Lane(Lane {
                    worker: task.worker.clone(),
                    worker_name: name.clone(),
                    thread: task.thread,
                }));
                let lane = self.lane_count;
                self.lane_count += 1;
                self.lanes
                    .entry(task.worker.clone())
                    .or_default()
                    .insert(task.thread, lane);
                lane
            }
        };
        let mut word = |words: &mut HashMap<String, u32>, text: &str, entry: fn(String) -> Entry| {
            if let Some(number) = words.get(text) {
                return *number;
            }
            let number = words.len() as u32;
            words.insert(text.to_owned(), number);
            new.push(entry(text.to_owned()));
            number
        };
        Row {
            key: task.key.clone(),
            lane,
            prefix: word(&mut self.prefixes, &task.prefix, Entry::Prefix),
            type_id: task
                .type_name
                .as_deref()
                .map(|name| word(&mut self.types, name, Entry::Type)),
            nbytes: task.nbytes,
            failure: task.error.as_deref().map(|error| Failure {
                exception: error[..error.floor_char_boundary(MAX_EXCEPTION)].to_owned(),
                traceback: task.traceback.as_deref().map(|text| tail(text).to_owned()),
                cause: task.cause.clone(),
            }),
            bars: task
                .bars
                .iter()
                .map(|bar| (bar.action, bar.start_us, bar.duration_us))
                .collect(),
        }
    }
}

fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(MAX_TRACEBACK))..]
}

/// The words of a log that is being read.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    pub(super) lanes: Vec<Lane>,
    pub(super) prefixes: Vec<String>,
    pub(super) types: Vec<String>,
}

impl Dictionary {
    /// The task that a row stands for; `None` where the row names words that were never told.
    pub(super) fn task(&self, row: Row) -> Option<Task> {
        let lane = self.lanes.get(row.lane as usize)?;
        let (error, traceback, cause) = match row.failure {
            Some(failure) => (Some(failure.exception), failure.traceback, failure.cause),
            None => (None, None, None),
        };
        let type_name = match row.type_id {
            Some(id) => Some(self.types.get(id as usize)?.clone()),
            None => None,
        };
        Some(Task {
            key: row.key,
            prefix: self.prefixes.get(row.prefix as usize)?.clone(),
            worker: lane.worker.clone(),
            thread: lane.thread,
            type_name,
            nbytes: row.nbytes,
            error,
            traceback,
            cause,
            bars: row
                .bars
                .into_iter()
                .map(|(action, start_us, duration_us)| Bar {
                    action,
                    start_us,
                    duration_us,
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_its_moment_by_its_first_bytes() {
        let stamp = |entry: &Entry| Entry::stamp(&protocol::live::encode(entry).unwrap());
        for at_us in [0, 1_795_334_646_893_921] {
            let workers = vec![Worker::default()];
            assert_eq!(
                stamp(&Entry::Workers { at_us, workers }),
                Some(Stamp::Workers(at_us))
            );
            let progress = Progress::default();
            assert_eq!(
                stamp(&Entry::Progress { at_us, progress }),
                Some(Stamp::Progress(at_us))
            );
            assert_eq!(stamp(&Entry::End { at_us }), None);
        }
        assert_eq!(stamp(&Entry::Begin(Begin::default())), None);
        assert_eq!(stamp(&Entry::Lost(5)), None);
    }
}
