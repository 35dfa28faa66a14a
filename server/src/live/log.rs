//! The task records of one scheduler, in columns, with a bound on how many are kept.

use std::collections::{HashMap, VecDeque};

use dask_comm::TaskRecord;
use protocol::live::{Action, Details, Lane, Prefix, TaskBatch};

/// Records kept in memory for each scheduler; the oldest give way.
pub(super) const MAX_RECORDS: usize = 500_000;

/// Largest id of a lane or prefix.
const LAST_ID: u16 = u16::MAX - 1;

/// Everything that was read from one life of one scheduler.
#[derive(Debug, Default)]
pub struct TaskLog {
    /// Identity of the scheduler the records come from.
    scheduler: String,
    /// Number of the oldest record that is still here.
    first_record: u64,
    /// Number of the oldest rectangle that is still here.
    first_rect: u64,
    records: VecDeque<Record>,
    rects: VecDeque<Rect>,
    lanes: Vec<Lane>,
    lane_ids: HashMap<(String, u64), u16>,
    prefixes: Vec<Prefix>,
    prefix_ids: HashMap<String, u16>,
    worker_names: HashMap<String, String>,
}

#[derive(Debug)]
struct Record {
    key: Box<str>,
    type_name: Option<Box<str>>,
    nbytes: Option<u64>,
    error: Option<Box<str>>,
    lane: u16,
    /// Number of its first rectangle; it has them up to the next record's.
    first_rect: u64,
}

#[derive(Debug, Clone, Copy)]
struct Rect {
    start_us: i64,
    duration_us: u64,
    lane: u16,
    prefix: u16,
    action: Action,
}

impl TaskLog {
    /// An empty log for the scheduler of that identity.
    pub fn new(scheduler: String) -> Self {
        Self {
            scheduler,
            ..Self::default()
        }
    }

    pub fn scheduler(&self) -> &str {
        &self.scheduler
    }

    pub fn first_record(&self) -> u64 {
        self.first_record
    }

    /// Number that the next record will get.
    pub fn next_record(&self) -> u64 {
        self.first_record + self.records.len() as u64
    }

