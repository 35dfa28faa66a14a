//! The tables' columns, and how tasks, workers and prefix states go into them and come back.

use std::collections::HashSet;

use protocol::live::{Action, Load, PrefixProgress, StateCounts, Worker, WorkerMemory};

use super::cells::{Gathered, Taken};
use crate::live::{Bar, Task};

pub(super) const TASKS: &str = "message task {
    required int64 record;
    required binary key (UTF8);
    required binary prefix (UTF8);
    required binary worker (UTF8);
    required binary worker_name (UTF8);
    required int64 thread (INTEGER(64,false));
    optional binary type (UTF8);
    optional int64 nbytes;
    optional binary error (UTF8);
    optional binary traceback (UTF8);
    optional binary cause (UTF8);
    optional int64 start (TIMESTAMP(MICROS,true));
    optional int64 end (TIMESTAMP(MICROS,true));
    required int64 compute_us;
    required int64 transfer_us;
    required group bar_action (LIST) { repeated group list { required binary element (UTF8); } }
    required group bar_start (LIST) { repeated group list { required int64 element (TIMESTAMP(MICROS,true)); } }
    required group bar_duration_us (LIST) { repeated group list { required int64 element; } }
}";

pub(super) const WORKERS: &str = "message worker {
    required int64 at (TIMESTAMP(MICROS,true));
    required binary address (UTF8);
    required binary name (UTF8);
    required binary status (UTF8);
    required int64 threads;
    required int64 last_seen (TIMESTAMP(MICROS,true));
    required double cpu;
    required int64 memory_limit;
    required int64 memory;
    required int64 managed;
    required int64 unmanaged_old;
    required int64 unmanaged_recent;
    required int64 spilled;
    required int64 fds;
    required double net_read;
    required double net_write;
    required double disk_read;
    required double disk_write;
    required int64 incoming_bytes;
    required int64 outgoing_bytes;
    required int64 incoming;
    required int64 outgoing;
    required double event_loop_interval;
    required int64 executing;
    required int64 ready;
    required int64 in_memory;
    optional int64 processing;
    optional double occupancy;
    optional binary load (UTF8);
}";

pub(super) const PREFIXES: &str = "message prefix {
    required int64 at (TIMESTAMP(MICROS,true));
    required binary prefix (UTF8);
    required int64 released;
    required int64 waiting;
    required int64 queued;
    required int64 no_worker;
    required int64 processing;
    required int64 memory;
    required int64 erred;
}";

/// Status in the last row of a worker that left. A scheduler lists none that is.
const GONE: &str = "closed";

/// What has a row in each sample for as long as it is there, and then one more that says that it no longer is: without it
/// a sample of nothing would have no rows, and the one before would seem to last.
pub(super) trait Shown: Sized {
    fn id(&self) -> &str;

    /// The row that says so.
    fn gone(&self) -> Self;

    fn is_there(&self) -> bool;
}

impl Shown for Worker {
    fn id(&self) -> &str {
        &self.address
    }

    fn gone(&self) -> Self {
        Self {
            address: self.address.clone(),
            name: self.name.clone(),
            status: GONE.to_owned(),
            ..Self::default()
        }
    }

    fn is_there(&self) -> bool {
        self.status != GONE
    }
}

impl Shown for PrefixProgress {
    fn id(&self) -> &str {
        &self.name
    }

    fn gone(&self) -> Self {
        Self {
            name: self.name.clone(),
            ..Self::default()
        }
    }

    fn is_there(&self) -> bool {
        self.counts.all() > 0
    }
}

/// Rows for those of the sample before that this one lacks; `before`, which holds such rows, becomes this one's.
pub(super) fn gone<T: Shown>(before: &mut Vec<T>, now: &[T]) -> Vec<T> {
    let there: HashSet<&str> = now.iter().map(Shown::id).collect();
    let mut left = std::mem::replace(before, now.iter().map(Shown::gone).collect());
    left.retain(|row| !there.contains(row.id()));
    left
}

/// As Dask calls it. What raised is a compute, too: that it did is in `error`.
pub(in crate::recordings) fn action_word(action: Action) -> &'static str {
    match action {
        Action::Compute | Action::Erred => "compute",
        Action::Transfer => "transfer",
        Action::DiskRead => "disk-read",
        Action::DiskWrite => "disk-write",
        Action::Deserialize => "deserialize",
    }
}

/// Durations and counts of bytes are below 2^63.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

pub(super) fn put_task(row: &mut Gathered, record: u64, task: &Task, worker_name: &str) {
    let busy = |wanted: &[Action]| {
        let bars = task.bars.iter().filter(|bar| wanted.contains(&bar.action));
        int(bars.map(|bar| bar.duration_us).sum())
    };
    let span = task.span();
    row.int(int(record))
        .text(&task.key)
        .text(&task.prefix)
        .text(&task.worker)
        .text(worker_name)
        .int(task.thread.cast_signed())
        .optional_text(task.type_name.as_deref())
        .optional_int(task.nbytes.map(int))
        .optional_text(task.error.as_deref())
        .optional_text(task.traceback.as_deref())
        .optional_text(task.cause.as_deref())
        .optional_int(span.map(|(start, _)| start))
        .optional_int(span.map(|(_, end)| end))
        .int(busy(&[Action::Compute, Action::Erred]))
        .int(busy(&[Action::Transfer]))
        .text_list(task.bars.iter().map(|bar| action_word(bar.action)))
        .int_list(task.bars.iter().map(|bar| bar.start_us))
        .int_list(task.bars.iter().map(|bar| int(bar.duration_us)));
}

