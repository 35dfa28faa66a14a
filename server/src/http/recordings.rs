//! Routes of the recordings.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::recordings::{ExportFormat, ExportToJupyter, Exported, Recording};
use protocol::rest::ApiError;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::App;
use super::error::{Body as JsonBody, HttpError};
use crate::recordings::{DataError, Export, ExportRequest, RecordingError, Table};

/// No answer to a request for a range is longer: a proxy in between may refuse answers over 100 MB.
const PIECE: u64 = 32 << 20;

/// The recordings, newest first.
#[utoipa::path(get, path = "/api/v1/recordings", tag = "recordings", responses((status = 200, body = Vec<Recording>)))]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<Recording>>, HttpError> {
    Ok(Json(app.recordings.list().await?))
}

/// One recording.
#[utoipa::path(get, path = "/api/v1/recordings/{id}", tag = "recordings", params(("id" = String, Path)),
    responses((status = 200, body = Recording), (status = 404, body = ApiError)))]
pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Recording>, HttpError> {
    Ok(Json(app.recordings.get(&id).await?))
}

/// Deletes a recording for good; one that is still written stays.
#[utoipa::path(delete, path = "/api/v1/recordings/{id}", tag = "recordings", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, HttpError> {
    app.recordings.delete(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The recording in the frames of a cluster's live data (WebSocket).
#[utoipa::path(get, path = "/api/v1/recordings/{id}/live", tag = "recordings", params(("id" = String, Path)),
    responses((status = 101), (status = 404, body = ApiError)))]
pub(super) async fn live(
    State(app): State<App>,
    Path(id): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, HttpError> {
    let feed = app.recordings.feed(&id).await?;
    let shutdown = app.shutdown.clone();
    Ok(upgrade.on_upgrade(move |socket| async move {
        let served = crate::live::serve(socket, feed, CancellationToken::new());
        shutdown.run_until_cancelled(served).await;
    }))
}

/// What to make of a recording.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    format: ExportFormat,
    /// Of `parquet`: `tasks`, `workers` or `prefixes`.
    table: Option<String>,
    /// Of a figure: where it begins and ends, microseconds since the Unix epoch.
    from: Option<i64>,
    to: Option<i64>,
    /// Of a figure: its size in pixels.
    width: Option<u32>,
    height: Option<u32>,
    /// Only this piece of it, of 32 MiB, counted from 0: for those who can't ask for a range.
    piece: Option<u64>,
    /// Only its name and length, as JSON.
    #[serde(default)]
    about: bool,
}

impl ExportQuery {
    fn request(&self) -> Result<ExportRequest, HttpError> {
        let whole = ExportRequest::new(self.format);
        let table = match self.table.as_deref() {
            None => whole.table,
            Some(name) => Table::ALL
                .into_iter()
                .find(|table| table.name() == name)
                .ok_or_else(|| {
                    HttpError::invalid(
                        Some("table".to_owned()),
                        "The table must be tasks, workers or prefixes.",
                    )
                })?,
        };
        Ok(ExportRequest {
            table,
            from_us: self.from,
            to_us: self.to,
            width: self.width.unwrap_or(whole.width),
            height: self.height.unwrap_or(whole.height),
            ..whole
        })
    }
}

/// An export as a download. A request for a range gets at most 32 MiB of it, so that a big one can be fetched in pieces.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/export", tag = "recordings", params(("id" = String, Path), ExportQuery),
    responses((status = 200), (status = 206), (status = 404, body = ApiError), (status = 416, body = ApiError),
    (status = 422, body = ApiError)))]
pub(super) async fn export(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<ExportQuery>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let export = app.recordings.export(&id, query.request()?).await?;
    if query.about {
        let (path, bytes) = (export.name, export.bytes);
        return Ok(Json(Exported { path, bytes }).into_response());
    }
    if let Some(number) = query.piece {
        return send(&export, number.saturating_mul(PIECE), PIECE, StatusCode::OK).await;
    }
    send_asked(&export, &headers).await
}

