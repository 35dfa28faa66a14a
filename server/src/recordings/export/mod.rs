//! What can be made of a recording: a table, a trace, a figure, a report. Each is a file, so that it can be fetched in pieces.

mod account;
mod figure;
mod progress;
mod report;
mod scene;
mod stretch;
mod trace;

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use protocol::recordings::{ExportFormat, Recording, RecordingState};

use super::parquet::{self, Table};
use super::reader::{self, DataError, log_path};
use super::{EXPORTS, RecordingError, Recordings};
use crate::state_dir::private_folder;
pub use account::{Account, WorkerPeaks};
use scene::Scene;
pub use stretch::Stretch;

/// An export that nobody fetched for so long is made anew when it is asked for.
const KEEP: Duration = Duration::from_secs(3600);

/// Width and height of a figure, pixels.
const SIZES: std::ops::RangeInclusive<u32> = 200..=8_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    pub format: ExportFormat,
    /// Of [`ExportFormat::Parquet`].
    pub table: Table,
    /// Of a figure: what it shows, microseconds since the Unix epoch; everything where it is not said.
    pub from_us: Option<i64>,
    pub to_us: Option<i64>,
    pub width: u32,
    pub height: u32,
}

impl ExportRequest {
    /// Everything, in that format.
    pub fn new(format: ExportFormat) -> Self {
        Self {
            format,
            table: Table::Tasks,
            from_us: None,
            to_us: None,
            width: 1_600,
            height: 900,
        }
    }

