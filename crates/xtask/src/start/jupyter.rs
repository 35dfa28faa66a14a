//! The JupyterLab process: its settings, its readiness, its end.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Signal, geteuid, getppid};

use super::leftovers::MARK;
use crate::board::Board;
use crate::signals::signal_group;
use crate::workspace::Workspace;

const READY_PATIENCE: Duration = Duration::from_secs(90);
/// Lines of Jupyter's log that a failure shows.
const TAIL: usize = 25;

/// JupyterLab, in a process group of its own: a terminal's Ctrl-C must reach it through us, as SIGTERM.
#[derive(Debug)]
pub(super) struct Jupyter {
    child: Child,
    port: u16,
    token: String,
    token_file: PathBuf,
    log: PathBuf,
    mark: String,
    parent: Option<rustix::process::Pid>,
}

/// JupyterLab's arguments, but for its port and folder.
pub(super) fn arguments() -> Vec<&'static str> {
    let mut arguments = vec![
        "lab",
        "--no-browser",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ];
    if geteuid().is_root() {
        arguments.push("--allow-root");
    }
    arguments
}

/// What tells the extension where this checkout's server, panel and settings are.
pub(super) fn environment(workspace: &Workspace) -> BTreeMap<&'static str, PathBuf> {
    BTreeMap::from([
        ("GATEHOUSE_BIN", workspace.server_binary()),
        ("GATEHOUSE_ASSETS", workspace.panel()),
        ("GATEHOUSE_CONFIG", workspace.path("examples/gatehouse.yaml")),
    ])
}

/// Why waiting for readiness ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waited {
    Ready,
    Asked,
    Gone,
}

impl Jupyter {
    pub(super) fn start(workspace: &Workspace, port: u16, gateway: Option<&str>) -> Result<Self> {
        let jupyter = workspace.venv_tool("jupyter");
        if !jupyter.exists() {
            bail!("JupyterLab is not set up in this checkout: run `npm start` without `--no-build`");
        }
        let mark = random_hex(8)?;
        let token = random_hex(24)?;
        // A file, since everybody on the machine can read command lines; and a token that was given, not made, is one
        // that Jupyter does not print into its log.
        let token_file = workspace.path("target/run").join(format!("{mark}.token"));
        write_private(&token_file, &token)?;
        let log = workspace.logs().join(format!("jupyter-{port}.log"));
        fs::create_dir_all(workspace.logs())?;
        let output = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;

        let mut command = Command::new(&jupyter);
        command
            .args(arguments())
            .arg(format!("--ServerApp.port={port}"))
            .arg(format!("--ServerApp.root_dir={}", workspace.examples().display()))
            .current_dir(workspace.examples())
            .env_remove("JUPYTER_TOKEN")
            .env("JUPYTER_TOKEN_FILE", &token_file)
            .envs(environment(workspace))
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        if let Some(gateway) = gateway {
            command.env("DASK_GATEWAY__ADDRESS", gateway);
        }
        let child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", jupyter.display()))?;
        Ok(Self {
            child,
            port,
            token,
            token_file,
            log,
            mark,
            parent: getppid(),
        })
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    pub(super) fn url(&self) -> String {
        format!("{}lab?token={}", self.base_url(), self.token)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Waits until Jupyter answers.
    pub(super) fn wait_ready(&mut self, board: &Board, requests: &Receiver<()>) -> Result<Waited> {
        let deadline = Instant::now() + READY_PATIENCE;
        while Instant::now() < deadline {
            board.tick();
            if self.child.try_wait()?.is_some() {
                return Ok(Waited::Gone);
            }
            if self.answers() {
                return Ok(Waited::Ready);
            }
            if self.asked_within(Duration::from_millis(100), requests) {
                return Ok(Waited::Asked);
            }
        }
        self.terminate();
        if !self.ended_within(Duration::from_secs(20)) {
            self.kill();
        }
        Ok(Waited::Gone)
    }

    /// Waits until somebody wants the end (true) or Jupyter ends by itself (false).
    pub(super) fn wait_end(&mut self, requests: &Receiver<()>) -> bool {
        loop {
            if self.asked_within(Duration::from_millis(250), requests) {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
        }
    }

    /// A signal, or our own parent's end: nobody could send one after that.
    fn asked_within(&self, patience: Duration, requests: &Receiver<()>) -> bool {
        match requests.recv_timeout(patience) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            Err(RecvTimeoutError::Timeout) => getppid() != self.parent,
        }
    }

    pub(super) fn ended_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().ok();
    }

    fn signal(&self, signal: Signal) {
        signal_group(i32::try_from(self.child.id()).unwrap_or(i32::MAX), signal);
    }

    /// An error with the last lines of the log.
    pub(super) fn obituary(&self, what: &str) -> anyhow::Error {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n    ");
        anyhow!(
            "{what}. Its last lines:\n    {tail}\n  The whole log: {}",
            self.log.display()
        )
    }

    fn answers(&self) -> bool {
        ask(self.port, &self.token).is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

impl Drop for Jupyter {
    fn drop(&mut self) {
        fs::remove_file(&self.token_file).ok();
    }
}

fn ask(port: u16, token: &str) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!(
        "GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: token {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut start = [0; 64];
    let count = stream.read(&mut start).ok()?;
    Some(String::from_utf8_lossy(&start[..count]).into_owned())
}

fn random_hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .context("/dev/urandom cannot be read")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("{} cannot be written", path.display()))
}
