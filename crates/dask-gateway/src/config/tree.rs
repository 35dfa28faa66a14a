//! Nested configuration: Dask's merge, where `-` and `_` are one, and the `gateway` part read out of it.

use serde_json::{Map, Value};

use super::template::fill as fill_template;
use super::{AuthConfig, ConfigError, ConfigSources, GatewayConfig, HttpProxy, address};
use crate::secret::Secret;

/// The spelling of `key` that `map` already has, or `key` itself.
pub(super) fn canonical(map: &Map<String, Value>, key: &str) -> String {
    if map.contains_key(key) {
        return key.to_owned();
    }
    let other = if key.contains('_') {
        key.replace('_', "-")
    } else {
        key.replace('-', "_")
    };
    if map.contains_key(&other) {
        other
    } else {
        key.to_owned()
    }
}

/// Adds what `lower` says and `higher` does not, as `dask.config.update(…, priority="old")`.
pub(super) fn fill(higher: &mut Map<String, Value>, lower: Map<String, Value>) {
    for (key, value) in lower {
        let key = canonical(higher, &key);
        match value {
            Value::Object(inner) => {
                let slot = higher.entry(key).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(map) = slot {
                    fill(map, inner);
                }
            }
            value => {
                higher.entry(key).or_insert(value);
            }
        }
    }
}

/// The value at a dotted key; `null` counts as absent.
fn get<'a>(tree: &'a Map<String, Value>, dotted: &str) -> Option<&'a Value> {
    raw(tree, dotted).filter(|value| !value.is_null())
}

/// The value at a dotted key.
fn raw<'a>(tree: &'a Map<String, Value>, dotted: &str) -> Option<&'a Value> {
    let mut keys = dotted.split('.');
    let first = keys.next()?;
    let mut value = tree.get(&canonical(tree, first))?;
    for key in keys {
        let map = value.as_object()?;
        value = map.get(&canonical(map, key))?;
    }
    Some(value)
}

/// Reads the `gateway` part, with templates filled from the environment.
pub(super) fn read(tree: &Map<String, Value>, sources: &ConfigSources) -> Result<GatewayConfig, ConfigError> {
    let reader = Reader { tree, sources };
    let address = reader
        .address("gateway.address")?
        .filter(|url| !url.is_empty())
        .map(|url| url.trim_end_matches('/').to_owned());
    let mut warnings = Vec::new();
    Ok(GatewayConfig {
        proxy_address: reader.proxy_address(address.as_deref())?,
        // An empty one makes paths on the host that the browser is on.
        public_address: match reader.address("gateway.public-address")? {
            Some(public) => Some(public.trim_end_matches('/').to_owned()),
            None => address.clone(),
        },
        auth: reader.auth(&mut warnings)?,
        http_proxy: reader.http_proxy(&mut warnings)?,
        tls_ca: reader.tls_ca()?,
        cluster_options: reader.cluster_options(&mut warnings),
        address,
        warnings,
    })
}

struct Reader<'a> {
    tree: &'a Map<String, Value>,
    sources: &'a ConfigSources,
}