/// Sends all of a file, or the range of it that is asked for.
pub(super) async fn send_asked(export: &Export, headers: &HeaderMap) -> Result<Response, HttpError> {
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let piece = match range {
        None => None,
        Some(range) => Some(piece(range, export.bytes).ok_or_else(|| {
            HttpError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range",
                format!(
                    "The file has {} bytes; ask for one range within them.",
                    export.bytes
                ),
            )
        })?),
    };
    match piece {
        Some((from, to)) => send(export, from, to - from + 1, StatusCode::PARTIAL_CONTENT).await,
        None => send(export, 0, u64::MAX, StatusCode::OK).await,
    }
}

/// First and last byte of the piece that a `Range` header asks for.
fn piece(range: &str, bytes: u64) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last = bytes.checked_sub(1)?;
    let (from, to) = match (from.trim(), to.trim()) {
        ("", suffix) => (bytes.saturating_sub(suffix.parse::<u64>().ok()?), last),
        (from, "") => (from.parse().ok()?, last),
        (from, to) => (from.parse().ok()?, to.parse::<u64>().ok()?.min(last)),
    };
    (from <= to).then(|| (from, to.min(from + PIECE - 1)))
}

/// At most `limit` bytes of the export from `from` on.
async fn send(export: &Export, from: u64, limit: u64, status: StatusCode) -> Result<Response, HttpError> {
    let unreadable = |error: std::io::Error| RecordingError::from(DataError::from(error));
    let mut file = tokio::fs::File::open(&export.path).await.map_err(unreadable)?;
    file.seek(SeekFrom::Start(from)).await.map_err(unreadable)?;
    let length = export.bytes.saturating_sub(from).min(limit);
    let mut response = Body::from_stream(ReaderStream::new(file.take(length))).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(export.mime));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // The report is shown as a page of its own: whatever a task's name holds, nothing in it runs here.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"),
    );
    headers.insert(header::CONTENT_DISPOSITION, attachment(&export.name));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) =
            HeaderValue::from_str(&format!("bytes {from}-{}/{}", from + length - 1, export.bytes))
    {
        headers.insert(header::CONTENT_RANGE, range);
    }
    *response.status_mut() = status;
    Ok(response)
}

/// The header for something that is saved under this name.
pub(super) fn attachment(name: &str) -> HeaderValue {
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic() && !"\"\\".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\""))
        .unwrap_or_else(|_never| HeaderValue::from_static("attachment"))
}

/// Writes an export into a folder of the Jupyter Server.
#[utoipa::path(post, path = "/api/v1/recordings/{id}/export", tag = "recordings", params(("id" = String, Path), ExportQuery),
    request_body = ExportToJupyter, responses((status = 201, body = Exported), (status = 404, body = ApiError),
    (status = 422, body = ApiError), (status = 502, body = ApiError)))]
pub(super) async fn export_to_jupyter(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<ExportQuery>,
    JsonBody(request): JsonBody<ExportToJupyter>,
) -> Result<(StatusCode, Json<Exported>), HttpError> {
    let export = app.recordings.export(&id, query.request()?).await?;
    let path = app
        .jobs
        .save_file(&request.folder, &export.name, &export.path)
        .await?;
    let bytes = export.bytes;
    Ok((StatusCode::CREATED, Json(Exported { path, bytes })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_within_the_export_and_the_bound() {
        assert_eq!(piece("bytes=0-99", 1000), Some((0, 99)));
        assert_eq!(piece("bytes=990-2000", 1000), Some((990, 999)));
        assert_eq!(piece("bytes=-10", 1000), Some((990, 999)));
        assert_eq!(piece("bytes=0-", 1 << 40), Some((0, PIECE - 1)));
        for wrong in [
            "bytes=1000-",
            "bytes=5-4",
            "bytes=a-b",
            "items=0-1",
            "bytes=0-1,4-5",
            "bytes=-",
        ] {
            assert_eq!(piece(wrong, 1000), None, "{wrong}");
        }
        assert_eq!(piece("bytes=0-", 0), None);
    }
}
