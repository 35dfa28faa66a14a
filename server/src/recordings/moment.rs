//! A recording at one moment: the last sample of the workers and the last state of the prefixes up to it.

use std::path::Path;
use std::sync::Arc;

use protocol::live::{Progress, Worker};

use super::entry::{Entry, Stamp};
use super::frame::Frames;
use super::parquet;
use super::reader::{DataError, log_path, parts};
use crate::live::Past;

/// What was recorded last at that moment or before it. Reads the newest part that has something, and of it little.
pub(super) fn past(folder: &Path, at_us: i64) -> Result<Past, DataError> {
    let (mut workers, mut progress) = (None, None);
    for part in parts(folder)?.iter().rev() {
        if part.is_log {
            match in_log(&log_path(folder, part.number), at_us) {
                Ok((sampled, state)) => {
                    workers = workers.or(sampled);
                    progress = progress.or(state);
                }
                // Compacted while we came to it.
                Err(DataError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                    in_tables(folder, part.number, at_us, &mut workers, &mut progress)?;
                }
                Err(error) => return Err(error),
            }
        } else {
            in_tables(folder, part.number, at_us, &mut workers, &mut progress)?;
        }
        if workers.is_some() && progress.is_some() {
            break;
        }
    }
    Ok(Past {
        workers: Arc::new(workers.unwrap_or_default()),
        progress: Arc::new(progress.unwrap_or_default()),
    })
}

/// Fills in what a part at rest knows and a later one did not.
fn in_tables(
    folder: &Path,
    part: u32,
    at_us: i64,
    workers: &mut Option<Vec<Worker>>,
    progress: &mut Option<Progress>,
) -> Result<(), DataError> {
    if workers.is_none() {
        *workers = parquet::workers_at(folder, part, at_us)?;
    }
    if progress.is_none() {
        *progress = parquet::progress_at(folder, part, at_us)?;
    }
    Ok(())
}

