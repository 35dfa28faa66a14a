//! The kernels that the Jupyter Server offers, and what is in their environments.

mod interpreter;
mod notes;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dask_gateway::{ConfigSources, GatewayConfig, KernelSpec};
use protocol::kernels::{Kernel, KernelNote};
use tokio::sync::watch;

use crate::jobs::{JupyterClient, JupyterSource, ListedKernel};
pub use interpreter::{KernelVersions, PACKAGES};
pub use notes::Reader;

/// For so long an interpreter is not asked anew: a package that was just installed is seen soon all the same.
const FRESH: Duration = Duration::from_secs(20);

/// Why a kernel can't be looked at, in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("There is no kernel {0} on the Jupyter Server. Choose another one, or install it and try again.")]
    NotFound(String),
    #[error("{0}")]
    Jupyter(String),
    #[error(
        "The kernel {name} runs {language}, not Python, so it can't be compared with a cluster. Choose a Python kernel."
    )]
    NotPython { name: String, language: String },
    #[error(
        "The kernel {name} is started by `{command}`, which is not a Python on this machine, so its packages can't be looked \
         at. In a notebook, `client.get_versions(check=True)` compares them."
    )]
    NoInterpreter { name: String, command: String },
    #[error("The Python of kernel {name} did not tell its versions: {reason}. Check {python}.")]
    Interpreter {
        name: String,
        python: String,
        reason: String,
    },
}

/// The kernels of one Jupyter Server. Cheap to clone.
#[derive(Clone)]
pub struct Kernels(Arc<Inner>);

struct Inner {
    jupyter: JupyterSource,
    http: reqwest::Client,
    /// The Jupyter Server's own interpreter.
    python: PathBuf,
    /// What the Jupyter Server's environment and files are; its kernels inherit them.
    sources: ConfigSources,
    /// What their `Gateway()` is meant to find.
    ours: GatewayConfig,
    notes: watch::Sender<Arc<Vec<KernelNote>>>,
    /// Panels that show the notes.
    readers: watch::Sender<usize>,
    /// Held while an interpreter is asked, so that only one runs at a time.
    asked: tokio::sync::Mutex<HashMap<String, (Instant, KernelSpec, KernelVersions)>>,
}

impl Kernels {
    /// `python` is the Jupyter Server's own interpreter, `sources` what its kernels inherit, `ours` what their `Gateway()`
    /// is meant to find.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(
        jupyter: JupyterSource,
        python: PathBuf,
        sources: ConfigSources,
        ours: GatewayConfig,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self(Arc::new(Inner {
            jupyter,
            http: crate::jobs::jupyter_http_client()?,
            python,
            sources,
            ours,
            notes: watch::Sender::default(),
            readers: watch::Sender::new(0),
            asked: tokio::sync::Mutex::default(),
        })))
    }

    /// The kernels that can be started, the default one first; starts a private Jupyter Server where none runs.
    ///
    /// # Errors
    /// [`KernelError::Jupyter`].
    pub async fn list(&self) -> Result<Vec<Kernel>, KernelError> {
        Ok(self
            .specs()
            .await?
            .into_iter()
            .map(|listed| listed.shown)
            .collect())
    }

    pub(crate) async fn specs(&self) -> Result<Vec<ListedKernel>, KernelError> {
        let jupyter = |error: &dyn std::fmt::Display| KernelError::Jupyter(error.to_string());
        let endpoint = self.0.jupyter.endpoint().await.map_err(|error| jupyter(&error))?;
        let client = JupyterClient::new(self.0.http.clone(), endpoint);
        client.kernelspecs().await.map_err(|error| jupyter(&error))
    }

    /// A kernel by the name of its kernelspec.
    ///
    /// # Errors
    /// [`KernelError::NotFound`] or [`KernelError::Jupyter`].
    pub(crate) async fn find(&self, name: &str) -> Result<ListedKernel, KernelError> {
        let listed = self.specs().await?;
        listed
            .into_iter()
            .find(|kernel| kernel.shown.name == name)
            .ok_or_else(|| KernelError::NotFound(name.to_owned()))
    }

    /// The versions in a kernel's environment; its interpreter is run for it, unless that was done a moment ago.
    ///
    /// # Errors
    /// [`KernelError::NotPython`], [`KernelError::NoInterpreter`] or [`KernelError::Interpreter`].
    pub(crate) async fn versions_of(&self, listed: &ListedKernel) -> Result<KernelVersions, KernelError> {
        let shown = &listed.shown.display_name;
        if !listed.is_python() {
            return Err(KernelError::NotPython {
                name: shown.clone(),
                language: listed.language.clone(),
            });
        }
        let python =
            interpreter::find(&listed.spec, &self.0.python).ok_or_else(|| KernelError::NoInterpreter {
                name: shown.clone(),
                command: listed.spec.argv.first().cloned().unwrap_or_default(),
            })?;
        let mut asked = self.0.asked.lock().await;
        if let Some((at, spec, versions)) = asked.get(&listed.shown.name)
            && at.elapsed() < FRESH
            && *spec == listed.spec
        {
            return Ok(versions.clone());
        }
        let versions = interpreter::ask(&python, &listed.spec, &self.0.sources)
            .await
            .map_err(|reason| KernelError::Interpreter {
                name: shown.clone(),
                python: python.display().to_string(),
                reason,
            })?;
        let now = (Instant::now(), listed.spec.clone(), versions.clone());
        asked.insert(listed.shown.name.clone(), now);
        Ok(versions)
    }
}
