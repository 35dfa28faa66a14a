//! Which headers cross a proxy.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

/// Headers that belong to one connection, not to the message (RFC 9110 §7.6.1), and those the next client sets itself.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
];

/// Removes what must not travel further, including what `Connection` names.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Removes the browser's credentials and what tells of the proxies before us.
pub(super) fn strip_private(headers: &mut HeaderMap) {
    let private: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            matches!(
                name,
                "cookie" | "authorization" | "origin" | "referer" | "forwarded" | "x-xsrftoken"
            ) || name.starts_with("x-forwarded-")
                || name.starts_with("x-proxycontextpath")
                || name.starts_with("x-gatehouse")
        })
        .cloned()
        .collect();
    for name in private {
        headers.remove(name);
    }
}

/// What a dashboard says to its own browser about its own host: through us it would mean JupyterLab's.
const OF_ITS_HOST: [HeaderName; 6] = [
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("service-worker-allowed"),
];

/// Removes what a dashboard may not say about the host that it is shown on.
pub(super) fn strip_from_dashboard(headers: &mut HeaderMap) {
    for name in &OF_ITS_HOST {
        headers.remove(name);
    }
}

/// Whether a request wants to become a WebSocket.
pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Whether a refusal asks for these very credentials, by their scheme: no other server may learn them.
pub(super) fn asks_for(headers: &HeaderMap, credentials: &HeaderValue) -> bool {
    let scheme = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split([' ', ','])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let ours = scheme(credentials);
    !ours.is_empty()
        && headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .any(|asked| scheme(asked) == ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_stays_behind() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close, X-Private"));
        headers.insert("x-private", HeaderValue::from_static("1"));
        headers.insert("x-other", HeaderValue::from_static("1"));
        strip_hop_by_hop(&mut headers);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-other"]
        );
    }

    #[test]
    fn credentials_stay_behind() {
        let mut headers = HeaderMap::new();
        for name in [
            "cookie",
            "authorization",
            "x-forwarded-for",
            "origin",
            "x-xsrftoken",
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("secret"));
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        strip_private(&mut headers);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["accept"]
        );
    }

    #[test]
    fn credentials_go_only_to_who_asks_for_them() {
        let basic = HeaderValue::from_static("Basic YTpi");
        for (asked, expected) in [
            ("Basic realm=\"x\"", true),
            ("basic", true),
            ("jupyterhub", false),
            ("Bearer", false),
        ] {
            let headers = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, HeaderValue::from_static(asked))]);
            assert_eq!(asks_for(&headers, &basic), expected, "{asked}");
        }
        assert!(!asks_for(&HeaderMap::new(), &basic));
    }
}
