//! One browser on one scheduler's live data: a snapshot in bounded chunks, then deltas, as fast as it acknowledges.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use protocol::live::{CREDITS, Frame, Hello, MAX_BATCH_RECORDS, Request, VERSION};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Feed;

/// Serves `feed` over `socket` until the browser leaves, the watcher ends or `shutdown` comes.
pub async fn serve(mut socket: WebSocket, feed: Arc<Feed>, ended: CancellationToken) {
    let mut session = Session::new(feed);
    if let Err(end) = session.run(&mut socket, &ended).await {
        let (code, reason) = match end {
            End::Gone => return,
            End::Ended => (close_code::AWAY, "the cluster is no longer watched"),
            End::BadRequest => (close_code::PROTOCOL, "not a live request of this version"),
        };
        if let Err(error) = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await {
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
    tasks: bool,
    progress: bool,
    workers: bool,
    /// Scheduler whose stream this browser holds; `None` before the first `Hello`.
    scheduler: Option<String>,
    next_record: u64,
    known_lanes: usize,
    known_prefixes: usize,
    sent_seq: u64,
    acked_seq: u64,
}

impl Session {
    fn new(feed: Arc<Feed>) -> Self {
        Self {
            feed,
            tasks: false,
            progress: false,
            workers: false,
            scheduler: None,
            next_record: 0,
            known_lanes: 0,
            known_prefixes: 0,
            sent_seq: 0,
            acked_seq: 0,
        }
    }

    async fn run(&mut self, socket: &mut WebSocket, ended: &CancellationToken) -> Result<(), End> {
        let mut log_version = self.feed.log_version.subscribe();
        let mut progress = self.feed.progress.subscribe();
        let mut workers = self.feed.workers.subscribe();
        let mut health = self.feed.health.subscribe();
        health.mark_changed();
        loop {
            while self.tasks && self.sent_seq - self.acked_seq < CREDITS {
                log_version.mark_unchanged();
                let Some(frame) = self.next_tasks() else { break };
                send(socket, &frame).await?;
            }
            tokio::select! {
                () = ended.cancelled() => return Err(End::Ended),
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
                        Request::Subscribe { tasks, progress: wants_progress, workers: wants_workers } => {
                            self.tasks = tasks;
                            self.progress = wants_progress;
                            self.workers = wants_workers;
                            progress.mark_changed();
                            workers.mark_changed();
                        }
                        Request::Ack { seq } => self.acked_seq = seq.clamp(self.acked_seq, self.sent_seq),
                        Request::Details { record } => {
                            let details = self.feed.log().details(record);
                            if let Some(details) = details {
                                send(socket, &Frame::Details(details)).await?;
                            }
                        }
                    }
                }
                changed = log_version.changed(), if self.tasks && self.sent_seq - self.acked_seq < CREDITS => {
                    changed.map_err(|_closed| End::Ended)?;
                }
                changed = progress.changed(), if self.progress => {
                    changed.map_err(|_closed| End::Ended)?;
                    let frame = Frame::Progress(latest(&mut progress).as_ref().clone());
                    send(socket, &frame).await?;
                }
                changed = workers.changed(), if self.workers => {
                    changed.map_err(|_closed| End::Ended)?;
                    let frame = Frame::Workers(latest(&mut workers).as_ref().clone());
                    send(socket, &frame).await?;
                }
                changed = health.changed() => {
                    changed.map_err(|_closed| End::Ended)?;
                    let frame = Frame::Health(latest(&mut health));
                    send(socket, &frame).await?;
                }
            }
        }
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
        let mut batch = log.batch(self.next_record, MAX_BATCH_RECORDS, self.known_lanes, self.known_prefixes);
        self.next_record = batch.first_record + u64::from(batch.records);
        (self.known_lanes, self.known_prefixes) = log.dictionary_sizes();
        self.sent_seq += 1;
        batch.seq = self.sent_seq;
        Some(Frame::Tasks(batch))
    }
}

fn latest<T: Clone>(receiver: &mut watch::Receiver<T>) -> T {
    receiver.borrow_and_update().clone()
}

async fn send(socket: &mut WebSocket, frame: &Frame) -> Result<(), End> {
    let bytes = protocol::live::encode(frame).map_err(|error| {
        tracing::error!(%error, "a live frame could not be written");
        End::Ended
    })?;
    socket.send(Message::Binary(bytes.into())).await.map_err(|_gone| End::Gone)
}
