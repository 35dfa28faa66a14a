//! Routes of the jobs.

use axum::Json;
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Path, State, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::jobs::{CreateJob, Job, JobFile};
use protocol::rest::ApiError;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{Asked, Body, HttpError};
use super::leases::Price;
use super::{App, KEEP_ALIVE};
use crate::jobs::{file_stem, own_cluster};
use crate::recordings::{DataError, Export, RecordingError};

/// What a report may load: nothing but what is in it.
const REPORT_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                             sandbox";

/// The jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", responses((status = 200, body = Vec<Job>)))]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<Job>>, HttpError> {
    Ok(Json(app.jobs.list().await?))
}

/// Runs a snippet, a script or a notebook in a kernel of the Jupyter Server, on a cluster that runs, on one of its own, or
/// on none. One whose own cluster would exceed a budget is refused as `over_budget`, until the user wants it all the same.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", params(("over_budget" = Option<bool>, Query)),
    request_body = CreateJob,
    responses((status = 201, body = Job), (status = 404, body = ApiError), (status = 409, body = ApiError),
    (status = 422, body = ApiError), (status = 502, body = ApiError)))]
pub(super) async fn create(
    State(app): State<App>,
    Asked(price): Asked<Price>,
    Body(request): Body<CreateJob>,
) -> Result<(StatusCode, Json<Job>), HttpError> {
    if !price.over_budget
        && let Some(cluster) = own_cluster(&request.place)
    {
        app.clusters.check_create(&cluster)?;
    }
    Ok((StatusCode::CREATED, Json(app.jobs.create(request).await?)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FileQuery {
    /// A file below the Jupyter Server's root.
    path: String,
}

/// What a file is as a job: a script, or a notebook with its kernel and parameters.
#[utoipa::path(get, path = "/api/v1/jobs/file", tag = "jobs", params(FileQuery),
    responses((status = 200, body = JobFile), (status = 422, body = ApiError), (status = 502, body = ApiError)))]
pub(super) async fn file(
    State(app): State<App>,
    Asked(query): Asked<FileQuery>,
) -> Result<Json<JobFile>, HttpError> {
    Ok(Json(app.jobs.file(&query.path).await?))
}

/// One job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404, body = ApiError)))]
pub(super) async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Job>, HttpError> {
    Ok(Json(app.jobs.get(&id).await?))
}

/// Cancels a job: interrupts its kernel, and ends it where that does not help. A job that is over stays as it is.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404, body = ApiError)))]
pub(super) async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Job>, HttpError> {
    Ok(Json(app.jobs.cancel(&id).await?))
}

/// The job's output from its beginning, as it comes (WebSocket, one `JobOutput` a message).
#[utoipa::path(get, path = "/api/v1/jobs/{id}/output", tag = "jobs", params(("id" = String, Path)),
    responses((status = 101, body = protocol::jobs::JobOutput), (status = 404, body = ApiError)))]
pub(super) async fn output(
    State(app): State<App>,
    Path(id): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, HttpError> {
    let mut output = app.jobs.output(&id).await?;
    let shutdown = app.shutdown.clone();
    Ok(upgrade.on_upgrade(move |mut socket| async move {
        let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
        loop {
            let item = tokio::select! {
                () = shutdown.cancelled() => return,
                left = socket.recv() => match left {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
                _ = keep_alive.tick() => {
                    if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                        return;
                    }
                    continue;
                }
                item = output.recv() => item,
            };
            let Some(item) = item else {
                return close(socket).await;
            };
            let Ok(text) = serde_json::to_string(&item) else {
                return;
            };
            if socket.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    }))
}

/// The executed notebook of a job that is over.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/notebook", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/x-ipynb+json"), (status = 404, body = ApiError)))]
pub(super) async fn notebook(State(app): State<App>, Path(id): Path<String>) -> Result<Response, HttpError> {
    let notebook = app.jobs.notebook(&id).await?;
    let name = format!("{}.ipynb", file_stem(&app.jobs.get(&id).await?));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-ipynb+json"),
        ),
        (header::CONTENT_DISPOSITION, super::recordings::attachment(&name)),
        // What a job wrote is never a page of ours.
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    Ok((headers, notebook).into_response())
}

/// The report of a job that is over, a page of its own.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/report", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/html"), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn report(State(app): State<App>, Path(id): Path<String>) -> Result<Response, HttpError> {
    let report = app.jobs.report(&id).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        // What a job wrote does nothing on our origin: the page has one of its own, without scripts.
        (header::CONTENT_SECURITY_POLICY, REPORT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, report).into_response())
}

/// The tasks of a job that is over, a Parquet table.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/tasks", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/vnd.apache.parquet"), (status = 206, description = "The range asked for"),
    (status = 404, body = ApiError), (status = 409, body = ApiError), (status = 416, body = ApiError)))]
pub(super) async fn tasks(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let path = app.jobs.tasks(&id).await?;
    let bytes = tokio::fs::metadata(&path).await.map_err(DataError::from);
    let bytes = bytes.map_err(RecordingError::from)?.len();
    let name = format!("{}-tasks.parquet", file_stem(&app.jobs.get(&id).await?));
    super::recordings::send_asked(&Export::parquet(path, name, bytes), &headers).await
}

async fn close(mut socket: WebSocket) {
    if let Err(error) = socket.send(Message::Close(None)).await {
        tracing::debug!(%error, "the reader of a job's output was gone before its end");
    }
}