    /// The names of the workers there are, by which new lanes are shown; a worker without one is shown by its address.
    pub fn name_workers<'a>(&mut self, workers: impl Iterator<Item = (&'a str, &'a str)>) {
        self.worker_names = workers
            .map(|(address, name)| (address.to_owned(), name.to_owned()))
            .collect();
    }

    /// Takes records in, in the scheduler's order.
    pub fn extend(&mut self, records: Vec<TaskRecord>) {
        for record in records {
            self.push(record);
        }
        while self.records.len() > MAX_RECORDS {
            self.records.pop_front();
            self.first_record += 1;
            let keep_from = self
                .records
                .front()
                .map_or(self.first_rect + self.rects.len() as u64, |r| r.first_rect);
            let gone = (keep_from - self.first_rect) as usize;
            self.rects.drain(..gone);
            self.first_rect = keep_from;
        }
    }

    fn push(&mut self, record: TaskRecord) {
        let lane = self.lane(&record.worker, record.thread);
        let prefix = self.prefix(record.stem.as_deref());
        let erred = record.error.is_some();
        let first_rect = self.first_rect + self.rects.len() as u64;
        for part in &record.startstops {
            let action = match part.action.as_str() {
                "transfer" => Action::Transfer,
                "disk-read" => Action::DiskRead,
                "disk-write" => Action::DiskWrite,
                "deserialize" => Action::Deserialize,
                _ if erred => Action::Erred,
                _ => Action::Compute,
            };
            let start_us = microseconds(part.start);
            let duration_us = microseconds(part.stop)
                .saturating_sub(start_us)
                .max(0)
                .unsigned_abs();
            self.rects.push_back(Rect {
                start_us,
                duration_us,
                lane,
                prefix,
                action,
            });
        }
        self.records.push_back(Record {
            key: record.key.into(),
            type_name: record.typename.map(Into::into),
            nbytes: record.nbytes,
            error: record.error.map(Into::into),
            lane,
            first_rect,
        });
    }

    fn lane(&mut self, worker: &str, thread: u64) -> u16 {
        if let Some(id) = self.lane_ids.get(&(worker.to_owned(), thread)) {
            return *id;
        }
        let Some(id) = next_id(self.lanes.len()) else {
            return LAST_ID;
        };
        let named = self.worker_names.get(worker).cloned();
        let worker_name = named.unwrap_or_else(|| worker.to_owned());
        self.lanes.push(Lane {
            worker: worker.to_owned(),
            worker_name,
            thread,
        });
        self.lane_ids.insert((worker.to_owned(), thread), id);
        id
    }

    /// The prefix of a key's stem; Dask says `Other` of keys that are no text.
    fn prefix(&mut self, stem: Option<&str>) -> u16 {
        let name = stem.map_or_else(|| "Other".to_owned(), timeline::key_split);
        if let Some(id) = self.prefix_ids.get(&name) {
            return *id;
        }
        let Some(id) = next_id(self.prefixes.len()) else {
            return LAST_ID;
        };
        self.prefixes.push(Prefix {
            color: timeline::color_index(&name),
            name: name.clone(),
        });
        self.prefix_ids.insert(name, id);
        id
    }

    /// The records from number `from` on, at most `limit` of them, for a reader that knows the first `known_lanes` lanes
    /// and `known_prefixes` prefixes. `from` below [`TaskLog::first_record`] begins there.
    pub fn batch(&self, from: u64, limit: usize, known_lanes: usize, known_prefixes: usize) -> TaskBatch {
        let from = from.clamp(self.first_record, self.next_record());
        let begin = (from - self.first_record) as usize;
        let end = self.records.len().min(begin.saturating_add(limit));
        let mut batch = TaskBatch {
            first_record: from,
            records: (end - begin) as u32,
            caught_up: end == self.records.len(),
            lanes: self.lanes[known_lanes.min(self.lanes.len())..].to_vec(),
            prefixes: self.prefixes[known_prefixes.min(self.prefixes.len())..].to_vec(),
            ..TaskBatch::default()
        };
        let rect_at = |record: usize| {
            let number = self
                .records
                .get(record)
                .map_or(self.first_rect + self.rects.len() as u64, |r| r.first_rect);
            (number - self.first_rect) as usize
        };
        let mut previous = None;
        for record in begin..end {
            for rect in self.rects.range(rect_at(record)..rect_at(record + 1)) {
                let previous = previous.replace(rect.start_us).unwrap_or_else(|| {
                    batch.base_us = rect.start_us;
                    rect.start_us
                });
                batch.start_delta_us.push(rect.start_us - previous);
                batch.duration_us.push(rect.duration_us);
                batch.lane.push(rect.lane);
                batch.prefix.push(rect.prefix);
                batch.action.push(rect.action);
                batch.record.push((record - begin) as u32);
            }
        }
        batch
    }

    /// A record in full, while it is kept.
    pub fn details(&self, record: u64) -> Option<Details> {
        let found = self
            .records
            .get(usize::try_from(record.checked_sub(self.first_record)?).ok()?)?;
        Some(Details {
            record,
            key: found.key.to_string(),
            worker: self
                .lanes
                .get(usize::from(found.lane))
                .map(|lane| lane.worker.clone())
                .unwrap_or_default(),
            type_name: found.type_name.as_deref().map(str::to_owned),
            nbytes: found.nbytes,
            error: found.error.as_deref().map(str::to_owned),
        })
    }

    pub fn dictionary_sizes(&self) -> (usize, usize) {
        (self.lanes.len(), self.prefixes.len())
    }
}

