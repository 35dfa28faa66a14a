//! A kernel's channels over the Jupyter Server's WebSocket: requests go out, replies and states come in.

use std::fmt;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::jupyter::{JupyterClient, JupyterError};

/// How long the channels may take: Jupyter waits for the kernel's first answer before it opens them.
const CHANNELS_LIMIT: Duration = Duration::from_secs(90);

/// The longest message from a kernel that is taken. The prelude keeps a job's messages far shorter.
const MESSAGE_LIMIT: usize = 64 << 20;

/// An open connection to a kernel.
pub(super) struct Channels {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
}

/// What a kernel said that matters to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KernelEvent {
    /// The kernel died; Jupyter starts it anew or gives up.
    Died,
    /// A request of ours was answered.
    Replied {
        request: String,
        ok: bool,
        error: Option<String>,
    },
}

#[derive(Deserialize)]
struct Incoming {
    header: IncomingHeader,
    #[serde(default)]
    parent_header: ParentHeader,
    #[serde(default)]
    content: IncomingContent,
}

#[derive(Deserialize)]
struct IncomingHeader {
    msg_type: String,
}

#[derive(Default, Deserialize)]
struct ParentHeader {
    #[serde(default)]
    msg_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct IncomingContent {
    #[serde(default)]
    execution_state: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    ename: Option<String>,
    #[serde(default)]
    evalue: Option<String>,
}

impl Channels {
    /// Opens the channels of `kernel`.
    pub(super) async fn open(jupyter: &JupyterClient, kernel: &str) -> Result<Self, JupyterError> {
        let session = uuid::Uuid::new_v4().simple().to_string();
        let mut url = jupyter.join(&format!("api/kernels/{kernel}/channels"))?;
        let failed = |error: &dyn fmt::Display| JupyterError::Channels(error.to_string());
        url.set_scheme("ws")
            .map_err(|()| failed(&"its address is no http address"))?;
        url.query_pairs_mut().append_pair("session_id", &session);
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|error| failed(&error))?;
        let authorization =
            HeaderValue::from_str(&jupyter.authorization()).map_err(|error| failed(&error))?;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LIMIT))
            .max_frame_size(Some(MESSAGE_LIMIT));
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        let (socket, _) = tokio::time::timeout(CHANNELS_LIMIT, connecting)
            .await
            .map_err(|_elapsed| failed(&"the kernel did not answer in 90 s"))?
            .map_err(|error| failed(&error))?;
        Ok(Self { socket, session })
    }

    /// Asks the kernel to run `code` and returns the request's name. Where it fails and `stops`, the requests that wait behind
    /// it are dropped.
    pub(super) async fn execute(
        &mut self,
        code: &str,
        history: bool,
        stops: bool,
    ) -> Result<String, JupyterError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let message = json!({
            "channel": "shell",
            "header": {
                "msg_id": id, "msg_type": "execute_request", "session": self.session,
                "username": "gatehouse", "version": "5.3",
            },
            "parent_header": {},
            "metadata": {},
            "content": {
                "code": code, "silent": false, "store_history": history, "user_expressions": {},
                "allow_stdin": false, "stop_on_error": stops,
            },
        });
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .map_err(|error| JupyterError::Channels(error.to_string()))?;
        Ok(id)
    }

    /// The next thing that matters, or `None` once the connection is closed.
    pub(super) async fn next(&mut self) -> Option<KernelEvent> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => {
                    if let Some(event) = kernel_event(&text) {
                        return Some(event);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "a kernel's channels closed");
                    return None;
                }
            }
        }
    }
}

/// Messages that can't be read, such as ones of extensions, say nothing to us.
fn kernel_event(text: &str) -> Option<KernelEvent> {
    let message: Incoming = serde_json::from_str(text).ok()?;
    let content = message.content;
    match message.header.msg_type.as_str() {
        "status" if matches!(content.execution_state.as_deref(), Some("restarting" | "dead")) => {
            Some(KernelEvent::Died)
        }
        "execute_reply" => Some(KernelEvent::Replied {
            request: message.parent_header.msg_id?,
            ok: content.status.as_deref() == Some("ok"),
            error: content
                .ename
                .map(|name| format!("{name}: {}", content.evalue.unwrap_or_default())),
        }),
        _ => None,
    }
}
