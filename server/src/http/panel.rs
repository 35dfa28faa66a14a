//! The standalone panel: the same WebAssembly module, as a page of its own.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::App;
use super::error::HttpError;

/// The panel's files, the page first. Nothing else of the folder is served.
const FILES: [(&str, &str); 7] = [
    ("index.html", "text/html; charset=utf-8"),
    ("start.js", "text/javascript; charset=utf-8"),
    ("gatehouse.js", "text/javascript; charset=utf-8"),
    ("gatehouse_bg.wasm", "application/wasm"),
    ("gatehouse.css", "text/css; charset=utf-8"),
    ("standalone.css", "text/css; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
];

const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; frame-ancestors 'self'; base-uri 'none'";

/// Where the panel's files are: as told, or beside the binary where the build puts them.
pub fn assets_folder(told: Option<PathBuf>) -> Option<PathBuf> {
    told.or_else(|| {
        let binary = std::env::current_exe().ok()?.canonicalize().ok()?;
        let folder = binary.parent()?;
        [folder.join("panel"), folder.parent()?.join("panel")]
            .into_iter()
            .find(|f| f.join("index.html").is_file())
    })
}

/// One of the panel's files, or nothing where the path is none of them.
pub(super) async fn file(app: &App, path: &str) -> Option<Response> {
    let wanted = if path.is_empty() { FILES[0].0 } else { path };
    let (name, kind) = FILES.iter().find(|(name, _)| *name == wanted)?;
    let Some(folder) = &app.assets else {
        return Some(not_built());
    };
    Some(read(folder, name, kind).await)
}

async fn read(folder: &Path, name: &str, kind: &'static str) -> Response {
    match tokio::fs::read(folder.join(name)).await {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
        Err(error) => {
            tracing::error!(%error, name, "a file of the panel can't be read");
            not_built()
        }
    }
}

fn not_built() -> Response {
    HttpError::new(
        StatusCode::NOT_FOUND,
        "no_panel",
        "The panel's files are not here. Build them with `npm run build`, or say where they are with --assets.",
    )
    .into_response()
}
