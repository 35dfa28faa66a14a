//! The cluster's Bokeh dashboard for browsers: HTTP and WebSocket, below `clusters/{name}/`.
//!
//! The gateway serves dashboards without asking who one is; through this door they are as guarded as the panel. The
//! browser's cookies and credentials stay here. Where a site guards dashboards with the gateway's own credentials, they
//! are added here, and only after it has asked for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use dask_gateway::GatewayConfig;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use protocol::rest::Plot;
use reqwest::Upgraded;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::headers::{asks_for, is_websocket, strip_from_dashboard, strip_hop_by_hop, strip_private};
use super::{place, plots};

/// How long a dashboard may take to open a WebSocket, or to say what plots it has.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

/// For each direction of a WebSocket; Bokeh's messages have a few kilobytes.
const SPLICE_BUFFER: usize = 32 << 10;

/// More than any list of plots.
const MAX_PLOTS_BYTES: usize = 1 << 20;

/// The dashboards of the gateway's clusters. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dashboards(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    /// Addresses below which dashboards may be; more than one only where the gateway's own may serve none.
    bases: Vec<String>,
    /// Which of them it is, once one has answered.
    found: OnceLock<usize>,
    /// The value of `Authorization` that the gateway takes from us, where we have one.
    credentials: Option<HeaderValue>,
    /// Whether dashboards have asked for it.
    asked: AtomicBool,
    /// Where browsers reach dashboards without us.
    public: String,
    /// Ends every WebSocket.
    stop: CancellationToken,
}

/// A dashboard that did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    #[error("A dashboard has no such page.")]
    BadPath,
    #[error(
        "The cluster's dashboard did not answer: {0}. It is there once the cluster runs, and needs bokeh in the cluster's environment."
    )]
    Unreachable(String),
    #[error(
        "The site asks for a login of its own before it shows this dashboard, and Gatehouse can't log in there. Open {0} in a browser tab of its own, or use Gatehouse's own panes, which don't need the dashboard."
    )]
    Login(String),
    #[error(
        "This cluster's dashboard has no plots: its scheduler's environment lacks bokeh. Add bokeh 3.1 or newer to that environment and create the cluster anew."
    )]
    NoPlots,
}

impl Dashboards {
    /// Dashboards of the gateway that `config` names; `credentials` is what it takes from us as `Authorization`.
    pub fn new(
        config: &GatewayConfig,
        client: reqwest::Client,
        credentials: Option<HeaderValue>,
        stop: CancellationToken,
    ) -> Self {
        let address = config.address.as_deref().unwrap_or_default();
        let public = config.public_address.as_deref().unwrap_or(address);
        Self(Arc::new(Inner {
            client,
            bases: place::bases(config),
            found: OnceLock::new(),
            credentials,
            asked: AtomicBool::new(false),
            public: public.trim_end_matches('/').to_owned(),
            stop,
        }))
    }

    /// Passes a request or WebSocket on. `route` is the dashboard's place as the gateway's report names it,
    /// `path_and_query` what follows `clusters/{name}/`, as it was sent.
    ///
    /// # Errors
    /// [`DashboardError`] where the dashboard can't be reached.
    pub async fn pass(
        &self,
        route: &str,
        path_and_query: &str,
        request: Request,
    ) -> Result<Response, DashboardError> {
        let dashboard = self.address(route).await?;
        let below = place::below(path_and_query).ok_or(DashboardError::BadPath)?;
        let url = format!("{dashboard}/{below}");
        let (mut parts, body) = request.into_parts();
        let browser = parts.extensions.remove::<OnUpgrade>();
        let upgrades = parts.method == Method::GET && is_websocket(&parts.headers);
        let mut headers = parts.headers;
        strip_hop_by_hop(&mut headers);
        strip_private(&mut headers);
        if let Some(browser) = browser.filter(|_| upgrades) {
            return self
                .websocket(&dashboard, path_and_query, &url, headers, browser)
                .await;
        }
        // A body of unknown length would give every GET one.
        let body = (!body.is_end_stream()).then(|| reqwest::Body::wrap_stream(body.into_data_stream()));
        let answer = self.send(parts.method, &url, headers, body).await?;
        Ok(relay(answer, &dashboard, path_and_query))
    }

    /// The plots of a cluster's dashboard.
    ///
    /// # Errors
    /// [`DashboardError`], with what to do, where there are none to show.
    pub async fn plots(&self, cluster: &str, route: &str) -> Result<Vec<Plot>, DashboardError> {
        let dashboard = self.address(route).await?;
        let individual = self.individual_plots(&dashboard, route).await?;
        if individual.is_empty() {
            return Err(DashboardError::NoPlots);
        }
        Ok(plots::list(cluster, &individual))
    }