impl Reader<'_> {
    fn template(&self, key: &str, text: &str) -> Result<String, ConfigError> {
        fill_template(key, text, &self.sources.env)
    }

    /// A text with its template filled in.
    fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        match get(self.tree, key) {
            None => Ok(None),
            Some(Value::String(text)) => self.template(key, text).map(Some),
            Some(_) => Err(bad_value(key, "it must be a text")),
        }
    }

    /// A text that is shown, and holds no secret therefore.
    fn address(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let text = self.text(key)?;
        if let Some(text) = &text {
            address::check(text).map_err(|reason| bad_value(key, &reason))?;
        }
        Ok(text)
    }

    /// As Dask's client: a port on the gateway's host, an address whose scheme and path don't count, or the gateway's own.
    fn proxy_address(&self, address: Option<&str>) -> Result<Option<String>, ConfigError> {
        const KEY: &str = "gateway.proxy-address";
        if let Some(Value::Number(port)) = get(self.tree, KEY) {
            let port = port.as_u64().and_then(|port| u16::try_from(port).ok());
            let port = port.ok_or_else(|| bad_value(KEY, "as a number it must be a port"))?;
            return Ok(address
                .and_then(split_address)
                .map(|(_, host, _)| format!("{}:{port}", host.to_lowercase())));
        }
        if let Some(text) = self.address(KEY)?.filter(|text| !text.is_empty()) {
            let netloc = text
                .split_once("//")
                .map_or(text.as_str(), |(_scheme, rest)| rest);
            return Ok(Some(netloc.split('/').next().unwrap_or(netloc).to_owned()));
        }
        Ok(address.and_then(split_address).map(|(scheme, host, port)| {
            let default = match scheme {
                "http" => 80,
                "https" => 443,
                _ => 8786,
            };
            format!("{}:{}", host.to_lowercase(), port.unwrap_or(default))
        }))
    }

    fn auth(&self, warnings: &mut Vec<String>) -> Result<AuthConfig, ConfigError> {
        const KEY: &str = "gateway.auth.type";
        let kind = match get(self.tree, KEY) {
            None => "basic",
            Some(Value::String(kind)) => kind.as_str(),
            Some(_) => return Err(bad_value(KEY, "it must be a text")),
        };
        let (auth, takes) = match kind {
            "basic" => {
                let auth = AuthConfig::Basic {
                    username: match self.kwarg("username")? {
                        Some(username) => username,
                        None => self.user().unwrap_or_default(),
                    },
                    password: Secret::new(self.kwarg("password")?.unwrap_or_default()),
                };
                (auth, ["username", "password"].as_slice())
            }
            "jupyterhub" => {
                let token = match self.kwarg("api_token")? {
                    Some(token) => Some(token),
                    None => self.sources.env.get("JUPYTERHUB_API_TOKEN").map(str::to_owned),
                };
                let token = token.filter(|token| !token.is_empty()).map(Secret::new);
                (AuthConfig::JupyterHub { token }, ["api_token"].as_slice())
            }
            kind => {
                let kind = kind.to_owned();
                return Ok(AuthConfig::Unsupported { kind });
            }
        };
        if let Some(Value::Object(kwargs)) = get(self.tree, "gateway.auth.kwargs") {
            let strange = kwargs
                .keys()
                .filter(|name| !takes.contains(&name.replace('-', "_").as_str()));
            warnings.extend(strange.map(|name| {
                format!(
                    "Dask's configuration gateway.auth.kwargs.{name} is nothing that {kind} authentication takes, so                      Python's Gateway() fails: remove it. It takes {}.",
                    takes.join(" and ")
                )
            }));
        }
        Ok(auth)
    }

    fn kwarg(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let key = format!("gateway.auth.kwargs.{name}");
        match get(self.tree, &key) {
            None => Ok(None),
            Some(Value::String(text)) => self.template(&key, text).map(Some),
            // A password of digits only, which YAML and Python take for a number.
            Some(Value::Number(number)) if !number.is_f64() => Ok(Some(number.to_string())),
            Some(_) => Err(bad_value(
                &key,
                "it is no text for Dask; write it in quotes, in a variable in quotes of its own",
            )),
        }
    }

    /// As Python's `getpass.getuser`.
    fn user(&self) -> Option<String> {
        let names = ["LOGNAME", "USER", "LNAME", "USERNAME"];
        names
            .iter()
            .find_map(|name| self.sources.env.get(name).filter(|user| !user.is_empty()))
            .map(str::to_owned)
            .or_else(|| self.sources.login.clone())
    }

    fn http_proxy(&self, warnings: &mut Vec<String>) -> Result<HttpProxy, ConfigError> {
        const KEY: &str = "gateway.http-client.proxy";
        match raw(self.tree, KEY) {
            None | Some(Value::Bool(true)) => Ok(HttpProxy::Environment),
            Some(Value::String(text)) => match self.template(KEY, text)? {
                url if url.is_empty() => Ok(HttpProxy::Off),
                url => Ok(HttpProxy::Url(Secret::new(url))),
            },
            Some(Value::Null | Value::Bool(false)) => Ok(HttpProxy::Off),
            Some(_) => {
                warnings.push(format!(
                    "Dask's configuration {KEY} is no address, so that no proxy is used: write true, false or a URL \
                     such as http://host:3128."
                ));
                Ok(HttpProxy::Off)
            }
        }
    }

    fn tls_ca(&self) -> Result<Option<String>, ConfigError> {
        const KEY: &str = "distributed.comm.tls.ca-file";
        match get(self.tree, KEY) {
            None => Ok(None),
            Some(Value::String(ca)) => Ok(Some(ca.clone()).filter(|ca| !ca.is_empty())),
            Some(_) => Err(bad_value(KEY, "it must name a file")),
        }
    }

    fn cluster_options(&self, warnings: &mut Vec<String>) -> Map<String, Value> {
        let Some(Value::Object(options)) = get(self.tree, "gateway.cluster.options") else {
            return Map::new();
        };
        let mut filled = Map::new();
        for (field, value) in options {
            let value = match value {
                Value::String(text) => match self.template(&format!("gateway.cluster.options.{field}"), text)
                {
                    Ok(text) => Value::String(text),
                    Err(error) => {
                        warnings.push(error.to_string());
                        continue;
                    }
                },
                value => value.clone(),
            };
            filled.insert(field.clone(), value);
        }
        filled
    }
}

fn bad_value(key: &str, reason: &str) -> ConfigError {
    ConfigError::BadValue {
        key: key.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Scheme, host and port of a URL, without user information and path.
fn split_address(url: &str) -> Option<(&str, &str, Option<u16>)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let netloc = authority
        .rsplit_once('@')
        .map_or(authority, |(_user, netloc)| netloc);
    // An IPv6 host stands in brackets, and has colons of its own.
    let port_at = netloc
        .rfind(':')
        .filter(|at| netloc.rfind(']').is_none_or(|end| end < *at));
    match port_at {
        Some(at) => Some((scheme, &netloc[..at], netloc[at + 1..].parse().ok())),
        None => Some((scheme, netloc, None)),
    }
}
