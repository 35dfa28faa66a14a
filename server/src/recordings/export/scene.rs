//! What figures and reports show of a recording, gathered in one pass.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use protocol::live::{Action, Errors, Worker};
use protocol::recordings::Recording;
use timeline::{Colors, Rect, Timeline};

use super::super::parquet::Table;
use super::super::reader::{self, DataError, Item};
use crate::live::{ErrorLog, Task};

/// Lanes that a figure can tell apart.
const MAX_LANES: usize = 60_000;

pub(super) struct Scene {
    pub(super) title: String,
    pub(super) timeline: Timeline,
    /// What a thread is called, by lane.
    pub(super) lanes: Vec<Lane>,
    /// By id in the timeline.
    pub(super) prefixes: Vec<Prefix>,
    /// What is shown, microseconds since the Unix epoch.
    pub(super) range: (i64, i64),
    pub(super) tasks: u64,
    pub(super) erred: u64,
    pub(super) transfer_us: u64,
    pub(super) errors: Errors,
    pub(super) workers: BTreeMap<String, Peaks>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    /// Numbers in order of their value.
    order: (u64, String),
    pub(super) name: String,
    thread: u64,
}

#[derive(Debug, Default)]
pub(super) struct Prefix {
    pub(super) name: String,
    pub(super) color: u8,
    pub(super) tasks: u64,
    pub(super) erred: u64,
    pub(super) busy_us: u64,
    pub(super) longest_us: u64,
}

/// The most that a worker had.
#[derive(Debug, Default)]
pub(super) struct Peaks {
    pub(super) name: String,
    pub(super) threads: u32,
    pub(super) memory: u64,
    pub(super) memory_limit: u64,
    pub(super) spilled: u64,
    pub(super) cpu: f64,
    pub(super) tasks: u64,
}

impl Scene {
    /// Reads what touches the range.
    pub(super) fn read(
        folder: &Path,
        recording: &Recording,
        from_us: Option<i64>,
        to_us: Option<i64>,
    ) -> Result<Self, DataError> {
        let mut scene = Self {
            title: recording.label.as_ref().unwrap_or(&recording.cluster).clone(),
            timeline: Timeline::new(0),
            lanes: Vec::new(),
            prefixes: Vec::new(),
            range: (0, 0),
            tasks: 0,
            erred: 0,
            transfer_us: 0,
            errors: Errors::default(),
            workers: BTreeMap::new(),
        };
        let mut reading = Reading::default();
        let mut refused = None;
        reader::read(folder, &[Table::Tasks, Table::Workers], &mut |item| {
            match item {
                Item::Name { address, name } => {
                    reading.names.insert(address, name);
                }
                Item::Tasks(tasks) => {
                    for task in &tasks {
                        // A task without any work is part of the whole, and of no stretch.
                        let shown = match task.span() {
                            Some((start, end)) => {
                                from_us.is_none_or(|from| end >= from) && to_us.is_none_or(|to| start <= to)
                            }
                            None => from_us.is_none() && to_us.is_none(),
                        };
                        if shown && let Err(error) = scene.take(task, &mut reading) {
                            refused = Some(error);
                            return ControlFlow::Break(());
                        }
                    }
                }
                Item::Workers { workers, .. } => {
                    for worker in workers {
                        scene.sample(worker);
                    }
                }
                Item::Progress { .. } => {}
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = refused {
            return Err(error);
        }
        let (first, last) = scene.timeline.bounds().unwrap_or((
            recording.started_at * 1000,
            recording.started_at * 1000 + 1_000_000,
        ));
        scene.range = (from_us.unwrap_or(first), to_us.unwrap_or(last));
        scene.errors = reading.errors.errors();
        Ok(scene)
    }

    fn take(&mut self, task: &Task, reading: &mut Reading) -> Result<(), DataError> {
        let number = self.tasks;
        self.tasks += 1;
        self.erred += u64::from(task.error.is_some());
        reading.errors.extend(std::slice::from_ref(task), number);
        let name = reading.names.get(&task.worker).unwrap_or(&task.worker);
        let peaks = self.workers.entry(task.worker.clone()).or_default();
        peaks.name.clone_from(name);
        peaks.tasks += 1;
        let known = reading
            .lanes
            .get(&task.worker)
            .and_then(|threads| threads.get(&task.thread));
        let lane = match known {
            Some(lane) => *lane,
            None if self.lanes.len() == MAX_LANES => {
                return Err(DataError::Damaged(
                    "there are more threads than a figure can show",
                ));
            }
            None => {
                self.lanes.push(Lane {
                    order: (name.parse().unwrap_or(u64::MAX), name.clone()),
                    name: name.clone(),
                    thread: task.thread,
                });
                let lane = self.timeline.add_lane();
                let threads = reading.lanes.entry(task.worker.clone()).or_default();
                threads.insert(task.thread, lane);
                lane
            }
        };
        let prefix = match reading.prefixes.get(&task.prefix) {
            Some(prefix) => *prefix,
            None => {
                let id = self.prefixes.len();
                self.prefixes.push(Prefix {
                    name: task.prefix.clone(),
                    color: timeline::color_index(&task.prefix),
                    ..Prefix::default()
                });
                reading.prefixes.insert(task.prefix.clone(), id);
                id
            }
        };
        let total = &mut self.prefixes[prefix];
        total.tasks += 1;
        total.erred += u64::from(task.error.is_some());
        for bar in &task.bars {
            match bar.action {
                Action::Compute | Action::Erred => {
                    total.busy_us += bar.duration_us;
                    total.longest_us = total.longest_us.max(bar.duration_us);
                }
                Action::Transfer => self.transfer_us += bar.duration_us,
                _ => {}
            }
            let rect = Rect {
                start_us: bar.start_us,
                duration_us: bar.duration_us,
                prefix: u16::try_from(prefix).unwrap_or(u16::MAX),
                action: bar.action,
                record: number,
            };
            self.timeline
                .push(lane, rect)
                .map_err(|_beyond| DataError::Damaged("a task lies beyond any clock"))?;
        }
        Ok(())
    }

    fn sample(&mut self, worker: Worker) {
        let peaks = self.workers.entry(worker.address).or_default();
        peaks.name = worker.name;
        peaks.threads = peaks.threads.max(worker.threads);
        peaks.memory = peaks.memory.max(worker.memory.process);
        peaks.memory_limit = peaks.memory_limit.max(worker.memory.limit);
        peaks.spilled = peaks.spilled.max(worker.memory.spilled);
        peaks.cpu = peaks.cpu.max(worker.cpu);
    }

    /// The lanes from top to bottom.
    pub(super) fn rows(&self) -> Vec<u16> {
        let mut rows: Vec<u16> = (0..self.lanes.len()).map(|lane| lane as u16).collect();
        rows.sort_by(|a, b| self.lanes[usize::from(*a)].cmp(&self.lanes[usize::from(*b)]));
        rows
    }

    /// The prefixes that took most time first.
    pub(super) fn by_time(&self) -> Vec<&Prefix> {
        let mut prefixes: Vec<&Prefix> = self.prefixes.iter().collect();
        prefixes.sort_by(|a, b| b.busy_us.cmp(&a.busy_us).then_with(|| a.name.cmp(&b.name)));
        prefixes
    }

    pub(super) fn colors(&self) -> Colors {
        Colors::dask(self.prefixes.iter().map(|prefix| prefix.color))
    }
}

/// What is only needed while a recording is read.
#[derive(Default)]
struct Reading {
    names: HashMap<String, String>,
    lanes: HashMap<String, HashMap<u64, u16>>,
    prefixes: HashMap<String, usize>,
    errors: ErrorLog,
}