    /// The dashboard's address, without a trailing slash: below an address of the gateway, in the folder that the
    /// gateway names, and nowhere else.
    async fn address(&self, route: &str) -> Result<String, DashboardError> {
        let folder = place::folder(route).ok_or(DashboardError::BadPath)?;
        let inner = &self.0;
        let known = match inner.bases.as_slice() {
            [only] => Some(only),
            bases => inner.found.get().and_then(|found| bases.get(*found)),
        };
        if let Some(base) = known {
            return Ok(format!("{base}{folder}"));
        }
        let mut reason = DashboardError::Unreachable("the gateway has no address".to_owned());
        for (number, base) in inner.bases.iter().enumerate() {
            let dashboard = format!("{base}{folder}");
            match self.individual_plots(&dashboard, route).await {
                Ok(_plots) => {
                    // Another request may have found the same.
                    inner.found.get_or_init(|| number);
                    return Ok(dashboard);
                }
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    /// A dashboard's own list of its plots.
    async fn individual_plots(
        &self,
        dashboard: &str,
        route: &str,
    ) -> Result<Map<String, Value>, DashboardError> {
        let url = format!("{dashboard}/individual-plots.json");
        let asked = async {
            let answer = self.send(Method::GET, &url, HeaderMap::new(), None).await?;
            let status = answer.status();
            let body = axum::body::to_bytes(Body::new(reqwest::Body::from(answer)), MAX_PLOTS_BYTES);
            let body = body.await.map_err(|error| unreachable(&error))?;
            Ok((status, body))
        };
        let (status, body) = tokio::time::timeout(OPEN_WITHIN, asked)
            .await
            .map_err(|_elapsed| DashboardError::Unreachable("it took too long".to_owned()))??;
        let login = || DashboardError::Login(format!("{}{route}", self.0.public));
        if status.is_redirection() || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(login());
        }
        if !status.is_success() {
            return Err(DashboardError::Unreachable(format!(
                "it answers with status {}",
                status.as_u16()
            )));
        }
        // A page where a list should be is somebody's login form.
        serde_json::from_slice(&body).map_err(|_not_json| login())
    }

    /// Sends one request, with the gateway's credentials where dashboards have asked for them.
    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Option<reqwest::Body>,
    ) -> Result<reqwest::Response, DashboardError> {
        let inner = &self.0;
        let knew = inner.asked.load(Ordering::Relaxed);
        let repeatable = body.is_none();
        let request = |credentials: Option<&HeaderValue>| {
            let request = inner.client.request(method.clone(), url).headers(headers.clone());
            match credentials {
                Some(credentials) => request.header(header::AUTHORIZATION, credentials),
                None => request,
            }
        };
        let mut first = request(inner.credentials.as_ref().filter(|_| knew));
        if let Some(body) = body {
            first = first.body(body);
        }
        let failed = |error: reqwest::Error| unreachable(&error.without_url());
        let answer = first.send().await.map_err(failed)?;
        match &inner.credentials {
            Some(credentials)
                if !knew
                    && answer.status() == StatusCode::UNAUTHORIZED
                    && asks_for(answer.headers(), credentials) =>
            {
                inner.asked.store(true, Ordering::Relaxed);
                if repeatable {
                    return request(Some(credentials)).send().await.map_err(failed);
                }
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }

    /// Connects the browser's WebSocket with the dashboard's. The handshake is theirs (Bokeh's subprotocols carry its
    /// session's token), and so are the bytes after it: nothing is parsed on the way.
    async fn websocket(
        &self,
        dashboard: &str,
        path_and_query: &str,
        url: &str,
        mut headers: HeaderMap,
        browser: OnUpgrade,
    ) -> Result<Response, DashboardError> {
        set_upgrade(&mut headers);
        let opening = self.send(Method::GET, url, headers, None);
        let answer = tokio::time::timeout(OPEN_WITHIN, opening)
            .await
            .map_err(|_elapsed| DashboardError::Unreachable("it took too long".to_owned()))??;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(relay(answer, dashboard, path_and_query));
        }
        let mut headers = answer.headers().clone();
        strip_hop_by_hop(&mut headers);
        strip_from_dashboard(&mut headers);
        set_upgrade(&mut headers);
        let stop = self.0.stop.clone();
        tokio::spawn(async move {
            let spliced = splice(browser, answer);
            if let Some(Err(error)) = stop.run_until_cancelled(spliced).await {
                debug!(%error, "a dashboard's WebSocket ended");
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Copies bytes both ways until both have ended.
async fn splice(
    browser: OnUpgrade,
    dashboard: reqwest::Response,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut browser = Upgraded::from(browser.await?);
    let mut dashboard = dashboard.upgrade().await?;
    tokio::io::copy_bidirectional_with_sizes(&mut browser, &mut dashboard, SPLICE_BUFFER, SPLICE_BUFFER)
        .await?;
    Ok(())
}

fn set_upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// The dashboard's answer as the browser gets it, its body streaming.
fn relay(answer: reqwest::Response, dashboard: &str, path_and_query: &str) -> Response {
    let mut response = http::Response::<reqwest::Body>::from(answer).map(Body::new);
    let headers = response.headers_mut();
    strip_hop_by_hop(headers);
    strip_from_dashboard(headers);
    let mended = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| place::relative(location, dashboard, path_and_query))
        .and_then(|location| HeaderValue::from_str(&location).ok());
    if let Some(location) = mended {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// The innermost cause: the outer ones only say that a request failed.
fn unreachable(error: &dyn std::error::Error) -> DashboardError {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    DashboardError::Unreachable(cause.to_string())
}
