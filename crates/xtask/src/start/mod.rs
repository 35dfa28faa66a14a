//! `npm start`: JupyterLab on the examples, and the orderly end of everything it started.

mod jupyter;
mod leftovers;
mod port;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::board::{Board, Mark};
use crate::setup::{self, debian::find_program};
use crate::signals;
use crate::workspace::Workspace;
use jupyter::{Jupyter, Waited};

/// Longer than what the extension itself allows our server for ending clusters.
const END_PATIENCE: Duration = Duration::from_secs(75);
/// After this a second Ctrl-C is taken as one, not as the echo of the first.
const ECHO: Duration = Duration::from_secs(2);

/// Opens JupyterLab with Gatehouse on the examples.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Port of JupyterLab; 0 for any free one [default: 8888, or the next free one]
    #[arg(long)]
    port: Option<u16>,
    /// Only print the address
    #[arg(long)]
    no_browser: bool,
    /// Address of a Dask Gateway to use in place of what Dask's configuration says
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Trust that everything is built
    #[arg(long)]
    no_build: bool,
    /// Print one line of JSON to standard output once JupyterLab answers
    #[arg(long)]
    ready_json: bool,
}

/// # Errors
/// When the set-up fails, the port is in use, or JupyterLab does not come up.
pub(crate) fn run(
    workspace: &Workspace,
    board: &Arc<Board>,
    start: &Start,
    requests: &Receiver<()>,
) -> Result<()> {
    let began = Instant::now();
    let port = port::choose(start.port)?;
    if !start.no_build {
        setup::build(workspace, board)?;
    }
    signals::hand_over();
    let mut jupyter = Jupyter::start(workspace, port, start.gateway.as_deref())?;
    board.start(0, "JupyterLab");
    let waited = jupyter.wait_ready(board, requests)?;
    match waited {
        Waited::Ready => {
            board.end(0, Mark::Done, "");
            announce(board, start, &jupyter, began)?;
            if jupyter.wait_end(requests) {
                return end(board, &mut jupyter, requests);
            }
            Err(jupyter.obituary("JupyterLab ended by itself"))
        }
        Waited::Asked => end(board, &mut jupyter, requests),
        Waited::Gone => {
            board.end(0, Mark::Failed, "");
            Err(jupyter.obituary("JupyterLab did not come up"))
        }
    }
}

/// `xtask env`: what the scenarios need to start the same things in their own way, as JSON.
pub(crate) fn describe(workspace: &Workspace) -> serde_json::Value {
    serde_json::json!({
        "root": workspace.root,
        "python": workspace.venv_tool("python"),
        "jupyter": workspace.venv_tool("jupyter"),
        "lab_arguments": jupyter::arguments(),
        "lab_environment": jupyter::environment(workspace),
        "server": workspace.server_binary(),
        "chromium": setup::chromium::find(),
    })
}

fn announce(board: &Board, start: &Start, jupyter: &Jupyter, began: Instant) -> Result<()> {
    let url = jupyter.url();
    board.say(&format!(
        "\n  Gatehouse is in JupyterLab's left sidebar:\n\n    {}\n",
        board.bold(&url)
    ));
    board.say(&board.dim(&format!(
        "  Ready after {:.1} s. Ctrl-C ends JupyterLab and the clusters of its embedded gateway. Log: {}\n",
        began.elapsed().as_secs_f64(),
        jupyter.log().display()
    )));
    if start.ready_json {
        let ready = serde_json::json!({
            "event": "ready", "url": url, "base_url": jupyter.base_url(), "token": jupyter.token(), "pid": jupyter.pid(),
        });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{ready}")
            .and_then(|()| out.flush())
            .context("standard output is closed")?;
    }
    if !start.no_browser {
        open_browser(&url);
    }
    Ok(())
}

/// Opens a browser where there is a screen; the address was printed anyway.
fn open_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") {
        find_program("open")
    } else if std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some() {
        find_program("xdg-open")
    } else {
        None
    };
    if let Some(opener) = opener {
        let mut command = Command::new(opener);
        command
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok();
    }
}

/// SIGTERM, patience, and a look at what is left.
fn end(board: &Board, jupyter: &mut Jupyter, requests: &Receiver<()>) -> Result<()> {
    // Whatever line the terminal's ^C stands on.
    board.say("");
    board.start(1, "Ending clusters and JupyterLab");
    let asked = Instant::now();
    jupyter.terminate();
    let mut ended = false;
    while !ended && asked.elapsed() < END_PATIENCE {
        board.tick();
        ended = jupyter.ended_within(Duration::from_millis(100));
        if requests.try_recv().is_ok() && asked.elapsed() > ECHO {
            board.mark(Mark::Note, "Asked again: not waiting any longer");
            break;
        }
    }
    if ended {
        board.end(1, Mark::Done, "");
    } else {
        jupyter.kill();
        board.end(1, Mark::Failed, "killed");
    }
    report_leftovers(board, jupyter.mark(), jupyter.log())
}

fn report_leftovers(board: &Board, mark: &str, log: &Path) -> Result<()> {
    // The last children may need a moment after their parent.
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut left = leftovers::of(mark);
    while !left.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        left = leftovers::of(mark);
    }
    if left.is_empty() {
        return Ok(());
    }
    if leftovers::another_server_runs(mark) {
        let count = left.len();
        board.mark(
            Mark::Note,
            &format!("{count} processes of the embedded gateway stay: another JupyterLab uses it"),
        );
        return Ok(());
    }
    let list: Vec<String> = left
        .iter()
        .map(|process| format!("    {} {}", process.pid, process.command))
        .collect();
    anyhow::bail!(
        "these processes outlived JupyterLab; end them with `kill PID` ({} says what they did):\n{}",
        log.display(),
        list.join("\n")
    )
}
