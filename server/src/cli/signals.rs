//! When to end: a signal, or a parent that is gone.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits for SIGTERM, SIGINT or SIGHUP, or until `parent` is no longer the parent of this process; says which.
///
/// # Errors
/// Where the signals can't be listened to.
pub(super) async fn end_is_asked(parent: Option<u32>) -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = hang_up.recv() => "SIGHUP",
        () = orphaned(parent) => "the parent process is gone",
    })
}

/// Nobody tells a process that its parent died; looking is cheap, and works on every Unix.
async fn orphaned(parent: Option<u32>) {
    let Some(parent) = parent else {
        return std::future::pending().await;
    };
    loop {
        let now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        if now != parent {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
