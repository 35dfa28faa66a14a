//! Who may come through the browser's door.
//!
//! On the unix socket the file's permissions (and JupyterLab's login before them) decide. On TCP a random token does:
//! in the printed URL first, then in a cookie. On both, a changing request must carry our header, and neither it nor a
//! WebSocket may come from a page of another origin: jupyter-server-proxy leaves that check to us.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use protocol::rest::CSRF_HEADER;
use subtle::ConstantTimeEq;

use super::error::HttpError;

/// The random token that guards a TCP door, and the name of its cookie.
#[derive(Clone)]
pub struct Token {
    secret: Arc<str>,
    /// Cookies don't know ports: two servers on one host need two names.
    cookie: Arc<str>,
}

impl Token {
    pub fn new(secret: &str, port: u16) -> Self {
        Self {
            secret: secret.into(),
            cookie: format!("gatehouse-{port}").into(),
        }
    }

    fn admits(&self, offered: &str) -> bool {
        self.secret.as_bytes().ct_eq(offered.as_bytes()).into()
    }

    fn in_cookie(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .any(|(name, value)| name == &*self.cookie && self.admits(value))
    }

    fn in_authorization(&self, headers: &HeaderMap) -> bool {
        let value = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        value
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|offered| self.admits(offered))
    }

    fn in_query(&self, uri: &Uri) -> bool {
        let pairs = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .any(|(name, value)| name == "token" && self.admits(value))
    }
}

/// Middleware of a TCP door: the token, or 401.
pub(super) async fn require_token(State(token): State<Token>, request: Request, next: Next) -> Response {
    if request.uri().path() == "/health"
        || token.in_cookie(request.headers())
        || token.in_authorization(request.headers())
    {
        return next.run(request).await;
    }
    if request.method() == Method::GET && token.in_query(request.uri()) {
        // Lax, not Strict: the printed address is opened from terminals that are web pages too. Changes and WebSockets are
        // guarded by header and origin. The token leaves the address bar: it must not travel in a Referer or stay in the history.
        let mut response = Redirect::to(request.uri().path()).into_response();
        let cookie = format!(
            "{}={}; Path=/; HttpOnly; SameSite=Lax",
            token.cookie, token.secret
        );
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        return response;
    }
    if wants_page(request.headers()) {
        return (StatusCode::UNAUTHORIZED, Html(include_str!("no-token.html"))).into_response();
    }
    HttpError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "This page needs the token that `gatehouse serve` printed. Open the whole printed address, with ?token=… at its end.",
    )
    .into_response()
}

/// Whether a person looks at the answer.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Middleware of both doors: no page of another origin may change anything or listen in.
pub(super) async fn refuse_other_origins(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let upgrades = headers.contains_key(header::UPGRADE);
    if (changes || upgrades) && !same_origin(headers) {
        return HttpError::forbidden("This request comes from a page of another origin and was refused.")
            .into_response();
    }
    if changes && !headers.contains_key(CSRF_HEADER) {
        return HttpError::forbidden(format!(
            "A request that changes something must carry the header {CSRF_HEADER}: 1."
        ))
        .into_response();
    }
    next.run(request).await
}

/// Whether the request comes from a page of this host, or from no page.
fn same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok()) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Some(origin_host) = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host)
    else {
        return false;
    };
    // Proxies before us put the host that the browser used into X-Forwarded-Host, the first of them first.
    let hosts = headers
        .get(header::HOST)
        .into_iter()
        .chain(headers.get("x-forwarded-host"));
    let mut hosts = hosts.filter_map(|host| host.to_str().ok()?.split(',').next().map(str::trim));
    hosts.any(|host| host == origin_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn only_our_own_pages_are_the_same_origin() {
        let host = ("host", "127.0.0.1:8888");
        assert!(same_origin(&headers(&[host])));
        assert!(same_origin(&headers(&[
            host,
            ("origin", "http://127.0.0.1:8888")
        ])));
        assert!(same_origin(&headers(&[
            ("host", "localhost"),
            ("x-forwarded-host", "hub.example, inner"),
            ("origin", "https://hub.example")
        ])));
        assert!(!same_origin(&headers(&[host, ("origin", "http://evil.example")])));
        assert!(!same_origin(&headers(&[host, ("origin", "null")])));
        assert!(!same_origin(&headers(&[host, ("sec-fetch-site", "cross-site")])));
        assert!(!same_origin(&headers(&[host, ("sec-fetch-site", "same-site")])));
    }

    #[test]
    fn browsers_get_a_page_and_programs_json() {
        assert!(wants_page(&headers(&[(
            "accept",
            "text/html,application/xhtml+xml,*/*;q=0.8"
        )])));
        assert!(!wants_page(&headers(&[("accept", "application/json, */*")])));
        assert!(!wants_page(&headers(&[])));
    }

    #[test]
    fn the_token_is_taken_from_cookie_query_and_header() {
        let token = Token::new("abc", 1234);
        assert!(token.in_cookie(&headers(&[("cookie", "a=b; gatehouse-1234=abc")])));
        assert!(!token.in_cookie(&headers(&[("cookie", "gatehouse-1235=abc; gatehouse-1234=abcd")])));
        assert!(token.in_query(&Uri::from_static("/?x=1&token=abc")));
        assert!(!token.in_query(&Uri::from_static("/?token=")));
        assert!(token.in_authorization(&headers(&[("authorization", "Bearer abc")])));
        assert!(!token.in_authorization(&headers(&[("authorization", "Basic abc")])));
    }
}
