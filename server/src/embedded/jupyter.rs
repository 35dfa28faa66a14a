//! The private headless Jupyter Server: runs the jobs' kernels where no JupyterLab is around us.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngCore;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::Instant;
use tracing::{info, warn};

const LAUNCHER: &str = include_str!("jupyter_launch.py");

/// The launcher's exit status where jupyter_server is not installed.
const MISSING: i32 = 97;

/// How long the server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often a starting server is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How long the server may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// Bytes of the log's end that are searched for a reason.
const LOG_TAIL: usize = 4 << 10;

/// Extensions that jobs don't need; without them the server starts sooner. What brings kernels stays.
const EXTENSIONS_OFF: &[&str] = &[
    "dask_gatehouse",
    "dask_labextension",
    "jupyter_lsp",
    "jupyter_server_proxy",
    "jupyter_server_terminals",
    "jupyterlab",
    "notebook",
    "notebook_shim",
];

/// How a private Jupyter Server is run.
#[derive(Clone)]
pub struct PrivateJupyterConfig {
    /// Interpreter that has jupyter_server.
    pub python: PathBuf,
    /// For connection files and the log; made with mode 0700. Used by this server alone.
    pub folder: PathBuf,
    /// Where kernels start; the current folder where `None`.
    pub root: Option<PathBuf>,
    /// Added to the environment that kernels inherit, so that `Gateway()` needs no argument. Holds secrets.
    pub kernel_env: BTreeMap<String, String>,
}

/// A Jupyter Server of our own, started when it is first needed and again where it died.
pub struct PrivateJupyter {
    config: PrivateJupyterConfig,
    running: tokio::sync::Mutex<Option<Running>>,
    /// Why the last start failed.
    problem: Mutex<Option<String>>,
}

struct Running {
    child: Child,
    /// Closing it, which our death does too, ends the server.
    _stdin: Option<ChildStdin>,
    group: Option<Pid>,
    url: String,
    token: String,
}

/// What Jupyter writes about a running server. The token is taken from here too: a configuration file may set it.
#[derive(Deserialize)]
struct ServerInfo {
    url: String,
    token: String,
}

/// Secrets stay out of logs.
impl fmt::Debug for PrivateJupyter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrivateJupyter")
            .field("python", &self.config.python)
            .finish_non_exhaustive()
    }
}

impl PrivateJupyter {
    /// Starts nothing yet.
    pub fn new(mut config: PrivateJupyterConfig) -> Self {
        // The server runs in another folder than we do.
        config.folder = std::path::absolute(&config.folder).unwrap_or(config.folder);
        Self {
            config,
            running: tokio::sync::Mutex::new(None),
            problem: Mutex::new(None),
        }
    }

    /// Address and token of the running server, which is started where there is none.
    ///
    /// # Errors
    /// A sentence for the user that says why it did not start.
    pub async fn ensure(&self) -> Result<(String, String), String> {
        let mut running = self.running.lock().await;
        if let Some(server) = alive(&mut running) {
            return Ok((server.url.clone(), server.token.clone()));
        }
        let started = self.start().await;
        self.lock_problem().clone_from(&started.as_ref().err().cloned());
        let server = running.insert(started?);
        Ok((server.url.clone(), server.token.clone()))
    }

    /// Whether the server runs. A kernel of an earlier one is gone with it.
    pub async fn is_running(&self) -> bool {
        alive(&mut *self.running.lock().await).is_some()
    }

    /// Why the last start failed, where it did.
    pub fn problem(&self) -> Option<String> {
        self.lock_problem().clone()
    }

    /// Ends the server and its kernels, and waits for it.
    pub async fn shutdown(&self) {
        if let Some(server) = self.running.lock().await.take() {
            stop(server).await;
        }
    }

