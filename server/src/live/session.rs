//! One browser on one scheduler's live data: a snapshot in bounded chunks, then deltas, as fast as it acknowledges.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use protocol::live::{CREDITS, Frame, Hello, MAX_BATCH_RECORDS, Packet, Request, Topics, VERSION};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Feed;
use super::scrub::Scrub;

/// Proxies close what says nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// Serves `feed` over `socket` until the browser leaves, the watcher ends or `shutdown` comes.
pub async fn serve(mut socket: WebSocket, feed: Arc<Feed>, ended: CancellationToken) {
    let _viewer = feed.viewer();
    let mut session = Session::new(feed);
    // A browser that reads no more must not keep the session once the watcher has ended.
    let served = ended.run_until_cancelled(session.run(&mut socket));
    if let Err(end) = served.await.unwrap_or(Err(End::Ended)) {
        let (code, reason) = match end {
            End::Gone => return,
            End::Ended => (close_code::AWAY, "the cluster is no longer watched"),
            End::BadRequest => (close_code::PROTOCOL, "not a live request of this version"),
        };
        if let Err(error) = socket
            .send(Message::Close(Some(CloseFrame {
                code,
                reason: reason.into(),
            })))
            .await
        {
            debug!(%error, "a live session was gone before its close");
        }
    }
}

/// Why a session is over.
enum End {
    Gone,
    Ended,
    BadRequest,
}

struct Session {
    feed: Arc<Feed>,
    topics: Topics,
    /// Scheduler whose stream this browser holds; `None` before the first `Hello`.
    scheduler: Option<String>,
    next_record: u64,
    /// Number of the sample that it needs next; `None` before the first.
    next_sample: Option<u64>,
    known_lanes: usize,
    known_prefixes: usize,
    sent_seq: u64,
    acked_seq: u64,
}

impl Session {
    fn new(feed: Arc<Feed>) -> Self {
        Self {
            feed,
            topics: Topics::default(),
            scheduler: None,
            next_record: 0,
            next_sample: None,
            known_lanes: 0,
            known_prefixes: 0,
            sent_seq: 0,
            acked_seq: 0,
        }
    }

