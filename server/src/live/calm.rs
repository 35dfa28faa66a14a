//! How often the figures of a scheduler that rests are told: nobody reads a quiet cluster by the half second, and each
//! telling costs every open page a paint.

use std::time::Duration;

use protocol::live::Worker;
use tokio::time::Instant;

/// A scheduler rests when there was no work for so long.
const AFTER: Duration = Duration::from_secs(3);
/// How often its figures are told then, where nothing happens.
const EVERY: Duration = Duration::from_secs(5);

/// What changes by less than this is the machine's own noise: percent of one core for each worker, bytes for each worker.
const CPU: f64 = 15.0;
const MEMORY: u64 = 32 << 20;

/// What was told last, and when there was work.
#[derive(Debug, Default)]
pub(super) struct Calm {
    worked_at: Option<Instant>,
    told: Option<Told>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Address, state, CPU and memory of each worker.
    workers: Vec<(String, String, f64, u64)>,
    /// Whether the scheduler's own view was part of it.
    whole: bool,
    /// Workers that were asked for.
    asked: Option<u32>,
}

impl Told {
    fn resembles(&self, workers: &[Worker], whole: bool, asked: Option<u32>) -> bool {
        let same = |(told, now): (&(String, String, f64, u64), &Worker)| {
            told.0 == now.address
                && told.1 == now.status
                && (told.2 - now.cpu).abs() < CPU
                && told.3.abs_diff(now.memory.process) < MEMORY
        };
        (self.whole, self.asked) == (whole, asked)
            && self.workers.len() == workers.len()
            && self.workers.iter().zip(workers).all(same)
    }
}

impl Calm {
    /// There was work at `now`.
    pub(super) fn worked(&mut self, now: Instant) {
        self.worked_at = Some(now);
    }

    /// Whether these figures are to be told now; then they count as told. `whole`: whether the scheduler's own view is part
    /// of them; `asked`: how many workers were asked for.
    pub(super) fn is_due(
        &mut self,
        workers: &[Worker],
        whole: bool,
        asked: Option<u32>,
        now: Instant,
    ) -> bool {
        let rests = self.worked_at.is_none_or(|at| now - at >= AFTER);
        let waits = |told: &Told| now - told.at < EVERY && told.resembles(workers, whole, asked);
        if rests && self.told.as_ref().is_some_and(waits) {
            return false;
        }
        let figures = |w: &Worker| (w.address.clone(), w.status.clone(), w.cpu, w.memory.process);
        self.told = Some(Told {
            at: now,
            workers: workers.iter().map(figures).collect(),
            whole,
            asked,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use protocol::live::WorkerMemory;

    use super::*;

    fn worker(address: &str, cpu: f64, process: u64) -> Worker {
        Worker {
            address: address.to_owned(),
            cpu,
            memory: WorkerMemory {
                process,
                ..WorkerMemory::default()
            },
            ..Worker::default()
        }
    }

    fn half_seconds(n: u32) -> Duration {
        n * Duration::from_millis(500)
    }

    #[test]
    fn while_there_is_work_everything_is_told() {
        let (mut calm, start) = (Calm::default(), Instant::now());
        let workers = [worker("a", 2.0, 100)];
        for n in 0..20 {
            let now = start + half_seconds(n);
            calm.worked(now);
            assert!(calm.is_due(&workers, true, None, now), "{n}");
        }
    }

    #[test]
    fn one_that_rests_is_told_every_five_seconds() {
        let (mut calm, start) = (Calm::default(), Instant::now());
        calm.worked(start);
        let told = |n: &u32| {
            calm.is_due(
                &[worker("a", 2.0 + f64::from(n % 3), 100)],
                true,
                None,
                start + half_seconds(*n),
            )
        };
        let told: Vec<u32> = (0..40).filter(told).collect();
        // Rests from 3 s on; what was told last before that is of 2.5 s.
        assert_eq!(told, [0, 1, 2, 3, 4, 5, 15, 25, 35]);
    }

    #[test]
    fn what_happens_without_a_task_is_told_at_once() {
        let (mut calm, now) = (Calm::default(), Instant::now());
        assert!(calm.is_due(&[worker("a", 2.0, 100)], false, None, now));
        assert!(!calm.is_due(&[worker("a", 3.0, 200)], false, None, now));
        assert!(
            calm.is_due(&[worker("a", 3.0, 200)], true, None, now),
            "the scheduler's own view came"
        );
        assert!(
            calm.is_due(&[worker("a", 90.0, 200)], true, None, now),
            "somebody computes"
        );
        assert!(
            calm.is_due(&[worker("a", 90.0, 1 << 30)], true, None, now),
            "memory grows"
        );
        assert!(
            calm.is_due(&[worker("b", 90.0, 1 << 30)], true, None, now),
            "another worker"
        );
        let mut paused = worker("b", 90.0, 1 << 30);
        paused.status = "paused".to_owned();
        assert!(calm.is_due(&[paused.clone()], true, None, now), "another state");
        assert!(
            calm.is_due(&[paused, worker("c", 0.0, 0)], true, None, now),
            "a worker more"
        );
        assert!(calm.is_due(&[], true, None, now), "no worker is left");
        assert!(calm.is_due(&[], true, Some(2), now), "workers were asked for");
    }
}
