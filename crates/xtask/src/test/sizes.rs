//! Budgets of what a browser has to load: they do not depend on the machine.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::job::Job;
use crate::setup::wasm::{MODULES, packed, raw};
use crate::workspace::Workspace;

/// Bytes of a module as a browser runs it.
const RAW: u64 = 900_000;
/// Bytes of a module as JupyterLab sends it, gzipped.
const GZIPPED: u64 = 300_000;

pub(super) fn check(workspace: &Workspace, job: &Job) -> Result<()> {
    let size = |path: PathBuf| {
        let found = fs::metadata(&path).with_context(|| format!("{} is not built", path.display()));
        found.map(|file| file.len())
    };
    for (_, name) in MODULES {
        let raw = size(raw(workspace, name))?;
        let gzipped = size(packed(workspace, name))?;
        let figures = format!("{name} has {raw} of {RAW} bytes, gzipped {gzipped} of {GZIPPED}");
        job.line(&figures);
        if raw > RAW || gzipped > GZIPPED {
            bail!("{figures}: `twiggy top` on target/wasm shows what grew");
        }
    }
    Ok(())
}