/// The task, and its worker's name.
pub(super) fn take_task(row: &mut Taken) -> (Task, String) {
    row.int();
    let (key, prefix, worker, name) = (row.text(), row.text(), row.text(), row.text());
    let thread = row.int().cast_unsigned();
    let (type_name, nbytes) = (row.optional_text(), row.optional_int().map(unsigned));
    let (error, traceback, cause) = (row.optional_text(), row.optional_text(), row.optional_text());
    let _span = (row.optional_int(), row.optional_int());
    let _busy = (row.int(), row.int());
    let (actions, starts, durations) = (row.text_list(), row.int_list(), row.int_list());
    let bars = actions
        .iter()
        .zip(starts)
        .zip(durations)
        .map(|((word, start_us), duration)| Bar {
            action: match word.as_str() {
                "transfer" => Action::Transfer,
                "disk-read" => Action::DiskRead,
                "disk-write" => Action::DiskWrite,
                "deserialize" => Action::Deserialize,
                _ if error.is_some() => Action::Erred,
                _ => Action::Compute,
            },
            start_us,
            duration_us: unsigned(duration),
        })
        .collect();
    let task = Task {
        key,
        prefix,
        worker,
        thread,
        type_name,
        nbytes,
        error,
        traceback,
        cause,
        bars,
    };
    (task, name)
}

pub(super) fn put_worker(row: &mut Gathered, at_us: i64, worker: &Worker) {
    let memory = &worker.memory;
    row.int(at_us)
        .text(&worker.address)
        .text(&worker.name)
        .text(&worker.status)
        .int(worker.threads.into())
        .int(worker.last_seen_us)
        .real(worker.cpu)
        .int(int(memory.limit))
        .int(int(memory.process))
        .int(int(memory.managed))
        .int(int(memory.unmanaged_old))
        .int(int(memory.unmanaged_recent))
        .int(int(memory.spilled))
        .int(worker.fds.into())
        .real(worker.net_read)
        .real(worker.net_write)
        .real(worker.disk_read)
        .real(worker.disk_write)
        .int(int(worker.incoming_bytes))
        .int(int(worker.outgoing_bytes))
        .int(worker.incoming.into())
        .int(worker.outgoing.into())
        .real(worker.event_loop_interval)
        .int(worker.executing.into())
        .int(worker.ready.into())
        .int(worker.in_memory.into())
        .optional_int(worker.processing.map(Into::into))
        .optional_real(worker.occupancy)
        .optional_text(worker.load.map(|load| match load {
            Load::Idle => "idle",
            Load::Normal => "normal",
            Load::Saturated => "saturated",
        }));
}

pub(super) fn take_worker(row: &mut Taken) -> (i64, Worker) {
    let at_us = row.int();
    // In the order of the columns: the fields are read as they are written here.
    let worker = Worker {
        address: row.text(),
        name: row.text(),
        status: row.text(),
        threads: small(row.int()),
        last_seen_us: row.int(),
        cpu: row.real(),
        memory: WorkerMemory {
            limit: unsigned(row.int()),
            process: unsigned(row.int()),
            managed: unsigned(row.int()),
            unmanaged_old: unsigned(row.int()),
            unmanaged_recent: unsigned(row.int()),
            spilled: unsigned(row.int()),
        },
        fds: small(row.int()),
        net_read: row.real(),
        net_write: row.real(),
        disk_read: row.real(),
        disk_write: row.real(),
        incoming_bytes: unsigned(row.int()),
        outgoing_bytes: unsigned(row.int()),
        incoming: small(row.int()),
        outgoing: small(row.int()),
        event_loop_interval: row.real(),
        executing: small(row.int()),
        ready: small(row.int()),
        in_memory: small(row.int()),
        processing: row.optional_int().map(small),
        occupancy: row.optional_real(),
        load: row.optional_text().map(|word| match word.as_str() {
            "idle" => Load::Idle,
            "saturated" => Load::Saturated,
            _ => Load::Normal,
        }),
    };
    (at_us, worker)
}

pub(super) fn put_prefix(row: &mut Gathered, at_us: i64, prefix: &PrefixProgress) {
    let counts = prefix.counts;
    row.int(at_us)
        .text(&prefix.name)
        .int(int(counts.released))
        .int(int(counts.waiting))
        .int(int(counts.queued))
        .int(int(counts.no_worker))
        .int(int(counts.processing))
        .int(int(counts.memory))
        .int(int(counts.erred));
}

pub(super) fn take_prefix(row: &mut Taken) -> (i64, PrefixProgress) {
    let at_us = row.int();
    let name = row.text();
    let prefix = PrefixProgress {
        color: timeline::color_index(&name),
        name,
        counts: StateCounts {
            released: unsigned(row.int()),
            waiting: unsigned(row.int()),
            queued: unsigned(row.int()),
            no_worker: unsigned(row.int()),
            processing: unsigned(row.int()),
            memory: unsigned(row.int()),
            erred: unsigned(row.int()),
        },
    };
    (at_us, prefix)
}
