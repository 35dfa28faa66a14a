//! What changed, to each open panel (WebSocket).

use axum::extract::ws::{Message, WebSocket};
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use protocol::events::{Event, Figures, Notice, NoticeLevel};
use tokio::sync::broadcast::error::RecvError;

use super::{App, KEEP_ALIVE};

/// Clusters, jobs, the gateway's state and notices, as they change.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", responses((status = 101)))]
pub(super) async fn events(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let shutdown = app.shutdown.clone();
        shutdown.run_until_cancelled(serve(app, socket)).await;
    })
}

async fn serve(app: App, mut socket: WebSocket) {
    let _viewer = app.clusters.watch_closely();
    let _reader = app.kernels.reader();
    let mut clusters = app.clusters.subscribe();
    let mut gateway = app.clusters.gateway();
    let mut notices = app.clusters.notices();
    let mut jobs = app.job_events.subscribe();
    let jobs_now = match app.jobs.list().await {
        Ok(jobs) => jobs,
        Err(error) => {
            tracing::error!(%error, "the jobs can't be listed");
            Vec::new()
        }
    };
    let mut told = clusters.borrow_and_update().clone();
    let first = Event::Snapshot {
        status: app.status(),
        clusters: told.to_vec(),
        jobs: jobs_now,
    };
    gateway.mark_unchanged();
    if !send(&mut socket, &first).await {
        return;
    }
    let mut recordings = app.recordings.changes();
    recordings.mark_changed();
    let mut attached = app.attached.subscribe();
    attached.mark_changed();
    let mut kernel_notes = app.kernels.notes();
    kernel_notes.mark_changed();
    let mut guard = app.clusters.guard_info();
    guard.mark_changed();
    let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
    loop {
        let event = tokio::select! {
            left = socket.recv() => match left {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            _ = keep_alive.tick() => {
                if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(()) = clusters.changed() => {
                let before = std::mem::replace(&mut told, clusters.borrow_and_update().clone());
                match Figures::between(&before, &told) {
                    Some(figures) => Event::Figures { figures },
                    None => Event::Clusters { clusters: told.to_vec() },
                }
            }
            Ok(()) = attached.changed() => Event::Attached { attached: attached.borrow_and_update().to_vec() },
            Ok(()) = kernel_notes.changed() => Event::KernelNotes { notes: kernel_notes.borrow_and_update().to_vec() },
            Ok(()) = gateway.changed() => {
                gateway.mark_unchanged();
                Event::Status { status: app.status() }
            }
            Ok(()) = recordings.changed() => {
                recordings.mark_unchanged();
                match app.recordings.list().await {
                    Ok(recordings) => Event::Recordings { recordings },
                    Err(error) => {
                        tracing::error!(%error, "the recordings can't be listed");
                        continue;
                    }
                }
            }
            Ok(()) = guard.changed() => Event::Guard { guard: (**guard.borrow_and_update()).clone() },
            job = jobs.recv() => match job {
                Ok(job) => Event::Job { job: Box::new(job) },
                // Too slow for single changes: the whole state instead.
                Err(RecvError::Lagged(_)) => match app.jobs.list().await {
                    Ok(jobs) => {
                        told = clusters.borrow_and_update().clone();
                        Event::Snapshot { status: app.status(), clusters: told.to_vec(), jobs }
                    }
                    Err(_unlisted) => continue,
                },
                Err(RecvError::Closed) => return,
            },
            notice = notices.recv() => match notice {
                Ok(notice) => Event::Notice { notice },
                Err(RecvError::Lagged(missed)) => Event::Notice {
                    notice: Notice::new(NoticeLevel::Warning, format!("{missed} notices were missed; the log has them.")),
                },
                Err(RecvError::Closed) => return,
            },
        };
        if !send(&mut socket, &event).await {
            return;
        }
    }
}

async fn send(socket: &mut WebSocket, event: &Event) -> bool {
    let Ok(text) = serde_json::to_string(event) else {
        return false;
    };
    socket.send(Message::text(text)).await.is_ok()
}
