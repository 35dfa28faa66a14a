//! Everything that must be there before Gatehouse runs, each as a step.

pub(crate) mod chromium;
pub(crate) mod debian;
mod examples;
mod extension;
pub(crate) mod node;
pub(crate) mod python;
mod server;
mod wasm;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::board::Board;
use crate::plan::{self, Step};
use crate::stamp::Inputs;
use crate::workspace::Workspace;

/// Builds all artefacts.
///
/// # Errors
/// When something is missing or a step fails.
pub(crate) fn build(workspace: &Workspace, board: &Arc<Board>) -> Result<()> {
    python::check(workspace)?;
    let rustc = rustc_version()?;
    let mut steps = vec![python::step(workspace), node::step(workspace)];
    steps.extend(wasm::steps(workspace, &rustc));
    steps.push(server::step(workspace, &rustc));
    steps.extend(extension::steps(workspace));
    steps.push(examples::step(workspace));
    plan::run(workspace, board, &steps)
}

/// Builds all artefacts, and what only tests need: a browser, and the oldest Dask.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_for_tests(workspace: &Workspace, board: &Arc<Board>) -> Result<()> {
    build(workspace, board)?;
    let mut steps = vec![python::oldest_step(workspace)];
    if chromium::find().is_none() {
        steps.push(chromium::step());
    }
    plan::run(workspace, board, &steps)
}

/// Builds all artefacts and the wheel that ships them.
///
/// # Errors
/// As [`build`].
pub(crate) fn package(workspace: &Workspace, board: &Arc<Board>) -> Result<()> {
    build(workspace, board)?;
    plan::run(workspace, board, &[extension::wheel_step(workspace)])
}

/// Formats everything that a check looks at.
///
/// # Errors
/// When a formatter is missing or fails.
pub(crate) fn fmt(workspace: &Workspace, board: &Arc<Board>) -> Result<()> {
    let format = Step {
        name: "format",
        title: "Format",
        needs: vec!["npm"],
        inputs: Inputs::default(),
        // Never up to date: what it changes is what a person just wrote.
        outputs: vec![workspace.path("target/never")],
        work: Box::new(|job| {
            let run = |program: &Path, arguments: &[&str]| {
                job.run(Command::new(program).args(arguments).current_dir(&workspace.root))
            };
            run(Path::new("cargo"), &["fmt", "--all"])?;
            run(&node::tool(workspace, "eslint"), &["--fix", "."])?;
            run(
                &node::tool(workspace, "prettier"),
                &["--write", "--log-level", "warn", "."],
            )?;
            run(Path::new("npm"), &["run", "format", "-w", "dask-gatehouse"])
        }),
    };
    plan::run(workspace, board, &[node::step(workspace), format])
}

fn rustc_version() -> Result<String> {
    let output = Command::new("rustc")
        .arg("--version")
        .output()
        .context("rustc cannot be started")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A cargo command whose progress can be read.
pub(crate) fn cargo(workspace: &Workspace, verb: &[&str], target: &str) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(verb)
        .arg("--target-dir")
        .arg(workspace.path(target))
        .current_dir(&workspace.root)
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "80")
        .env("CARGO_TERM_COLOR", "never");
    command
}

/// Copies a file where its text differs, by renaming: what runs or is served from the old one is not disturbed.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn copy_changed(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("{} cannot be read", from.display()))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = to.parent().context("a file has a folder")?;
    fs::create_dir_all(folder)?;
    let name = to.file_name().context("a file has a name")?;
    let beside = folder.join(format!(".{}.new", name.to_string_lossy()));
    fs::copy(from, &beside).with_context(|| format!("{} cannot be written", beside.display()))?;
    fs::rename(&beside, to).with_context(|| format!("{} cannot be written", to.display()))
}

/// Copies what is in a folder, and in those within it, into another.
///
/// # Errors
/// When something cannot be read or written.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("{} cannot be listed", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            copy_changed(&entry.path(), &target)?;
        }
    }
    Ok(())
}
