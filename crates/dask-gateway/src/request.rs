//! Sending one request: credentials when asked for them, time-outs, and every failure as a [`GatewayError`].

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use reqwest::redirect::Policy;
use reqwest::{Method, NoProxy, Proxy, Response, Url};
use serde_json::Value;

use crate::config::{AuthConfig, GatewayConfig, HttpProxy, address};
use crate::error::GatewayError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Pauses before a read is tried again after a lost connection.
const READ_RETRIES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Answers are small; a list of a thousand clusters with their certificates is about 4 MB.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// What is shown of an error text that the gateway or something before it sends.
const MAX_ERROR_CHARS: usize = 500;

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
        let http = http_client(&url, &config.http_proxy)?;
        Ok(Self {
            http,
            address: address.trim_end_matches('/').into(),
            auth: Arc::new(config.auth.clone()),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends and reads the JSON of the answer; `null` where there is none. Only reads are tried again.
    pub(crate) async fn send(&self, sent: Sent<'_>) -> Result<Value, GatewayError> {
        let mut retries = if sent.method == Method::GET {
            READ_RETRIES.as_slice()
        } else {
            &[]
        }
        .iter();
        loop {
            match self.send_once(&sent).await {
                Err(GatewayError::Unreachable { address, reason }) => match retries.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(GatewayError::Unreachable { address, reason }),
                },
                other => return other,
            }
        }
    }

    /// Without credentials first, as Dask's own client: the cookie of an earlier answer is mostly enough.
    async fn send_once(&self, sent: &Sent<'_>) -> Result<Value, GatewayError> {
        let mut response = self.exchange(sent, None).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let credentials = self.credentials()?;
            response = self.exchange(sent, Some(credentials)).await?;
        }
        let status = response.status();
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
                Err(_not_json) => Err(self.bad_answer("the answer is not JSON")),
            };
        }
        Err(self.refusal(status, &body, sent.body.as_ref()))
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

    pub(crate) fn credentials(&self) -> Result<header::HeaderValue, GatewayError> {
        let text = match self.auth.as_ref() {
            AuthConfig::Basic { username, password } => {
                let pair = [username.as_str(), ":", password.expose()].concat();
                // Dask's client and server both take the pair as Latin-1.
                let Some(pair) = pair
                    .chars()
                    .map(|c| u8::try_from(u32::from(c)).ok())
                    .collect::<Option<Vec<_>>>()
                else {
                    return Err(GatewayError::Config(
                        "The gateway's user name or password holds a character outside Latin-1, which basic \
                         authentication can't send: change gateway.auth.kwargs."
                            .to_owned(),
                    ));
                };
                format!("Basic {}", STANDARD.encode(pair))
            }
            AuthConfig::JupyterHub { token: Some(token) } => format!("jupyterhub {}", token.expose()),
            AuthConfig::JupyterHub { token: None } => {
                return Err(GatewayError::Config(
                    "The gateway wants a JupyterHub token and there is none: set JUPYTERHUB_API_TOKEN or \
                     gateway.auth.kwargs.api_token."
                        .to_owned(),
                ));
            }
            AuthConfig::Unsupported { kind } => {
                return Err(GatewayError::Config(format!(
                    "The gateway's authentication `{kind}` is not one that Gatehouse can use: it knows basic and \
                     jupyterhub (gateway.auth.type). Notebooks can still use this gateway."
                )));
            }
        };
        let mut value = header::HeaderValue::from_str(&text).map_err(|_hides_the_secret| {
            GatewayError::Config(
                "The gateway's password or token holds a line break or control character: change \
                 gateway.auth.kwargs."
                    .to_owned(),
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
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
        GatewayError::Unreachable {
            address,
            reason: root_cause(&error),
        }
    }

    /// The error that a refusing answer stands for.
    fn refusal(&self, status: StatusCode, body: &[u8], sent: Option<&Value>) -> GatewayError {
        let address = self.address.to_string();
        let json = serde_json::from_slice::<Value>(body).ok();
        let said = json
            .as_ref()
            .and_then(|json| json.get("error"))
            .and_then(Value::as_str);
        let message = said.map(|said| said.trim_end_matches('.').to_owned());
        match (status.as_u16(), message) {
            (401, _) => GatewayError::Unauthorized {
                address,
                auth: self.auth.kind().to_owned(),
                hint: self.auth.hint().to_owned(),
            },
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
                let text = message.unwrap_or_else(|| plain_text(body));
                GatewayError::Upstream {
                    address,
                    status,
                    text,
                }
            }
        }
    }
}

fn http_client(address: &Url, proxy: &HttpProxy) -> Result<reqwest::Client, GatewayError> {
    let failed = |what: &str, error: &reqwest::Error| {
        GatewayError::Config(format!(
            "{what} can't be used: {}. Check Dask's configuration.",
            root_cause(error)
        ))
    };
    let mut builder = reqwest::Client::builder()
        .cookie_store(true)
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect leads to a login page or to another scheme; following it would end in a puzzle.
        .redirect(Policy::none())
        .user_agent(concat!("gatehouse/", env!("CARGO_PKG_VERSION")));
    let loopback = address.host_str().is_some_and(is_loopback);
    builder = match proxy {
        HttpProxy::Environment if !loopback => builder,
        HttpProxy::Environment | HttpProxy::Off => builder.no_proxy(),
        HttpProxy::Url(url) => {
            let proxy = Proxy::all(url.expose())
                .map_err(|error| failed("gateway.http-client.proxy", &error.without_url()))?;
            builder.proxy(proxy.no_proxy(NoProxy::from_env()))
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    if address.scheme() == "http" {
        // Reading the system's certificates takes time and fails where there are none; nothing here needs them.
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| GatewayError::Config(format!("TLS can't be set up: {error}.")))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(tls);
    } else if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster with the same provider, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap_or_default();
    }
    builder
        .build()
        .map_err(|error| failed("The connection to the gateway", &error.without_url()))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
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

/// A text answer in one line, without the page that a proxy wraps around it.
fn plain_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if text.trim().is_empty() || text.trim_start().starts_with('<') {
        return "no reason is given".to_owned();
    }
    let line: Vec<_> = text.split_whitespace().collect();
    line.join(" ").chars().take(MAX_ERROR_CHARS).collect()
}

/// The innermost cause, without the URL: it is named beside, and may hold what a log must not.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
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

    #[test]
    fn a_page_is_not_shown_as_a_reason() {
        assert_eq!(
            plain_text(b"<html><body>Bad gateway</body></html>"),
            "no reason is given"
        );
        assert_eq!(
            plain_text(b"500 Internal Server Error\n\nServer got itself in trouble"),
            "500 Internal Server Error Server got itself in trouble"
        );
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
