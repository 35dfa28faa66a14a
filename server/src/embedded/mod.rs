//! The local Dask Gateway and the private Jupyter Server as children of ours.
//!
//! The gateway is the real `dask-gateway-server` with its local backend. One server of a state folder, the owner,
//! supervises it ([`Embedded::run`]); it outlives that server, and the last one out ends it ([`Embedded::end`]).

mod advice;
mod child;
mod environments;
mod files;
pub mod jupyter;
mod orphans;
pub(crate) mod process;
pub mod settings;
mod supervise;
mod tails;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dask_gateway::{AuthConfig, GatewayClient, GatewayConfig, GatewayError, HttpProxy, Secret, literal};
use tokio::sync::watch;

pub use self::advice::Advice;
pub use self::settings::Settings;
pub(crate) use self::settings::{in_order, parse_bytes};

use self::environments::Places;
use self::files::{Files, Record, becomes_free, choose_port};
use crate::state_dir::{StateDir, lock_file, private_folder};

/// How the embedded gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbeddedState {
    Starting,
    Up {
        version: String,
    },
    /// It is tried again by itself; the message is a sentence for the user.
    Failed {
        message: String,
    },
}

/// An embedded gateway that can't even be prepared.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("The local Dask Gateway can't be set up ({source}). Check the state folder {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("The local Dask Gateway needs Python, and there is no {}. Choose one with --python or GATEHOUSE_PYTHON.", .0.display())]
    NoPython(PathBuf),
    #[error(transparent)]
    Client(#[from] GatewayError),
}

/// What Python needs to log in to the embedded gateway.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub user: String,
    pub password: Secret,
}

/// The embedded gateway, as one server sees it.
pub struct Embedded {
    files: Files,
    record: Record,
    python: PathBuf,
    client: GatewayClient,
    state: watch::Sender<EmbeddedState>,
    dir: StateDir,
    /// Ownership that was taken while preparing, until [`Embedded::run`] has it.
    owner: Mutex<Option<File>>,
    /// The port changed, and clusters of the old one are lost.
    moved: bool,
}

