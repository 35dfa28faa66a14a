//! Routes that say how the server is.

use axum::Json;
use axum::extract::State;
use protocol::rest::Status;

use super::App;

/// Whether this server answers; needs no token and says nothing else.
#[utoipa::path(get, path = "/health", tag = "server", responses((status = 200, body = String)))]
pub(super) async fn health() -> &'static str {
    "ok"
}

/// The server, its gateway, and the Jupyter Server that runs jobs.
#[utoipa::path(get, path = "/api/v1/status", tag = "server", responses((status = 200, body = Status)))]
pub(super) async fn status(State(app): State<App>) -> Json<Status> {
    Json(app.status())
}
