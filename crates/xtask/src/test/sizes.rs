//! Budgets of what a browser has to load: they do not depend on the machine.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};

use crate::job::Job;
use crate::workspace::Workspace;

/// Bytes of the module as it lies on disk, which is what Jupyter Server sends.
const RAW: usize = 900_000;
/// Bytes of the module behind a proxy that compresses.
const GZIPPED: usize = 300_000;

pub(super) fn check(workspace: &Workspace, job: &Job) -> Result<()> {
    let path = workspace.panel().join("gatehouse_bg.wasm");
    let module = fs::read(&path).with_context(|| format!("{} is not built", path.display()))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&module)?;
    let gzipped = gzip.finish()?.len();
    let figures = format!(
        "the module has {} of {RAW} bytes, gzipped {gzipped} of {GZIPPED}",
        module.len()
    );
    job.line(&figures);
    if module.len() > RAW || gzipped > GZIPPED {
        bail!("{figures}: `twiggy top` on target/wasm shows what grew");
    }
    Ok(())
}
