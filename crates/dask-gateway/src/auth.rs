//! Logging in: the headers that follow a 401, and what to say where they don't help.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::config::AuthConfig;
use crate::error::GatewayError;

/// The `Authorization` header of a configuration.
///
/// # Errors
/// A sentence, where there are no credentials or none that can be sent.
pub(crate) fn credentials(auth: &AuthConfig, address: &str) -> Result<HeaderValue, GatewayError> {
    let text = match auth {
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
            return Err(GatewayError::Unauthorized(format!(
                "The gateway at {address} wants a JupyterHub token and there is none: JupyterHub sets \
                 JUPYTERHUB_API_TOKEN where it starts Jupyter; elsewhere make a token on the hub's Token page and put it \
                 into gateway.auth.kwargs.api_token."
            )));
        }
        AuthConfig::Unsupported { kind } if kind == "kerberos" => {
            return Err(GatewayError::Unauthorized(format!(
                "The gateway at {address} wants Kerberos, which Gatehouse does not speak: use this gateway from \
                 notebooks, where Dask's own client does, or ask whoever runs it for basic or jupyterhub authentication \
                 and set gateway.auth.type."
            )));
        }
        AuthConfig::Unsupported { kind } => {
            return Err(GatewayError::Unauthorized(format!(
                "The gateway at {address} wants the site's own authentication {kind}, Python code that Gatehouse does \
                 not run: use this gateway from notebooks, or ask whoever runs it for basic or jupyterhub authentication \
                 and set gateway.auth.type."
            )));
        }
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_hides_the_secret| {
        GatewayError::Config(
            "The gateway's password or token holds a line break or control character: change \
             gateway.auth.kwargs."
                .to_owned(),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A 401 with our credentials; `wanted` is what the answer's `WWW-Authenticate` says.
pub(crate) fn refused(auth: &AuthConfig, address: &str, wanted: Option<&str>) -> GatewayError {
    let scheme = wanted.and_then(|wanted| wanted.split([' ', ',']).next());
    let other = match scheme.map(str::to_ascii_lowercase).as_deref() {
        Some("basic") => Some("basic"),
        Some("jupyterhub") => Some("jupyterhub"),
        Some("negotiate") => Some("kerberos"),
        _ => None,
    };
    if let Some(other) = other.filter(|other| *other != auth.kind()) {
        return GatewayError::Unauthorized(format!(
            "The gateway at {address} wants {other} authentication and Dask's configuration says {}: set \
             gateway.auth.type to {other}.",
            auth.kind()
        ));
    }
    let hint = match auth {
        AuthConfig::JupyterHub { .. } => {
            "The JupyterHub token may have expired or lack the scope access:services: restart your server on the hub, \
             or put a new token into gateway.auth.kwargs.api_token."
        }
        _ => "Check gateway.auth.kwargs.username and .password.",
    };
    GatewayError::Unauthorized(format!(
        "The gateway at {address} refuses the {} credentials of Dask's configuration. {hint}",
        auth.kind()
    ))
}

/// The site knows us, or asked who we are, and lets us not in.
pub(crate) fn not_permitted(address: &str, said: &str) -> GatewayError {
    let hint = if said.contains("token") {
        "JupyterHub does not know the token, or no longer: restart your server on the hub, or put a new token into \
         gateway.auth.kwargs.api_token."
    } else {
        "Ask whoever runs the site to give you what is missing, then log in again."
    };
    GatewayError::Unauthorized(format!(
        "The gateway at {address} does not let you in: \u{201c}{said}\u{201d}. {hint}"
    ))
}
