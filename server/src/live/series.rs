//! Samples of a cluster over time, with a bound on how many are kept.

use std::collections::VecDeque;

use protocol::live::{Sample, Series, Worker};

/// Samples kept: an hour of a small cluster, whose workers report twice a second.
const KEEP: usize = 7_200;

/// The samples of one scheduler, numbered from 0.
#[derive(Debug, Default)]
pub(super) struct SampleLog {
    /// Number of the oldest sample that is still here.
    first: u64,
    samples: VecDeque<Sample>,
}

impl SampleLog {
    pub(super) fn push(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        if self.samples.len() > KEEP {
            self.samples.pop_front();
            self.first += 1;
        }
    }

    /// The samples from number `next` on, and the number that comes after them. All that are kept for a reader that has
    /// none yet, or whose next one is gone.
    pub(super) fn since(&self, next: Option<u64>) -> (Series, u64) {
        let known = next.filter(|next| *next >= self.first);
        let skip = known.map_or(0, |next| (next - self.first) as usize);
        let samples = self.samples.iter().skip(skip).copied().collect();
        let series = Series {
            begins: known.is_none(),
            samples,
        };
        (series, self.first + self.samples.len() as u64)
    }
}

/// The sums over `workers` at `at_us`, microseconds since the Unix epoch.
pub(super) fn sample(at_us: i64, workers: &[Worker]) -> Sample {
    let mut sample = Sample {
        at_us,
        workers: workers.len() as u32,
        ..Sample::default()
    };
    for worker in workers {
        sample.threads += worker.threads;
        sample.cpu += worker.cpu as f32;
        sample.memory += worker.memory.process;
        sample.memory_limit += worker.memory.limit;
        sample.managed += worker.memory.managed;
        sample.spilled += worker.memory.spilled;
        sample.net_read += worker.net_read as f32;
        sample.net_write += worker.net_write as f32;
        sample.disk_read += worker.disk_read as f32;
        sample.disk_write += worker.disk_write as f32;
        sample.executing += worker.executing;
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(n: usize) -> SampleLog {
        let mut log = SampleLog::default();
        for i in 0..n {
            log.push(Sample {
                at_us: i as i64,
                ..Sample::default()
            });
        }
        log
    }

    #[test]
    fn a_reader_gets_each_sample_once() {
        let mut log = log(3);
        let (all, next) = log.since(None);
        assert_eq!((all.begins, all.samples.len(), next), (true, 3, 3));
        log.push(Sample::default());
        let (new, next) = log.since(Some(next));
        assert_eq!((new.begins, new.samples.len(), next), (false, 1, 4));
        assert_eq!(log.since(Some(next)).0.samples, []);
    }

    #[test]
    fn a_reader_that_fell_behind_begins_anew() {
        let log = log(KEEP + 5);
        let (all, next) = log.since(Some(2));
        assert!(all.begins);
        assert_eq!((all.samples.len(), next), (KEEP, KEEP as u64 + 5));
        assert_eq!(all.samples[0].at_us, 5);
    }
}