    fn lock_problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self) -> Result<Running, String> {
        let began = Instant::now();
        let python = &self.config.python;
        let spawn_error = |what: &str, error: io::Error| {
            format!(
                "The Jupyter Server for jobs did not start: {what} ({error}). Check the disk and the folder's owner."
            )
        };
        let runtime = self.config.folder.join("runtime");
        // Files of an earlier server would be taken for this one's.
        clear(&runtime).map_err(|error| spawn_error("its folder can't be made", error))?;
        let log_path = self.config.folder.join("jupyter.log");
        let log = open_log(&log_path).map_err(|error| spawn_error("its log can't be written", error))?;
        let log_too = log
            .try_clone()
            .map_err(|error| spawn_error("its log can't be written", error))?;
        let launcher = self.config.folder.join("jupyter_launch.py");
        std::fs::write(&launcher, LAUNCHER)
            .map_err(|error| spawn_error("its launcher can't be written", error))?;
        let mut command = self.command(&launcher, &runtime);
        command.stdin(Stdio::piped()).stdout(log).stderr(log_too);
        let mut child = command.spawn().map_err(|error| {
            format!(
                "Jobs need Python with jupyter_server, and {} can't be run ({error}). Name another interpreter with \
                 --python.",
                python.display()
            )
        })?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let stdin = child.stdin.take();
        let mut server = Running {
            child,
            _stdin: stdin,
            group,
            url: String::new(),
            token: String::new(),
        };
        match self.wait_until_ready(&mut server, &runtime, &log_path).await {
            Ok(()) => {
                info!(
                    url = server.url,
                    took_s = began.elapsed().as_secs_f64(),
                    "private Jupyter Server started"
                );
                Ok(server)
            }
            Err(sentence) => {
                stop(server).await;
                Err(sentence)
            }
        }
    }

    fn command(&self, launcher: &Path, runtime: &Path) -> Command {
        let mut token = [0; 24];
        rand::rng().fill_bytes(&mut token);
        let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        let extensions: Vec<String> = EXTENSIONS_OFF
            .iter()
            .map(|name| format!("\"{name}\": False"))
            .collect();
        let mut command = Command::new(&self.config.python);
        command
            .arg(launcher)
            .args([
                "--ServerApp.ip=127.0.0.1",
                "--ServerApp.port=0",
                "--ServerApp.base_url=/",
                "--ServerApp.open_browser=False",
                "--ServerApp.allow_root=True",
                "--ServerApp.certfile=",
                "--ServerApp.keyfile=",
                // The banner would name the token.
                "--ServerApp.log_level=WARN",
                // The prelude's file is the truth; nothing else needs what the kernels print, or holds it back.
                "--ZMQChannelsWebsocketConnection.iopub_data_rate_limit=0",
                "--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit=0",
                "--MappingKernelManager.buffer_offline_messages=False",
                "--MappingKernelManager.cull_idle_timeout=0",
            ])
            .arg(format!(
                "--ServerApp.jpserver_extensions={{{}}}",
                extensions.join(", ")
            ))
            .envs(&self.config.kernel_env)
            .env("JUPYTER_TOKEN", token)
            .env("JUPYTER_RUNTIME_DIR", runtime)
            .env("GATEHOUSE_DISABLE", "1")
            // The default would reach the whole machine's runtime folder.
            .env_remove("JUPYTER_TOKEN_FILE")
            .process_group(0)
            .kill_on_drop(true);
        if let Some(root) = &self.config.root {
            command.current_dir(root);
        }
        command
    }

    /// Waits for the file in which Jupyter writes its address, then for an answer at it.
    async fn wait_until_ready(&self, server: &mut Running, runtime: &Path, log: &Path) -> Result<(), String> {
        let http = crate::outbound::client(&dask_gateway::HttpProxy::Off)
            .map_err(|error| format!("The Jupyter Server for jobs can't be asked anything: {error}."))?;
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(self.why_not(status.code(), log));
            }
            if let Some(info) = read_info(runtime) {
                let asked = http
                    .get(format!("{}api/status", info.url))
                    .header(http::header::AUTHORIZATION, format!("token {}", info.token))
                    .send();
                if asked.await.is_ok_and(|answer| answer.status().is_success()) {
                    (server.url, server.token) = (info.url, info.token);
                    return Ok(());
                }
            }
            tokio::time::sleep(POLL).await;
        }
        Err(format!(
            "The Jupyter Server for jobs did not answer within {} s. Its log is {}.",
            START_LIMIT.as_secs(),
            log.display()
        ))
    }

    fn why_not(&self, status: Option<i32>, log: &Path) -> String {
        let python = self.config.python.display();
        if status == Some(MISSING) {
            return format!(
                "Jobs need the package jupyter_server, which {python} does not have. Install it with \
                 `{python} -m pip install jupyter_server ipykernel`, or name another interpreter with --python."
            );
        }
        let reason = last_line(log).unwrap_or_else(|| "it said nothing".into());
        format!(
            "The Jupyter Server for jobs ended while it started: {reason}. Its log is {}.",
            log.display()
        )
    }
}

fn alive(running: &mut Option<Running>) -> Option<&Running> {
    if let Some(server) = running
        && !matches!(server.child.try_wait(), Ok(None))
    {
        warn!("the private Jupyter Server ended");
        *running = None;
    }
    running.as_ref()
}

/// Asked to, Jupyter shuts its kernels down and ends; its group is killed where that takes too long.
async fn stop(mut server: Running) {
    let asked = ask_to_end(&server.url, &server.token);
    let ended = async {
        tokio::select! {
            biased;
            _ = server.child.wait() => return,
            cleaned_up = asked => {
                signal(server.group, if cleaned_up { Signal::KILL } else { Signal::TERM });
            }
        }
        server.child.wait().await.ok();
    };
    if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
        warn!("the private Jupyter Server did not end in time and is killed");
        signal(server.group, Signal::KILL);
        server.child.wait().await.ok();
    }
}

/// Asks a running server to end. True where its kernels and files are gone by now: then its exit is not worth a wait, in which
/// its sockets linger for a second over words to kernels that are not there any more.
async fn ask_to_end(url: &str, token: &str) -> bool {
    let Ok(http) = crate::outbound::client(&dask_gateway::HttpProxy::Off) else {
        return false;
    };
    let asked = http
        .post(format!("{url}api/shutdown"))
        .header(http::header::AUTHORIZATION, format!("token {token}"))
        .send();
    asked.await.is_ok_and(|answer| answer.status().is_success())
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, signal)
    {
        warn!(%error, "the private Jupyter Server could not be signalled");
    }
}

fn clear(runtime: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(runtime) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(runtime)
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// The description of the one server in this folder. Half a file, while it is written, is none.
fn read_info(runtime: &Path) -> Option<ServerInfo> {
    let is_info = |name: &str| name.starts_with("jpserver-") && name.ends_with(".json");
    std::fs::read_dir(runtime)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(is_info))
        .find_map(|entry| serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok())
}

/// The log's last line that says something.
fn last_line(log: &Path) -> Option<String> {
    let bytes = std::fs::read(log).ok()?;
    let tail = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_TAIL)..]).into_owned();
    tail.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(str::to_owned)
}
