//! Routes of the clusters' Bokeh dashboards.

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{OriginalUri, Path, Request, State, WebSocketUpgrade};
use axum::response::{IntoResponse, Redirect, Response};

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
    if !protocol::connect::is_cluster_name(&name) {
        return Err(HttpError::not_found(format!("There is no cluster {name}.")));
    }
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
pub(super) async fn first_page(Path(name): Path<String>) -> Response {
    if protocol::connect::is_cluster_name(&name) {
        Redirect::temporary("./status").into_response()
    } else {
        HttpError::not_found(format!("There is no cluster {name}.")).into_response()
    }
}
