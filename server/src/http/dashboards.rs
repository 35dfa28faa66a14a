//! Routes of the clusters' Bokeh dashboards.

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{OriginalUri, Path, Request, State, WebSocketUpgrade};
use axum::response::{Redirect, Response};
use http::StatusCode;
use protocol::rest::ClusterState;

use super::App;
use super::error::HttpError;

/// `clusters/{name}/…`: the cluster's dashboard.
pub(super) async fn pass(
    State(app): State<App>,
    Path((name, _)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Result<Response, HttpError> {
    check(&app, &name).await?;
    // The rest of the path goes on as it was sent: decoding and encoding it again could change it.
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let rest = path.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
    match upgrade {
        Ok(upgrade) => Ok(app
            .dashboards
            .websocket(&name, &rest, request.headers(), upgrade)
            .await?),
        Err(_plain_request) => Ok(app.dashboards.http(&name, &rest, request).await?),
    }
}

/// `clusters/{name}/`: the dashboard's first page.
pub(super) async fn first_page(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Redirect, HttpError> {
    check(&app, &name).await?;
    Ok(Redirect::temporary("./status"))
}

/// A dashboard's page runs in the origin of the panel: only the user's own clusters may have one here.
async fn check(app: &App, name: &str) -> Result<(), HttpError> {
    let cluster = app.clusters.find(name).await?;
    if cluster.state == ClusterState::Running {
        return Ok(());
    }
    Err(HttpError::new(
        StatusCode::CONFLICT,
        "wrong_state",
        format!("Cluster {name} is not running; it has a dashboard while it runs."),
    ))
}
