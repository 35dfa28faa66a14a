//! The standalone panel: the same WebAssembly module, as a page of its own.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::App;
use super::error::HttpError;

/// What the panel's files may be; nothing else of the folder is served.
const KINDS: [(&str, &str); 5] = [
    (".html", "text/html; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".wasm", "application/wasm"),
    (".css", "text/css; charset=utf-8"),
    (".svg", "image/svg+xml"),
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

/// One of the panel's files, or nothing where the path can't be one of them.
pub(super) async fn file(app: &App, path: &str) -> Option<Response> {
    let name = if path.is_empty() { "index.html" } else { path };
    let (_, kind) = KINDS.iter().find(|(ending, _)| name.ends_with(ending))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.starts_with('.') || !name.chars().all(plain) {
        return None;
    }
    let Some(folder) = &app.assets else {
        return Some(not_built());
    };
    let file = folder.join(name);
    if name != "index.html" && !file.is_file() {
        return None;
    }
    Some(read(&file, kind).await)
}

async fn read(file: &Path, kind: &'static str) -> Response {
    match tokio::fs::read(file).await {
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
            tracing::error!(%error, file = %file.display(), "a file of the panel can't be read");
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
