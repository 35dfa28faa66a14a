//! The JupyterLab extension: bundled by Jupyter's own builder, linked into `.venv`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{debian::find_program, node};
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
    let package = workspace.path(PACKAGE);
    job.run(Command::new(node::tool(workspace, "tsc")).current_dir(&package))
        .context("the extension's TypeScript does not compile")?;
    job.run(
        Command::new(workspace.venv_tool("jupyter-builder"))
            .args(["build", "."])
            .current_dir(&package),
    )
    .context("the extension could not be bundled")
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