    async fn run(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let mut log_version = self.feed.log_version.subscribe();
        let mut progress = self.feed.progress.subscribe();
        let mut workers = self.feed.workers.subscribe();
        let mut series = self.feed.series_version.subscribe();
        let mut errors = self.feed.errors.subscribe();
        let mut health = self.feed.health.subscribe();
        health.mark_changed();
        // What changes the moment that is shown changes this as well.
        let mut span = self.feed.span.subscribe();
        span.mark_changed();
        let mut scrub = Scrub::new(Arc::clone(&self.feed));
        let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
        loop {
            while self.topics.tasks && self.has_room() {
                log_version.mark_unchanged();
                let Some(frame) = self.next_tasks() else { break };
                self.send(socket, frame).await?;
            }
            // What waits for room is not lost: each of these keeps its latest value.
            let room = self.has_room();
            tokio::select! {
                _ = keep_alive.tick() => {
                    let ping = Message::Ping(Vec::new().into());
                    socket.send(ping).await.map_err(|_gone| End::Gone)?;
                }
                message = socket.recv() => {
                    let request = match message {
                        Some(Ok(Message::Binary(bytes))) => protocol::live::decode::<Request>(&bytes).map_err(|error| {
                            debug!(%error, "a live session sent what is no request");
                            End::BadRequest
                        })?,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Ok(Message::Text(_))) => return Err(End::BadRequest),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
                    };
                    match request {
                        Request::Subscribe(topics) => {
                            if topics.series && !self.topics.series {
                                self.next_sample = None;
                            }
                            self.topics = topics;
                            progress.mark_changed();
                            workers.mark_changed();
                            series.mark_changed();
                            errors.mark_changed();
                        }
                        Request::Ack { seq } => self.acked_seq = seq.clamp(self.acked_seq, self.sent_seq),
                        Request::Details { record } => {
                            let details = self.feed.details(record).await;
                            self.send(socket, Frame::Details(details)).await?;
                        }
                        Request::Moment { at_us } => {
                            if scrub.ask(at_us) {
                                progress.mark_changed();
                                workers.mark_changed();
                                errors.mark_changed();
                                span.mark_changed();
                            }
                        }
                    }
                }
                () = scrub.turned() => {
                    progress.mark_changed();
                    workers.mark_changed();
                    errors.mark_changed();
                    span.mark_changed();
                }
                changed = span.changed(), if room => {
                    changed.map_err(|_closed| End::Ended)?;
                    if let Some(moment) = scrub.moment() {
                        self.send(socket, Frame::Moment(moment)).await?;
                    }
                }
                changed = log_version.changed(), if room && self.topics.tasks => {
                    changed.map_err(|_closed| End::Ended)?;
                }
                changed = progress.changed(), if room && self.topics.progress => {
                    changed.map_err(|_closed| End::Ended)?;
                    let now = latest(&mut progress);
                    let shown = scrub.progress().unwrap_or(now);
                    self.send(socket, Frame::Progress(shown.as_ref().clone())).await?;
                }
                changed = workers.changed(), if room && self.topics.workers => {
                    changed.map_err(|_closed| End::Ended)?;
                    let now = latest(&mut workers);
                    let shown = scrub.workers().unwrap_or(now);
                    self.send(socket, Frame::Workers(shown.as_ref().clone())).await?;
                }
                changed = series.changed(), if room && self.topics.series => {
                    changed.map_err(|_closed| End::Ended)?;
                    let (frame, next) = self.feed.series().since(self.next_sample);
                    self.next_sample = Some(next);
                    self.send(socket, Frame::Series(frame)).await?;
                }
                changed = errors.changed(), if room && self.topics.errors => {
                    changed.map_err(|_closed| End::Ended)?;
                    let now = latest(&mut errors);
                    let shown = scrub.errors().unwrap_or(now);
                    self.send(socket, Frame::Errors(shown.as_ref().clone())).await?;
                }
                changed = health.changed(), if room => {
                    changed.map_err(|_closed| End::Ended)?;
                    let frame = Frame::Health(latest(&mut health));
                    self.send(socket, frame).await?;
                }
            }
        }
    }

    /// Whether the browser has taken in so much of what it was sent that it may be sent more.
    fn has_room(&self) -> bool {
        self.sent_seq - self.acked_seq < CREDITS
    }

    async fn send(&mut self, socket: &mut WebSocket, frame: Frame) -> Result<(), End> {
        self.sent_seq += 1;
        let packet = Packet {
            seq: self.sent_seq,
            frame,
        };
        let bytes = protocol::live::encode(&packet).map_err(|error| {
            tracing::error!(%error, "a live frame could not be written");
            End::Ended
        })?;
        socket
            .send(Message::Binary(bytes.into()))
            .await
            .map_err(|_gone| End::Gone)
    }

    /// The next task frame, or `None` if the browser has everything.
    fn next_tasks(&mut self) -> Option<Frame> {
        let log = self.feed.log();
        // Another scheduler, or a browser so slow that what it needs next is gone: it begins anew.
        if self.scheduler.as_deref() != Some(log.scheduler()) || self.next_record < log.first_record() {
            if log.scheduler().is_empty() {
                return None;
            }
            self.scheduler = Some(log.scheduler().to_owned());
            self.next_record = log.first_record();
            (self.known_lanes, self.known_prefixes) = (0, 0);
            return Some(Frame::Hello(Hello {
                version: VERSION,
                scheduler: log.scheduler().to_owned(),
                first_record: log.first_record(),
                records: log.next_record() - log.first_record(),
            }));
        }
        if self.next_record >= log.next_record() {
            return None;
        }
        let batch = log.batch(
            self.next_record,
            MAX_BATCH_RECORDS,
            self.known_lanes,
            self.known_prefixes,
        );
        self.next_record = batch.first_record + u64::from(batch.records);
        (self.known_lanes, self.known_prefixes) = log.dictionary_sizes();
        Some(Frame::Tasks(batch))
    }
}

