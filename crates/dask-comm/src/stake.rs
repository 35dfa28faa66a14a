//! What the end of a scheduler would lose: asked once, when somebody is about to end it.
//!
//! As [`crate::Feed`], by one constant expression that only reads; a site may refuse it.

use std::time::Duration;

use rmpv::Value;

use crate::scheduler::unexpected;
use crate::value::to_u64;
use crate::{CommError, Connection};

/// Workers, tasks that run or wait for a worker, results in memory, their bytes, clients. Dask counts workers that submit
/// tasks, published data and what nobody waits for as clients too: none of these is somebody.
const EXPRESSION: &str = "lambda s: [len(s.workers), \
    sum(len(w.processing) for w in s.workers.values()) + len(getattr(s, 'queued', ())) + len(s.unrunnable), \
    sum(p.states.get('memory', 0) for p in s.task_prefixes.values()), \
    sum(w.nbytes for w in s.workers.values()), \
    sum(1 for c in s.clients if c != 'fire-and-forget' and not c.startswith(('Client-worker', 'published-')))]";

/// The scheduler finds out that nobody listens any more when it tells again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a scheduler and its workers hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    pub workers: u64,
    pub tasks_running: u64,
    pub tasks_in_memory: u64,
    pub bytes: u64,
    pub clients: u64,
}

impl Connection {
    /// What the scheduler's end would lose. The connection is used up.
    ///
    /// # Errors
    /// As [`Connection::feed`].
    pub async fn stake(mut self) -> Result<Stake, CommError> {
        let reply = self.fed(EXPRESSION, AGAIN).await?;
        let stake = parse(&reply).ok_or(unexpected("feed", "it holds no figures of what there is"))?;
        self.close().await;
        Ok(stake)
    }
}

fn parse(reply: &Value) -> Option<Stake> {
    let figures = reply.as_array()?;
    let figure = |at: usize| figures.get(at).and_then(to_u64);
    Some(Stake {
        workers: figure(0)?,
        tasks_running: figure(1)?,
        tasks_in_memory: figure(2)?,
        bytes: figure(3)?,
        clients: figure(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expression_is_one_that_pickle_takes_as_it_is() {
        assert!(EXPRESSION.is_ascii() && !EXPRESSION.contains(['\\', '\n', '\r']));
    }

    #[test]
    fn figures_that_are_missing_are_no_zeros() {
        let whole = Value::Array([3, 5, 7, 11, 2].map(Value::from).to_vec());
        let stake = parse(&whole).expect("figures");
        assert_eq!((stake.workers, stake.bytes, stake.clients), (3, 11, 2));
        assert_eq!(parse(&Value::Array(vec![1.into()])), None);
        assert_eq!(parse(&Value::Nil), None);
    }
}
