//! The cluster's Bokeh dashboard for browsers: HTTP and WebSocket, below `clusters/{name}/`.
//!
//! The gateway serves dashboards without asking who one is; through this door they are as guarded as the panel. The
//! browser's cookies and credentials stay here.

use std::time::Duration;

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

/// How long a dashboard may take to open a WebSocket.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

/// A dashboard that did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    #[error("A dashboard has no such page.")]
    BadPath,
    #[error(
        "The cluster's dashboard did not answer: {0}. It is there once the cluster runs, and needs bokeh in the cluster's environment."
    )]
    Unreachable(String),
}

impl Dashboards {
    /// The page's address below the cluster's own, without a token that was meant for us.
    fn url(&self, cluster: &str, path_and_query: &str) -> Result<String, DashboardError> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        // Whoever resolves the address next would climb out of the cluster's folder.
        if path.split(['/', '\\']).any(is_dots) {
            return Err(DashboardError::BadPath);
        }
        let query: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("token="))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        Ok(format!(
            "{}/clusters/{cluster}/{path}{mark}{}",
            self.base,
            query.join("&")
        ))
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
            .request(parts.method, self.url(cluster, path_and_query)?)
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
        let url = self.url(cluster, path_and_query)?.replacen("http", "ws", 1);
        let mut request = url.into_client_request().map_err(unreachable)?;
        if let Some(protocols) = headers.get(header::SEC_WEBSOCKET_PROTOCOL) {
            request
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, protocols.clone());
        }
        let opened = tokio::time::timeout(OPEN_WITHIN, tokio_tungstenite::connect_async(request)).await;
        let (upstream, answer) = opened
            .map_err(|_elapsed| DashboardError::Unreachable("it took too long".to_owned()))?
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

/// Whether a path segment is `.` or `..`, however its dots are written.
fn is_dots(segment: &str) -> bool {
    matches!(
        segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
        "." | ".."
    )
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
    fn no_path_leads_out_of_the_cluster() {
        let dashboards = Dashboards {
            base: "http://gateway".to_owned(),
            client: crate::outbound::client(&dask_gateway::HttpProxy::Off).expect("client"),
        };
        for path in [
            "../x",
            "a/../../x",
            "%2e%2e/x",
            "a/.%2E",
            "./x",
            "a\\..\\x",
            "..",
            "..?x=1",
        ] {
            assert!(dashboards.url("c", path).is_err(), "{path}");
        }
        for (path, expected) in [
            ("status", "http://gateway/clusters/c/status"),
            (
                "a..b/.c?x=../y&token=secret&z",
                "http://gateway/clusters/c/a..b/.c?x=../y&z",
            ),
            ("info?token=secret", "http://gateway/clusters/c/info"),
        ] {
            assert_eq!(dashboards.url("c", path).expect("a page"), expected);
        }
    }

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