fn latest<T: Clone>(receiver: &mut watch::Receiver<T>) -> T {
    receiver.borrow_and_update().clone()
}

#[cfg(test)]
mod tests {
    use super::super::log::Limits;
    use super::super::{Bar, Task, TaskLog};
    use super::*;

    fn tasks(n: usize) -> Vec<Task> {
        let task = |i: usize| Task {
            key: format!("inc-{i}"),
            prefix: "inc".to_owned(),
            worker: "tcp://a".to_owned(),
            thread: 1,
            bars: vec![Bar {
                action: protocol::live::Action::Compute,
                start_us: i as i64,
                duration_us: 500_000,
            }],
            ..Task::default()
        };
        (0..n).map(task).collect()
    }

    fn feed(scheduler: &str, n: usize) -> Arc<Feed> {
        let feed = Arc::new(Feed::default());
        let limits = Limits {
            tasks: 30_000,
            ..Limits::default()
        };
        *feed.log_mut() = TaskLog::new(scheduler.to_owned(), limits);
        feed.log_mut().extend(&tasks(n));
        feed
    }

    #[test]
    fn a_snapshot_comes_in_bounded_chunks_after_a_hello() {
        let mut session = Session::new(feed("one", 2 * MAX_BATCH_RECORDS + 5));
        let Some(Frame::Hello(hello)) = session.next_tasks() else {
            panic!("no hello")
        };
        assert_eq!(
            (hello.version, hello.records),
            (VERSION, 2 * MAX_BATCH_RECORDS as u64 + 5)
        );
        let mut seen = Vec::new();
        while let Some(Frame::Tasks(batch)) = session.next_tasks() {
            seen.push((batch.records, batch.lanes.len(), batch.caught_up));
        }
        let full = MAX_BATCH_RECORDS as u32;
        assert_eq!(seen, [(full, 1, false), (full, 0, false), (5, 0, true)]);
    }

    #[test]
    fn another_scheduler_begins_a_new_stream() {
        let feed = feed("one", 3);
        let mut session = Session::new(feed.clone());
        while session.next_tasks().is_some() {}
        *feed.log_mut() = TaskLog::new("two".to_owned(), Limits::default());
        feed.log_mut().extend(&tasks(1));
        let Some(Frame::Hello(hello)) = session.next_tasks() else {
            panic!("no hello")
        };
        assert_eq!((hello.scheduler.as_str(), hello.records), ("two", 1));
        let Some(Frame::Tasks(batch)) = session.next_tasks() else {
            panic!("no tasks")
        };
        assert_eq!(
            (batch.first_record, batch.lanes.len(), batch.prefixes.len()),
            (0, 1, 1)
        );
    }

    #[test]
    fn a_browser_that_fell_behind_what_is_kept_begins_anew() {
        let feed = feed("one", 3);
        let mut session = Session::new(feed.clone());
        while session.next_tasks().is_some() {}
        feed.log_mut().extend(&tasks(40_000));
        let Some(Frame::Hello(hello)) = session.next_tasks() else {
            panic!("no hello")
        };
        assert!(hello.first_record > 3, "{}", hello.first_record);
    }

    #[tokio::test]
    async fn a_record_that_is_nowhere_is_answered_with_its_number() {
        let details = feed("one", 1).details(77).await;
        assert_eq!((details.record, details.key.as_str()), (77, ""));
    }

    #[test]
    fn nothing_is_sent_before_the_scheduler_is_known() {
        let mut session = Session::new(Arc::new(Feed::default()));
        assert_eq!(session.next_tasks(), None);
    }
}
