//! The plots that a dashboard offers, each on a page of its own.

use protocol::rest::Plot;
use serde_json::{Map, Value};

use super::place;

/// The plots of a dashboard's `individual-plots.json`, by title. It names them by absolute paths, which mean the
/// dashboard's own root; what is not such a path is left out.
pub(super) fn list(cluster: &str, individual: &Map<String, Value>) -> Vec<Plot> {
    let mut plots: Vec<Plot> = individual
        .iter()
        .filter_map(|(title, path)| {
            let path = path.as_str()?;
            let path = path.strip_prefix('/').unwrap_or(path);
            let plain =
                !path.is_empty() && !path.starts_with('/') && !path.contains(':') && !place::climbs(path);
            plain.then(|| Plot {
                title: title.strip_prefix("Individual ").unwrap_or(title).to_owned(),
                path: format!("clusters/{cluster}/{path}"),
            })
        })
        .collect();
    plots.sort_by(|a, b| a.title.cmp(&b.title));
    plots
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absolute_paths_are_joined_to_the_cluster() {
        let named = json!({
            "Individual Task Stream": "/individual-task-stream",
            "Cluster Map": "statics/individual-cluster-map.html",
            "Odd": 3, "Out": "/../x", "Elsewhere": "//evil.example/", "Script": "javascript:alert(1)",
        });
        let plots = list("dev.a", named.as_object().expect("a mapping"));
        let found: Vec<(&str, &str)> = plots
            .iter()
            .map(|plot| (plot.title.as_str(), plot.path.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "Cluster Map",
                    "clusters/dev.a/statics/individual-cluster-map.html"
                ),
                ("Task Stream", "clusters/dev.a/individual-task-stream"),
            ]
        );
    }
}
