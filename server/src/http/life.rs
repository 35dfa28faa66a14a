//! Routes of a cluster's life: its label, what its end would lose, the ends of its logs.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use protocol::life::{AtStake, LogTails, SetLabel};
use protocol::rest::ApiError;

use super::App;
use super::error::{Body, HttpError};

/// Sets or takes away the user's own name for a cluster.
#[utoipa::path(put, path = "/api/v1/clusters/{name}/label", tag = "clusters", params(("name" = String, Path)),
    request_body = SetLabel, responses((status = 204), (status = 404, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn set_label(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(request): Body<SetLabel>,
) -> Result<StatusCode, HttpError> {
    app.clusters.set_label(&name, request.label).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a shutdown would lose, read from the scheduler at this moment.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/at-stake", tag = "clusters", params(("name" = String, Path)),
    responses((status = 200, body = AtStake), (status = 404, body = ApiError)))]
pub(super) async fn at_stake(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<AtStake>, HttpError> {
    Ok(Json(app.clusters.at_stake(&name).await?))
}

/// The ends of the logs of a cluster's scheduler and workers, where the gateway's files are on this machine.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/tails", tag = "clusters", params(("name" = String, Path)),
    responses((status = 200, body = LogTails), (status = 404, body = ApiError)))]
pub(super) async fn tails(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<LogTails>, HttpError> {
    Ok(Json(app.clusters.tails(&name).await?))
}
