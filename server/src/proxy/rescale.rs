//! Requests for another size of a cluster, as they pass Python's door: the only place where what a notebook asked can be
//! seen, since the gateway does not tell.

use protocol::life::UNBOUNDED;
use protocol::rest::Scaling;
use serde_json::Value;

/// What a cluster was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescaled {
    pub cluster: String,
    /// [`Scaling::Unknown`] where adaptive scaling was ended at whatever size the cluster has.
    pub scaling: Scaling,
    /// The gateway's words where it did less.
    pub warning: Option<String>,
}

/// What a request asks for, if it is one for another size.
pub(super) fn asked(path: &str, body: &[u8]) -> Option<Rescaled> {
    let (cluster, verb) = path.strip_prefix("/api/v1/clusters/")?.split_once('/')?;
    if !protocol::connect::is_cluster_name(cluster) {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let bound = |name: &str, open: u32| match body.get(name) {
        None | Some(Value::Null) => Some(open),
        Some(value) => value.as_u64().and_then(|n| u32::try_from(n).ok()),
    };
    let scaling = match verb {
        "scale" => Scaling::Manual {
            workers: bound("count", 0)?,
        },
        "adapt" if body.get("active") == Some(&Value::Bool(false)) => Scaling::Unknown,
        "adapt" => Scaling::Adaptive {
            minimum: bound("minimum", 0)?,
            maximum: bound("maximum", UNBOUNDED)?,
        },
        _ => return None,
    };
    Some(Rescaled {
        cluster: cluster.to_owned(),
        scaling,
        warning: None,
    })
}

impl Rescaled {
    /// With what the gateway answered.
    pub(super) fn answered(mut self, body: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if answer.get("ok") == Some(&Value::Bool(false)) {
            self.warning = answer.get("msg").and_then(Value::as_str).map(str::to_owned);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "46a4eca343d54fd880507095e279c398";

    fn of(verb: &str, body: &str) -> Option<Scaling> {
        asked(&format!("/api/v1/clusters/{NAME}/{verb}"), body.as_bytes()).map(|asked| asked.scaling)
    }

    #[test]
    fn requests_of_dasks_client_are_understood() {
        assert_eq!(
            of("scale", r#"{"count": 3}"#),
            Some(Scaling::Manual { workers: 3 })
        );
        let adapt = r#"{"minimum": 1, "maximum": 4, "active": true}"#;
        let bounds = Scaling::Adaptive {
            minimum: 1,
            maximum: 4,
        };
        assert_eq!(of("adapt", adapt), Some(bounds));
        let open = Scaling::Adaptive {
            minimum: 0,
            maximum: UNBOUNDED,
        };
        assert_eq!(
            of("adapt", r#"{"minimum": null, "maximum": null, "active": true}"#),
            Some(open)
        );
        assert_eq!(of("adapt", r#"{"active": false}"#), Some(Scaling::Unknown));
    }

    #[test]
    fn what_is_no_request_for_a_size_is_none() {
        assert_eq!(of("heartbeat", "{}"), None);
        assert_eq!(of("scale", "{"), None);
        assert_eq!(of("scale", r#"{"count": -1}"#), None);
        assert_eq!(of("scale", r#"{"count": "many"}"#), None);
        assert_eq!(asked("/api/v1/clusters/", b"{}"), None);
        assert_eq!(asked("/api/v1/clusters/a%2Fb/scale", br#"{"count": 1}"#), None);
    }

    #[test]
    fn the_limit_in_an_answer_is_kept() {
        let asked = asked(&format!("/api/v1/clusters/{NAME}/scale"), br#"{"count": 9}"#).expect("a size");
        let full = asked.clone().answered(br#"{"ok": true, "msg": null}"#);
        assert_eq!(full.warning, None);
        let less = asked.answered(br#"{"ok": false, "msg": "Scaling to 3 instead."}"#);
        assert_eq!(less.warning.as_deref(), Some("Scaling to 3 instead."));
    }
}
