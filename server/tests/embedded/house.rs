//! A state folder with a gateway in it, and a server as far as the gateway is concerned.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dask_gateway::{ClusterReport, ClusterStatus, GatewayClient};
use gatehouse::embedded::{Embedded, EmbeddedState, Settings};
use gatehouse::state_dir::StateDir;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn python() -> PathBuf {
    let python = std::env::var_os("GATEHOUSE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.is_file(),
        "these tests need a Python with dask-gateway-server[local]: make .venv with `npm start`, or set GATEHOUSE_PYTHON"
    );
    python
}

/// A state folder of which no process is left when it goes, however the test ends.
pub(super) struct Place {
    pub(super) temp: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn dir(&self) -> StateDir {
        StateDir::open(self.temp.path()).unwrap()
    }

    pub(super) fn pid(&self) -> u32 {
        let record: Value =
            serde_json::from_slice(&std::fs::read(self.dir().gateway().join("gateway.json")).unwrap())
                .unwrap();
        u32::try_from(record["process"]["pid"].as_u64().expect("a gateway runs")).unwrap()
    }

    /// Living processes with this folder in their arguments, environment or working folder, or on the gateway's port.
    pub(super) fn processes(&self) -> Vec<(u32, String)> {
        let path = self.temp.path().as_os_str().as_encoded_bytes();
        let holds = |bytes: Vec<u8>| bytes.windows(path.len()).any(|window| window == path);
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let ours = pids.filter(|pid| {
            let read = |name| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            *pid != std::process::id()
                && (holds(read("cmdline"))
                    || holds(read("environ"))
                    || holds(folder.into_os_string().into_encoded_bytes()))
        });
        ours.map(|pid| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (pid, String::from_utf8_lossy(&arguments).replace('\0', " "))
        })
        .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            kill(pid);
        }
    }
}

pub(super) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
}

/// A server, as far as the embedded gateway is concerned.
pub(super) struct Server {
    pub(super) embedded: Arc<Embedded>,
    pub(super) client: GatewayClient,
    pub(super) running: JoinHandle<()>,
    pub(super) stop: CancellationToken,
}

impl Server {
    pub(super) async fn start(dir: &StateDir) -> Self {
        Self::start_with(dir, &Settings::default()).await
    }

    pub(super) async fn start_with(dir: &StateDir, settings: &Settings) -> Self {
        let embedded = Embedded::prepare(dir, settings, &python()).await.unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (embedded, stop) = (embedded.clone(), stop.clone());
            async move { embedded.run(stop).await }
        });
        let client = GatewayClient::new(&embedded.gateway_config()).unwrap();
        Self {
            embedded,
            client,
            running,
            stop,
        }
    }

    pub(super) async fn up(&self) {
        let mut state = self.embedded.state();
        let up = state.wait_for(|state| matches!(state, EmbeddedState::Up { .. }));
        let last = self.embedded.state();
        match tokio::time::timeout(PATIENCE, up).await {
            Ok(up) => drop(up.unwrap()),
            Err(_) => panic!("the gateway does not come up: {:?}", *last.borrow()),
        }
    }

    pub(super) async fn stop(self) -> Arc<Embedded> {
        self.stop.cancel();
        self.running.await.unwrap();
        self.embedded
    }

    pub(super) async fn cluster(&self, options: Value) -> String {
        let Value::Object(options) = options else {
            panic!("options are a mapping")
        };
        let name = self.client.create(&options).await.unwrap();
        self.reaches(&name, ClusterStatus::Running).await;
        name
    }

    pub(super) async fn reaches(&self, name: &str, status: ClusterStatus) -> ClusterReport {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let report = self.client.get(name).await.unwrap();
            if report.status == status {
                return report;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{name} is {}, not {status}",
                report.status
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a kernel sees that was started with our environment.
    pub(super) async fn in_kernel(&self, code: &str) -> Value {
        let address = self.embedded.gateway_config().address.unwrap();
        let child = tokio::process::Command::new(python())
            .args(["-c", code])
            .envs(self.embedded.kernel_env(&address, "/user/{me}/gatehouse"))
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, child)
            .await
            .expect("Python answers")
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let last = stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last)
            .unwrap_or_else(|_| panic!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr)))
    }
}

pub(super) fn look_inside(name: &str) -> String {
    format!(
        r#"
import json, os
from dask_gateway import Gateway
gateway = Gateway()
cluster = gateway.connect("{name}")
client = cluster.get_client()
client.wait_for_workers(1, timeout=60)
(worker,) = client.scheduler_info()["workers"].values()
(environ,) = client.run(lambda: dict(os.environ)).values()
(cwd,) = client.run(os.getcwd).values()
print(json.dumps({{
    "threads": worker["nthreads"], "memory": worker["memory_limit"], "host": worker["host"], "cwd": cwd,
    "environ": {{k: environ.get(k) for k in ("A", "PATH", "HOME", "GATEHOUSE_GATEWAY_ADDRESS", "DASK_GATEWAY__AUTH__KWARGS__PASSWORD")}},
    "link": cluster.dashboard_link, "sum": client.submit(sum, [1, 2, 3]).result(timeout=60),
}}))
"#
    )
}
