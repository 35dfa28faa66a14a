//! The gateway's REST API, version 1.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::config::GatewayConfig;
use crate::error::GatewayError;
use crate::model::{ClusterReport, ClusterStatus, Listing, OptionSpec};
use crate::request::{Requester, Sent};

/// A quick answer comes from memory; creating makes a key pair first, and scaling waits for the scheduler.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Gateways answer who waits for a cluster after 20 s at the latest.
const WAIT_TIMEOUT: Duration = Duration::from_secs(40);

/// Between two looks at a cluster that ends: a twentieth of the time that it has taken by then, within these bounds.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_millis(500);

/// A user's connection to a gateway. Cheap to clone; clones share the cookie jar, so that logging in happens once.
#[derive(Clone, Debug)]
pub struct GatewayClient {
    requester: Requester,
}

impl GatewayClient {
    /// Prepares a client; nothing is sent.
    ///
    /// # Errors
    /// [`GatewayError::Config`] where the configuration names no address or one that is not an HTTP URL.
    pub fn new(config: &GatewayConfig) -> Result<Self, GatewayError> {
        Ok(Self {
            requester: Requester::new(config)?,
        })
    }

    /// Address of the gateway, without a trailing slash and without credentials.
    pub fn address(&self) -> &str {
        self.requester.address()
    }

    /// What the gateway is sent as `Authorization` when it asks for it; `None` where the configuration has no credentials
    /// that could be sent.
    pub fn authorization(&self) -> Option<http::HeaderValue> {
        self.requester.credentials().ok()
    }

    /// Succeeds if the gateway says that it is well. Needs no credentials.
    pub async fn health(&self) -> Result<(), GatewayError> {
        let health = self.read("api/health").await?;
        match health.get("status").and_then(Value::as_str) {
            Some("pass") => Ok(()),
            _ => Err(self.requester.bad_answer("its api/health has no status")),
        }
    }

    /// The gateway's version, such as `2026.3.0`. Needs no credentials.
    pub async fn version(&self) -> Result<String, GatewayError> {
        let version = self.read("api/version").await?;
        let version = version.get("version").and_then(Value::as_str);
        version
            .map(str::to_owned)
            .ok_or_else(|| self.requester.bad_answer("its api/version has no version"))
    }

    /// The options that this user may choose from, in the gateway's order; those that can't be read are left out.
    pub async fn options(&self) -> Result<Vec<OptionSpec>, GatewayError> {
        let answer = self.read("api/v1/options").await?;
        let Some(specs) = answer.get("cluster_options").and_then(Value::as_array) else {
            return Err(self
                .requester
                .bad_answer("its list of options has no cluster_options"));
        };
        Ok(specs.iter().filter_map(OptionSpec::parse).collect())
    }

    /// The user's clusters in one of `statuses`; with none named, those PENDING or RUNNING. A report that can't be
    /// read is logged and left out, so that it hides no other.
    pub async fn list(&self, statuses: &[ClusterStatus]) -> Result<Vec<ClusterReport>, GatewayError> {
        let listing = self.listing(statuses).await?;
        for (name, reason) in listing.unreadable {
            tracing::warn!(cluster = %name, reason, "a cluster report can't be read");
        }
        Ok(listing.reports)
    }

    /// As [`GatewayClient::list`], with the reports that can't be read named.
    pub async fn listing(&self, statuses: &[ClusterStatus]) -> Result<Listing, GatewayError> {
        let mut path = "api/v1/clusters/".to_owned();
        if !statuses.is_empty() {
            let names: Vec<_> = statuses
                .iter()
                .map(|status| status.as_str().to_ascii_lowercase())
                .collect();
            path = format!("{path}?status={}", names.join(","));
        }
        let answer = self.read(&path).await?;
        let Some(reports) = answer.as_object() else {
            return Err(self.requester.bad_answer("its list of clusters is not a mapping"));
        };
        let mut listing = Listing::default();
        for (name, report) in reports {
            match ClusterReport::parse(report) {
                Ok(report) => listing.reports.push(report),
                Err(reason) => listing.unreadable.push((name.clone(), reason)),
            }
        }
        Ok(listing)
    }

    /// One cluster, in whatever state.
    pub async fn get(&self, name: &str) -> Result<ClusterReport, GatewayError> {
        let answer = self.read(&cluster_path(name, "")?).await?;
        self.report(&answer)
    }