    fn check(&self) -> Result<(), RecordingError> {
        for (field, size) in [("width", self.width), ("height", self.height)] {
            if !SIZES.contains(&size) {
                return Err(RecordingError::Invalid {
                    field,
                    message: format!("The {field} must be {} to {} pixels.", SIZES.start(), SIZES.end()),
                });
            }
        }
        let clock = 0..timeline::MAX_TIME_US;
        for (field, bound) in [("from", self.from_us), ("to", self.to_us)] {
            if bound.is_some_and(|us| !clock.contains(&us)) {
                return Err(RecordingError::Invalid {
                    field,
                    message: "The range is in microseconds since the Unix epoch; this is beyond any clock."
                        .to_owned(),
                });
            }
        }
        match (self.from_us, self.to_us) {
            (Some(from), Some(to)) if from >= to => Err(RecordingError::Invalid {
                field: "to",
                message: "The range must end after it begins; both are microseconds since the Unix epoch."
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn extension(&self) -> &'static str {
        match self.format {
            ExportFormat::Parquet => "parquet",
            ExportFormat::Trace => "json",
            ExportFormat::Svg => "svg",
            ExportFormat::Png => "png",
            ExportFormat::Html => "html",
        }
    }
}

/// A file that was made of a recording.
#[derive(Clone, Debug)]
pub struct Export {
    pub path: PathBuf,
    /// By which name it is saved.
    pub name: String,
    pub mime: &'static str,
    pub bytes: u64,
}

impl Export {
    /// A table that lies there.
    pub fn parquet(path: PathBuf, name: String, bytes: u64) -> Self {
        Self {
            path,
            name,
            mime: mime_of(ExportFormat::Parquet),
            bytes,
        }
    }
}

fn mime_of(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Parquet => "application/vnd.apache.parquet",
        ExportFormat::Trace => "application/json",
        ExportFormat::Svg => "image/svg+xml",
        ExportFormat::Png => "image/png",
        ExportFormat::Html => "text/html; charset=utf-8",
    }
}

impl Recordings {
    /// Makes an export, or finds the one that was made before.
    ///
    /// # Errors
    /// [`RecordingError::NotFound`], [`RecordingError::Invalid`], or where the recording can't be read.
    pub async fn export(&self, id: &str, request: ExportRequest) -> Result<Export, RecordingError> {
        request.check()?;
        let recording = self.get(id).await?;
        let folder = self.folder(&recording.id);
        let made = self
            .tracker()
            .spawn_blocking(move || make(&folder, &recording, &request));
        made.await
            .map_err(|_panicked| DataError::Damaged("the export did not end well"))?
            .map_err(RecordingError::from)
    }
}

fn make(folder: &Path, recording: &Recording, request: &ExportRequest) -> Result<Export, DataError> {
    let what = match request.format {
        ExportFormat::Parquet => request.table.name(),
        ExportFormat::Trace => "trace",
        ExportFormat::Svg | ExportFormat::Png => "task-stream",
        ExportFormat::Html => "report",
    };
    let extension = request.extension();
    let name = format!("{}-{what}.{extension}", file_word(recording));
    let exports = folder.join(EXPORTS);
    private_folder(&exports)?;
    sweep(&exports)?;
    let bound = |bound: Option<i64>| bound.map_or_else(|| "all".to_owned(), |us| us.to_string());
    // While it is written there is another one behind the same request a moment later.
    let path = exports.join(format!(
        "{what}-{}-{}-{}x{}-{}.{extension}",
        bound(request.from_us),
        bound(request.to_us),
        request.width,
        request.height,
        if recording.state == RecordingState::Recording {
            recording.tasks.to_string()
        } else {
            "whole".to_owned()
        },
    ));
    if !path.exists() {
        let draft = exports.join(format!("{}.tmp", crate::state_dir::random_hex()));
        let written = write(folder, recording, request, &draft);
        if let Err(error) = written {
            fs::remove_file(&draft).ok();
            fs::remove_dir_all(draft.with_extension("parts")).ok();
            return Err(error);
        }
        fs::rename(&draft, &path)?;
    }
    Ok(Export {
        bytes: fs::metadata(&path)?.len(),
        path,
        name,
        mime: mime_of(request.format),
    })
}

/// Removes exports that nobody has fetched for long.
fn sweep(exports: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(exports)?.flatten() {
        let meta = entry.metadata()?;
        let old = meta
            .modified()
            .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > KEEP));
        if old && meta.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn write(
    folder: &Path,
    recording: &Recording,
    request: &ExportRequest,
    draft: &Path,
) -> Result<(), DataError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    match request.format {
        ExportFormat::Parquet => return write_table(folder, request.table, draft, file),
        ExportFormat::Trace => {
            let mut out = BufWriter::new(file);
            trace::write(folder, recording, &mut out)?;
            out.flush()?;
        }
        ExportFormat::Svg | ExportFormat::Png => {
            let scene = Scene::read(folder, recording, request.from_us, request.to_us)?;
            let size = (request.width, request.height);
            let bytes = if request.format == ExportFormat::Svg {
                figure::svg(&scene, size)?.into_bytes()
            } else {
                figure::png(&scene, size)?
            };
            BufWriter::new(file).write_all(&bytes)?;
        }
        ExportFormat::Html => {
            let scene = Scene::read(folder, recording, None, None)?;
            let mut out = BufWriter::new(file);
            report::write(&scene, recording, &mut out)?;
            out.flush()?;
        }
    }
    Ok(())
}

/// All parts of a table in one file; a part that is still a log becomes Parquet beside the draft first.
fn write_table(folder: &Path, table: Table, draft: &Path, file: File) -> Result<(), DataError> {
    let scratch = draft.with_extension("parts");
    let mut parts = Vec::new();
    for part in reader::parts(folder)? {
        if !part.is_log {
            parts.push((folder.to_owned(), part.number));
            continue;
        }
        private_folder(&scratch)?;
        if parquet::write(&log_path(folder, part.number), &scratch, part.number)?.is_some() {
            parts.push((scratch.clone(), part.number));
        }
    }
    parquet::join(table, &parts, file)?;
    match fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The cluster's name for a file: letters, digits and dashes.
fn file_word(recording: &Recording) -> String {
    let name = recording.label.as_ref().unwrap_or(&recording.cluster);
    let word: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .collect();
    let word = word.trim_matches('-');
    if word.is_empty() {
        "recording".to_owned()
    } else {
        word.to_owned()
    }
}
