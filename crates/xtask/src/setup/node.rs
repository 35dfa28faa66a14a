//! npm packages: the builder of the JupyterLab extension, wasm-opt, and the tools of the tests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::job::Job;
use crate::plan::Step;
use crate::stamp::Inputs;
use crate::workspace::Workspace;

pub(crate) fn step(workspace: &Workspace) -> Step<'_> {
    let manifests = [
        "package.json",
        "package-lock.json",
        ".npmrc",
        "jupyter-extension/package.json",
    ];
    Step {
        name: "npm",
        title: "npm packages",
        needs: vec![],
        inputs: Inputs::paths(workspace.paths(&manifests)),
        outputs: vec![workspace.path("node_modules/.package-lock.json")],
        work: Box::new(|job| install(workspace, job)),
    }
}

fn install(workspace: &Workspace, job: &Job) -> Result<()> {
    job.run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&workspace.root))
        .context("npm packages could not be installed; after a change of package.json run `npm install` once, which updates the lock file")
}

/// A tool of an npm package.
pub(crate) fn tool(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.path("node_modules/.bin").join(name)
}
