//! The task records of one scheduler, in blocks of columns, with bounds on how many are kept.
//!
//! Geometry and names are apart: a rectangle takes 16 bytes, a record 12, so that a task with a transfer and a compute
//! stays below 50; keys and details lie in each block's arena, and the arenas of the oldest blocks are let go first.

use std::collections::{HashMap, VecDeque};

use protocol::live::{Action, Details, Lane, Prefix, TaskBatch};
use serde::{Deserialize, Serialize};

use super::Task;

/// How much of a scheduler's records is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records; the oldest give way, a block at a time.
    pub tasks: usize,
    /// Bytes of keys and details; older ones are read from the recording.
    pub detail_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tasks: 2_000_000,
            detail_bytes: 128 << 20,
        }
    }
}

/// Records in a block.
const BLOCK: usize = 4_096;

/// Largest id of a lane, prefix or type.
const LAST_ID: u16 = u16::MAX - 1;

/// Bytes of an exception's text that are kept for a tooltip.
const MAX_ERROR: usize = 4_000;

/// Everything that was read from one life of one scheduler.
#[derive(Debug, Default)]
pub struct TaskLog {
    /// Identity of the scheduler the records come from.
    scheduler: String,
    limits: Limits,
    /// Number of the oldest record that is still here.
    first_record: u64,
    /// All but the last are full.
    blocks: VecDeque<Block>,
    /// Blocks at the front whose arena was let go.
    without_details: usize,
    /// Bytes of all arenas.
    detail_bytes: usize,
    lanes: Vec<Lane>,
    /// By worker, then thread.
    lane_ids: HashMap<String, HashMap<u64, u16>>,
    prefixes: Vec<Prefix>,
    prefix_ids: HashMap<String, u16>,
    types: Names,
    worker_names: HashMap<String, String>,
}

/// A run of records.
#[derive(Debug, Default)]
struct Block {
    records: Vec<Record>,
    rects: Vec<Rect>,
    /// One [`Detail`] after another.
    arena: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// In its block, where its rectangles and its detail begin; they go on up to the next record's.
    first_rect: u32,
    detail: u32,
    lane: u16,
    prefix: u16,
}

#[derive(Clone, Copy, Debug)]
struct Rect {
    start_us: i64,
    /// Low and high part: 48 bits of microseconds are nine years.
    duration_low: u32,
    duration_high: u16,
    action: Action,
}

impl Rect {
    fn duration_us(self) -> u64 {
        u64::from(self.duration_high) << 32 | u64::from(self.duration_low)
    }
}

/// What is kept of a task beside its geometry.
#[derive(Serialize, Deserialize)]
struct Detail<'a> {
    key: &'a str,
    /// Among the log's types.
    type_id: Option<u16>,
    nbytes: Option<u64>,
    error: Option<&'a str>,
}

/// Words that come again and again.
#[derive(Debug, Default)]
struct Names {
    words: Vec<String>,
    ids: HashMap<String, u16>,
}

impl Names {
    /// The word's id; `None` where there are too many.
    fn id(&mut self, word: &str) -> Option<u16> {
        if let Some(id) = self.ids.get(word) {
            return Some(*id);
        }
        let id = next_id(self.words.len())?;
        self.words.push(word.to_owned());
        self.ids.insert(word.to_owned(), id);
        Some(id)
    }
}

impl Block {
    fn rects_of(&self, record: usize) -> &[Rect] {
        let end = self
            .records
            .get(record + 1)
            .map_or(self.rects.len(), |next| next.first_rect as usize);
        &self.rects[self.records[record].first_rect as usize..end]
    }

    fn detail(&self, record: usize) -> Option<Detail<'_>> {
        let begin = self.records.get(record)?.detail as usize;
        let end = self
            .records
            .get(record + 1)
            .map_or(self.arena.len(), |next| next.detail as usize);
        protocol::live::decode(self.arena.get(begin..end)?).ok()
    }

    fn is_full(&self) -> bool {
        self.records.len() == BLOCK
    }
}

impl TaskLog {
    /// An empty log for the scheduler of that identity.
    pub fn new(scheduler: String, limits: Limits) -> Self {
        Self {
            scheduler,
            limits,
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
        self.first_record + self.len() as u64
    }

    fn len(&self) -> usize {
        self.blocks
            .back()
            .map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.records.len())
    }