    /// One cluster, as soon as it does not start any more, or after as long as the gateway lets its callers wait (20 s, if at
    /// all): then it may still be pending.
    pub async fn started(&self, name: &str) -> Result<ClusterReport, GatewayError> {
        let path = cluster_path(name, "?wait")?;
        let sent = Sent {
            method: Method::GET,
            path: &path,
            body: None,
            timeout: WAIT_TIMEOUT,
        };
        self.report(&self.requester.send(sent).await?)
    }

    fn report(&self, answer: &Value) -> Result<ClusterReport, GatewayError> {
        ClusterReport::parse(answer).map_err(|reason| {
            self.requester
                .bad_answer(&format!("the report on a cluster can't be read, {reason}"))
        })
    }

    /// Asks for a cluster and returns its name; fields left out of `options` take the gateway's defaults.
    pub async fn create(&self, options: &Map<String, Value>) -> Result<String, GatewayError> {
        let body = json!({ "cluster_options": options });
        let answer = self.change(Method::POST, "api/v1/clusters/", Some(body)).await?;
        let name = answer.get("name").and_then(Value::as_str);
        name.map(str::to_owned).ok_or_else(|| {
            self.requester
                .bad_answer("it made a cluster and did not say its name")
        })
    }

    /// Asks for the end of a cluster; one that is over or unknown is no error.
    pub async fn delete(&self, name: &str) -> Result<(), GatewayError> {
        self.change(Method::DELETE, &cluster_path(name, "")?, None)
            .await
            .map(drop)
    }

    /// Asks for the end of a cluster and waits until it is over, at most `patience`. Whether it is; one that the gateway does
    /// not know is, too. A gateway that does not answer for a moment is asked again.
    pub async fn end(&self, name: &str, patience: Duration) -> Result<bool, GatewayError> {
        let began = Instant::now();
        let give_up = began + patience;
        self.delete(name).await?;
        loop {
            let late = Instant::now() >= give_up;
            match self.get(name).await {
                Ok(report) if matches!(report.status, ClusterStatus::Stopped | ClusterStatus::Failed) => {
                    return Ok(true);
                }
                Err(GatewayError::NotFound { .. }) => return Ok(true),
                Err(error) if late => return Err(error),
                Ok(_) if late => return Ok(false),
                Ok(_) | Err(_) => {
                    tokio::time::sleep((began.elapsed() / 20).clamp(FIRST_LOOK, LAST_LOOK)).await;
                }
            }
        }
    }

    /// Asks for `workers` workers and ends adaptive scaling. Returns the gateway's words where a limit made it fewer.
    pub async fn scale(&self, name: &str, workers: u32) -> Result<Option<String>, GatewayError> {
        let path = cluster_path(name, "/scale")?;
        self.change(Method::POST, &path, Some(json!({ "count": workers })))
            .await
            .map(warning)
    }

    /// Lets the scheduler choose the number of workers between the bounds, or (`active` false) stops that.
    /// Returns the gateway's words where a limit narrowed the bounds.
    pub async fn adapt(
        &self,
        name: &str,
        minimum: Option<u32>,
        maximum: Option<u32>,
        active: bool,
    ) -> Result<Option<String>, GatewayError> {
        let path = cluster_path(name, "/adapt")?;
        let body = json!({ "minimum": minimum, "maximum": maximum, "active": active });
        self.change(Method::POST, &path, Some(body)).await.map(warning)
    }

    async fn read(&self, path: &str) -> Result<Value, GatewayError> {
        self.requester
            .send(Sent {
                method: Method::GET,
                path,
                body: None,
                timeout: READ_TIMEOUT,
            })
            .await
    }

    async fn change(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, GatewayError> {
        self.requester
            .send(Sent {
                method,
                path,
                body,
                timeout: CHANGE_TIMEOUT,
            })
            .await
    }
}

/// Path of a cluster, or `NotFound` for what can't be a cluster's name: it must not lead elsewhere in the API.
fn cluster_path(name: &str, rest: &str) -> Result<String, GatewayError> {
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if first
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    {
        Ok(format!("api/v1/clusters/{name}{rest}"))
    } else {
        Err(GatewayError::NotFound {
            message: format!("Cluster {name:?} not found"),
        })
    }
}

/// The gateway's words in an answer that says it did less than was asked.
fn warning(answer: Value) -> Option<String> {
    if answer.get("ok").and_then(Value::as_bool) == Some(false) {
        let words = answer.get("msg").and_then(Value::as_str);
        return Some(
            words
                .unwrap_or("The gateway did less than was asked and does not say why.")
                .to_owned(),
        );
    }
    None
}
