//! Routes of the gateway: options and clusters.

use axum::Json;
use axum::extract::{Path, State, WebSocketUpgrade};
use axum::response::Response;
use http::StatusCode;
use protocol::rest::{Adapt, ApiError, Cluster, CreateCluster, Created, Options, Scale, Scaled, Scaling};

use super::App;
use super::error::{Asked, Body, HttpError};
use super::leases::Price;

/// The gateway's options for a new cluster.
#[utoipa::path(get, path = "/api/v1/options", tag = "clusters",
    responses((status = 200, body = Options), (status = 502, body = ApiError)))]
pub(super) async fn options(State(app): State<App>) -> Result<Json<Options>, HttpError> {
    Ok(Json(app.clusters.options().await?))
}

/// The user's clusters, newest first.
#[utoipa::path(get, path = "/api/v1/clusters", tag = "clusters", responses((status = 200, body = Vec<Cluster>)))]
pub(super) async fn list(State(app): State<App>) -> Json<Vec<Cluster>> {
    Json(app.clusters.list().to_vec())
}

/// Creates a cluster; it is PENDING first. One that would exceed a budget is refused as `over_budget`, until the user wants it
/// all the same.
#[utoipa::path(post, path = "/api/v1/clusters", tag = "clusters", params(("over_budget" = Option<bool>, Query)),
    request_body = CreateCluster,
    responses((status = 201, body = Created), (status = 409, body = ApiError), (status = 422, body = ApiError), (status = 502, body = ApiError)))]
pub(super) async fn create(
    State(app): State<App>,
    Asked(price): Asked<Price>,
    Body(request): Body<CreateCluster>,
) -> Result<(StatusCode, Json<Created>), HttpError> {
    if !price.over_budget {
        app.clusters.check_create(&request)?;
    }
    let name = app.clusters.create(request).await?;
    Ok((StatusCode::CREATED, Json(Created { name })))
}

/// One cluster.
#[utoipa::path(get, path = "/api/v1/clusters/{name}", tag = "clusters", params(("name" = String, Path)),
    responses((status = 200, body = Cluster), (status = 404, body = ApiError)))]
pub(super) async fn get(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Cluster>, HttpError> {
    Ok(Json(app.clusters.get(&name)?))
}

/// Shuts a cluster down; takes a failed one off the list.
#[utoipa::path(delete, path = "/api/v1/clusters/{name}", tag = "clusters", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ApiError), (status = 502, body = ApiError)))]
pub(super) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, HttpError> {
    app.clusters.stop(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets the number of workers; ends adaptive scaling.
#[utoipa::path(post, path = "/api/v1/clusters/{name}/scale", tag = "clusters",
    params(("name" = String, Path), ("over_budget" = Option<bool>, Query)),
    request_body = Scale, responses((status = 200, body = Scaled), (status = 404, body = ApiError),
    (status = 409, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn scale(
    State(app): State<App>,
    Path(name): Path<String>,
    Asked(price): Asked<Price>,
    Body(request): Body<Scale>,
) -> Result<Json<Scaled>, HttpError> {
    if !price.over_budget {
        let workers = request.workers;
        app.clusters.check_scale(&name, &Scaling::Manual { workers })?;
    }
    Ok(Json(Scaled {
        warning: app.clusters.scale(&name, request.workers).await?,
    }))
}

/// Lets the scheduler choose the number of workers between two bounds.
#[utoipa::path(post, path = "/api/v1/clusters/{name}/adapt", tag = "clusters",
    params(("name" = String, Path), ("over_budget" = Option<bool>, Query)),
    request_body = Adapt, responses((status = 200, body = Scaled), (status = 404, body = ApiError),
    (status = 409, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn adapt(
    State(app): State<App>,
    Path(name): Path<String>,
    Asked(price): Asked<Price>,
    Body(request): Body<Adapt>,
) -> Result<Json<Scaled>, HttpError> {
    if !price.over_budget {
        let Adapt { minimum, maximum } = request;
        app.clusters
            .check_scale(&name, &Scaling::Adaptive { minimum, maximum })?;
    }
    Ok(Json(Scaled {
        warning: app
            .clusters
            .adapt(&name, request.minimum, request.maximum)
            .await?,
    }))
}

/// Live data as binary frames (WebSocket).
#[utoipa::path(get, path = "/api/v1/clusters/{name}/live", tag = "clusters", params(("name" = String, Path)),
    responses((status = 101), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn live(
    State(app): State<App>,
    Path(name): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, HttpError> {
    let (feed, ended) = app.feed(&name).await?;
    let shutdown = app.shutdown.clone();
    Ok(upgrade.on_upgrade(move |socket| async move {
        let served = crate::live::serve(socket, feed, ended);
        // The watcher ends before the server does; this is for a server that has no time left.
        shutdown.run_until_cancelled(served).await;
    }))
}
