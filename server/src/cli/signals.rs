//! When to end: a signal, or a parent that is gone.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The signals that ask for the end; from the moment they are listened to, none ends the process by itself.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where the signals can't be listened to.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them, or until `parent` is no longer the parent of this process; says which.
    pub(super) async fn end_is_asked(&mut self, parent: Option<u32>) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
            () = orphaned(parent) => "the parent process is gone",
        }
    }
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
