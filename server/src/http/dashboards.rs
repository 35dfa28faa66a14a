//! Routes of the clusters' Bokeh dashboards.

use axum::Json;
use axum::extract::{OriginalUri, Path, Request, State};
use axum::response::{Redirect, Response};
use http::Uri;
use protocol::rest::{ApiError, Plot};

use super::App;
use super::error::HttpError;
use super::guard::wants_page;

/// `clusters/{name}/…`: the cluster's dashboard.
pub(super) async fn pass(
    State(app): State<App>,
    Path((name, _)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Result<Response, HttpError> {
    let page = wants_page(request.headers());
    match forward(&app, &name, &uri, request).await {
        Err(error) if page => Ok(error.in_words()),
        answer => answer,
    }
}

async fn forward(app: &App, name: &str, uri: &Uri, request: Request) -> Result<Response, HttpError> {
    // A dashboard's page runs in the origin of the panel: only the user's own clusters may have one here.
    let route = app.clusters.dashboard_route(name).await?;
    // The rest of the path goes on as it was sent: decoding and encoding it again could change it.
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let rest = path.splitn(4, '/').nth(3).unwrap_or_default();
    Ok(app.dashboards.pass(&route, rest, request).await?)
}

/// `clusters/{name}/`: the dashboard's first page.
pub(super) async fn first_page(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Redirect, HttpError> {
    app.clusters.dashboard_route(&name).await?;
    Ok(Redirect::temporary("./status"))
}

/// The plots of the cluster's Bokeh dashboard, each on a page of its own.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/plots", tag = "clusters",
    params(("name" = String, Path)), responses((status = 200, body = Vec<Plot>), (status = 404, body = ApiError),
    (status = 409, body = ApiError), (status = 502, body = ApiError)))]
pub(super) async fn plots(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Plot>>, HttpError> {
    let route = app.clusters.dashboard_route(&name).await?;
    Ok(Json(app.dashboards.plots(&name, &route).await?))
}
