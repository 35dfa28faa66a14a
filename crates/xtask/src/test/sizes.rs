//! Budgets of what a browser has to load: they do not depend on the machine.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::job::Job;
use crate::setup::wasm::PACKED;
use crate::workspace::Workspace;

/// Bytes of the module as a browser runs it.
const RAW: u64 = 900_000;
/// Bytes of the module as JupyterLab sends it, gzipped.
const GZIPPED: u64 = 300_000;

pub(super) fn check(workspace: &Workspace, job: &Job) -> Result<()> {
    let size = |path: std::path::PathBuf| {
        let found = fs::metadata(&path).with_context(|| format!("{} is not built", path.display()));
        found.map(|file| file.len())
    };
    let raw = size(workspace.panel().join("gatehouse_bg.wasm"))?;
    let gzipped = size(workspace.path("jupyter-extension/wasm").join(PACKED))?;
    let figures = format!("the module has {raw} of {RAW} bytes, gzipped {gzipped} of {GZIPPED}");
    job.line(&figures);
    if raw > RAW || gzipped > GZIPPED {
        bail!("{figures}: `twiggy top` on target/wasm shows what grew");
    }
    Ok(())
}
