//! The cluster's Bokeh dashboard for browsers: HTTP and WebSocket, below `clusters/{name}/`.
//!
//! The gateway serves dashboards without asking who one is; through this door they are as guarded as the panel. The
//! browser's cookies and credentials stay here.

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, header};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tracing::debug;

use super::headers::{strip_hop_by_hop, strip_private};

/// Where the dashboards are.
#[derive(Clone, Debug)]
pub struct Dashboards {
    /// Address below which the gateway serves `/clusters/{name}/…`, without a trailing slash.
    pub base: String,
    pub client: reqwest::Client,
}

/// A dashboard that did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    #[error(
        "The cluster's dashboard did not answer: {0}. It is there once the cluster runs, and needs bokeh in the cluster's environment."
    )]
    Unreachable(String),
}

impl Dashboards {
    fn url(&self, cluster: &str, path_and_query: &str) -> String {
        format!("{}/clusters/{cluster}/{path_and_query}", self.base)
    }

    /// Passes a plain request on. `path_and_query` is what follows `clusters/{name}/`, as it was sent.
    ///
    /// # Errors
    /// [`DashboardError`] where the gateway can't be reached.
    pub async fn http(
        &self,
        cluster: &str,
        path_and_query: &str,
        request: axum::extract::Request,
    ) -> Result<Response, DashboardError> {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        strip_hop_by_hop(&mut headers);
        strip_private(&mut headers);
        let answer = self
            .client
            .request(parts.method, self.url(cluster, path_and_query))
            .headers(headers)
            .body(reqwest::Body::wrap_stream(body.into_data_stream()))
            .send()
            .await
            .map_err(|error| DashboardError::Unreachable(plain(&error.without_url())))?;
        let status = answer.status();
        let mut headers = answer.headers().clone();
        strip_hop_by_hop(&mut headers);
        headers.remove(header::SET_COOKIE);
        relocate(&mut headers, path_and_query);
        let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Connects the browser's WebSocket with the dashboard's, subprotocols included (Bokeh's carry its session token).
    ///
    /// # Errors
    /// [`DashboardError`] where the dashboard refuses or can't be reached.
    pub async fn websocket(
        &self,
        cluster: &str,
        path_and_query: &str,
        headers: &HeaderMap,
        upgrade: WebSocketUpgrade,
    ) -> Result<Response, DashboardError> {
        let unreachable = |error: tungstenite::Error| DashboardError::Unreachable(plain(&error));
        let url = self.url(cluster, path_and_query).replacen("http", "ws", 1);
        let mut request = url.into_client_request().map_err(unreachable)?;
        if let Some(protocols) = headers.get(header::SEC_WEBSOCKET_PROTOCOL) {
            request
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, protocols.clone());
        }
        let (upstream, answer) = tokio_tungstenite::connect_async(request)
            .await
            .map_err(unreachable)?;
        let chosen = answer
            .headers()
            .get(header::SEC_WEBSOCKET_PROTOCOL)
            .and_then(|p| p.to_str().ok())
            .map(str::to_owned);
        Ok(upgrade
            .protocols(chosen)
            .on_upgrade(move |browser| splice(browser, upstream))
            .into_response())
    }
}

/// The dashboard redirects to absolute paths of its own (`/status`), which would leave the prefix it is served under.
fn relocate(headers: &mut HeaderMap, path_and_query: &str) {
    let path = path_and_query.split('?').next().unwrap_or_default();
    let relative = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| location.strip_prefix('/'))
        .filter(|location| !location.starts_with('/'))
        .and_then(|location| {
            let up = "../".repeat(path.matches('/').count());
            HeaderValue::from_str(&format!("./{up}{location}")).ok()
        });
    if let Some(relative) = relative {
        headers.insert(header::LOCATION, relative);
    }
}

/// The innermost cause: the outer ones only say that a request failed.
fn plain(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

type Upstream = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn splice(browser: WebSocket, upstream: Upstream) {
    let (mut to_browser, mut from_browser) = browser.split();
    let (mut to_upstream, mut from_upstream) = upstream.split();
    let up = async {
        while let Some(Ok(message)) = from_browser.next().await {
            let message = match message {
                Message::Text(text) => tungstenite::Message::text(text.as_str()),
                Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            to_upstream.send(message).await?;
        }
        to_upstream.close().await
    };
    let down = async {
        while let Some(Ok(message)) = from_upstream.next().await {
            let message = match message {
                tungstenite::Message::Text(text) => Message::text(text.as_str()),
                tungstenite::Message::Binary(bytes) => Message::Binary(bytes),
                tungstenite::Message::Close(_) => break,
                _ => continue,
            };
            to_browser.send(message).await?;
        }
        to_browser.close().await
    };
    tokio::select! {
        ended = up => if let Err(error) = ended { debug!(%error, "a dashboard's WebSocket ended") },
        ended = down => if let Err(error) = ended { debug!(%error, "a browser's dashboard WebSocket ended") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_below_the_cluster() {
        let cases = [
            ("", "/status", "./status"),
            ("a/b?x=/1/2", "/status", "./../status"),
            ("", "status", "status"),
            ("", "//other.example/", "//other.example/"),
            ("", "https://other.example/", "https://other.example/"),
        ];
        for (path, location, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
            relocate(&mut headers, path);
            assert_eq!(headers[header::LOCATION], expected, "{path} {location}");
        }
    }
}
