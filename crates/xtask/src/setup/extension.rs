//! The JupyterLab extension: bundled by Jupyter's own builder, linked into `.venv`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{copy_folder, debian::find_program};
use crate::job::Job;
use crate::plan::Step;
use crate::stamp::Inputs;
use crate::workspace::Workspace;

const PACKAGE: &str = "jupyter-extension";
const BUNDLE: &str = "jupyter-extension/dask_gatehouse/labextension";

pub(super) fn steps(workspace: &Workspace) -> Vec<Step<'_>> {
    let sources = [
        "jupyter-extension/package.json",
        "jupyter-extension/tsconfig.json",
        "jupyter-extension/webpack.config.js",
        "jupyter-extension/src",
        "jupyter-extension/style",
        "jupyter-extension/schema",
        "jupyter-extension/wasm",
        "package-lock.json",
    ];
    let installed = [
        "jupyter-extension/pyproject.toml",
        "jupyter-extension/jupyter-config",
        "jupyter-extension/install.json",
    ];
    vec![
        Step {
            name: "labextension",
            title: "JupyterLab extension",
            needs: vec!["python", "npm", "panel"],
            inputs: Inputs::paths(workspace.paths(&sources)),
            outputs: vec![workspace.path(BUNDLE).join("package.json")],
            work: Box::new(|job| bundle(workspace, job)),
        },
        Step {
            name: "extension",
            title: "Install the extension into .venv",
            needs: vec!["python", "labextension"],
            inputs: Inputs::paths(workspace.paths(&installed)),
            outputs: workspace.paths(&[
                ".venv/share/jupyter/labextensions/dask-gatehouse/package.json",
                ".venv/etc/jupyter/jupyter_server_config.d/dask_gatehouse.json",
                ".venv/etc/jupyter/labconfig/page_config.json",
            ]),
            work: Box::new(|job| install(workspace, job)),
        },
    ]
}

fn bundle(workspace: &Workspace, job: &Job) -> Result<()> {
    // The extension's script calls Jupyter's builder, which lives in the Python environment.
    let mut path = workspace.path(".venv/bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut npm = Command::new("npm");
    npm.args(["run", "build", "-w", "dask-gatehouse"])
        .current_dir(&workspace.root)
        .env("PATH", path);
    job.run(&mut npm).context("the extension could not be bundled")
}

/// The wheel holds the server, the panel's page and the bundle: what the extension's build hook asks for.
pub(crate) fn wheel_step(workspace: &Workspace) -> Step<'_> {
    Step {
        name: "wheel",
        title: "Python wheel",
        needs: vec![],
        inputs: Inputs::paths(vec![workspace.path(PACKAGE), workspace.panel()]),
        outputs: vec![workspace.path("target/dist")],
        work: Box::new(|job| {
            copy_folder(
                &workspace.panel(),
                &workspace.path("jupyter-extension/dask_gatehouse/panel"),
            )?;
            let mut pip = Command::new(workspace.venv_tool("python"));
            pip.args([
                "-m",
                "pip",
                "wheel",
                "--disable-pip-version-check",
                "--no-deps",
                "--no-build-isolation",
            ]);
            job.run(
                pip.arg("--wheel-dir")
                    .arg(workspace.path("target/dist"))
                    .arg(workspace.path(PACKAGE)),
            )
        }),
    }
}

fn install(workspace: &Workspace, job: &Job) -> Result<()> {
    let python = workspace.venv_tool("python");
    let mut command = match find_program("uv") {
        Some(uv) => {
            let mut command = Command::new(uv);
            command.args(["pip", "install", "--python"]).arg(&python);
            command
        }
        None => {
            let mut command = Command::new(&python);
            command.args(["-m", "pip", "install", "--disable-pip-version-check"]);
            command
        }
    };
    // Dependencies and the build backend are in the environment already.
    command
        .args(["--no-deps", "--no-build-isolation", "-e"])
        .arg(workspace.path(PACKAGE));
    job.run(&mut command)
        .context("the extension could not be installed into .venv")?;
    link_bundle(workspace)?;
    quiet_news(&workspace.path(".venv/etc/jupyter/labconfig"))
}

/// The environment shows the bundle where it is built, so that the next build needs no installation.
fn link_bundle(workspace: &Workspace) -> Result<()> {
    let link = workspace.path(".venv/share/jupyter/labextensions/dask-gatehouse");
    if let Ok(meta) = fs::symlink_metadata(&link) {
        if meta.is_dir() {
            fs::remove_dir_all(&link)?
        } else {
            fs::remove_file(&link)?
        }
    }
    if let Some(folder) = link.parent() {
        fs::create_dir_all(folder)?;
    }
    std::os::unix::fs::symlink(workspace.path(BUNDLE), &link)
        .with_context(|| format!("{} cannot be linked", link.display()))
}

/// JupyterLab asks at its first start whether it may show news, on top of the panel people came for.
fn quiet_news(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let config = serde_json::json!({
        "disabledExtensions": { "@jupyterlab/apputils-extension:announcements": true }
    });
    fs::write(
        folder.join("page_config.json"),
        serde_json::to_vec_pretty(&config)?,
    )?;
    Ok(())
}
