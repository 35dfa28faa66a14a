//! Where things lie in the checkout.

use std::path::{Path, PathBuf};

/// The checkout's folders; every path is absolute.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub root: PathBuf,
}

impl Workspace {
    /// The checkout this tool was compiled in.
    pub(crate) fn here() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).unwrap_or(manifest);
        Self {
            root: root.to_path_buf(),
        }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn paths(&self, relative: &[&str]) -> Vec<PathBuf> {
        relative.iter().map(|path| self.path(path)).collect()
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path("target/logs")
    }

    /// A tool of the Python environment, `python` and `jupyter` among them.
    pub(crate) fn venv_tool(&self, name: &str) -> PathBuf {
        self.path(".venv/bin").join(name)
    }

    /// The server as `start` and the tests run it.
    pub(crate) fn server_binary(&self) -> PathBuf {
        self.path("jupyter-extension/dask_gatehouse/bin/gatehouse")
    }

    /// The panel's page and module, as the server serves them.
    pub(crate) fn panel(&self) -> PathBuf {
        self.path("target/panel")
    }

    pub(crate) fn examples(&self) -> PathBuf {
        self.path("examples")
    }
}
