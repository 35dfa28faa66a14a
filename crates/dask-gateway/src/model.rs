//! What the gateway's REST API says: options and cluster reports.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One option that the gateway offers, as its `api/v1/options` gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptionSpec {
    pub field: String,
    pub label: String,
    pub default: Value,
    /// Type and bounds, such as `{"type": "int", "min": 0, "max": null}`.
    pub spec: Value,
}

/// State of a cluster, as the gateway names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ClusterStatus {
    Pending,
    Running,
    Stopping,
    Stopped,
    Failed,
}

impl ClusterStatus {
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Stopping,
        Self::Stopped,
        Self::Failed,
    ];

    /// The gateway's own word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for ClusterStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the gateway knows of a cluster. It has no `Serialize`: the TLS key in it must not travel.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterReport {
    pub name: String,
    pub status: ClusterStatus,
    /// Unix time in milliseconds.
    pub start_time: Option<i64>,
    /// Unix time in milliseconds; `None` while the cluster is active.
    pub stop_time: Option<i64>,
    /// The full set of options that the cluster was made with.
    pub options: Map<String, Value>,
    /// Path of the dashboard below the gateway's public address, without the gateway's own prefix; only while RUNNING.
    pub dashboard_route: Option<String>,
    /// What it takes to speak to the scheduler; only while RUNNING.
    pub tls: Option<ClusterTls>,
}

/// The user's clusters, as the gateway lists them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    pub reports: Vec<ClusterReport>,
    /// Names of clusters whose reports can't be read, each with what is wrong with it.
    pub unreadable: Vec<(String, &'static str)>,
}

/// The cluster's one self-signed certificate with its key: authority, client and server certificate at once.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterTls {
    cert: String,
    key: String,
}

impl ClusterTls {
    pub fn new(cert: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            cert: cert.into(),
            key: key.into(),
        }
    }

    /// The certificate, PEM.
    pub fn cert_pem(&self) -> &str {
        &self.cert
    }

    /// The private key, PEM (PKCS#8).
    pub fn key_pem(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for ClusterTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterTls(…)")
    }
}

impl ClusterReport {
    /// Reads one report; the message of an error holds field names only, never values.
    pub(crate) fn parse(value: &Value) -> Result<Self, &'static str> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        let time = |field: &str| {
            let time = value.get(field)?;
            time.as_i64().or_else(|| time.as_f64().map(|ms| ms as i64))
        };
        let name = text("name").ok_or("it has no name")?;
        let status = text("status").ok_or("it has no status")?;
        let status = ClusterStatus::parse(&status).ok_or("its status is not one that Dask Gateway knows")?;
        let options = match value.get("options") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(options)) => options.clone(),
            Some(_) => return Err("its options are not a mapping"),
        };
        Ok(Self {
            name,
            status,
            start_time: time("start_time"),
            stop_time: time("stop_time"),
            options,
            dashboard_route: text("dashboard_route").filter(|route| !route.is_empty()),
            tls: text("tls_cert")
                .zip(text("tls_key"))
                .map(|(cert, key)| ClusterTls { cert, key }),
        })
    }
}

impl OptionSpec {
    /// Reads one option; `label` falls back to the field's name.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let field = value.get("field")?.as_str()?.to_owned();
        let spec = value.get("spec").filter(|spec| spec.is_object())?.clone();
        let label = value
            .get("label")
            .and_then(Value::as_str)
            .unwrap_or(&field)
            .to_owned();
        Some(Self {
            label,
            default: value.get("default").cloned().unwrap_or(Value::Null),
            spec,
            field,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_full_report_is_read_and_its_key_stays_hidden() {
        let report = ClusterReport::parse(&json!({
            "name": "dev.ba74", "dashboard_route": "/clusters/dev.ba74/status", "status": "RUNNING",
            "start_time": 1795334509547_i64, "stop_time": null, "options": {"profile": "Medium Worker"},
            "tls_cert": "CERT", "tls_key": "KEY-MATERIAL",
        }))
        .unwrap();
        assert_eq!(report.status, ClusterStatus::Running);
        assert_eq!(report.start_time, Some(1_795_334_509_547));
        assert_eq!(report.tls.as_ref().unwrap().key_pem(), "KEY-MATERIAL");
        assert!(!format!("{report:?}").contains("KEY-MATERIAL"));
    }

    #[test]
    fn an_older_or_shorter_report_is_still_read() {
        let report =
            ClusterReport::parse(&json!({"name": "a", "status": "pending", "start_time": 1.5e3})).unwrap();
        assert_eq!(
            (report.status, report.start_time, report.tls),
            (ClusterStatus::Pending, Some(1500), None)
        );
    }

    #[test]
    fn a_broken_report_is_an_error() {
        for broken in [
            json!({}),
            json!({"name": "a"}),
            json!({"name": "a", "status": "ODD"}),
            json!([1]),
            json!({"name": "a", "status": "RUNNING", "options": 3}),
        ] {
            assert!(ClusterReport::parse(&broken).is_err(), "{broken}");
        }
    }
}
