//! The task stream: records of finished tasks, each exactly once, in the scheduler's order.

use rmpv::Value;

use crate::scheduler::{TaskStreamQuery, Version};
use crate::value::{get, get_f64, get_str, get_u64};
use crate::{CommError, Connection, TaskKey};

/// A finished task: one that ended in memory, or erred.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskRecord {
    /// As Python's `str(key)` shows it.
    pub key: String,
    /// The string that Dask derives the key's prefix from: the key itself, or a tuple's first element. `None` where that
    /// is no string, which Dask calls `Other`.
    pub stem: Option<String>,
    /// Address of the worker.
    pub worker: String,
    /// Opaque identity of the worker's thread.
    pub thread: u64,
    /// Type of the result, such as `DataFrame`.
    pub typename: Option<String>,
    /// Bytes of the result.
    pub nbytes: Option<u64>,
    /// `exception_text` if the task erred.
    pub error: Option<String>,
    /// `traceback_text` if the task erred.
    pub traceback: Option<String>,
    /// Key of the task that raised, if this one erred.
    pub cause: Option<String>,
    /// What the thread did for it.
    pub startstops: Vec<StartStop>,
}

/// A stretch of work for a task; times in seconds since the epoch by the scheduler's clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartStop {
    /// `compute`, `transfer`, `disk-read`, `disk-write` or `deserialize`.
    pub action: String,
    pub start: f64,
    pub stop: f64,
    /// Address of the worker that a transfer came from.
    pub source: Option<String>,
}

impl TaskRecord {
    /// Reads a record. One that lacks parts is kept with what it has: indices count every record.
    pub(crate) fn parse(record: &Value) -> Self {
        let text = |key| get_str(record, key).map(str::to_owned);
        let startstops = get(record, "startstops")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let erred = get_str(record, "status") == Some("error");
        Self {
            key: get(record, "key")
                .map(|key| TaskKey(key).to_string())
                .unwrap_or_default(),
            stem: get(record, "key").and_then(stem),
            worker: text("worker").unwrap_or_default(),
            thread: get_u64(record, "thread").unwrap_or(0),
            typename: text("typename"),
            nbytes: get_u64(record, "nbytes"),
            error: erred.then(|| text("exception_text").unwrap_or_default()),
            traceback: text("traceback_text").filter(|_| erred),
            cause: get(record, "cause")
                .filter(|cause| erred && !cause.is_nil())
                .map(|cause| TaskKey(cause).to_string()),
            startstops: startstops.iter().map(StartStop::parse).collect(),
        }
    }

    fn first_start(&self) -> Option<f64> {
        self.startstops.first().map(|s| s.start)
    }

    /// What the scheduler's search by time looks at.
    fn last_stop(&self) -> f64 {
        self.startstops.iter().map(|s| s.stop).fold(0.0, f64::max)
    }
}

fn stem(key: &Value) -> Option<String> {
    match key {
        Value::Array(items) => stem(items.first()?),
        Value::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => key.as_str().map(str::to_owned),
    }
}

impl StartStop {
    fn parse(value: &Value) -> Self {
        Self {
            action: get_str(value, "action").unwrap_or_default().to_owned(),
            start: get_f64(value, "start").unwrap_or(0.0),
            stop: get_f64(value, "stop").unwrap_or(0.0),
            source: get_str(value, "source").map(str::to_owned),
        }
    }
}

/// Answer of [`TaskStreamCursor::poll`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polled {
    /// New records, oldest first.
    pub records: Vec<TaskRecord>,
    /// Records that the scheduler's buffer dropped before we could read them, noticed now. By time only the fact can be
    /// noticed, and counts 1.
    pub lost: u64,
    /// There are more already: poll again without waiting. Answers are bounded, so that neither the scheduler's
    /// loop nor we choke on a full buffer.
    pub more: bool,
}

/// First version that numbers its records.
const BY_INDEX_SINCE: Version = Version::new(2026, 6, 0);

/// Records to ask for at once while there is a backlog.
const CHUNK: u64 = 5_000;

/// By time we ask from this long before the last record that we have, seconds: the buffer is only nearly sorted.
const SLACK: f64 = 1.0;

