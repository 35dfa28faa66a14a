//! Routes that ask a cluster's scheduler when somebody looks.

use axum::Json;
use axum::extract::{Path, State};
use protocol::inspect::{Logs, Profile, Story, TaskGroups};
use protocol::rest::ApiError;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::error::{Asked, HttpError};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ProfileQuery {
    /// Address of a worker; all of them where it is missing.
    worker: Option<String>,
    /// Key prefix of the tasks; all of them where it is missing.
    prefix: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsQuery {
    /// Address of a worker; the scheduler where it is missing.
    worker: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StoryQuery {
    /// A task's key.
    key: String,
}

/// Where the workers' threads spend their time.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/profile", tag = "clusters",
    params(("name" = String, Path), ProfileQuery), responses((status = 200, body = Profile), (status = 404, body = ApiError),
    (status = 409, body = ApiError), (status = 502, body = ApiError), (status = 504, body = ApiError)))]
pub(super) async fn profile(
    State(app): State<App>,
    Path(name): Path<String>,
    Asked(query): Asked<ProfileQuery>,
) -> Result<Json<Profile>, HttpError> {
    let inspector = app.inspector(&name).await?;
    let (worker, prefix) = (given(&query.worker), given(&query.prefix));
    Ok(Json(inspector.profile(worker, prefix).await?))
}

/// The latest log lines of the scheduler or of a worker.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/logs", tag = "clusters",
    params(("name" = String, Path), LogsQuery), responses((status = 200, body = Logs), (status = 404, body = ApiError),
    (status = 409, body = ApiError), (status = 502, body = ApiError), (status = 504, body = ApiError)))]
pub(super) async fn logs(
    State(app): State<App>,
    Path(name): Path<String>,
    Asked(query): Asked<LogsQuery>,
) -> Result<Json<Logs>, HttpError> {
    let inspector = app.inspector(&name).await?;
    Ok(Json(inspector.logs(given(&query.worker)).await?))
}

/// What became of a task.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/story", tag = "clusters",
    params(("name" = String, Path), StoryQuery), responses((status = 200, body = Story), (status = 404, body = ApiError),
    (status = 409, body = ApiError), (status = 502, body = ApiError), (status = 504, body = ApiError)))]
pub(super) async fn story(
    State(app): State<App>,
    Path(name): Path<String>,
    Asked(query): Asked<StoryQuery>,
) -> Result<Json<Story>, HttpError> {
    let inspector = app.inspector(&name).await?;
    Ok(Json(inspector.story(&query.key).await?))
}

/// The task groups and what they depend on.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/groups", tag = "clusters", params(("name" = String, Path)),
    responses((status = 200, body = TaskGroups), (status = 404, body = ApiError), (status = 409, body = ApiError),
    (status = 502, body = ApiError), (status = 504, body = ApiError)))]
pub(super) async fn groups(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<TaskGroups>, HttpError> {
    let inspector = app.inspector(&name).await?;
    Ok(Json(inspector.groups().await?))
}

/// An empty parameter is one that is missing.
fn given(parameter: &Option<String>) -> Option<&str> {
    parameter.as_deref().filter(|text| !text.is_empty())
}
