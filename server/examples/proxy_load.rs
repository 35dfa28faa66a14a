//! What `npm run bench -- proxy` measures with: a dashboard that answers at once, and a load that keeps it busy.
//!
//! `upstream` is a gateway with one running cluster, `bench`, whose dashboard has a small page and a WebSocket; it prints
//! its port, and listens on a unix socket as well. `http` and `ws` ask one address for a while and print a JSON object.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::extract::ws::{Message as Sent, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use bytes::Bytes;
use clap::{Args, Parser};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Bytes of the page and of each WebSocket message: Bokeh's patches have about as many.
const SIZE: usize = 1024;

/// Messages that the load asks for at once. Two such batches are on their way, so that nobody waits for the asking.
const BATCH: usize = 500;

#[derive(Debug, Parser)]
enum Arguments {
    Upstream { socket: PathBuf },
    Http(Load),
    Ws(Load),
}

/// What is asked, for how long, and as whom.
#[derive(Clone, Debug, Args)]
struct Load {
    url: String,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Value of `Authorization`.
    #[arg(long)]
    authorization: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse() {
        Arguments::Upstream { socket } => upstream(&socket).await,
        Arguments::Http(load) => http_load(&load).await,
        Arguments::Ws(load) => ws_load(&load).await,
    }
}

async fn upstream(socket: &Path) -> anyhow::Result<()> {
    let cluster = json!({"bench": {"name": "bench", "status": "RUNNING", "start_time": 1, "options": {},
        "dashboard_route": "/clusters/bench/status"}});
    let page = "x".repeat(SIZE);
    let app = Router::new()
        .route("/api/version", get(async || Json(json!({"version": "2026.3.0"}))))
        .route(
            "/api/v1/options",
            get(async || Json(json!({"cluster_options": []}))),
        )
        .route("/api/v1/clusters/", get(async move || Json(cluster)))
        .route("/clusters/bench/page", get(async move || page))
        .route("/clusters/bench/ws", any(messages));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let prompt = listener.tap_io(|connection| connection.set_nodelay(true).unwrap_or_default());
    let local = axum::serve(UnixListener::bind(socket)?, app.clone()).into_future();
    tokio::try_join!(axum::serve(prompt, app).into_future(), local)?;
    Ok(())
}

/// Sends as many messages as it is asked for, each on its own, as a dashboard does.
async fn messages(upgrade: WebSocketUpgrade) -> Response {
    let message = Bytes::from(vec![b'x'; SIZE]);
    upgrade.on_upgrade(async move |mut socket| {
        while let Some(Ok(asked)) = socket.recv().await {
            let Ok(count) = asked.to_text().unwrap_or_default().parse::<usize>() else {
                continue;
            };
            for _ in 0..count {
                if socket.send(Sent::Binary(message.clone())).await.is_err() {
                    return;
                }
            }
        }
    })
}

impl Load {
    fn lasts(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn headers(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(authorization)?);
        }
        Ok(headers)
    }
}

/// Each connection asks again as soon as it has its answer.
async fn http_load(load: &Load) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        connections.spawn(ask(load.clone(), began));
    }
    let mut took = Vec::new();
    while let Some(asked) = connections.join_next().await {
        took.extend(asked??);
    }
    let seconds = began.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |part: f64| {
        let place = ((took.len() as f64 * part) as usize).min(took.len().saturating_sub(1));
        took.get(place).map_or(0.0, Duration::as_secs_f64) * 1000.0
    };
    println!(
        "{}",
        json!({"requests_per_s": took.len() as f64 / seconds, "p50_ms": at(0.5), "p99_ms": at(0.99)})
    );
    Ok(())
}

/// One kept-alive connection; returns how long each answer took.
async fn ask(load: Load, began: Instant) -> anyhow::Result<Vec<Duration>> {
    let url: Uri = load.url.parse()?;
    let authority = url.authority().context("the address has no host")?;
    let stream = TcpStream::connect(authority.as_str()).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut headers = load.headers()?;
    headers.insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut took = Vec::new();
    while began.elapsed() < load.lasts() {
        let mut request = Request::get(path).body(Empty::<Bytes>::new())?;
        *request.headers_mut() = headers.clone();
        let asked = Instant::now();
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        took.push(asked.elapsed());
        if status != StatusCode::OK || body.len() != SIZE {
            bail!("{} answers {status} with {} bytes", load.url, body.len());
        }
    }
    Ok(took)
}

async fn ws_load(load: &Load) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        connections.spawn(listen(load.clone(), began));
    }
    let mut heard = 0;
    while let Some(listened) = connections.join_next().await {
        heard += listened??;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{}", json!({"messages_per_s": heard as f64 / seconds}));
    Ok(())
}

/// One WebSocket that asks for the next batch while another one arrives; returns how many messages came.
async fn listen(load: Load, began: Instant) -> anyhow::Result<usize> {
    let mut request = load.url.replacen("http", "ws", 1).into_client_request()?;
    request.headers_mut().extend(load.headers()?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let more = Message::text(BATCH.to_string());
    socket.send(more.clone()).await?;
    socket.send(more.clone()).await?;
    let mut heard = 0;
    while began.elapsed() < load.lasts() {
        for _ in 0..BATCH {
            let message = socket.next().await.context("the WebSocket was closed")??;
            if message.len() != SIZE {
                bail!("a message of {} bytes", message.len());
            }
            heard += 1;
        }
        socket.send(more.clone()).await?;
    }
    Ok(heard)
}
