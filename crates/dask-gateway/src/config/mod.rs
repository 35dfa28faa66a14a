//! Where the gateway is and how to log in, read from Dask's files and environment as Python's `dask.config` reads them.

pub(crate) mod address;
mod env;
mod environment;
mod files;
mod kernel;
mod literal;
mod template;
mod tree;
mod yaml;

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::secret::Secret;

pub use environment::Environment;
pub use kernel::{Difference, KernelSpec, differences};
pub use literal::parse as python_literal;
pub use template::literal;

/// What the configuration is read from.
#[derive(Clone, Debug)]
pub struct ConfigSources {
    pub env: Environment,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The user's name in the system's password file, for where no variable tells it.
    pub login: Option<String>,
    /// Python's `sys.prefix`.
    pub sys_prefix: Option<PathBuf>,
    /// Python's `site.PREFIXES`.
    pub site_prefixes: Vec<PathBuf>,
}

impl ConfigSources {
    /// This process's environment and home folder, with the prefixes of the Python whose configuration counts.
    pub fn of_process(sys_prefix: Option<PathBuf>, site_prefixes: Vec<PathBuf>) -> Self {
        Self {
            env: Environment::of_process(),
            home: std::env::home_dir(),
            login: login(),
            sys_prefix,
            site_prefixes,
        }
    }
}

/// The name of this process's user in `/etc/passwd`.
fn login() -> Option<String> {
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").ok()?).to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|user| {
        let mut fields = user.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
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
    /// Dask's own certificate authority (`distributed.comm.tls.ca-file`), a path or PEM: trusted beside the system's.
    pub tls_ca: Option<String>,
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
        Self::read(sources, env::set_by_gatehouse(&sources.env))
    }

    /// As [`Self::resolve`], with what a Gatehouse set for its kernels: what Python's `Gateway()` finds.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn of_python(sources: &ConfigSources) -> Result<Self, ConfigError> {
        Self::read(sources, false)
    }

    fn read(sources: &ConfigSources, without_gateway_variables: bool) -> Result<Self, ConfigError> {
        let mut merged = env::collect(&sources.env, without_gateway_variables)?;
        for (path, layer) in files::collect(sources)?.into_iter().rev() {
            tracing::debug!(path = %path.display(), "read Dask's configuration");
            tree::fill(&mut merged, layer);
        }
        tree::read(&merged, sources)
    }
}