/// Reads a scheduler's task stream from wherever its buffer begins, and then what is new.
///
/// By index where the scheduler numbers its records; otherwise by time. Time only ever *finds* the place: every
/// answer is a run of the scheduler's append-only buffer, so what follows the last record that we delivered is new,
/// whatever its times are.
///
/// It may be used over one connection after another, as long as they lead to the same scheduler (same
/// [`crate::Identity::id`]). A poll that failed or was dropped can be repeated.
#[derive(Clone, Debug)]
pub struct TaskStreamCursor {
    by_index: bool,
    /// The last record delivered.
    last: Option<Mark>,
    /// Index up to which all is delivered or lost; what we have may reach a little further.
    index: u64,
    delivered: u64,
    lost: u64,
    /// A backlog too long for one answer is being read in chunks.
    catching_up: bool,
}

/// Enough of a record to know it again.
#[derive(Clone, Debug)]
struct Mark {
    key: String,
    thread: u64,
    start: Option<f64>,
    stop: f64,
}

impl Mark {
    fn of(record: &TaskRecord) -> Self {
        Self {
            key: record.key.clone(),
            thread: record.thread,
            start: record.first_start(),
            stop: record.last_stop(),
        }
    }

    fn is(&self, record: &TaskRecord) -> bool {
        self.start == record.first_start() && self.thread == record.thread && self.key == record.key
    }
}

/// A run of new records from the buffer.
struct Run {
    records: Vec<TaskRecord>,
    /// The last record delivered is no longer in the buffer: some may have gone with it.
    torn: bool,
    more: bool,
}

impl TaskStreamCursor {
    /// A cursor for a scheduler of this version of distributed, at the buffer's beginning.
    pub fn new(distributed: Version) -> Self {
        Self {
            by_index: distributed >= BY_INDEX_SINCE,
            last: None,
            index: 0,
            delivered: 0,
            lost: 0,
            catching_up: false,
        }
    }

