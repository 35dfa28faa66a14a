//! Whether a scheduler has work, and since when it has none.
//!
//! By the operation `feed` where it is allowed: a constant expression that only reads. The scheduler's own `check_idle`
//! tells less, forgets when it was last busy, and ends a scheduler that has an idle timeout of its own.

use std::time::Duration;

use rmpv::Value;

use crate::scheduler::unexpected;
use crate::value::{to_f64, to_u64};
use crate::{CommError, Connection};

/// Read on the scheduler: tasks that wait for a worker and graphs that are being taken in, tasks that workers were given, and
/// seconds since the last transition of a task, or since the start where there was none.
const EXPRESSION: &str = "lambda s: [\
    len(getattr(s, 'queued', ())) + len(s.unrunnable) + getattr(s, '_active_graph_updates', 0), \
    sum(len(w.processing) for w in s.workers.values()), \
    __import__('time').time() - (s.transition_log[-1][-1] if s.transition_log else s.time_started)]";

/// What a scheduler has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Tasks that no worker was given yet, and graphs that are being taken in.
    pub waiting: u64,
    /// Tasks that workers were given.
    pub processing: u64,
    /// Seconds since a task changed its state.
    pub quiet_s: f64,
}

/// A connection on which the scheduler sends what it has to do.
#[derive(Debug)]
pub struct WorkFeed {
    connection: Connection,
}

impl Connection {
    /// Makes the scheduler send what it has to do every `interval`, and waits for the first. The connection is good for
    /// nothing else from then on.
    ///
    /// # Errors
    /// As [`Connection::feed`].
    pub async fn work_feed(mut self, interval: Duration) -> Result<(WorkFeed, Work), CommError> {
        let first = self.fed(EXPRESSION, interval).await?;
        let work = parse(&first).ok_or(unexpected("feed", "it does not tell what there is to do"))?;
        Ok((WorkFeed { connection: self }, work))
    }

    /// How many workers the scheduler would like to have. While it has none, more than zero means that tasks wait for one.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn adaptive_target(&mut self) -> Result<u64, CommError> {
        let reply = self.call("adaptive_target", []).await?;
        to_u64(&reply).ok_or(unexpected("adaptive_target", "it is no number"))
    }
}

impl WorkFeed {
    /// Waits for the next report. Not cancel-safe: a feed whose future was dropped midway fails.
    ///
    /// # Errors
    /// After each the feed is over.
    pub async fn next(&mut self) -> Result<Work, CommError> {
        let message = self.connection.next_message().await?;
        parse(&message).ok_or(unexpected("feed", "it does not tell what there is to do"))
    }
}

fn parse(message: &Value) -> Option<Work> {
    let figures = message.as_array()?;
    Some(Work {
        waiting: to_u64(figures.first()?)?,
        processing: to_u64(figures.get(1)?)?,
        quiet_s: to_f64(figures.get(2)?)?,
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
    fn a_report_must_be_whole() {
        let report = |figures: Vec<Value>| parse(&Value::Array(figures));
        assert_eq!(
            report(vec![1.into(), 2.into(), 3.5.into()]),
            Some(Work {
                waiting: 1,
                processing: 2,
                quiet_s: 3.5
            })
        );
        // Half a report must not pass for a scheduler without work.
        assert_eq!(report(vec![0.into(), 0.into()]), None);
        assert_eq!(report(vec![Value::Nil, 0.into(), 0.into()]), None);
        assert_eq!(parse(&Value::Nil), None);
    }
}
