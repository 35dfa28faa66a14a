//! The server, as users get it: a release build inside the Python package.

use anyhow::Result;

use super::{cargo, copy_changed};
use crate::job::Job;
use crate::plan::Step;
use crate::stamp::Inputs;
use crate::workspace::Workspace;

pub(super) fn step<'a>(workspace: &'a Workspace, rustc: &str) -> Step<'a> {
    let sources = [
        "Cargo.toml",
        "Cargo.lock",
        "server/Cargo.toml",
        "server/src",
        "crates/protocol",
        "crates/timeline",
        "crates/dask-comm",
        "crates/dask-gateway",
    ];
    Step {
        name: "server",
        title: "Compile the server",
        needs: vec![],
        inputs: Inputs::paths(workspace.paths(&sources)).fact(rustc),
        outputs: vec![workspace.server_binary()],
        work: Box::new(|job| compile(workspace, job)),
    }
}

fn compile(workspace: &Workspace, job: &Job) -> Result<()> {
    job.run(cargo(workspace, &["build"], "target").args([
        "--release",
        "-p",
        "gatehouse",
        "--bin",
        "gatehouse",
    ]))?;
    copy_changed(
        &workspace.path("target/release/gatehouse"),
        &workspace.server_binary(),
    )
}
