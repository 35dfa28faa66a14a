//! Where the gateway serves a cluster's dashboard, and what a path or redirect means there.

use dask_gateway::GatewayConfig;
use reqwest::Url;

/// The addresses that Dask's configuration names for dashboards, without a trailing slash, the likeliest first: the
/// gateway's own, and the one browsers are given where that is another host. Some sites serve the API alone at the first.
pub(super) fn bases(config: &GatewayConfig) -> Vec<String> {
    let own = config.address.as_deref();
    let public = config
        .public_address
        .as_deref()
        .filter(|public| Url::parse(public).is_ok_and(|url| matches!(url.scheme(), "http" | "https")));
    let mut bases: Vec<String> = Vec::new();
    for base in own.into_iter().chain(public) {
        let base = base.trim_end_matches('/');
        if bases.iter().all(|known| known != base) {
            bases.push(base.to_owned());
        }
    }
    bases
}

/// The folder of a dashboard, from the route that the gateway's report names: `/clusters/a` of `/clusters/a/status`.
/// `None` for a route that is no plain path, which could lead to another server.
pub(super) fn folder(route: &str) -> Option<&str> {
    let plain = route.starts_with('/')
        && !route.starts_with("//")
        && !route.contains(['?', '#', '\\', '@'])
        && !climbs(route);
    plain
        .then(|| route.rsplit_once('/').map(|(folder, _page)| folder))
        .flatten()
}

/// Whether whoever resolves this path would climb out of its folder: it has a segment `.` or `..`, however dots and
/// separators are written.
pub(super) fn climbs(path: &str) -> bool {
    let written = path.to_ascii_lowercase();
    let plain = written
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/");
    plain
        .split(['/', '\\'])
        .any(|segment| matches!(segment, "." | ".."))
}

/// What follows a dashboard's folder, without a token that was meant for us. `None` where it leads out of the folder.
pub(super) fn below(path_and_query: &str) -> Option<String> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    if climbs(path) {
        return None;
    }
    let mut kept = path.to_owned();
    let pairs = query.split('&');
    for pair in pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("token=")) {
        kept.push(if kept.len() == path.len() { '?' } else { '&' });
        kept.push_str(pair);
    }
    Some(kept)
}

/// A redirect's target as seen from the page that was asked for, where it is a place of the same dashboard: dashboards
/// redirect to absolute paths of their own (`/status`), a gateway perhaps to its own address of them.
pub(super) fn relative(location: &str, dashboard: &str, path_and_query: &str) -> Option<String> {
    let own = location
        .strip_prefix(dashboard)
        .filter(|rest| rest.starts_with('/'));
    let dashboard = Url::parse(dashboard).ok()?;
    let origin = dashboard.origin().ascii_serialization();
    let on_host = location
        .strip_prefix(origin.as_str())
        .filter(|rest| rest.starts_with('/'));
    let path = own.or(on_host).unwrap_or(location);
    let path = path
        .strip_prefix(dashboard.path())
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    let path = path.strip_prefix('/').filter(|path| !path.starts_with('/'))?;
    let asked = path_and_query.split('?').next().unwrap_or_default();
    let up = "../".repeat(asked.matches('/').count());
    Some(format!("./{up}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_cluster() {
        for path in [
            "../x",
            "a/../../x",
            "%2e%2e/x",
            "a/.%2E",
            "./x",
            "a\\..\\x",
            "a%2F..%2fx",
            "..%5Cx",
            "..",
            "..?x=1",
        ] {
            assert_eq!(below(path), None, "{path}");
        }
        for (path, expected) in [
            ("status", "status"),
            ("a..b/.c?x=../y&token=secret&z", "a..b/.c?x=../y&z"),
            ("info?token=secret", "info"),
            ("task/a%2Fb.html", "task/a%2Fb.html"),
        ] {
            assert_eq!(below(path).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_route_is_a_plain_path() {
        assert_eq!(folder("/clusters/dev.a/status"), Some("/clusters/dev.a"));
        for route in [
            "",
            "status",
            "//evil.example/clusters/a/status",
            "http://evil.example/status",
            "@evil.example/status",
            "/clusters/../api/v1/status",
            "/clusters/a?x=/status",
        ] {
            assert_eq!(folder(route), None, "{route}");
        }
    }

    #[test]
    fn a_public_address_counts_where_it_is_another_host() {
        let named = |address: &str, public: &str| {
            bases(&GatewayConfig {
                address: Some(address.to_owned()),
                public_address: Some(public.to_owned()),
                ..GatewayConfig::default()
            })
        };
        assert_eq!(named("http://a/gw", "/services/gw"), ["http://a/gw"]);
        assert_eq!(named("http://a/gw", "http://a/gw/"), ["http://a/gw"]);
        assert_eq!(
            named("http://api:8000", "https://hub.example/gateway"),
            ["http://api:8000", "https://hub.example/gateway"]
        );
    }

    #[test]
    fn redirects_stay_below_the_cluster() {
        let dashboard = "http://gw:8000/prefix/clusters/a";
        let cases = [
            ("", "/status", Some("./status")),
            ("a/b?x=/1/2", "/status", Some("./../status")),
            ("", "/prefix/clusters/a/status?x=1", Some("./status?x=1")),
            ("", "http://gw:8000/prefix/clusters/a/status", Some("./status")),
            ("a/b", "http://gw:8000/status", Some("./../status")),
            ("", "status", None),
            ("", "//other.example/", None),
            ("", "https://other.example/", None),
            ("", "http://gw:80001.other.example/", None),
        ];
        for (path, location, expected) in cases {
            assert_eq!(
                relative(location, dashboard, path).as_deref(),
                expected,
                "{path} {location}"
            );
        }
    }
}