/// The id that a dictionary of that size gives next; `None` where it is full, and what is new shares [`LAST_ID`] rather
/// than being dropped.
fn next_id(size: usize) -> Option<u16> {
    u16::try_from(size).ok().filter(|id| *id <= LAST_ID)
}

/// Unix seconds as microseconds; what is no time counts as 0.
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use dask_comm::StartStop;

    fn record(key: &str, thread: u64, start: f64) -> TaskRecord {
        TaskRecord {
            key: key.to_owned(),
            stem: Some(key.to_owned()),
            worker: "tcp://127.0.0.1:1".to_owned(),
            thread,
            typename: Some("int".to_owned()),
            nbytes: Some(28),
            error: None,
            traceback: None,
            cause: None,
            startstops: vec![
                StartStop {
                    action: "transfer".to_owned(),
                    start,
                    stop: start + 0.001,
                    source: None,
                },
                StartStop {
                    action: "compute".to_owned(),
                    start: start + 0.001,
                    stop: start + 0.25,
                    source: None,
                },
            ],
        }
    }

    #[test]
    fn a_batch_holds_what_was_taken_in() {
        let mut log = TaskLog::new("Scheduler-1".to_owned());
        log.extend(vec![record("inc-0123", 1, 1000.0), record("dec-0123", 2, 1000.5)]);
        let batch = log.batch(0, 10, 0, 0);
        assert_eq!(
            (
                batch.records,
                batch.caught_up,
                batch.lanes.len(),
                batch.prefixes.len()
            ),
            (2, true, 2, 2)
        );
        assert_eq!(batch.base_us, 1_000_000_000);
        assert_eq!(batch.start_delta_us, [0, 1000, 499_000, 1000]);
        assert_eq!(batch.duration_us, [1000, 249_000, 1000, 249_000]);
        assert_eq!(
            batch.action,
            [
                Action::Transfer,
                Action::Compute,
                Action::Transfer,
                Action::Compute
            ]
        );
        assert_eq!(batch.record, [0, 0, 1, 1]);
        let later = log.batch(1, 10, 2, 1);
        assert_eq!(
            (later.records, later.lanes.len(), later.prefixes.len()),
            (1, 0, 1)
        );
    }

    #[test]
    fn batches_are_bounded_and_continue() {
        let mut log = TaskLog::new(String::new());
        log.extend(
            (0..25)
                .map(|i| record(&format!("inc-{i}"), 1, f64::from(i)))
                .collect(),
        );
        let (mut from, mut seen) = (0, 0);
        loop {
            let batch = log.batch(from, 10, 0, 0);
            seen += batch.records;
            from = batch.first_record + u64::from(batch.records);
            if batch.caught_up {
                break;
            }
            assert_eq!(batch.records, 10);
        }
        assert_eq!((seen, from), (25, 25));
    }

    #[test]
    fn the_oldest_give_way() {
        let mut log = TaskLog::new(String::new());
        log.extend(
            (0..MAX_RECORDS + 7)
                .map(|i| record("inc-1", 1, i as f64))
                .collect(),
        );
        assert_eq!(log.first_record(), 7);
        assert_eq!(log.next_record(), MAX_RECORDS as u64 + 7);
        let batch = log.batch(0, 1, 0, 0);
        assert_eq!((batch.first_record, batch.base_us), (7, 7_000_000));
        assert!(log.details(6).is_none());
        assert_eq!(log.details(7).map(|d| d.nbytes), Some(Some(28)));
    }

    #[test]
    fn an_error_colours_the_compute_only() {
        let mut log = TaskLog::new(String::new());
        log.extend(vec![TaskRecord {
            error: Some("ValueError('boom')".to_owned()),
            ..record("f-1", 1, 0.0)
        }]);
        assert_eq!(log.batch(0, 1, 0, 0).action, [Action::Transfer, Action::Erred]);
        assert_eq!(
            log.details(0).and_then(|d| d.error).as_deref(),
            Some("ValueError('boom')")
        );
    }
}
