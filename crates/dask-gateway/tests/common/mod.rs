//! What these tests share.

use std::path::{Path, PathBuf};

/// The Python with dask-gateway and dask-gateway-server, which `npm test` sets up.
pub(crate) fn python() -> PathBuf {
    let python = std::env::var_os("GATEHOUSE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.is_file(),
        "these tests need a Python with dask-gateway-server[local]: make .venv with `npm start`, or set GATEHOUSE_PYTHON"
    );
    python
}
