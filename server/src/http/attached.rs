//! Routes of attached schedulers, and how a name among the clusters leads to one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use protocol::attached::{Attach, Attached, NAME_PREFIX};
use protocol::rest::ApiError;
use tokio_util::sync::CancellationToken;

use super::App;
use super::error::{Body, HttpError};
use crate::live::{Feed, Inspector};

impl App {
    /// Live data of a cluster, or of an attached scheduler.
    pub(super) async fn feed(&self, name: &str) -> Result<(Arc<Feed>, CancellationToken), HttpError> {
        match name.strip_prefix(NAME_PREFIX) {
            Some(id) => Ok(self.attached.feed(id)?),
            None => Ok(self.clusters.feed(name).await?),
        }
    }

    /// What asks the scheduler of a cluster, or an attached one, when somebody looks.
    pub(super) async fn inspector(&self, name: &str) -> Result<Arc<Inspector>, HttpError> {
        match name.strip_prefix(NAME_PREFIX) {
            Some(id) => Ok(self.attached.inspector(id)?),
            None => Ok(self.clusters.inspector(name).await?),
        }
    }
}

/// The schedulers that are watched by their address, newest first.
#[utoipa::path(get, path = "/api/v1/attached", tag = "attached", responses((status = 200, body = Vec<Attached>)))]
pub(super) async fn list(State(app): State<App>) -> Json<Vec<Attached>> {
    Json(app.attached.list().to_vec())
}

/// Attaches to a scheduler, which must answer now; it is only watched.
#[utoipa::path(post, path = "/api/v1/attached", tag = "attached", request_body = Attach,
    responses((status = 201, body = Attached), (status = 409, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn attach(
    State(app): State<App>,
    Body(request): Body<Attach>,
) -> Result<(StatusCode, Json<Attached>), HttpError> {
    Ok((StatusCode::CREATED, Json(app.attached.attach(request).await?)))
}

/// One attached scheduler.
#[utoipa::path(get, path = "/api/v1/attached/{id}", tag = "attached", params(("id" = String, Path)),
    responses((status = 200, body = Attached), (status = 404, body = ApiError)))]
pub(super) async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Attached>, HttpError> {
    Ok(Json(app.attached.get(&id)?))
}

/// Watches a scheduler no longer; it goes on as before.
#[utoipa::path(delete, path = "/api/v1/attached/{id}", tag = "attached", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ApiError)))]
pub(super) async fn detach(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, HttpError> {
    app.attached.detach(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