/// What a log knows. Only what is wanted in the end is taken apart: most of a log are tasks.
fn in_log(path: &Path, at_us: i64) -> Result<(Option<Vec<Worker>>, Option<Progress>), DataError> {
    let Some(mut frames) = Frames::open(path)? else {
        return Ok((None, None));
    };
    let (mut sampled, mut state) = (None, None);
    while let Some(payload) = frames.next()? {
        match Entry::stamp(&payload) {
            Some(Stamp::Workers(at)) if at <= at_us => sampled = Some(payload),
            Some(Stamp::Progress(at)) if at <= at_us => state = Some(payload),
            _ => {}
        }
    }
    let read = |payload: Option<Vec<u8>>| {
        payload
            .map(|payload| protocol::live::decode::<Entry>(&payload))
            .transpose()
            .map_err(|_unreadable| DataError::Damaged("the log was written by another version"))
    };
    let workers = match read(sampled)? {
        Some(Entry::Workers { workers, .. }) => Some(workers),
        _ => None,
    };
    let progress = match read(state)? {
        Some(Entry::Progress { progress, .. }) => Some(progress),
        _ => None,
    };
    Ok((workers, progress))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use protocol::live::{PrefixProgress, StateCounts};

    use super::super::entry::Begin;
    use super::super::log::Log;
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn workers(count: i64, cpu: i64) -> Vec<Worker> {
        let worker = |n| Worker {
            address: format!("tls://10.0.{}.{}:8786", n / 250, n % 250),
            name: format!("worker-{n}"),
            status: "running".to_owned(),
            cpu: cpu as f64,
            occupancy: (n % 2 == 0).then_some(0.5),
            ..Worker::default()
        };
        (0..count).map(worker).collect()
    }

    fn progress(memory: u64) -> Progress {
        let counts = StateCounts {
            memory,
            ..StateCounts::default()
        };
        Progress {
            prefixes: vec![PrefixProgress {
                name: "inc".to_owned(),
                color: timeline::color_index("inc"),
                counts,
            }],
            totals: counts,
            ..Progress::default()
        }
    }

    fn log(folder: &Path, part: u32, entries: impl Iterator<Item = Entry>) {
        let mut log = Log::create(&log_path(folder, part), &Begin::default()).unwrap();
        for entry in entries {
            log.entry(&entry).unwrap();
        }
        log.sync().unwrap();
    }

    /// What there is at a moment: how many workers, their CPU, tasks in memory.
    fn at(folder: &Path, at_us: i64) -> (usize, f64, u64) {
        let past = past(folder, at_us).unwrap();
        let cpu = past.workers.first().map_or(0.0, |worker| worker.cpu);
        (past.workers.len(), cpu, past.progress.totals.memory)
    }

    #[test]
    fn a_moment_is_that_of_the_last_sample_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        // Workers leave and prefixes are forgotten at the end of the first part.
        log(
            folder,
            1,
            [
                Entry::Workers {
                    at_us: 10,
                    workers: workers(3, 1),
                },
                Entry::Progress {
                    at_us: 15,
                    progress: progress(7),
                },
                Entry::Workers {
                    at_us: 20,
                    workers: workers(2, 2),
                },
                Entry::Workers {
                    at_us: 30,
                    workers: Vec::new(),
                },
                Entry::Progress {
                    at_us: 30,
                    progress: Progress::default(),
                },
            ]
            .into_iter(),
        );
        log(
            folder,
            2,
            [Entry::Workers {
                at_us: 40,
                workers: workers(1, 4),
            }]
            .into_iter(),
        );
        let seen = |folder: &Path| [9, 10, 15, 19, 20, 29, 30, 39, 40, 99].map(|moment| at(folder, moment));
        let expected = [
            (0, 0.0, 0),
            (3, 1.0, 0),
            (3, 1.0, 7),
            (3, 1.0, 7),
            (2, 2.0, 7),
            (2, 2.0, 7),
            (0, 0.0, 0),
            (0, 0.0, 0),
            (1, 4.0, 0),
            (1, 4.0, 0),
        ];
        assert_eq!(seen(folder), expected, "from logs");
        let whole = past(folder, 15).unwrap();
        parquet::compact(folder, 1).unwrap();
        assert_eq!(seen(folder), expected, "from both");
        parquet::compact(folder, 2).unwrap();
        assert_eq!(seen(folder), expected, "from Parquet");
        assert_eq!(past(folder, 15).unwrap(), whole, "all of it");
    }

    #[test]
    fn a_sample_may_lie_in_several_row_groups() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        // The second and the third begin in one group and end in the next; the fourth fills more than two.
        let sizes = [30_000, 30_000, 60_000, 130_000, 1];
        let sample = |n: usize| Entry::Workers {
            at_us: n as i64 * 10,
            workers: workers(sizes[n], n as i64),
        };
        log(folder, 1, (0..sizes.len()).map(sample));
        parquet::compact(folder, 1).unwrap();
        for (n, size) in sizes.into_iter().enumerate() {
            let past = past(folder, n as i64 * 10 + 5).unwrap();
            assert_eq!(past.workers.as_slice(), workers(size, n as i64), "sample {n}");
        }
    }

    /// Tells how long it takes to read moments of an hour of 1,000 workers:
    /// `cargo nextest run -p gatehouse --run-ignored only --no-capture -E 'test(an_hour)'`
    #[test]
    #[ignore = "a measurement; it writes 1.8 million rows"]
    fn moments_of_an_hour_of_a_thousand_workers() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let entries = (0..1_800_i64).flat_map(|n| {
            let at_us = 2 * n * SECOND;
            let progress = progress(n as u64);
            let workers = workers(1_000, n);
            [
                Entry::Progress { at_us, progress },
                Entry::Workers { at_us, workers },
            ]
        });
        log(folder, 1, entries);
        let bytes = std::fs::metadata(log_path(folder, 1)).unwrap().len();
        let time = |what: &str| {
            let mut times: Vec<_> = (0..40_i64)
                .map(|n| {
                    let second = (n * 1_733) % 3_600;
                    let began = Instant::now();
                    let seen = at(folder, second * SECOND);
                    assert_eq!(seen, (1_000, (second / 2) as f64, (second / 2) as u64));
                    began.elapsed()
                })
                .collect();
            times.sort_unstable();
            println!("{what}: median {:?}, slowest {:?}", times[20], times[39]);
        };
        time(&format!("log of {} MiB", bytes >> 20));
        parquet::compact(folder, 1).unwrap();
        time("Parquet");
    }
}