impl Embedded {
    /// Chooses or recalls port, user name, password and keys, and writes the gateway's configuration where nobody runs
    /// it yet. Quick: nothing is started.
    ///
    /// # Errors
    /// Files that can't be written; a `python` that is not there.
    pub async fn prepare(
        dir: &StateDir,
        settings: &Settings,
        python: &Path,
    ) -> Result<Arc<Self>, EmbeddedError> {
        let (dir, settings, python) = (dir.clone(), settings.clone(), python.to_owned());
        match tokio::task::spawn_blocking(move || Self::prepare_now(&dir, &settings, &python)).await {
            Ok(prepared) => prepared.map(Arc::new),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn prepare_now(dir: &StateDir, settings: &Settings, python: &Path) -> Result<Self, EmbeddedError> {
        let python = locate(python).ok_or_else(|| EmbeddedError::NoPython(python.to_owned()))?;
        let files = Files::new(dir);
        let ready = || -> io::Result<(Record, Option<File>, bool)> {
            let preparing = lock_file(&files.prepare_lock())?;
            preparing.lock()?;
            let owner = lock_file(&dir.owner_lock())?;
            let owner = owner.try_lock().is_ok().then_some(owner);
            let (record, moved) = match (Record::read(&files), &owner) {
                (Some(record), None) => (record, false),
                (recorded, _) => settle_record(&files, recorded)?,
            };
            if owner.is_some() {
                private_folder(&files.clusters())?;
                let found =
                    environments::find(&Places::of_process(), &python, &settings.embedded.environments);
                files.write_config(&python, &found, &settings.embedded)?;
            }
            Ok((record, owner, moved))
        };
        let (record, owner, moved) = ready().map_err(|source| EmbeddedError::Io {
            path: files.folder().to_owned(),
            source,
        })?;
        let client = GatewayClient::new(&config(&record))?;
        let (state, _) = watch::channel(EmbeddedState::Starting);
        Ok(Self {
            record,
            python,
            client,
            state,
            dir: dir.clone(),
            owner: Mutex::new(owner),
            moved,
            files,
        })
    }

    /// The configuration of the gateway that was last started in this folder; changes nothing.
    pub fn recorded(dir: &StateDir) -> Option<GatewayConfig> {
        Record::read(&Files::new(dir)).map(|record| config(&record))
    }

    pub fn credentials(&self) -> Credentials {
        Credentials {
            user: self.record.user.clone(),
            password: Secret::new(&self.record.password),
        }
    }

    /// Port on the loopback address, for HTTP and for `gateway://` alike.
    pub fn port(&self) -> u16 {
        self.record.port
    }

    /// Dask's configuration as it would name this gateway.
    pub fn gateway_config(&self) -> GatewayConfig {
        config(&self.record)
    }

    /// What kernels need in their environment so that `Gateway()` without arguments reaches this gateway through `door`,
    /// a URL; `public` is what browsers put before a dashboard's route.
    pub fn kernel_env(&self, door: &str, public: &str) -> BTreeMap<String, String> {
        let port = self.record.port;
        [
            ("DASK_GATEWAY__ADDRESS", literal(door)),
            (
                "DASK_GATEWAY__PROXY_ADDRESS",
                format!("gateway://127.0.0.1:{port}"),
            ),
            ("DASK_GATEWAY__PUBLIC_ADDRESS", literal(public)),
            ("DASK_GATEWAY__AUTH__TYPE", "basic".to_owned()),
            ("DASK_GATEWAY__AUTH__KWARGS__USERNAME", self.record.user.clone()),
            (
                "DASK_GATEWAY__AUTH__KWARGS__PASSWORD",
                self.record.password.clone(),
            ),
            // Dask's client takes HTTP_PROXY even for this machine's own address.
            ("DASK_GATEWAY__HTTP_CLIENT__PROXY", "False".to_owned()),
            ("GATEHOUSE_GATEWAY_ADDRESS", literal(door)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Python that makes `gateway` outside of Jupyter's kernels.
    pub fn access(&self) -> String {
        let record = self.files.record();
        let record = std::path::absolute(&record).unwrap_or(record);
        protocol::connect::embedded_access(&record.to_string_lossy())
    }

    /// How the gateway is, now and later.
    pub fn state(&self) -> watch::Receiver<EmbeddedState> {
        self.state.subscribe()
    }

    /// Why a cluster failed, in a sentence, where that was seen: the gateway itself does not tell.
    pub fn failure_reason(&self, cluster: &str) -> Option<String> {
        if !protocol::connect::is_cluster_name(cluster) {
            return None;
        }
        let kept: serde_json::Value =
            serde_json::from_slice(&std::fs::read(self.files.failure(cluster)).ok()?).ok()?;
        let what = kept.get("what")?.as_str()?;
        let line = kept
            .get("log")
            .and_then(serde_json::Value::as_str)
            .and_then(child::last_error);
        Some(line.map_or_else(
            || format!("It failed: {what}."),
            |line| format!("It failed: {what}. Its log says: {line}"),
        ))
    }

    /// Ends the gateway and whatever its clusters left behind. For the last server out, after it stopped the clusters
    /// while it holds its `LastGuard`; no server that has left starts the gateway again.
    pub async fn end(&self) {
        let running = Record::read(&self.files).and_then(|record| record.running(&self.files));
        if let Some(mark) = running {
            mark.end(Duration::from_secs(5)).await;
        }
        self.end_proxy().await;
        if let Err(error) = orphans::end_everything(&self.files).await {
            tracing::warn!(%error, "processes of clusters can't be looked for");
        }
        let record = Record {
            process: None,
            ..self.record.clone()
        };
        if let Err(error) = record.write(&self.files) {
            tracing::warn!(%error, "gateway.json can't be written");
        }
        self.state.send_replace(EmbeddedState::Starting);
    }

    /// The gateway's proxy ends with it, even if it was killed; this is for one that does not.
    async fn end_proxy(&self) {
        let port = self.record.port;
        let free = tokio::task::spawn_blocking(move || becomes_free(port)).await;
        if free.unwrap_or(false) {
            return;
        }
        let address = format!("127.0.0.1:{port}");
        let is_proxy = |pid: &u32| {
            process::command_holds(*pid, "-is-child-process") && process::command_holds(*pid, &address)
        };
        let proxies = process::all()
            .into_iter()
            .filter(is_proxy)
            .map(process::Mark::of)
            .collect();
        process::end_all(proxies, Duration::from_secs(2)).await;
    }
}

/// The record to go on with, and whether the port had to change. Only for the owner, or where there is no record.
fn settle_record(files: &Files, recorded: Option<Record>) -> io::Result<(Record, bool)> {
    let Some(mut record) = recorded else {
        // The old key is lost, and with it what the database holds.
        match std::fs::remove_file(files.database()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let record = Record::create()?;
        record.write(files)?;
        return Ok((record, false));
    };
    if record.running(files).is_some() || becomes_free(record.port) {
        return Ok((record, false));
    }
    let old = record.port;
    record.port = choose_port()?;
    record.process = None;
    record.write(files)?;
    tracing::warn!(
        old,
        new = record.port,
        "another program listens on the local Dask Gateway's port, so it moves; notebooks that were connected connect anew"
    );
    Ok((record, true))
}

fn config(record: &Record) -> GatewayConfig {
    let address = format!("http://127.0.0.1:{}", record.port);
    GatewayConfig {
        proxy_address: Some(format!("127.0.0.1:{}", record.port)),
        public_address: Some(address.clone()),
        address: Some(address),
        auth: AuthConfig::Basic {
            username: record.user.clone(),
            password: Secret::new(&record.password),
        },
        http_proxy: HttpProxy::Off,
        tls_ca: None,
        cluster_options: serde_json::Map::new(),
        warnings: Vec::new(),
    }
}

/// The interpreter itself, looked for on the path where only a name is given. Links are kept: a virtual environment's
/// Python is one.
fn locate(python: &Path) -> Option<PathBuf> {
    if python.components().count() > 1 {
        return std::path::absolute(python).ok().filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(python))
        .find(|path| path.is_file())
}
