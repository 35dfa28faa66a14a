//! The examples' data, made once.

use std::process::Command;

use crate::plan::Step;
use crate::stamp::Inputs;
use crate::workspace::Workspace;

pub(super) fn step(workspace: &Workspace) -> Step<'_> {
    let script = "examples/make_taxi_data.py";
    Step {
        name: "example-data",
        title: "Example data",
        needs: vec!["python"],
        inputs: Inputs::paths(workspace.paths(&[script])),
        outputs: vec![workspace.path("examples/data")],
        work: Box::new(move |job| {
            let mut make = Command::new(workspace.venv_tool("python"));
            job.run(make.arg(workspace.path(script)).current_dir(workspace.examples()))
        }),
    }
}
