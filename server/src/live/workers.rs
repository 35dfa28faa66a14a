//! Workers as browsers see them: what they report, joined with what the scheduler thinks of them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use dask_comm::{Identity, SchedulerState, WorkerInfo, WorkerState};
use protocol::live::{Load, Worker, WorkerMemory};
use tokio::time::Instant;

/// Memory that is unmanaged for so long counts as old (`distributed.worker.memory.recent-to-old-time`).
const RECENT: Duration = Duration::from_secs(30);

/// What is remembered of workers from one report to the next.
#[derive(Debug, Default)]
pub(super) struct Workers {
    unmanaged: HashMap<String, Unmanaged>,
}

/// Unmanaged memory of a worker in the last [`RECENT`], bytes, the smallest of which is old.
#[derive(Debug, Default)]
struct Unmanaged {
    /// Rising: what is larger than a later one can never be the smallest again.
    seen: VecDeque<(Instant, u64)>,
}

impl Unmanaged {
    fn old(&mut self, now: Instant, bytes: u64) -> u64 {
        while self.seen.back().is_some_and(|(_, before)| *before >= bytes) {
            self.seen.pop_back();
        }
        self.seen.push_back((now, bytes));
        while self.seen.front().is_some_and(|(at, _)| now - *at > RECENT) {
            self.seen.pop_front();
        }
        self.seen.front().map_or(bytes, |(_, least)| *least)
    }
}

impl Workers {
    /// The workers of `identity`, by address; `state` is the scheduler's own view where it tells it.
    pub(super) fn join(
        &mut self,
        identity: &Identity,
        state: Option<&SchedulerState>,
        now: Instant,
    ) -> Vec<Worker> {
        let mut workers: Vec<Worker> = identity
            .workers
            .iter()
            .map(|info| self.worker(info, state.and_then(|s| s.workers.get(&info.address)), now))
            .collect();
        workers.sort_by(|a, b| a.address.cmp(&b.address));
        self.unmanaged
            .retain(|address, _| workers.binary_search_by(|w| w.address.cmp(address)).is_ok());
        workers
    }

    fn worker(&mut self, info: &WorkerInfo, state: Option<&WorkerState>, now: Instant) -> Worker {
        let metrics = &info.metrics;
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Worker {
            address: info.address.clone(),
            name: info.name.clone(),
            status: info.status.clone(),
            threads: info.nthreads,
            last_seen_us: info.last_seen.map_or(0, |at| (at * 1e6) as i64),
            cpu: metrics.cpu,
            memory: self.memory(info, state, now),
            fds: small(metrics.num_fds),
            net_read: metrics.host_net_io.read_bps,
            net_write: metrics.host_net_io.write_bps,
            disk_read: metrics.host_disk_io.read_bps,
            disk_write: metrics.host_disk_io.write_bps,
            incoming_bytes: metrics.transfer.incoming_bytes,
            outgoing_bytes: metrics.transfer.outgoing_bytes,
            incoming: small(metrics.transfer.incoming_count),
            outgoing: small(metrics.transfer.outgoing_count),
            event_loop_interval: metrics.event_loop_interval,
            executing: small(metrics.task_counts.executing),
            ready: small(metrics.task_counts.ready),
            in_memory: small(metrics.task_counts.memory),
            processing: state.map(|state| small(state.processing)),
            occupancy: state.map(|state| state.occupancy),
            load: state.map(|state| match (state.idle, state.saturated) {
                (true, _) => Load::Idle,
                (_, true) => Load::Saturated,
                _ => Load::Normal,
            }),
        }
    }

    /// As the scheduler divides it; where it does not tell, by its own rule from what the worker reports.
    fn memory(&mut self, info: &WorkerInfo, state: Option<&WorkerState>, now: Instant) -> WorkerMemory {
        let metrics = &info.metrics;
        let in_memory = metrics.managed_bytes.saturating_sub(metrics.spilled_memory);
        let reported = in_memory.min(metrics.memory);
        let history = self.unmanaged.entry(info.address.clone()).or_default();
        let old = history.old(now, metrics.memory - reported);
        // Both were read at different moments: what is shown adds up all the same.
        let managed = state.map_or(reported, |state| state.managed.min(metrics.memory));
        let unmanaged = metrics.memory - managed;
        let unmanaged_old = state.map_or(old, |state| state.unmanaged_old).min(unmanaged);
        WorkerMemory {
            limit: info.memory_limit.unwrap_or(0),
            process: metrics.memory,
            managed,
            unmanaged_old,
            unmanaged_recent: unmanaged - unmanaged_old,
            spilled: state.map_or(metrics.spilled_bytes, |state| state.spilled),
        }
    }
}

#[cfg(test)]
mod tests {
    use dask_comm::Metrics;

    use super::*;

    fn identity(memory: u64, managed: u64) -> Identity {
        Identity {
            workers: vec![WorkerInfo {
                address: "tcp://a".to_owned(),
                metrics: Metrics {
                    memory,
                    managed_bytes: managed,
                    ..Metrics::default()
                },
                ..WorkerInfo::default()
            }],
            ..Identity::default()
        }
    }

    #[test]
    fn memory_grows_old_after_thirty_seconds() {
        let mut workers = Workers::default();
        let start = Instant::now();
        let mut at = |seconds, memory| {
            let now = start + Duration::from_secs(seconds);
            let seen = workers.join(&identity(memory, 100), None, now)[0].memory;
            assert_eq!(
                seen.managed + seen.unmanaged_old + seen.unmanaged_recent,
                seen.process
            );
            (seen.unmanaged_old, seen.unmanaged_recent)
        };
        assert_eq!(at(0, 300), (200, 0));
        assert_eq!(at(5, 700), (200, 400));
        assert_eq!(at(10, 900), (200, 600));
        // The first is more than 30 s ago, the second is not.
        assert_eq!(at(31, 800), (600, 100));
        // What shrinks is old at once.
        assert_eq!(at(32, 150), (50, 0));
    }

    #[test]
    fn the_schedulers_view_wins_and_adds_up() {
        let state = SchedulerState {
            workers: [(
                "tcp://a".to_owned(),
                WorkerState {
                    managed: 5_000,
                    unmanaged_old: 10,
                    processing: 3,
                    saturated: true,
                    ..WorkerState::default()
                },
            )]
            .into(),
            ..SchedulerState::default()
        };
        let worker = Workers::default()
            .join(&identity(300, 100), Some(&state), Instant::now())
            .remove(0);
        assert_eq!(worker.memory.managed, 300);
        assert_eq!(
            (worker.memory.unmanaged_old, worker.memory.unmanaged_recent),
            (0, 0)
        );
        assert_eq!((worker.processing, worker.load), (Some(3), Some(Load::Saturated)));
    }

    #[test]
    fn a_worker_that_left_is_forgotten() {
        let mut workers = Workers::default();
        workers.join(&identity(1, 0), None, Instant::now());
        workers.join(&Identity::default(), None, Instant::now());
        assert!(workers.unmanaged.is_empty());
    }
}
