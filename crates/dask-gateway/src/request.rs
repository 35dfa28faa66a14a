//! Sending one request: credentials when asked for them, time-outs, and every failure as a [`GatewayError`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{StatusCode, header};
use reqwest::{Method, Response, Url};
use serde_json::Value;

use crate::auth;
use crate::config::{AuthConfig, GatewayConfig, address};
use crate::error::GatewayError;
use crate::{page, transport};

/// Pauses before a read is tried again after a lost connection.
const READ_RETRIES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Answers are small; a list of a thousand clusters with their certificates is about 4 MB.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// One request, relative to the gateway's address.
pub(crate) struct Sent<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<Value>,
    pub(crate) timeout: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Requester {
    http: reqwest::Client,
    address: Arc<str>,
    auth: Arc<AuthConfig>,
}

impl Requester {
    pub(crate) fn new(config: &GatewayConfig) -> Result<Self, GatewayError> {
        let Some(address) = &config.address else {
            return Err(GatewayError::Config(
                "Dask's configuration names no gateway: set gateway.address, for example with \
                 DASK_GATEWAY__ADDRESS."
                    .to_owned(),
            ));
        };
        let url = address::parse(address).map_err(|reason| {
            GatewayError::Config(format!(
                "The gateway's address (gateway.address) can't be used: {reason}."
            ))
        })?;
        let http = transport::client(&url, config)?;
        Ok(Self {
            http,
            address: address.trim_end_matches('/').into(),
            auth: Arc::new(config.auth.clone()),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends and reads the JSON of the answer; `null` where there is none. Only reads that failed at once are tried again:
    /// a change may have been made before its answer was lost, and a host that keeps silent will not speak up.
    pub(crate) async fn send(&self, sent: Sent<'_>) -> Result<Value, GatewayError> {
        let pauses: &[Duration] = if sent.method == Method::GET {
            &READ_RETRIES
        } else {
            &[]
        };
        for pause in pauses {
            let began = Instant::now();
            match self.send_once(&sent).await {
                Err(GatewayError::Unreachable { .. }) if began.elapsed() < transport::CONNECT_TIMEOUT => {
                    tokio::time::sleep(*pause).await;
                }
                other => return other,
            }
        }
        self.send_once(&sent).await
    }

    /// Without credentials first, as Dask's own client: the cookie of an earlier answer is mostly enough.
    async fn send_once(&self, sent: &Sent<'_>) -> Result<Value, GatewayError> {
        let mut response = self.exchange(sent, None).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let credentials = self.credentials()?;
            response = self.exchange(sent, Some(credentials)).await?;
        }
        let status = response.status();
        let wanted = response
            .headers()
            .get(header::WWW_AUTHENTICATE)
            .and_then(|scheme| scheme.to_str().ok())
            .map(str::to_owned);
        let redirect = response
            .headers()
            .get(header::LOCATION)
            .and_then(|place| place.to_str().ok())
            .and_then(|place| response.url().join(place).ok());
        let body = self.body(response, sent.timeout).await?;
        if status.is_redirection() {
            return Err(self.redirected(redirect));
        }
        if status.is_success() {
            if body.is_empty() {
                return Ok(Value::Null);
            }
            return match serde_json::from_slice(&body) {
                Ok(value) => Ok(value),
                Err(_not_json) => Err(self.bad_answer(&page::said(&body).map_or_else(
                    || "the answer is not JSON".to_owned(),
                    |said| format!("the answer is not JSON, and says \u{201c}{said}\u{201d}"),
                ))),
            };
        }
        Err(self.refusal(status, &body, sent.body.as_ref(), wanted.as_deref()))
    }

    async fn exchange(
        &self,
        sent: &Sent<'_>,
        credentials: Option<header::HeaderValue>,
    ) -> Result<Response, GatewayError> {
        let url = format!("{}/{}", self.address, sent.path);
        let mut request = self.http.request(sent.method.clone(), url).timeout(sent.timeout);
        if let Some(body) = &sent.body {
            request = request.json(body);
        }
        if let Some(credentials) = credentials {
            request = request.header(header::AUTHORIZATION, credentials);
        }
        request
            .send()
            .await
            .map_err(|error| self.transport(error, sent.timeout))
    }

    async fn body(&self, mut response: Response, timeout: Duration) -> Result<Vec<u8>, GatewayError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.transport(error, timeout))?
        {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.bad_answer("the answer is longer than 64 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What the gateway is sent when it asks who we are.
    pub(crate) fn credentials(&self) -> Result<header::HeaderValue, GatewayError> {
        auth::credentials(&self.auth, &self.address)
    }

    pub(crate) fn bad_answer(&self, reason: &str) -> GatewayError {
        GatewayError::BadAnswer {
            address: self.address.to_string(),
            reason: reason.to_owned(),
        }
    }

    fn redirected(&self, place: Option<Url>) -> GatewayError {
        // A login page's query may hold a state token, so only the place itself is shown.
        let place = place.map_or_else(
            || "elsewhere".to_owned(),
            |url| format!("to {}{}", url.origin().ascii_serialization(), url.path()),
        );
        self.bad_answer(&format!(
            "it sends us {place}, perhaps to a login page or to https"
        ))
    }

    fn transport(&self, error: reqwest::Error, timeout: Duration) -> GatewayError {
        let address = self.address.to_string();
        if error.is_timeout() && !error.is_connect() {
            return GatewayError::Timeout {
                address,
                seconds: timeout.as_secs(),
            };
        }
        if let Some(reason) = transport::untrusted(&error) {
            return GatewayError::Untrusted { address, reason };
        }
        GatewayError::Unreachable {
            address,
            reason: transport::root_cause(&error),
        }
    }

    /// The error that a refusing answer stands for; `wanted` is the authentication that it names.
    fn refusal(
        &self,
        status: StatusCode,
        body: &[u8],
        sent: Option<&Value>,
        wanted: Option<&str>,
    ) -> GatewayError {
        let json = serde_json::from_slice::<Value>(body).ok();
        let message = json
            .as_ref()
            .and_then(|json| json.get("error"))
            .and_then(Value::as_str)
            .map(page::message)
            .filter(|message| !message.is_empty());
        match (status.as_u16(), message) {
            (401, _) => auth::refused(&self.auth, &self.address, wanted),
            // The hub does not know the token, or the site wants a role: as 403 or, mostly, as 500.
            (403 | 500, Some(message)) if message.starts_with("Permission failure") => {
                auth::not_permitted(&self.address, &message)
            }
            (403, Some(message)) => GatewayError::Forbidden { message },
            (404, Some(message)) => GatewayError::NotFound { message },
            // The gateway says why in JSON; a bare 404 comes from something else, or from its proxy before it is up.
            (404, None) => self.bad_answer("it does not know the gateway's API (404)"),
            (409, Some(message)) => GatewayError::NotRunning {
                message: capitalised(&message),
            },
            (422, Some(message)) => {
                let field = sent.and_then(|sent| named_field(&message, sent));
                GatewayError::Invalid { message, field }
            }
            (status, message) => {
                let text = message
                    .or_else(|| page::said(body))
                    .map_or("no reason is given".to_owned(), |text| {
                        text.trim_end_matches('.').to_owned()
                    });
                GatewayError::Upstream {
                    address: self.address.to_string(),
                    status,
                    text,
                }
            }
        }
    }
}

/// The option of a request that a refusal speaks of: `priority must be …`, `'Huge' is not a valid option for profile`,
/// `Unknown fields ['nope']`.
fn named_field(message: &str, sent: &Value) -> Option<String> {
    let fields = sent.get("cluster_options")?.as_object()?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    fields
        .keys()
        .filter(|field| {
            message
                .strip_prefix(field.as_str())
                .is_some_and(|rest| !rest.starts_with(is_word))
                || message.ends_with(&format!(" for {field}"))
                || (message.starts_with("Unknown fields") && message.contains(&format!("'{field}'")))
        })
        .max_by_key(|field| field.len())
        .cloned()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_refused_option_is_found_in_the_words() {
        let sent =
            json!({"cluster_options": {"profile": "Huge", "priority": 99, "priority_class": 1, "nope": 1}});
        for (message, field) in [
            ("'Huge' is not a valid option for profile", Some("profile")),
            ("priority must be <= 10.000000, got 99", Some("priority")),
            (
                "priority_class must be an integer, got '3'",
                Some("priority_class"),
            ),
            ("Unknown fields ['nope']", Some("nope")),
            ("environment_vars must be a mapping, got 'x'", None),
            (
                "Scheduler memory request of 2.00 GiB exceeds cluster memory limit of 1024.00 MiB",
                None,
            ),
        ] {
            assert_eq!(named_field(message, &sent).as_deref(), field, "{message}");
        }
        assert_eq!(named_field("priority must be", &json!({"count": 3})), None);
    }

    #[tokio::test]
    async fn a_silent_gateway_is_a_timeout() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Some(format!("http://{}", listener.local_addr().unwrap()));
        let requester = Requester::new(&GatewayConfig {
            address,
            ..GatewayConfig::default()
        })
        .unwrap();
        let timeout = Duration::from_millis(100);
        let error = requester
            .send(Sent {
                method: Method::GET,
                path: "x",
                body: None,
                timeout,
            })
            .await
            .unwrap_err();
        assert!(
            matches!(error, GatewayError::Timeout { .. }) && error.is_passing(),
            "{error:?}"
        );
    }
}
