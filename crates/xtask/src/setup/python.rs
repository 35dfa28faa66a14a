//! The Python environments: `.venv` with JupyterLab, Dask and the gateway, and for tests the oldest Dask that we know.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::debian::find_program;
use crate::job::Job;
use crate::plan::Step;
use crate::stamp::Inputs;
use crate::workspace::Workspace;

/// What `.venv` holds.
pub(crate) const REQUIREMENTS: &str = "jupyter-extension/requirements-dev.txt";

/// What the tests' second environment holds, and where it is.
const OLDEST_REQUIREMENTS: &str = "tests/requirements-oldest.txt";
const OLDEST: &str = ".venv-2023.1";

const NEEDED: &str = "Python 3.11 or newer is needed for JupyterLab and Dask";
const HOW: &str = "get it with `apt-get install python3 python3-venv` (Debian 12, Ubuntu 24.04 or newer) or \
                   `brew install python` (macOS), or install `uv`, which brings its own";

pub(crate) fn step(workspace: &Workspace) -> Step<'_> {
    Step {
        name: "python",
        title: "Python environment",
        needs: vec![],
        inputs: Inputs::paths(workspace.paths(&[REQUIREMENTS])),
        outputs: vec![workspace.venv_tool("jupyter"), workspace.venv_tool("python")],
        work: Box::new(|job| install(workspace, job, ".venv", REQUIREMENTS)),
    }
}

/// The oldest Dask, for tests.
pub(crate) fn oldest_step(workspace: &Workspace) -> Step<'_> {
    Step {
        name: "python-oldest",
        title: "Python environment with the oldest Dask",
        needs: vec![],
        inputs: Inputs::paths(workspace.paths(&[OLDEST_REQUIREMENTS])),
        outputs: vec![workspace.path(OLDEST).join("bin/python")],
        work: Box::new(|job| install(workspace, job, OLDEST, OLDEST_REQUIREMENTS)),
    }
}

/// Says so at once when no Python is there that the step could use.
///
/// # Errors
/// One sentence: what, why, how.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    if workspace.venv_tool("python").exists() || find_program("uv").is_some() {
        return Ok(());
    }
    base_interpreter().map(|_| ())
}

fn install(workspace: &Workspace, job: &Job, venv: &str, requirements: &str) -> Result<()> {
    let uv = find_program("uv");
    let venv = workspace.path(venv);
    let python = venv.join("bin/python");
    if version(&python).is_none_or(|version| version < (3, 11)) {
        match &uv {
            Some(uv) => job.run(
                Command::new(uv)
                    .args(["venv", "--clear", "--python", ">=3.11"])
                    .arg(&venv),
            )?,
            None => job.run(
                Command::new(base_interpreter()?)
                    .args(["-m", "venv", "--clear"])
                    .arg(&venv),
            )?,
        }
    }
    let mut command = match &uv {
        Some(uv) => {
            let mut command = Command::new(uv);
            command.args(["pip", "install", "--python"]).arg(&python);
            command
        }
        None => {
            let mut command = Command::new(&python);
            command.args([
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--progress-bar",
                "off",
            ]);
            command
        }
    };
    job.run(command.arg("-r").arg(workspace.path(requirements)))
        .with_context(|| format!("the packages of {requirements} could not be installed"))
}

/// The interpreter to make `.venv` from.
fn base_interpreter() -> Result<PathBuf> {
    let found: Vec<PathBuf> = [
        "python3",
        "python3.14",
        "python3.13",
        "python3.12",
        "python3.11",
        "python",
    ]
    .iter()
    .filter_map(|name| find_program(name))
    .collect();
    let new_enough: Vec<&PathBuf> = found
        .iter()
        .filter(|python| version(python).is_some_and(|version| version >= (3, 11)))
        .collect();
    if new_enough.is_empty() {
        let best = found.iter().filter_map(|python| version(python)).max();
        let here = best.map_or("no `python3` was found".to_owned(), |(major, minor)| {
            format!("the newest one here is {major}.{minor}")
        });
        bail!("{NEEDED}, and {here}: {HOW}.");
    }
    let with_venv = new_enough
        .into_iter()
        .find(|python| succeeds(python, "import venv, ensurepip"));
    with_venv.cloned().with_context(|| {
        "Python's venv module is needed to keep JupyterLab and Dask inside this checkout, and this Python lacks it: \
         get it with `apt-get install python3-venv` (Debian, Ubuntu) or `brew install python` (macOS)."
    })
}

fn version(python: &Path) -> Option<(u32, u32)> {
    let output = Command::new(python)
        .args(["-c", "import sys; print(*sys.version_info[:2])"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn succeeds(python: &Path, code: &str) -> bool {
    let status = Command::new(python)
        .args(["-c", code])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
