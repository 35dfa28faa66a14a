//! Where the gateway is and how to log in, read from Dask's files and environment as Python's `dask.config` reads them.

pub(crate) mod address;
mod env;
mod files;
mod literal;
mod template;
mod tree;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::secret::Secret;

/// What the configuration is read from.
#[derive(Clone)]
pub struct ConfigSources {
    /// Environment variables; those that are not UTF-8 don't matter to Dask.
    pub env: HashMap<String, String>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// Python's `sys.prefix`.
    pub sys_prefix: Option<PathBuf>,
    /// Python's `site.PREFIXES`.
    pub site_prefixes: Vec<PathBuf>,
}

impl ConfigSources {
    /// This process's environment and home folder, with the prefixes of the Python whose configuration counts.
    pub fn of_process(sys_prefix: Option<PathBuf>, site_prefixes: Vec<PathBuf>) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            env,
            home: std::env::home_dir(),
            sys_prefix,
            site_prefixes,
        }
    }
}

/// The `gateway.*` part of Dask's configuration, with its templates filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GatewayConfig {
    /// URL of the gateway, without credentials and without a trailing slash; `None` where nothing names one.
    pub address: Option<String>,
    /// `host:port` where schedulers are reached, as in `gateway://host:port/NAME`.
    pub proxy_address: Option<String>,
    /// What browsers put before a dashboard route: a URL or a path on the hub's host, without a trailing slash.
    pub public_address: Option<String>,
    pub auth: AuthConfig,
    pub http_proxy: HttpProxy,
    /// The user's own defaults for the gateway's options.
    pub cluster_options: Map<String, Value>,
    /// Sentences on what was left out, such as an option whose template names a missing variable.
    pub warnings: Vec<String>,
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthConfig {
    Basic {
        username: String,
        password: Secret,
    },
    JupyterHub {
        token: Option<Secret>,
    },
    /// Kerberos or a Python class of the site's.
    Unsupported {
        kind: String,
    },
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self::Basic {
            username: String::new(),
            password: Secret::new(""),
        }
    }
}

impl AuthConfig {
    /// Dask's name for it, as in `gateway.auth.type`.
    pub fn kind(&self) -> &str {
        match self {
            Self::Basic { .. } => "basic",
            Self::JupyterHub { .. } => "jupyterhub",
            Self::Unsupported { kind } => kind,
        }
    }

    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "Check gateway.auth.kwargs.username and .password.",
            Self::JupyterHub { .. } => {
                "The JupyterHub token may have expired or lack the scope access:services: restart your server on the hub."
            }
            Self::Unsupported { .. } => "Check gateway.auth.",
        }
    }
}

/// Whether an HTTP proxy stands between us and the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpProxy {
    /// As `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say; never for a gateway on this machine.
    #[default]
    Environment,
    Off,
    /// It may hold credentials.
    Url(Secret),
}

/// A configuration that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("Dask's configuration file can't be understood: {reason}. Correct or remove it. The file is {}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error(
        "Dask's configuration {key} names the environment variable {variable}, which is not set. Set it, or change {key}."
    )]
    MissingVariable { key: String, variable: String },
    #[error("Dask's configuration {key} can't be used: {reason}.")]
    BadValue { key: String, reason: String },
}

impl GatewayConfig {
    /// Reads files from low to high priority, then the environment, then fills in templates.
    ///
    /// `DASK_GATEWAY__*` variables are left out where `GATEHOUSE_GATEWAY_ADDRESS` says that a Gatehouse set them for
    /// its kernels: a server started from such a kernel must not take another's embedded gateway for the site's.
    ///
    /// # Errors
    /// A file that is not YAML, a template that names a missing variable, a value of the wrong type, an address with a
    /// password or query in it.
    pub fn resolve(sources: &ConfigSources) -> Result<Self, ConfigError> {
        let mut merged = env::collect(&sources.env);
        for (path, layer) in files::collect(sources)?.into_iter().rev() {
            tracing::debug!(path = %path.display(), "read Dask's configuration");
            tree::fill(&mut merged, layer);
        }
        tree::read(&merged, &sources.env)
    }
}

impl fmt::Debug for ConfigSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigSources")
            .field("env", &format_args!("{} variables", self.env.len()))
            .field("home", &self.home)
            .field("sys_prefix", &self.sys_prefix)
            .field("site_prefixes", &self.site_prefixes)
            .finish()
    }
}
