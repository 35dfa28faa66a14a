//! What the scheduler tells of itself at a steady rate: the state that no operation without pickle gives.
//!
//! The operation `feed` takes a pickled function, runs it on the scheduler and sends what it returns. Ours is constant: a
//! few bytes that name Python's `eval` and one expression that only reads, so nothing of Python is needed here, and every
//! Python and version of distributed from 2023.1 on reads it. A site may refuse it (`distributed.scheduler.blocked-handlers`,
//! `distributed.scheduler.pickle`).

use std::collections::BTreeMap;
use std::time::Duration;

use rmpv::Value;

use crate::scheduler::{PrefixStates, parse_counts, unexpected};
use crate::value::{get, to_f64, to_u64};
use crate::{CommError, Connection, TaskKey};

/// Read on the scheduler. For each worker: tasks given to it, expected seconds of work, bytes managed, unmanaged for long,
/// unmanaged of late, spilled, and whether it is idle (1), saturated (2) or neither (0).
const EXPRESSION: &str = "lambda s: {\
    'prefixes': {n: dict(p.states) for n, p in s.task_prefixes.items()}, \
    'workers': {a: [len(w.processing), w.occupancy, w.memory.managed, w.memory.unmanaged_old, \
    w.memory.unmanaged_recent, w.memory.spilled, 1 if a in s.idle else 2 if w in s.saturated else 0] \
    for a, w in s.workers.items()}}";

/// The scheduler's own view of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchedulerState {
    /// As [`Connection::get_task_prefix_states`], with `queued` and `no-worker`.
    pub prefixes: PrefixStates,
    /// By address.
    pub workers: BTreeMap<String, WorkerState>,
}

/// A worker as the scheduler sees it; memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkerState {
    /// Tasks that it was given.
    pub processing: u64,
    /// Expected seconds of work that it was given.
    pub occupancy: f64,
    pub managed: u64,
    pub unmanaged_old: u64,
    pub unmanaged_recent: u64,
    pub spilled: u64,
    pub idle: bool,
    pub saturated: bool,
}

/// A connection on which the scheduler sends its state.
#[derive(Debug)]
pub struct Feed {
    connection: Connection,
}

impl Connection {
    /// Makes the scheduler send its state every `interval`, and waits for the first. The connection is good for nothing
    /// else from then on.
    ///
    /// # Errors
    /// [`CommError::Remote`] or [`CommError::Closed`] where the site refuses the operation, otherwise as
    /// [`Connection::call`].
    pub async fn feed(mut self, interval: Duration) -> Result<(Feed, SchedulerState), CommError> {
        let first = self.fed(EXPRESSION, interval).await?;
        let state = parse(&first).ok_or(unexpected("feed", "it holds no state of workers and prefixes"))?;
        Ok((Feed { connection: self }, state))
    }

    /// Makes the scheduler send what an expression of ours says of it every `interval`, and waits for the first.
    pub(crate) async fn fed(
        &mut self,
        expression: &'static str,
        interval: Duration,
    ) -> Result<Value, CommError> {
        let function = Value::Binary(pickled(expression));
        let args = [
            ("function", function),
            ("interval", interval.as_secs_f64().into()),
        ];
        self.call("feed", args).await
    }
}

impl Feed {
    /// Waits for the next state. Not cancel-safe: a feed whose future was dropped midway fails.
    ///
    /// # Errors
    /// After each the feed is over.
    pub async fn next(&mut self) -> Result<SchedulerState, CommError> {
        let message = self.connection.next_message().await?;
        parse(&message).ok_or(unexpected("feed", "it holds no state of workers and prefixes"))
    }
}

/// Pickle, protocol 0: `eval(expression)`. The expression is ASCII and holds no backslash and no line break.
fn pickled(expression: &str) -> Vec<u8> {
    let mut bytes = b"cbuiltins\neval\n(V".to_vec();
    bytes.extend_from_slice(expression.as_bytes());
    bytes.extend_from_slice(b"\ntR.");
    bytes
}

fn parse(message: &Value) -> Option<SchedulerState> {
    let prefixes = get(message, "prefixes")?.as_map()?;
    let workers = get(message, "workers")?.as_map()?;
    Some(SchedulerState {
        prefixes: prefixes
            .iter()
            .map(|(name, states)| (TaskKey(name).to_string(), parse_counts(states)))
            .collect(),
        workers: workers
            .iter()
            .filter_map(|(address, figures)| Some((address.as_str()?.to_owned(), worker(figures)?)))
            .collect(),
    })
}

fn worker(figures: &Value) -> Option<WorkerState> {
    let figures = figures.as_array()?;
    let whole = |at: usize| figures.get(at).and_then(to_u64).unwrap_or(0);
    Some(WorkerState {
        processing: whole(0),
        occupancy: figures.get(1).and_then(to_f64).unwrap_or(0.0),
        managed: whole(2),
        unmanaged_old: whole(3),
        unmanaged_recent: whole(4),
        spilled: whole(5),
        idle: whole(6) == 1,
        saturated: whole(6) == 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::map;

    #[test]
    fn the_expression_is_one_that_pickle_takes_as_it_is() {
        assert!(EXPRESSION.is_ascii() && !EXPRESSION.contains(['\\', '\n', '\r']));
        let bytes = pickled("x");
        assert_eq!(bytes, b"cbuiltins\neval\n(Vx\ntR.");
    }

    #[test]
    fn a_state_is_read_tolerantly() {
        let message = map([
            ("prefixes", map([("inc", map([("queued", 3.into())]))])),
            (
                "workers",
                map([
                    (
                        "tcp://a",
                        Value::Array(vec![
                            2.into(),
                            1.5.into(),
                            10.into(),
                            20.into(),
                            30.into(),
                            40.into(),
                            2.into(),
                        ]),
                    ),
                    ("tcp://b", Value::Array(vec![])),
                ]),
            ),
        ]);
        let state = parse(&message).expect("a state");
        assert_eq!(state.prefixes[0].1["queued"], 3);
        assert_eq!(
            state.workers["tcp://a"],
            WorkerState {
                processing: 2,
                occupancy: 1.5,
                managed: 10,
                unmanaged_old: 20,
                unmanaged_recent: 30,
                spilled: 40,
                idle: false,
                saturated: true,
            }
        );
        assert_eq!(state.workers["tcp://b"], WorkerState::default());
        assert_eq!(parse(&Value::Nil), None);
    }
}
