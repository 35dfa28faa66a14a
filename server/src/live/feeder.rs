//! The scheduler's own view of itself, on a connection of its own, as long as somebody looks.

use std::sync::Arc;
use std::time::Duration;

use dask_comm::{CommError, Connection, SchedulerState, Timeouts};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};

use super::target::Target;

/// Shorter than an answer of the watcher's: this one has nothing to wait for behind a big graph but the graph.
const PAUSE: Duration = Duration::from_secs(5);

/// What is said where a scheduler refuses.
const REFUSED: &str = "The scheduler does not allow the \u{201c}feed\u{201d} operation, so queued tasks, tasks without a worker and \
                       occupancy are not known, and what is in memory is what the workers report.";

/// What is said where the feed is switched off.
pub(super) const OFF: &str = "The scheduler\u{2019}s feed is switched off (--scheduler-feed off), so queued tasks, tasks without a worker, \
                   occupancy and what tasks depend on are not known, and what is in memory is what the workers report.";

/// What came.
#[derive(Debug)]
enum Told {
    /// It has not come yet.
    Nothing,
    State(Arc<SchedulerState>),
    /// The site does not allow it; a sentence for the user.
    Refused(&'static str),
}

/// A running feed; dropped, it ends.
#[derive(Debug)]
pub(super) struct Feeder {
    told: watch::Receiver<Told>,
    pub(super) every: Duration,
    _task: AbortOnDropHandle<()>,
}

impl Feeder {
    pub(super) fn start(target: Target, timeouts: Timeouts, every: Duration) -> Self {
        let (sender, told) = watch::channel(Told::Nothing);
        let task = tokio::spawn(async move {
            loop {
                match feed(&target, timeouts, every, &sender).await {
                    Err(error) if is_refusal(&error) => {
                        info!(address = %target.address, %error, "the scheduler refuses its feed");
                        sender.send_replace(Told::Refused(REFUSED));
                        return;
                    }
                    Err(error) => debug!(address = %target.address, %error, "lost the scheduler's feed"),
                    Ok(never) => match never {},
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self {
            told,
            every,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The latest state; `None` before the first, and where it is refused.
    pub(super) fn state(&self) -> Option<Arc<SchedulerState>> {
        match &*self.told.borrow() {
            Told::State(state) => Some(state.clone()),
            Told::Nothing | Told::Refused(_) => None,
        }
    }

    /// A sentence for the user where the site does not allow it.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        match *self.told.borrow() {
            Told::Refused(why) => Some(why),
            Told::Nothing | Told::State(_) => None,
        }
    }
}

async fn feed(
    target: &Target,
    timeouts: Timeouts,
    every: Duration,
    told: &watch::Sender<Told>,
) -> Result<std::convert::Infallible, CommError> {
    let connection = Connection::connect(&target.address, target.cert.as_ref(), timeouts).await?;
    let (mut feed, mut state) = connection.feed(every).await?;
    loop {
        told.send_replace(Told::State(Arc::new(state)));
        state = feed.next().await?;
    }
}

/// A handler that is blocked answers with an error; one that may not use pickle answers with nothing at all, as a scheduler
/// does that ended the connection in the middle of its first answer.
pub(super) fn is_refusal(error: &CommError) -> bool {
    matches!(
        error,
        CommError::Remote { .. } | CommError::UnexpectedReply { .. }
    )
}