    /// Makes the scheduler keep records from now on, if nobody did before. Nothing that ended earlier is ever seen.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn arm(&self, scheduler: &mut Connection) -> Result<(), CommError> {
        if self.by_index {
            scheduler.get_task_stream_index().await.map(drop)
        } else {
            scheduler
                .get_task_stream(TaskStreamQuery::Newest { count: 0 })
                .await
                .map(drop)
        }
    }

    /// Reads what is new, at first what the buffer held before.
    ///
    /// # Errors
    /// As [`Connection::call`]; the cursor stays where it was.
    pub async fn poll(&mut self, scheduler: &mut Connection) -> Result<Polled, CommError> {
        if self.by_index {
            self.poll_by_index(scheduler).await
        } else {
            self.poll_by_time(scheduler).await
        }
    }

    async fn poll_by_index(&mut self, scheduler: &mut Connection) -> Result<Polled, CommError> {
        let newest = scheduler.get_task_stream_index().await?;
        if newest < self.index {
            // Numbered anew: somebody removed the plugin from the scheduler, or it is another scheduler.
            *self = Self::new(BY_INDEX_SINCE);
        }
        let behind = newest - self.index;
        if behind == 0 {
            return Ok(Polled::default());
        }
        // There is no asking for a range of indices, only for all from one on.
        if self.catching_up || behind > 2 * CHUNK {
            let run = self.next_run(scheduler).await?;
            self.catching_up = run.more;
            let reached = if run.more { self.index } else { newest };
            return Ok(self.deliver(run.records, reached, run.more));
        }
        let mut records = scheduler
            .get_task_stream(TaskStreamQuery::FromIndex(self.index))
            .await?;
        let got = records.len() as u64;
        // Fewer than we are behind by: the buffer has dropped some. How far the answer reaches is then only known from
        // below, and what the next one repeats is cut off at the mark.
        let reached = if got >= behind { self.index + got } else { newest };
        if let Some(mark) = &self.last
            && let Some(known) = records.iter().rposition(|record| mark.is(record))
        {
            records.drain(..=known);
        }
        Ok(self.deliver(records, reached, false))
    }

    async fn poll_by_time(&mut self, scheduler: &mut Connection) -> Result<Polled, CommError> {
        let run = self.next_run(scheduler).await?;
        let reached = self.index + run.records.len() as u64 + u64::from(run.torn);
        Ok(self.deliver(run.records, reached, run.more))
    }

    /// Takes note of records on their way out; `reached` is the index up to which they account for all.
    fn deliver(&mut self, records: Vec<TaskRecord>, reached: u64, more: bool) -> Polled {
        if let Some(record) = records.last() {
            self.last = Some(Mark::of(record));
        }
        self.delivered += records.len() as u64;
        self.index = reached;
        let lost = reached.saturating_sub(self.delivered).saturating_sub(self.lost);
        self.lost += lost;
        Polled { records, lost, more }
    }

    /// The next records after the last delivered one, found by its time; from the buffer's beginning if there is none.
    async fn next_run(&self, scheduler: &mut Connection) -> Result<Run, CommError> {
        let mut count = CHUNK;
        let Some(mark) = &self.last else {
            let records = scheduler
                .get_task_stream(TaskStreamQuery::FromTime { start: 0.0, count })
                .await?;
            return Ok(Run {
                more: records.len() as u64 >= count,
                records,
                torn: false,
            });
        };
        let mut start = mark.stop - SLACK;
        loop {
            let mut records = scheduler
                .get_task_stream(TaskStreamQuery::FromTime { start, count })
                .await?;
            let full = records.len() as u64 >= count;
            match records.iter().rposition(|record| mark.is(record)) {
                // Mostly what we have: so many tasks ended within the slack that a chunk hardly gets past it.
                Some(known) if full && known >= records.len() / 2 => count *= 4,
                Some(known) => {
                    records.drain(..=known);
                    return Ok(Run {
                        records,
                        torn: false,
                        more: full,
                    });
                }
                // It may lie beyond the chunk, or before it where the buffer is far from sorted.
                None if full => count *= 4,
                None if start > 0.0 => start = 0.0,
                None => {
                    return Ok(Run {
                        records,
                        torn: true,
                        more: false,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::map;

    #[test]
    fn records_of_both_kinds_are_read() {
        let startstop = |action: &str, source: Value| {
            map([
                ("action", action.into()),
                ("start", 1.5.into()),
                ("stop", 2.5.into()),
                ("source", source),
            ])
        };
        let ok = map([
            ("status", "OK".into()),
            ("key", Value::Array(vec!["sum-1".into(), 0.into()])),
            ("worker", "tcp://w:1".into()),
            ("thread", 140_589_259_458_240_u64.into()),
            ("type", Value::Binary(vec![0x80])),
            ("typename", "int".into()),
            ("nbytes", 28.into()),
            (
                "startstops",
                Value::Array(vec![
                    startstop("transfer", "tcp://w:2".into()),
                    startstop("compute", Value::Nil),
                ]),
            ),
        ]);
        let record = TaskRecord::parse(&ok);
        assert_eq!(
            (record.key.as_str(), record.worker.as_str()),
            ("('sum-1', 0)", "tcp://w:1")
        );
        assert_eq!(
            (record.thread, record.nbytes, record.error),
            (140_589_259_458_240, Some(28), None)
        );
        assert_eq!(record.startstops[0].source.as_deref(), Some("tcp://w:2"));
        assert_eq!(
            (record.startstops[1].action.as_str(), record.startstops[1].stop),
            ("compute", 2.5)
        );

        let erred = map([
            ("status", "error".into()),
            ("key", "div-1".into()),
            ("exception", map([("__Serialized__", 1.into())])),
            ("exception_text", "ValueError('boom')".into()),
        ]);
        let record = TaskRecord::parse(&erred);
        assert_eq!(record.error.as_deref(), Some("ValueError('boom')"));
        assert_eq!((record.thread, record.startstops.len()), (0, 0));
        assert_eq!(TaskRecord::parse(&Value::Nil), TaskRecord::default());
    }

    #[test]
    fn the_stem_is_what_dask_splits() {
        let tuple = |items: Vec<Value>| Value::Array(items);
        assert_eq!(stem(&"inc-1".into()).as_deref(), Some("inc-1"));
        assert_eq!(
            stem(&tuple(vec!["tup-abc".into(), 0.into()])).as_deref(),
            Some("tup-abc")
        );
        assert_eq!(
            stem(&tuple(vec![tuple(vec!["deep".into()]), 0.into()])).as_deref(),
            Some("deep")
        );
        assert_eq!(stem(&Value::from(b"raw-1".to_vec())).as_deref(), Some("raw-1"));
        assert_eq!(stem(&7.into()), None);
        assert_eq!(stem(&tuple(vec![])), None);
    }
}
