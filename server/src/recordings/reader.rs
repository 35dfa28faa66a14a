//! A recording from its beginning: the parts that are Parquet by now, and the logs that are not.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use protocol::live::{Progress, Worker};

use super::entry::{Begin, Dictionary, Entry};
use super::frame::Frames;
use super::parquet::{self, Table};
use crate::live::Task;

/// A recording that can't be read, or written.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    #[error("{0}")]
    Damaged(&'static str),
}

/// What was recorded.
#[derive(Debug)]
pub(super) enum Item {
    /// A worker is called that.
    Name {
        address: String,
        name: String,
    },
    Tasks(Vec<Task>),
    Workers {
        at_us: i64,
        workers: Vec<Worker>,
    },
    Progress {
        at_us: i64,
        progress: Progress,
    },
}

/// Takes what is read, and says whether to go on.
pub(super) type Sink<'a> = &'a mut dyn FnMut(Item) -> ControlFlow<()>;

/// A stretch of a recording: a log while it is written, Parquet after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u32,
    pub(super) is_log: bool,
}

/// Where a part's log is.
pub(super) fn log_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("log-{number:06}"))
}

/// The parts of a recording, oldest first. Where a part has both forms its log is the whole one.
pub(super) fn parts(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |number, is_log| {
        if !parts.iter().any(|part| part.number == number) {
            parts.push(Part { number, is_log });
        }
    };
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_prefix("log-"))
            && let Ok(number) = number.parse()
        {
            add(number, true);
        }
    }
    match fs::read_dir(folder.join(Table::Tasks.name())) {
        Ok(entries) => {
            for entry in entries {
                let name = entry?.file_name();
                if let Some(number) = name.to_str().and_then(|name| name.strip_suffix(".parquet"))
                    && let Ok(number) = number.parse()
                {
                    add(number, false);
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

/// What a log says of itself beside what it hands out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LogFacts {
    pub(super) begin: Begin,
    pub(super) tasks: u64,
    pub(super) lost: u64,
    /// The time of its end, or of the last word in it.
    pub(super) last_us: i64,
    /// Bytes of it that are whole.
    pub(super) good: u64,
    pub(super) torn: bool,
}

/// Reads a log up to where it is torn. `None` where not even its first entry is whole.
pub(super) fn read_log(path: &Path, sink: Sink<'_>) -> Result<Option<LogFacts>, DataError> {
    let Some(mut frames) = Frames::open(path)? else {
        return Ok(None);
    };
    let mut dictionary = Dictionary::default();
    let mut facts = LogFacts::default();
    let mut begun = false;
    let mut go_on = ControlFlow::Continue(());
    while go_on.is_continue() {
        let Some(payload) = frames.next()? else { break };
        // A frame whose checksum holds but which can't be read is of a later version: what follows makes no sense.
        let entry: Entry = protocol::live::decode(&payload)
            .map_err(|_unreadable| DataError::Damaged("the log was written by another version"))?;
        facts.good = frames.good();
        match entry {
            Entry::Begin(begin) => {
                begun = true;
                facts.last_us = begin.started_ms * 1000;
                facts.begin = begin;
            }
            Entry::Lane(lane) => {
                go_on = sink(Item::Name {
                    address: lane.worker.clone(),
                    name: lane.worker_name.clone(),
                });
                dictionary.lanes.push(lane);
            }
            Entry::Prefix(name) => dictionary.prefixes.push(name),
            Entry::Type(name) => dictionary.types.push(name),
            Entry::Tasks { rows, .. } => {
                let tasks: Option<Vec<Task>> = rows.into_iter().map(|row| dictionary.task(row)).collect();
                let tasks = tasks.ok_or(DataError::Damaged("a task in the log names what was never told"))?;
                facts.tasks += tasks.len() as u64;
                let latest = tasks.iter().filter_map(Task::span).map(|(_, end)| end).max();
                facts.last_us = facts.last_us.max(latest.unwrap_or(0));
                go_on = sink(Item::Tasks(tasks));
            }
            Entry::Workers { at_us, workers } => {
                facts.last_us = facts.last_us.max(at_us);
                go_on = sink(Item::Workers { at_us, workers });
            }
            Entry::Progress { at_us, progress } => {
                facts.last_us = facts.last_us.max(at_us);
                go_on = sink(Item::Progress { at_us, progress });
            }
            Entry::Lost(lost) => facts.lost += lost,
            Entry::End { at_us } => facts.last_us = at_us,
        }
    }
    facts.torn = go_on.is_continue() && frames.size()? > frames.good();
    Ok(begun.then_some(facts))
}

/// Reads everything, oldest first; of each part the names and tasks before the samples.
pub(super) fn read(folder: &Path, tables: &[Table], sink: Sink<'_>) -> Result<(), DataError> {
    for part in parts(folder)? {
        let mut stopped = false;
        let mut filtered = |item: Item| {
            let wanted = match &item {
                Item::Name { .. } | Item::Tasks(_) => Table::Tasks,
                Item::Workers { .. } => Table::Workers,
                Item::Progress { .. } => Table::Prefixes,
            };
            if !tables.contains(&wanted) {
                return ControlFlow::Continue(());
            }
            let flow = sink(item);
            stopped |= flow.is_break();
            flow
        };
        if part.is_log {
            match read_log(&log_path(folder, part.number), &mut filtered) {
                // Compacted while we came to it.
                Err(DataError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    parquet::read(folder, part.number, tables, &mut filtered)?;
                }
                read => drop(read?),
            }
        } else {
            parquet::read(folder, part.number, tables, &mut filtered)?;
        }
        if stopped {
            return Ok(());
        }
    }
    Ok(())
}

/// The task with that number in the recording.
pub(super) fn task(folder: &Path, record: u64) -> Result<Option<Task>, DataError> {
    let mut first = 0;
    for part in parts(folder)? {
        if !part.is_log {
            let rows = parquet::rows(folder, part.number)?;
            if record < first + rows {
                return parquet::task(folder, part.number, record - first);
            }
            first += rows;
            continue;
        }
        let mut found = None;
        let facts = read_log(&log_path(folder, part.number), &mut |item| {
            if let Item::Tasks(tasks) = item {
                let next = first + tasks.len() as u64;
                if record < next {
                    found = tasks.into_iter().nth((record - first) as usize);
                    return ControlFlow::Break(());
                }
                first = next;
            }
            ControlFlow::Continue(())
        })?;
        if found.is_some() || facts.is_none() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Groups rows of one moment: tables have a row a worker or prefix, panes want them together.
#[derive(Debug)]
pub(super) struct Moments<T> {
    at_us: i64,
    rows: Vec<T>,
}

impl<T> Default for Moments<T> {
    fn default() -> Self {
        Self {
            at_us: 0,
            rows: Vec::new(),
        }
    }
}

impl<T> Moments<T> {
    /// Adds a row; returns the rows of the moment before where this one begins another.
    pub(super) fn push(&mut self, at_us: i64, row: T) -> Option<(i64, Vec<T>)> {
        let ended = (at_us != self.at_us).then(|| self.take()).flatten();
        self.at_us = at_us;
        self.rows.push(row);
        ended
    }

    pub(super) fn take(&mut self) -> Option<(i64, Vec<T>)> {
        let rows = std::mem::take(&mut self.rows);
        (!rows.is_empty()).then_some((self.at_us, rows))
    }
}

/// The names of workers in a recording's tasks, gathered as they come.
pub(super) type WorkerNames = HashMap<String, String>;
