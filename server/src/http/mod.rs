//! The browser's door: routes, errors, origin and token checks.

mod about;
mod attached;
mod clusters;
mod dashboards;
mod error;
mod events;
mod guard;
mod inspect;
mod jobs;
mod leases;
mod life;
mod openapi;
mod panel;
mod presets;
mod recordings;
mod status;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, patch, post, put};
use axum::{Router, middleware};
use protocol::jobs::Job;
use protocol::rest::Status;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use crate::attached::Attachments;
use crate::clusters::Clusters;
use crate::jobs::Jobs;
use crate::kernels::Kernels;
use crate::proxy::dashboard::Dashboards;
use crate::recordings::Recordings;
use error::HttpError;
pub use guard::Token;
pub use openapi::document;
pub use panel::assets_folder;

/// Proxies close a WebSocket that says nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub clusters: Clusters,
    pub attached: Attachments,
    pub kernels: Kernels,
    pub jobs: Jobs,
    pub recordings: Recordings,
    pub job_events: broadcast::Sender<Job>,
    pub dashboards: Dashboards,
    /// Folder of the panel's files; `None` where they were not built.
    pub assets: Option<Arc<PathBuf>>,
    /// Ends every WebSocket.
    pub shutdown: CancellationToken,
}

impl App {
    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gateway: self.clusters.gateway().borrow().clone(),
            jupyter: self.jobs.jupyter_status(),
        }
    }
}

/// The routes of the browser's door; with a token, every one but `health` asks for it.
pub fn router(app: App, token: Option<Token>) -> Router {
    // Bokeh's own answers may be big; what is compressed already or streams as events stays as it is.
    let compress = SizeAbove::new(1024)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE)
        .and(NotForContentType::const_new("application/octet-stream"));
    let routes = Router::new()
        .route("/health", get(status::health))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/openapi.json", get(openapi::serve))
        .route("/api/v1/options", get(clusters::options))
        .route("/api/v1/options/for-kernel", get(presets::for_kernel))
        .route("/api/v1/presets", get(presets::list).post(presets::create))
        .route(
            "/api/v1/presets/{id}",
            patch(presets::change).delete(presets::delete),
        )
        .route("/api/v1/clusters", get(clusters::list).post(clusters::create))
        .route(
            "/api/v1/clusters/{name}",
            get(clusters::get).delete(clusters::delete),
        )
        .route("/api/v1/clusters/{name}/scale", post(clusters::scale))
        .route("/api/v1/clusters/{name}/adapt", post(clusters::adapt))
        .route("/api/v1/clusters/{name}/label", put(life::set_label))
        .route("/api/v1/clusters/{name}/at-stake", get(life::at_stake))
        .route("/api/v1/clusters/{name}/tails", get(life::tails))
        .route("/api/v1/clusters/{name}/lease", put(leases::set))
        .route("/api/v1/clusters/{name}/keep", post(leases::keep))
        .route("/api/v1/guard", get(leases::guard))
        .route("/api/v1/glance", get(leases::glance))
        .route("/api/v1/clusters/{name}/live", get(clusters::live))
        .route("/api/v1/clusters/{name}/groups", get(inspect::groups))
        .route("/api/v1/clusters/{name}/profile", get(inspect::profile))
        .route("/api/v1/clusters/{name}/logs", get(inspect::logs))
        .route("/api/v1/clusters/{name}/story", get(inspect::story))
        .route("/api/v1/clusters/{name}/clients", get(about::clients))
        .route("/api/v1/clusters/{name}/versions", get(about::versions))
        .route("/api/v1/clusters/{name}/plots", get(dashboards::plots))
        .route("/api/v1/attached", get(attached::list).post(attached::attach))
        .route(
            "/api/v1/attached/{id}",
            get(attached::get).delete(attached::detach),
        )
        .route("/api/v1/kernels", get(about::kernels))
        .route("/api/v1/kernels/notes", get(about::kernel_notes))
        .route("/api/v1/jobs", get(jobs::list).post(jobs::create))
        .route("/api/v1/jobs/file", get(jobs::file))
        .route("/api/v1/jobs/{id}", get(jobs::get).delete(jobs::cancel))
        .route("/api/v1/jobs/{id}/output", get(jobs::output))
        .route("/api/v1/jobs/{id}/notebook", get(jobs::notebook))
        .route("/api/v1/jobs/{id}/report", get(jobs::report))
        .route("/api/v1/jobs/{id}/tasks", get(jobs::tasks))
        .route("/api/v1/recordings", get(recordings::list))
        .route(
            "/api/v1/recordings/{id}",
            get(recordings::get).delete(recordings::delete),
        )
        .route("/api/v1/recordings/{id}/live", get(recordings::live))
        .route(
            "/api/v1/recordings/{id}/export",
            get(recordings::export).post(recordings::export_to_jupyter),
        )
        .route("/api/v1/events", get(events::events))
        .route("/clusters/{name}/", get(dashboards::first_page))
        .route("/clusters/{name}/{*path}", any(dashboards::pass))
        .fallback(elsewhere)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
        .layer(CompressionLayer::new().compress_when(compress))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(guard::refuse_other_origins));
    match token {
        Some(token) => routes.layer(middleware::from_fn_with_state(token, guard::require_token)),
        None => routes,
    }
}

/// The panel's files, or a 404 that says so.
async fn elsewhere(State(app): State<App>, OriginalUri(uri): OriginalUri) -> Response {
    let path = uri.path().trim_start_matches('/');
    match panel::file(&app, path).await {
        Some(response) => response,
        None => HttpError::not_found(format!(
            "There is nothing at /{path}. The API is described at api/v1/openapi.json."
        ))
        .into_response(),
    }
}

async fn wrong_method() -> HttpError {
    HttpError::new(
        http::StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "This address does not take that method. The API is described at api/v1/openapi.json.",
    )
}

fn panicked(_payload: Box<dyn std::any::Any + Send>) -> Response {
    // The panic's own text went to the log through the panic hook; it may hold what is nobody's business.
    HttpError::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong inside Gatehouse. Its log says more, under this request's id.",
    )
    .into_response()
}
