//! A recording at rest: three tables in Parquet, whose columns docs/recordings.md describes.

mod cells;
mod moment;
mod rows;

use std::fs::{self, File, OpenOptions};
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use protocol::live::{PrefixProgress, Progress, StateCounts, Worker};
use serde::{Deserialize, Serialize};

use super::entry::Begin;
use super::reader::{self, DataError, Item, LogFacts, Moments, Sink, WorkerNames, log_path};
use crate::live::Task;
use cells::{Gathered, Taken};
pub(super) use moment::{progress_at, workers_at};
use rows::Shown;

/// Rows of a row group: what is in memory while one is written or read.
const GROUP_ROWS: usize = 50_000;

/// Under this key a file says whose recording it is part of.
const META_KEY: &str = "gatehouse";

/// The tables of a recording; each is a folder with a file a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Tasks,
    Workers,
    Prefixes,
}

impl Table {
    pub const ALL: [Self; 3] = [Self::Tasks, Self::Workers, Self::Prefixes];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Workers => "workers",
            Self::Prefixes => "prefixes",
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Self::Tasks => rows::TASKS,
            Self::Workers => rows::WORKERS,
            Self::Prefixes => rows::PREFIXES,
        }
    }
}

/// What a file's footer says of its part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) cluster: String,
    pub(super) label: Option<String>,
    pub(super) scheduler: String,
    pub(super) versions: std::collections::BTreeMap<String, String>,
    pub(super) started_ms: i64,
    pub(super) ended_ms: i64,
    pub(super) first_record: u64,
    pub(super) tasks: u64,
    /// Records lost up to the end of this part.
    pub(super) lost: u64,
}

impl Meta {
    fn of(facts: &LogFacts) -> Self {
        let Begin {
            cluster,
            label,
            scheduler,
            versions,
            started_ms,
            first_record,
            lost,
        } = facts.begin.clone();
        Self {
            cluster,
            label,
            scheduler,
            versions,
            started_ms,
            ended_ms: facts.last_us / 1000,
            first_record,
            tasks: facts.tasks,
            lost: lost + facts.lost,
        }
    }
}

pub(super) fn path(folder: &Path, table: Table, part: u32) -> PathBuf {
    folder.join(table.name()).join(format!("{part:06}.parquet"))
}

/// A table's file that is being written under a temporary name.
struct Draft {
    table: Table,
    draft: PathBuf,
    writer: SerializedFileWriter<BufWriter<File>>,
    gathered: Gathered,
}

impl Draft {
    fn create(folder: &Path, table: Table, part: u32) -> Result<Self, DataError> {
        crate::state_dir::private_folder(&folder.join(table.name()))?;
        Self::at(path(folder, table, part).with_extension("tmp"), table)
    }

    fn at(draft: PathBuf, table: Table) -> Result<Self, DataError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by(concat!("gatehouse ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let schema = Arc::new(parse_message_type(table.schema())?);
        Ok(Self {
            table,
            draft,
            writer: SerializedFileWriter::new(BufWriter::new(file), schema, Arc::new(properties))?,
            gathered: Gathered::default(),
        })
    }

    fn end_row(&mut self) -> Result<(), DataError> {
        self.gathered.end_row();
        if self.gathered.rows() >= GROUP_ROWS {
            self.gathered.write(&mut self.writer)?;
        }
        Ok(())
    }

    /// Writes the end of a part's table and gives it its name.
    fn finish(mut self, folder: &Path, part: u32, meta: &Meta) -> Result<(), DataError> {
        let meta = serde_json::to_string(meta).map_err(std::io::Error::other)?;
        self.writer
            .append_key_value_metadata(KeyValue::new(META_KEY.to_owned(), meta));
        let table = self.table;
        self.rest_at(&path(folder, table, part))?;
        File::open(folder.join(table.name()))?.sync_all()?;
        Ok(())
    }

    /// Writes the end and gives the file that name once it is on the disk.
    fn rest_at(mut self, target: &Path) -> Result<(), DataError> {
        self.gathered.write(&mut self.writer)?;
        let file = self
            .writer
            .into_inner()?
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&self.draft, target)?;
        Ok(())
    }
}

/// Tasks chosen from recordings, in a table of their own.
pub(super) struct Chosen {
    draft: Draft,
    target: PathBuf,
    tasks: u64,
}

impl Chosen {
    /// Begins the file; it has another name until it is whole.
    pub(super) fn create(target: &Path) -> Result<Self, DataError> {
        Ok(Self {
            draft: Draft::at(Self::draft(target), Table::Tasks)?,
            target: target.to_owned(),
            tasks: 0,
        })
    }

