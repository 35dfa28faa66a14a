//! What figures and reports show of recordings, gathered in one pass.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

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
    /// End of each task's work, and its prefix by id; in the order in which they were recorded.
    pub(super) ends: Vec<(i64, u32)>,
    /// How big the cluster was, recording by recording.
    pub(super) sizes: Vec<Vec<Size>>,
}

/// All workers of a cluster at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Microseconds since the Unix epoch.
    pub(super) at_us: i64,
    pub(super) workers: u32,
    /// What their processes held, bytes.
    pub(super) memory: u64,
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

impl Size {
    fn of(at_us: i64, workers: &[Worker]) -> Self {
        Self {
            at_us,
            workers: u32::try_from(workers.len()).unwrap_or(u32::MAX),
            memory: workers.iter().map(|worker| worker.memory.process).sum(),
        }
    }
}

/// A stretch of time, microseconds since the Unix epoch: without a beginning or an end where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from_us: Option<i64>,
    pub(super) to_us: Option<i64>,
}

impl Window {
    fn touches(&self, start: i64, end: i64) -> bool {
        self.from_us.is_none_or(|from| end >= from) && self.to_us.is_none_or(|to| start <= to)
    }

    fn is_whole(&self) -> bool {
        *self == Self::default()
    }
}

/// What of a recording lies in these windows; what touches several counts once.
pub(super) struct Source<'a> {
    pub(super) folder: &'a Path,
    pub(super) windows: &'a [Window],
}

impl Source<'_> {
    fn touches(&self, start: i64, end: i64) -> bool {
        self.windows.iter().any(|window| window.touches(start, end))
    }

    /// Whether a task is part of it. One without any work is part of the whole, and of no window.
    pub(super) fn shows(&self, task: &Task) -> bool {
        match task.span() {
            Some((start, end)) => self.touches(start, end),
            None => self.windows.iter().any(Window::is_whole),
        }
    }
}

impl Scene {
    /// Reads what touches the range.
    pub(super) fn read(
        folder: &Path,
        recording: &Recording,
        from_us: Option<i64>,
        to_us: Option<i64>,
    ) -> Result<Self, DataError> {
        let title = recording.label.as_ref().unwrap_or(&recording.cluster).clone();
        let windows = [Window { from_us, to_us }];
        let source = Source {
            folder,
            windows: &windows,
        };
        let mut scene = Self::gather(title, &[source])?;
        let begin = recording.started_at * 1000;
        let (first, last) = scene.timeline.bounds().unwrap_or((begin, begin + 1_000_000));
        scene.range = (from_us.unwrap_or(first), to_us.unwrap_or(last));
        Ok(scene)
    }

    /// Reads all of them into one; its range is that of what was done.
    pub(super) fn gather(title: String, sources: &[Source<'_>]) -> Result<Self, DataError> {
        let mut scene = Self {
            title,
            timeline: Timeline::new(0),
            lanes: Vec::new(),
            prefixes: Vec::new(),
            range: (0, 0),
            tasks: 0,
            erred: 0,
            transfer_us: 0,
            errors: Errors::default(),
            workers: BTreeMap::new(),
            ends: Vec::new(),
            sizes: Vec::new(),
        };
        let mut reading = Reading::default();
        for source in sources {
            scene.add(source, &mut reading)?;
        }
        scene.range = scene.timeline.bounds().unwrap_or_default();
        scene.errors = reading.errors.errors();
        Ok(scene)
    }

    fn add(&mut self, source: &Source<'_>, reading: &mut Reading) -> Result<(), DataError> {
        let mut refused = None;
        let mut sizes = Vec::new();
        // Who was there when each window began: a short one may lie between two samples.
        let mut before: Vec<Rc<Vec<Worker>>> = vec![Rc::default(); source.windows.len()];
        reader::read(source.folder, &[Table::Tasks, Table::Workers], &mut |item| {
            match item {
                Item::Name { address, name } => {
                    reading.names.insert(address, name);
                }
                Item::Tasks(tasks) => {
                    for task in tasks.iter().filter(|task| source.shows(task)) {
                        if let Err(error) = self.take(task, reading) {
                            refused = Some(error);
                            return ControlFlow::Break(());
                        }
                    }
                }
                Item::Workers { at_us, workers } => {
                    let workers = Rc::new(workers);
                    for (window, before) in source.windows.iter().zip(&mut before) {
                        if window.from_us.is_some_and(|from| at_us < from) {
                            *before = Rc::clone(&workers);
                        }
                    }
                    if source.touches(at_us, at_us) {
                        sizes.push(Size::of(at_us, &workers));
                        workers.iter().for_each(|worker| self.sample(worker));
                    }
                }
                Item::Progress { .. } => {}
            }
            ControlFlow::Continue(())
        })?;
        for (window, before) in source.windows.iter().zip(before) {
            if let Some(from) = window.from_us {
                sizes.push(Size::of(from, &before));
                before.iter().for_each(|worker| self.sample(worker));
            }
        }
        sizes.sort_by_key(|size| size.at_us);
        self.sizes.push(sizes);
        refused.map_or(Ok(()), Err)
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
        if let Some((_, end)) = task.span() {
            self.ends.push((end, prefix as u32));
        }
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

    fn sample(&mut self, worker: &Worker) {
        let peaks = self.workers.entry(worker.address.clone()).or_default();
        peaks.name.clone_from(&worker.name);
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

    /// The most workers that there were at one moment, and the most memory that they held at one: clusters that ran at
    /// the same time are added up.
    pub(super) fn peak_size(&self) -> (u32, u64) {
        let mut changes: Vec<(i64, usize, Size)> = Vec::new();
        for (source, sizes) in self.sizes.iter().enumerate() {
            changes.extend(sizes.iter().map(|size| (size.at_us, source, *size)));
            if let Some(last) = sizes.last() {
                let gone = Size {
                    at_us: last.at_us.saturating_add(1),
                    workers: 0,
                    memory: 0,
                };
                changes.push((gone.at_us, source, gone));
            }
        }
        changes.sort_by_key(|(at_us, source, _)| (*at_us, *source));
        let mut now = vec![(0_u32, 0_u64); self.sizes.len()];
        let mut peak = (0, 0);
        for (_, source, size) in changes {
            now[source] = (size.workers, size.memory);
            let workers = now
                .iter()
                .fold(0_u32, |sum, (workers, _)| sum.saturating_add(*workers));
            let memory = now.iter().map(|(_, memory)| memory).sum();
            peak = (workers.max(peak.0), u64::max(memory, peak.1));
        }
        peak
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
