//! The simulated scheduler's answers, field by field as distributed 2026.8 gives them.

use dask_comm::Value;
use dask_comm::value::map;

use crate::{Simulation, unix_now};

/// Kinds of tasks, which take turns.
const PREFIXES: [&str; 8] = [
    "read-parquet",
    "getitem",
    "rechunk-merge",
    "sum",
    "inc",
    "mean_chunk",
    "transpose",
    "random_sample",
];

/// One in so many tasks reads from another worker first, spills, or fails.
const TRANSFERS: u64 = 7;
const SPILLS: u64 = 501;
const ERRORS: u64 = 1009;

const MEMORY_LIMIT: u64 = 4 << 30;

impl Simulation {
    fn worker_address(&self, worker: u64) -> String {
        format!(
            "tcp://10.{}.{}.{}:40000",
            worker >> 16 & 255,
            worker >> 8 & 255,
            worker & 255
        )
    }

    /// The record of the task with that number.
    pub(crate) fn record(&self, n: u64) -> Value {
        let lanes = self.plan.workers * self.plan.threads;
        let lane = n % lanes;
        let worker = self.worker_address(lane % self.plan.workers);
        let stop = self.started + (n + 1) as f64 / self.plan.tasks_a_second;
        let room = lanes as f64 / self.plan.tasks_a_second;
        let begin = stop - 0.9 * room;
        let prefix = PREFIXES[(n / lanes % PREFIXES.len() as u64) as usize];
        let key = format!("{prefix}-{:032x}-{n}", n / lanes);
        let span = |action: &str, start: f64, stop: f64| {
            vec![
                ("action".into(), action.into()),
                ("start".into(), start.into()),
                ("stop".into(), stop.into()),
            ]
        };
        let mut startstops = Vec::new();
        let mut computes = begin;
        if n.is_multiple_of(TRANSFERS) {
            computes = begin + 0.2 * room;
            let mut transfer = span("transfer", begin, computes);
            transfer.push((
                "source".into(),
                self.worker_address((lane + 1) % self.plan.workers).into(),
            ));
            startstops.push(Value::Map(transfer));
        }
        startstops.push(Value::Map(span("compute", computes, stop)));
        if n.is_multiple_of(SPILLS) {
            startstops.push(Value::Map(span("disk-write", stop - 0.1 * room, stop)));
        }
        let common = [
            ("stimulus_id", format!("task-finished-{stop:.7}").into()),
            ("worker", worker.into()),
            ("thread", (140_000_000_000_000 + lane * 4096).into()),
            ("startstops", Value::Array(startstops)),
            ("key", key.clone().into()),
        ];
        let rest = if n % ERRORS == 1 {
            vec![
                ("status", "error".into()),
                ("cause", key.into()),
                ("exception_text", "ValueError('simulated')".into()),
                (
                    "traceback_text",
                    "  File \"simulated.py\", line 1, in simulated\n    raise ValueError('simulated')\n"
                        .into(),
                ),
            ]
        } else {
            vec![
                ("status", "OK".into()),
                ("metadata", Value::Map(Vec::new())),
                ("nbytes", (1000 + n % 1000).into()),
                ("type", Value::Binary(vec![0x80; 31])),
                ("typename", "ndarray".into()),
            ]
        };
        Value::Map(
            common
                .into_iter()
                .chain(rest)
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    }

    pub(crate) fn identity(&self) -> Value {
        let now = unix_now();
        let workers = (0..self.plan.workers).map(|worker| {
            let info = map([
                ("type", "Worker".into()),
                ("id", worker.into()),
                ("host", "10.0.0.1".into()),
                ("name", worker.into()),
                ("nthreads", self.plan.threads.into()),
                ("memory_limit", MEMORY_LIMIT.into()),
                ("last_seen", now.into()),
                ("status", "running".into()),
                ("metrics", self.metrics(worker, now)),
            ]);
            (self.worker_address(worker).into(), info)
        });
        map([
            ("type", "Scheduler".into()),
            ("id", format!("Scheduler-simulated-{:.6}", self.started).into()),
            ("address", "tcp://127.0.0.1:8786".into()),
            ("services", map([("dashboard", 8787.into())])),
            ("started", self.started.into()),
            ("n_workers", self.plan.workers.into()),
            ("total_threads", (self.plan.workers * self.plan.threads).into()),
            ("total_memory", (self.plan.workers * MEMORY_LIMIT).into()),
            ("workers", Value::Map(workers.collect())),
        ])
    }

    fn metrics(&self, worker: u64, now: f64) -> Value {
        // Neither the same for all workers nor for all times.
        let phase = (now / 10.0 + worker as f64).sin().abs();
        let rates = |scale: f64| {
            map([
                ("read_bps", (scale * phase).into()),
                ("write_bps", (scale * (1.0 - phase)).into()),
            ])
        };
        map([
            (
                "task_counts",
                map([
                    ("memory", (10 + worker % 5).into()),
                    ("executing", self.plan.threads.into()),
                    ("ready", 3.into()),
                ]),
            ),
            ("managed_bytes", ((1 << 28) + worker).into()),
            ("spilled_bytes", map([("memory", 0.into()), ("disk", 0.into())])),
            (
                "transfer",
                map([
                    ("incoming_bytes", 1000.into()),
                    ("incoming_count", 1.into()),
                    ("outgoing_bytes", 2000.into()),
                    ("outgoing_count", 2.into()),
                ]),
            ),
            ("event_loop_interval", 0.02.into()),
            ("cpu", (100.0 * self.plan.threads as f64 * phase).into()),
            ("memory", ((1u64 << 30) + (phase * 1e8) as u64).into()),
            ("host_net_io", rates(1e6)),
            ("host_disk_io", rates(1e5)),
            ("num_fds", 30.into()),
        ])
    }

    pub(crate) fn prefix_states(&self) -> Value {
        let finished = self.finished();
        let states = PREFIXES.map(|prefix| {
            let states = map([
                ("memory", 100.into()),
                ("erred", (finished / ERRORS / PREFIXES.len() as u64).into()),
                ("released", (finished / PREFIXES.len() as u64).into()),
                ("processing", self.plan.workers.into()),
                ("waiting", 1000.into()),
            ]);
            (prefix, states)
        });
        map(states)
    }

    /// What our expression in `feed` returns.
    pub(crate) fn state(&self) -> Value {
        let workers = (0..self.plan.workers).map(|worker| {
            let figures = vec![
                self.plan.threads.into(),
                1.5.into(),
                (1 << 28).into(),
                (1 << 27).into(),
                (1 << 26).into(),
                0.into(),
                0.into(),
            ];
            (self.worker_address(worker).into(), Value::Array(figures))
        });
        map([
            ("prefixes", self.prefix_states()),
            ("workers", Value::Map(workers.collect())),
        ])
    }
}

pub(crate) fn versions() -> Value {
    map([
        ("host", map([("python", "3.11.7.final.0".into())])),
        (
            "packages",
            map([
                ("python", "3.11.7.final.0".into()),
                ("dask", "2026.8.0".into()),
                ("distributed", "2026.8.0".into()),
            ]),
        ),
    ])
}
