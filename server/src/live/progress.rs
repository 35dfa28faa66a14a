//! Tasks by key prefix and state, as a progress frame has them.

use std::collections::BTreeMap;

use protocol::live::{PrefixProgress, Progress, StateCounts};

/// Prefixes in a progress frame; Dask shows 24.
const MAX_PREFIXES: usize = 500;

/// Counts by prefix, the largest first; what the scheduler has forgotten does not count.
pub(super) fn progress(states: &dask_comm::PrefixStates) -> Progress {
    let mut progress = Progress::default();
    for (name, counts) in states {
        let counts = state_counts(counts);
        if counts.all() > 0 {
            progress.totals += counts;
            progress.prefixes.push(PrefixProgress {
                color: timeline::color_index(name),
                name: name.clone(),
                counts,
            });
        }
    }
    progress.prefixes.sort_by(|a, b| {
        b.counts
            .all()
            .cmp(&a.counts.all())
            .then_with(|| a.name.cmp(&b.name))
    });
    progress.prefixes.truncate(MAX_PREFIXES);
    progress
}

pub(super) fn state_counts(counts: &BTreeMap<String, u64>) -> StateCounts {
    let of = |state: &str| counts.get(state).copied().unwrap_or(0);
    StateCounts {
        released: of("released"),
        waiting: of("waiting"),
        queued: of("queued"),
        no_worker: of("no-worker"),
        processing: of("processing"),
        memory: of("memory"),
        erred: of("erred"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_leaves_out_what_is_forgotten() {
        let states = |pairs: &[(&str, u64)]| pairs.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect();
        let progress = progress(&vec![
            ("small".to_owned(), states(&[("memory", 1)])),
            ("gone".to_owned(), states(&[("forgotten", 9)])),
            (
                "big".to_owned(),
                states(&[("memory", 3), ("no-worker", 2), ("erred", 1), ("forgotten", 4)]),
            ),
        ]);
        let names: Vec<_> = progress
            .prefixes
            .iter()
            .map(|p| (p.name.as_str(), p.counts.all()))
            .collect();
        assert_eq!(names, [("big", 6), ("small", 1)]);
        assert_eq!((progress.totals.memory, progress.totals.all()), (4, 7));
    }
}
