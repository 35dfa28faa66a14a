//! The listeners of both doors.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// The browser's door: a socket's permissions or a token guard it.
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Serves `routes` until `shutdown`; open requests are finished.
    pub(super) fn serve(
        self,
        routes: Router,
        shutdown: CancellationToken,
    ) -> JoinHandle<std::io::Result<()>> {
        let ended = shutdown.cancelled_owned();
        match self {
            Self::Unix(listener) => {
                tokio::spawn(async move { axum::serve(listener, routes).with_graceful_shutdown(ended).await })
            }
            Self::Tcp(listener) => {
                let listener = prompt(listener);
                tokio::spawn(async move { axum::serve(listener, routes).with_graceful_shutdown(ended).await })
            }
        }
    }
}

/// A listener whose connections send at once: head and body of what we pass on leave in two pieces, and the second one
/// would wait for the other side's delayed acknowledgement.
pub(super) fn prompt(listener: TcpListener) -> impl axum::serve::Listener<Addr = std::net::SocketAddr> {
    listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            debug!(%error, "a connection can't be made prompt");
        }
    })
}

/// Binds the unix socket; one that a dead server left is replaced.
pub(super) async fn unix(path: &Path) -> anyhow::Result<Listener> {
    if path.exists() {
        if UnixStream::connect(path).await.is_ok() {
            bail!(
                "Another server listens on {}. End it, or choose another socket.",
                path.display()
            );
        }
        std::fs::remove_file(path).with_context(|| format!("{} can't be replaced", path.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| {
        format!(
            "{} can't be listened on; its folder must exist and be yours",
            path.display()
        )
    })?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("{} can't be made private", path.display()))?;
    Ok(Listener::Unix(listener))
}

/// Binds a loopback port; 0 takes a free one.
pub(super) async fn loopback(port: u16) -> anyhow::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "Port {port} is in use by another program. Choose another with --port, or leave --port out to take a free one."
        ),
        _ => anyhow::Error::new(error).context(format!("Port {port} can't be listened on")),
    })?;
    let port = listener
        .local_addr()
        .context("The listener has no address")?
        .port();
    Ok((listener, port))
}
