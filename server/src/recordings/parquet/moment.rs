//! The rows of one moment, found by the row groups' statistics: of a long table little is read.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use protocol::live::{PrefixProgress, Progress, Worker};

use super::cells::{Taken, first_column};
use super::rows::{self, Shown};
use super::{Table, add_up, open};
use crate::recordings::reader::DataError;

/// The workers as a part's last sample up to that moment has them; `None` where the part begins later.
pub(in crate::recordings) fn workers_at(
    folder: &Path,
    part: u32,
    at_us: i64,
) -> Result<Option<Vec<Worker>>, DataError> {
    let mut workers = rows_at(&open(folder, Table::Workers, part)?, at_us, rows::take_worker)?;
    if let Some(workers) = &mut workers {
        workers.retain(Shown::is_there);
    }
    Ok(workers)
}

/// The prefixes as a part's last state up to that moment has them; `None` where the part begins later.
pub(in crate::recordings) fn progress_at(
    folder: &Path,
    part: u32,
    at_us: i64,
) -> Result<Option<Progress>, DataError> {
    let prefixes: Option<Vec<PrefixProgress>> =
        rows_at(&open(folder, Table::Prefixes, part)?, at_us, rows::take_prefix)?;
    Ok(prefixes.map(add_up))
}

/// The rows of the last moment up to `at_us`. Rows of one moment follow each other, maybe over the end of a row group.
fn rows_at<T>(
    file: &SerializedFileReader<File>,
    at_us: i64,
    take: fn(&mut Taken) -> (i64, T),
) -> Result<Option<Vec<T>>, DataError> {
    let mut found = None::<i64>;
    let mut taken = Vec::new();
    for group in (0..file.num_row_groups()).rev() {
        if begins(file, group).is_some_and(|first| first > at_us) {
            continue;
        }
        let at = first_column(file, group)?;
        let Some(last) = at.iter().rposition(|at| *at <= at_us) else {
            continue;
        };
        if found.is_some_and(|moment| moment != at[last]) {
            break;
        }
        let moment = *found.insert(at[last]);
        let before = at[..last].iter().rposition(|at| *at != moment);
        let first = before.map_or(0, |before| before + 1);
        let mut rows = Taken::read_rows(file, group, first..last + 1)?;
        let mut some = Vec::with_capacity(rows.rows());
        for _ in 0..rows.rows() {
            rows.next_row();
            some.push(take(&mut rows).1);
        }
        some.append(&mut taken);
        taken = some;
        if first > 0 {
            break;
        }
    }
    Ok(found.map(|_moment| taken))
}

/// The earliest moment of a row group, where its statistics tell.
fn begins(file: &SerializedFileReader<File>, group: usize) -> Option<i64> {
    match file.metadata().row_group(group).column(0).statistics()? {
        Statistics::Int64(statistics) => statistics.min_opt().copied(),
        _ => None,
    }
}
