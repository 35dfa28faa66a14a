//! Routes of the guard: leases, what was done about them, what was used.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use protocol::guard::{Glance, Guard, Lease, LeaseTerms};
use protocol::rest::ApiError;
use serde::Deserialize;

use super::App;
use super::error::{Body, HttpError};

/// What a request may say about its price.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    /// The user was asked, and wants it although it exceeds a budget.
    #[serde(default)]
    pub(super) over_budget: bool,
}

/// What the guard goes by, what it did, and what clusters used and cost.
#[utoipa::path(get, path = "/api/v1/guard", tag = "guard", responses((status = 200, body = Guard)))]
pub(super) async fn guard(State(app): State<App>) -> Json<Guard> {
    Json(Arc::unwrap_or_clone(app.clusters.guard_info().borrow().clone()))
}

/// What a status bar shows. Asking for it is no sign that somebody looks, so the gateway is not asked more often.
#[utoipa::path(get, path = "/api/v1/glance", tag = "guard", responses((status = 200, body = Glance)))]
pub(super) async fn glance(State(app): State<App>) -> Json<Glance> {
    Json(app.clusters.glance())
}

/// Changes when a cluster ends by itself.
#[utoipa::path(put, path = "/api/v1/clusters/{name}/lease", tag = "guard", params(("name" = String, Path)),
    request_body = LeaseTerms, responses((status = 200, body = Lease), (status = 404, body = ApiError),
    (status = 409, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn set(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(terms): Body<LeaseTerms>,
) -> Result<Json<Lease>, HttpError> {
    Ok(Json(app.clusters.set_lease(&name, terms).await?))
}

/// Gives a cluster more time: its idleness counts from now on, and its lifetime ends an hour from now at the earliest.
#[utoipa::path(post, path = "/api/v1/clusters/{name}/keep", tag = "guard", params(("name" = String, Path)),
    responses((status = 200, body = Lease), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn keep(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Lease>, HttpError> {
    Ok(Json(app.clusters.keep(&name).await?))
}
