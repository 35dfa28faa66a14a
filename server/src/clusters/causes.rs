//! Why a cluster failed, where the gateway does not tell: what usually is behind it, by what was seen of it.

use dask_gateway::ClusterReport;

use super::GatewayOrigin;
use super::seen::Seen;

/// A start that ends so soon never got as far as a scheduler, milliseconds.
const AT_ONCE_MS: i64 = 3_000;

/// A start that ends after so long was given up by the gateway, milliseconds; its limit is 60 s or more.
const GIVEN_UP_MS: i64 = 55_000;

/// In a sentence: what the embedded gateway's files say, else the likely causes.
pub(super) fn failure(origin: &GatewayOrigin, report: &ClusterReport, seen: Option<&Seen>) -> String {
    let kept = match origin {
        GatewayOrigin::Embedded(embedded) => embedded.failure_reason(&report.name),
        GatewayOrigin::Remote => None,
    };
    kept.unwrap_or_else(|| likely(report, seen.and_then(|seen| seen.ran_from)))
}

fn likely(report: &ClusterReport, ran_from: Option<i64>) -> String {
    let took = report
        .start_time
        .zip(report.stop_time)
        .map(|(start, stop)| stop - start);
    let words = match (ran_from, took) {
        (Some(_), _) => {
            "It ran, and then its scheduler was lost. The usual causes are a scheduler that needed more memory than it \
             has, a node that was taken away, and a connection between gateway and scheduler that broke. Its work is \
             lost: create a new one, with fewer tasks at a time or a larger scheduler."
        }
        (None, Some(..AT_ONCE_MS)) => {
            "It failed at once, before a scheduler was there. The usual causes are an option's value that the site \
             can't use, such as an image or an environment that is not there, and a gateway whose command for \
             schedulers does not exist (dask-scheduler is gone since distributed 2026.6)."
        }
        (None, Some(GIVEN_UP_MS..)) => {
            "Its scheduler did not come up in the time that the gateway allows. The usual causes are a quota or no free \
             node, an image that takes long to load, and an environment without dask, distributed or dask-gateway: \
             try again, or try another environment or a smaller profile."
        }
        (None, _) => {
            "The scheduler did not start or did not stay. The usual causes are an environment without dask, distributed \
             or dask-gateway, and too little memory: try another environment or profile."
        }
    };
    format!("{words} The gateway does not say why; whoever runs it finds the reason in its log.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_decides_what_is_likely() {
        let report = |took: i64| ClusterReport {
            name: "a".to_owned(),
            status: dask_gateway::ClusterStatus::Failed,
            start_time: Some(1_000),
            stop_time: Some(1_000 + took),
            options: serde_json::Map::new(),
            dashboard_route: None,
            tls: None,
        };
        assert!(likely(&report(90), None).contains("at once"));
        assert!(likely(&report(29_000), None).contains("did not start"));
        assert!(likely(&report(61_000), None).contains("in the time"));
        assert!(likely(&report(90), Some(1_050)).contains("It ran"));
    }
}
