//! What clusters did in stretches of time, added up: for the summary and the report of who had them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use protocol::jobs::PrefixTime;
use protocol::live::Errors;

use super::super::reader::{self, DataError};
use super::super::{RecordingError, Recordings, parquet};
use super::scene::Scene;
use super::stretch::{Part, Stretch};
use super::{figure, progress};

/// The figures, pixels: as wide as a report's column.
const WIDTH: u32 = 1_100;
const HEIGHTS: std::ops::RangeInclusive<u32> = 240..=600;
const PROGRESS: (u32, u32) = (WIDTH, 300);

/// What the task stream may weigh; where it would be heavier it is drawn smaller, down to that width.
const MAX_STREAM: usize = 260_000;
const LEAST_WIDTH: u32 = 500;

/// What was done in all stretches together.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The recordings it was read from, by id.
    pub recordings: Vec<String>,
    pub tasks: u64,
    pub erred: u64,
    /// Threads' time in tasks and in transfers, microseconds.
    pub compute_us: u64,
    pub transfer_us: u64,
    /// The most workers at one moment, and the most bytes that all of them held at one.
    pub peak_workers: u32,
    pub peak_memory: u64,
    /// Those that took longest first.
    pub prefixes: Vec<PrefixTime>,
    /// By name.
    pub workers: Vec<WorkerPeaks>,
    pub errors: Errors,
    pub threads: usize,
    /// From the first task to the last, microseconds since the Unix epoch.
    pub range_us: (i64, i64),
    /// Records that could not be recorded.
    pub lost: u64,
    /// Packages of the scheduler that was recorded last.
    pub versions: BTreeMap<String, String>,
    /// The task stream, and finished tasks over time: SVG of ours, empty where there was no task.
    pub stream: String,
    pub progress: String,
}

/// The most that a worker had.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerPeaks {
    pub name: String,
    pub address: String,
    pub tasks: u64,
    pub threads: u32,
    /// Bytes; a limit of 0 is none.
    pub memory: u64,
    pub memory_limit: u64,
    pub spilled: u64,
    /// Percent of a core.
    pub cpu: f64,
}

impl Recordings {
    /// Adds up what was recorded in these stretches; `None` where nothing was. A recording that is still being brought to
    /// rest, because its cluster has just ended, is waited for, for `limit` at most.
    ///
    /// # Errors
    /// Where a recording can't be read.
    pub async fn account(
        &self,
        title: String,
        stretches: &[Stretch],
        limit: Duration,
    ) -> Result<Option<Account>, RecordingError> {
        self.rested(stretches, limit).await;
        let parts = self.parts(stretches).await?;
        if parts.is_empty() {
            return Ok(None);
        }
        let added = self.tracker().spawn_blocking(move || account(title, &parts));
        let added = added
            .await
            .map_err(|_panicked| DataError::Damaged("its figures could not be added up"))?;
        Ok(Some(added?))
    }
}

fn account(title: String, parts: &[Part]) -> Result<Account, DataError> {
    let sources: Vec<_> = parts.iter().map(Part::source).collect();
    let scene = Scene::gather(title, &sources)?;
    let (peak_workers, peak_memory) = scene.peak_size();
    let (stream, progress) = if scene.ends.is_empty() {
        Default::default()
    } else {
        (stream(&scene)?, progress::svg(&scene, PROGRESS)?)
    };
    let mut recordings: Vec<String> = Vec::new();
    let mut lost = 0;
    for part in parts {
        if !recordings.contains(&part.recording.id) {
            recordings.push(part.recording.id.clone());
            lost += part.recording.lost;
        }
    }
    let mut workers: Vec<_> = scene
        .workers
        .iter()
        .map(|(address, peaks)| WorkerPeaks {
            name: peaks.name.clone(),
            address: address.clone(),
            tasks: peaks.tasks,
            threads: peaks.threads,
            memory: peaks.memory,
            memory_limit: peaks.memory_limit,
            spilled: peaks.spilled,
            cpu: peaks.cpu,
        })
        .collect();
    workers.sort_by_cached_key(|worker| (worker.name.parse().unwrap_or(u64::MAX), worker.name.clone()));
    Ok(Account {
        recordings,
        tasks: scene.tasks,
        erred: scene.erred,
        compute_us: scene.prefixes.iter().map(|prefix| prefix.busy_us).sum(),
        transfer_us: scene.transfer_us,
        peak_workers: peak_workers.max(u32::from(scene.tasks > 0)),
        peak_memory,
        prefixes: scene
            .by_time()
            .into_iter()
            .map(|prefix| PrefixTime {
                name: prefix.name.clone(),
                tasks: prefix.tasks,
                erred: prefix.erred,
                compute_us: prefix.busy_us,
                longest_us: prefix.longest_us,
            })
            .collect(),
        workers,
        threads: scene.lanes.len(),
        range_us: scene.range,
        lost,
        versions: versions(parts)?,
        stream,
        progress,
        errors: scene.errors,
    })
}

/// The task stream, smaller where it would be too heavy.
fn stream(scene: &Scene) -> Result<String, DataError> {
    // A few threads need no tall picture.
    let rows = u32::try_from(scene.lanes.len()).unwrap_or(u32::MAX);
    let height = rows.saturating_mul(28).saturating_add(130);
    let mut size = (WIDTH, height.clamp(*HEIGHTS.start(), *HEIGHTS.end()));
    loop {
        let drawn = figure::svg(scene, size)?;
        if drawn.len() <= MAX_STREAM || size.0 <= LEAST_WIDTH {
            return Ok(drawn);
        }
        size = (size.0 * 4 / 5, (size.1 * 4 / 5).max(*HEIGHTS.start()));
    }
}

/// Packages of the scheduler that was recorded last.
fn versions(parts: &[Part]) -> Result<BTreeMap<String, String>, DataError> {
    let Some(last) = parts.last() else {
        return Ok(BTreeMap::new());
    };
    let Some(part) = reader::parts(&last.folder)?.pop() else {
        return Ok(BTreeMap::new());
    };
    if !part.is_log {
        return Ok(parquet::meta(&last.folder, part.number)?.versions);
    }
    let mut stop = |_: reader::Item| ControlFlow::Break(());
    let facts = reader::read_log(&reader::log_path(&last.folder, part.number), &mut stop);
    match facts {
        // Compacted meanwhile.
        Err(DataError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(parquet::meta(&last.folder, part.number)?.versions)
        }
        facts => Ok(facts?.map(|facts| facts.begin.versions).unwrap_or_default()),
    }
}
