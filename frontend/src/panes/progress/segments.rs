//! Dask's progress bar of a key prefix, as shares of its length.

use protocol::live::StateCounts;

/// A part of a bar, named after the tasks' state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Released,
    Memory,
    Erred,
    Processing,
    Queued,
    NoWorker,
}

/// The parts from left to right, each from one share of the bar to another; waiting tasks are what stays free.
pub fn segments(counts: &StateCounts) -> Vec<(Part, f64, f64)> {
    let all = counts.all();
    let parts = [
        (Part::Released, counts.released),
        (Part::Memory, counts.memory),
        (Part::Erred, counts.erred),
        (Part::Processing, counts.processing),
        (Part::Queued, counts.queued),
        (Part::NoWorker, counts.no_worker),
    ];
    let mut before = 0;
    let mut segments = Vec::new();
    for (part, n) in parts {
        if n > 0 {
            segments.push((part, before as f64 / all as f64, (before + n) as f64 / all as f64));
        }
        before += n;
    }
    segments
}

/// The states by name, as the scheduler calls them.
pub fn states(counts: &StateCounts) -> [(&'static str, u64); 7] {
    [
        ("released", counts.released),
        ("memory", counts.memory),
        ("erred", counts.erred),
        ("processing", counts.processing),
        ("queued", counts.queued),
        ("no-worker", counts.no_worker),
        ("waiting", counts.waiting),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of `distributed.diagnostics.progress_stream.progress_quads`, whose bars are 0.9 long.
    #[test]
    fn parts_end_where_dasks_do() {
        let inc = StateCounts {
            memory: 2,
            released: 1,
            processing: 1,
            queued: 1,
            ..StateCounts::default()
        };
        let ends: Vec<_> = segments(&inc)
            .iter()
            .map(|(part, _, to)| (*part, (to * 0.9 * 1000.0).round()))
            .collect();
        let expected = [
            (Part::Released, 180.0),
            (Part::Memory, 540.0),
            (Part::Processing, 720.0),
            (Part::Queued, 900.0),
        ];
        assert_eq!(ends, expected);
        assert_eq!((inc.done(), inc.all()), (3, 5));
    }

    #[test]
    fn waiting_tasks_leave_room() {
        let counts = StateCounts {
            waiting: 3,
            no_worker: 1,
            ..StateCounts::default()
        };
        assert_eq!(segments(&counts), [(Part::NoWorker, 0.0, 0.25)]);
        assert!(segments(&StateCounts::default()).is_empty());
    }
}