    /// The names of the workers there are, by which new lanes are shown; a worker without one is shown by its address.
    pub fn name_workers<'a>(&mut self, workers: impl Iterator<Item = (&'a str, &'a str)>) {
        self.worker_names = workers
            .map(|(address, name)| (address.to_owned(), name.to_owned()))
            .collect();
    }

    /// Whether a worker has a name here.
    pub fn knows_worker(&self, address: &str) -> bool {
        self.worker_names.contains_key(address)
    }

    /// Names one worker more.
    pub fn name_worker(&mut self, address: &str, name: &str) {
        self.worker_names.insert(address.to_owned(), name.to_owned());
    }

    /// Takes records in, in the scheduler's order.
    pub fn extend(&mut self, tasks: &[Task]) {
        for task in tasks {
            self.push(task);
        }
        while self.blocks.len() > 1 && self.len() - BLOCK >= self.limits.tasks {
            if let Some(oldest) = self.blocks.pop_front() {
                self.detail_bytes -= oldest.arena.len();
                self.without_details = self.without_details.saturating_sub(1);
                self.first_record += BLOCK as u64;
            }
        }
        while self.detail_bytes > self.limits.detail_bytes && self.without_details + 1 < self.blocks.len() {
            let arena = std::mem::take(&mut self.blocks[self.without_details].arena);
            self.detail_bytes -= arena.len();
            self.without_details += 1;
        }
    }

    fn push(&mut self, task: &Task) {
        let lane = self.lane(&task.worker, task.thread);
        let prefix = self.prefix(&task.prefix);
        let detail = Detail {
            key: &task.key,
            type_id: task.type_name.as_deref().and_then(|name| self.types.id(name)),
            nbytes: task.nbytes,
            error: task
                .error
                .as_deref()
                .map(|error| &error[..error.floor_char_boundary(MAX_ERROR)]),
        };
        let detail = protocol::live::encode(&detail).unwrap_or_default();
        if self.blocks.back().is_none_or(Block::is_full) {
            // What is full grows no more: what it has reserved beyond its length is given back.
            if let Some(full) = self.blocks.back_mut() {
                full.records.shrink_to_fit();
                full.rects.shrink_to_fit();
                full.arena.shrink_to_fit();
            }
            self.blocks.push_back(Block::default());
        }
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        block.records.push(Record {
            first_rect: block.rects.len() as u32,
            detail: block.arena.len() as u32,
            lane,
            prefix,
        });
        block.rects.extend(task.bars.iter().map(|bar| Rect {
            start_us: bar.start_us,
            duration_low: bar.duration_us as u32,
            duration_high: u16::try_from(bar.duration_us >> 32).unwrap_or(u16::MAX),
            action: bar.action,
        }));
        block.arena.extend_from_slice(&detail);
        self.detail_bytes += detail.len();
    }

    fn lane(&mut self, worker: &str, thread: u64) -> u16 {
        let known = self.lane_ids.get(worker);
        if let Some(id) = known.and_then(|threads| threads.get(&thread)) {
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
        self.lane_ids
            .entry(worker.to_owned())
            .or_default()
            .insert(thread, id);
        id
    }

    fn prefix(&mut self, name: &str) -> u16 {
        if let Some(id) = self.prefix_ids.get(name) {
            return *id;
        }
        let Some(id) = next_id(self.prefixes.len()) else {
            return LAST_ID;
        };
        self.prefixes.push(Prefix {
            color: timeline::color_index(name),
            name: name.to_owned(),
        });
        self.prefix_ids.insert(name.to_owned(), id);
        id
    }

    /// The records from number `from` on, at most `limit` of them, for a reader that knows the first `known_lanes` lanes
    /// and `known_prefixes` prefixes. `from` below [`TaskLog::first_record`] begins there.
    pub fn batch(&self, from: u64, limit: usize, known_lanes: usize, known_prefixes: usize) -> TaskBatch {
        let from = from.clamp(self.first_record, self.next_record());
        let begin = (from - self.first_record) as usize;
        let end = self.len().min(begin.saturating_add(limit));
        let mut batch = TaskBatch {
            first_record: from,
            records: (end - begin) as u32,
            caught_up: end == self.len(),
            lanes: self.lanes[known_lanes.min(self.lanes.len())..].to_vec(),
            prefixes: self.prefixes[known_prefixes.min(self.prefixes.len())..].to_vec(),
            ..TaskBatch::default()
        };
        let mut previous = None;
        for number in begin..end {
            let (block, record) = (&self.blocks[number / BLOCK], number % BLOCK);
            let Record { lane, prefix, .. } = block.records[record];
            for rect in block.rects_of(record) {
                let previous = previous.replace(rect.start_us).unwrap_or_else(|| {
                    batch.base_us = rect.start_us;
                    rect.start_us
                });
                batch.start_delta_us.push(rect.start_us - previous);
                batch.duration_us.push(rect.duration_us());
                batch.lane.push(lane);
                batch.prefix.push(prefix);
                batch.action.push(rect.action);
                batch.record.push((number - begin) as u32);
            }
        }
        batch
    }

    /// A record in full, while its details are kept.
    pub fn details(&self, record: u64) -> Option<Details> {
        let number = usize::try_from(record.checked_sub(self.first_record)?).ok()?;
        let (at, place) = (number / BLOCK, number % BLOCK);
        if at < self.without_details {
            return None;
        }
        let block = self.blocks.get(at)?;
        let detail = block.detail(place)?;
        let lane = self.lanes.get(usize::from(block.records[place].lane));
        Some(Details {
            record,
            key: detail.key.to_owned(),
            worker: lane.map(|lane| lane.worker.clone()).unwrap_or_default(),
            type_name: detail
                .type_id
                .and_then(|id| self.types.words.get(usize::from(id)).cloned()),
            nbytes: detail.nbytes,
            error: detail.error.map(str::to_owned),
        })
    }

    pub fn dictionary_sizes(&self) -> (usize, usize) {
        (self.lanes.len(), self.prefixes.len())
    }

    /// Bytes that geometry and index take, and those of keys and details.
    pub fn bytes(&self) -> (usize, usize) {
        let geometry = |block: &Block| {
            block.records.capacity() * size_of::<Record>() + block.rects.capacity() * size_of::<Rect>()
        };
        (self.blocks.iter().map(geometry).sum(), self.detail_bytes)
    }
}

/// The id that a dictionary of that size gives next; `None` where it is full, and what is new shares [`LAST_ID`] rather
/// than being dropped.
fn next_id(size: usize) -> Option<u16> {
    u16::try_from(size).ok().filter(|id| *id <= LAST_ID)
}

#[cfg(test)]
mod tests;