    fn draft(target: &Path) -> PathBuf {
        target.with_extension("tmp")
    }

    /// Removes what a failure left of the file.
    pub(super) fn discard(target: &Path) {
        fs::remove_file(Self::draft(target)).ok();
    }

    pub(super) fn put(&mut self, task: &Task, worker_name: &str) -> Result<(), DataError> {
        rows::put_task(&mut self.draft.gathered, self.tasks, task, worker_name);
        self.tasks += 1;
        self.draft.end_row()
    }

    /// Gives the file its name; without any task there is none. Returns the number of tasks.
    pub(super) fn finish(self) -> Result<u64, DataError> {
        if self.tasks == 0 {
            fs::remove_file(&self.draft.draft)?;
            match fs::remove_file(&self.target) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        } else {
            self.draft.rest_at(&self.target)?;
        }
        Ok(self.tasks)
    }
}

/// Writes a part's log as Parquet and then removes the log. A log in which nothing is whole is only removed.
pub(super) fn compact(folder: &Path, part: u32) -> Result<(), DataError> {
    let log = log_path(folder, part);
    write(&log, folder, part)?;
    fs::remove_file(&log)?;
    Ok(())
}

/// Writes the tables of a log below `folder`. `None` where nothing in the log is whole.
pub(super) fn write(log: &Path, folder: &Path, part: u32) -> Result<Option<LogFacts>, DataError> {
    let mut tasks = Draft::create(folder, Table::Tasks, part)?;
    let mut workers = Draft::create(folder, Table::Workers, part)?;
    let mut prefixes = Draft::create(folder, Table::Prefixes, part)?;
    let mut names = WorkerNames::new();
    let (mut sampled, mut counted) = (Vec::new(), Vec::new());
    let mut record = None::<u64>;
    let mut failure = None;
    let first = first_record(log)?;
    let facts = reader::read_log(log, &mut |item| {
        let written = match item {
            Item::Name { address, name } => {
                names.insert(address, name);
                Ok(())
            }
            Item::Tasks(list) => list.iter().try_for_each(|task| {
                let number = record.map_or(first, |last| last + 1);
                record = Some(number);
                let name = names.get(&task.worker).unwrap_or(&task.worker);
                rows::put_task(&mut tasks.gathered, number, task, name);
                tasks.end_row()
            }),
            Item::Workers { at_us, workers: list } => {
                let gone = rows::gone(&mut sampled, &list);
                list.iter().chain(&gone).try_for_each(|worker| {
                    rows::put_worker(&mut workers.gathered, at_us, worker);
                    workers.end_row()
                })
            }
            Item::Progress { at_us, progress } => {
                let gone = rows::gone(&mut counted, &progress.prefixes);
                progress.prefixes.iter().chain(&gone).try_for_each(|prefix| {
                    rows::put_prefix(&mut prefixes.gathered, at_us, prefix);
                    prefixes.end_row()
                })
            }
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    let drafts = [tasks, workers, prefixes];
    let facts = match (failure, facts) {
        (None, Ok(Some(facts))) => facts,
        (failure, facts) => {
            for draft in drafts {
                fs::remove_file(&draft.draft).ok();
            }
            if let Some(error) = failure {
                return Err(error);
            }
            return facts.map(|_nothing| None);
        }
    };
    let meta = Meta::of(&facts);
    // Tasks last: with them the part counts as written.
    let [tasks, workers, prefixes] = drafts;
    for draft in [workers, prefixes, tasks] {
        draft.finish(folder, part, &meta)?;
    }
    Ok(Some(facts))
}

/// Number of the first record in a log.
fn first_record(log: &Path) -> Result<u64, DataError> {
    let mut frames = match super::frame::Frames::open(log)? {
        Some(frames) => frames,
        None => return Ok(0),
    };
    let Some(payload) = frames.next()? else {
        return Ok(0);
    };
    match protocol::live::decode(&payload) {
        Ok(super::entry::Entry::Begin(begin)) => Ok(begin.first_record),
        _ => Ok(0),
    }
}

fn open(folder: &Path, table: Table, part: u32) -> Result<SerializedFileReader<File>, DataError> {
    Ok(SerializedFileReader::new(File::open(path(folder, table, part))?)?)
}

/// What a part says of itself.
pub(super) fn meta(folder: &Path, part: u32) -> Result<Meta, DataError> {
    let file = open(folder, Table::Tasks, part)?;
    let entries = file.metadata().file_metadata().key_value_metadata();
    let text = entries
        .and_then(|entries| entries.iter().find(|entry| entry.key == META_KEY))
        .and_then(|entry| entry.value.as_deref())
        .ok_or(DataError::Damaged("the file does not say whose recording it is"))?;
    serde_json::from_str(text)
        .map_err(|_unreadable| DataError::Damaged("the file was written by another version"))
}

/// Tasks in a part.
pub(super) fn rows(folder: &Path, part: u32) -> Result<u64, DataError> {
    let file = open(folder, Table::Tasks, part)?;
    Ok(u64::try_from(file.metadata().file_metadata().num_rows()).unwrap_or(0))
}

/// Reads a part's tables.
pub(super) fn read(folder: &Path, part: u32, tables: &[Table], sink: Sink<'_>) -> Result<(), DataError> {
    for table in Table::ALL {
        if tables.contains(&table) && read_table(folder, part, table, sink)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn read_table(folder: &Path, part: u32, table: Table, sink: Sink<'_>) -> Result<ControlFlow<()>, DataError> {
    let file = open(folder, table, part)?;
    let mut named = WorkerNames::new();
    let mut workers = Moments::<Worker>::default();
    let mut prefixes = Moments::<PrefixProgress>::default();
    for group in 0..file.num_row_groups() {
        let mut taken = Taken::read(&file, group)?;
        let mut tasks = Vec::new();
        for _ in 0..taken.rows() {
            taken.next_row();
            let item = match table {
                Table::Tasks => {
                    let (task, name) = rows::take_task(&mut taken);
                    if named.get(&task.worker) != Some(&name) {
                        named.insert(task.worker.clone(), name.clone());
                        let address = task.worker.clone();
                        if sink(Item::Name { address, name }).is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    tasks.push(task);
                    None
                }
                Table::Workers => {
                    let (at_us, worker) = rows::take_worker(&mut taken);
                    workers
                        .push(at_us, worker)
                        .map(|(at_us, workers)| sample(at_us, workers))
                }
                Table::Prefixes => {
                    let (at_us, prefix) = rows::take_prefix(&mut taken);
                    prefixes
                        .push(at_us, prefix)
                        .map(|(at_us, prefixes)| progress(at_us, prefixes))
                }
            };
            if let Some(item) = item
                && sink(item).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        if !tasks.is_empty() && sink(Item::Tasks(tasks)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    let last = [
        workers.take().map(|(at_us, workers)| sample(at_us, workers)),
        prefixes.take().map(|(at_us, prefixes)| progress(at_us, prefixes)),
    ];
    for item in last.into_iter().flatten() {
        if sink(item).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn sample(at_us: i64, mut workers: Vec<Worker>) -> Item {
    workers.retain(Shown::is_there);
    Item::Workers { at_us, workers }
}

fn progress(at_us: i64, prefixes: Vec<PrefixProgress>) -> Item {
    let progress = add_up(prefixes);
    Item::Progress { at_us, progress }
}

fn add_up(mut prefixes: Vec<PrefixProgress>) -> Progress {
    prefixes.retain(Shown::is_there);
    let mut totals = StateCounts::default();
    for prefix in &prefixes {
        totals += prefix.counts;
    }
    Progress {
        prefixes,
        totals,
        ..Progress::default()
    }
}

/// The task in that row of a part.
pub(super) fn task(folder: &Path, part: u32, mut row: u64) -> Result<Option<Task>, DataError> {
    let file = open(folder, Table::Tasks, part)?;
    for group in 0..file.num_row_groups() {
        let rows = u64::try_from(file.metadata().row_group(group).num_rows()).unwrap_or(0);
        if row >= rows {
            row -= rows;
            continue;
        }
        let mut taken = Taken::read(&file, group)?;
        for _ in 0..row {
            taken.next_row();
            rows::take_task(&mut taken);
        }
        taken.next_row();
        return Ok(Some(rows::take_task(&mut taken).0));
    }
    Ok(None)
}

/// Copies a table of several parts, each with the folder that it is below, into one file.
pub(super) fn join(table: Table, parts: &[(PathBuf, u32)], target: File) -> Result<(), DataError> {
    let schema = Arc::new(parse_message_type(table.schema())?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(BufWriter::new(target), schema, Arc::new(properties))?;
    for (folder, part) in parts {
        let source = Arc::new(File::open(path(folder, table, *part))?);
        let file = open(folder, table, *part)?;
        for group in file.metadata().row_groups() {
            let mut copy = writer.next_row_group()?;
            for column in group.columns() {
                let close = parquet::column::writer::ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                    rows_written: u64::try_from(group.num_rows()).unwrap_or(0),
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                copy.append_column(source.as_ref(), close)?;
            }
            copy.close()?;
        }
    }
    writer
        .into_inner()?
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .sync_all()?;
    Ok(())
}
