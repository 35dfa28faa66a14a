//! A real gateway with one cluster, a private Jupyter Server, and jobs that use both.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatehouse::embedded::jupyter::{PrivateJupyter, PrivateJupyterConfig};
use gatehouse::jobs::{Jobs, JobsConfig, JupyterSource, Limits};
use gatehouse::store::Store;
use protocol::jobs::{CreateJob, Job, JobOutput, JobState, Place, PlaceKind, Work};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::broadcast;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A schema of the gateway's configuration that suits a test: loopback, a password, sqlite in memory.
const GATEWAY_CONFIG: &str = r#"
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = "127.0.0.1:@API_PORT@"
c.Proxy.address = "127.0.0.1:@PORT@"
c.UnsafeLocalBackend.clusters_directory = "@FOLDER@/clusters"
c.UnsafeLocalBackend.stop_clusters_on_shutdown = True
c.UnsafeLocalBackend.sigint_timeout = 1
c.UnsafeLocalBackend.cluster_status_period = 2
c.SimpleAuthenticator.password = "@PASSWORD@"
c.ClusterConfig.scheduler_cmd = ["@PYTHON@", "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = ["@PYTHON@", "-m", "distributed.cli.dask_worker"]
"#;

const NEW_CLUSTER: &str = "
from dask_gateway import Gateway
cluster = Gateway().new_cluster(shutdown_on_close=False)
cluster.scale(1)
print(cluster.name)
";

/// A private Jupyter Server, not started yet, whose kernels' files lie in `folder`.
pub(crate) fn jupyter_in(folder: &Path) -> Arc<PrivateJupyter> {
    Arc::new(PrivateJupyter::new(PrivateJupyterConfig {
        python: python(),
        folder: folder.join("jupyter"),
        root: Some(folder.to_owned()),
        kernel_env: BTreeMap::new(),
    }))
}

/// The interpreter with JupyterLab and Dask.
pub(crate) fn python() -> PathBuf {
    let python = std::env::var_os("GATEHOUSE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.exists(),
        "these tests need Python with Jupyter Server and Dask Gateway at {}: run `npm start` once, or set GATEHOUSE_PYTHON",
        python.display()
    );
    python
}

/// Everything a job needs, in a folder of its own.
pub(crate) struct House {
    pub(crate) cluster: String,
    pub(crate) jupyter: Arc<PrivateJupyter>,
    folder: tempfile::TempDir,
    /// After `jupyter`, so that clusters end last.
    _gateway: Gateway,
}

impl House {
    /// Starts the gateway, a cluster with one worker, and the Jupyter Server.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::start(folder.path());
        let env = gateway.env.clone();
        let cluster = tokio::task::spawn_blocking(move || run_python(NEW_CLUSTER, &env))
            .await
            .unwrap();
        let jupyter = Arc::new(PrivateJupyter::new(PrivateJupyterConfig {
            python: python(),
            folder: folder.path().join("jupyter"),
            root: Some(folder.path().to_owned()),
            kernel_env: gateway.env.clone(),
        }));
        // Here, and not by the first job, so that the server belongs to this runtime.
        jupyter.ensure().await.unwrap();
        Self {
            cluster: cluster.trim().to_owned(),
            jupyter,
            folder,
            _gateway: gateway,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Jobs as a server with this instance id has them.
    pub(crate) async fn jobs(&self, instance: &str) -> Jobs {
        jobs_in(
            self.path(),
            instance,
            JupyterSource::Private(Arc::clone(&self.jupyter)),
        )
        .await
    }

    pub(crate) fn request(&self, code: &str) -> CreateJob {
        request(&self.cluster, code)
    }

    /// Runs the code and returns the job as it ended with everything that it showed.
    pub(crate) async fn run(&self, jobs: &Jobs, code: &str) -> Ended {
        let job = jobs.create(self.request(code)).await.unwrap();
        ended(jobs, &job.id).await
    }

    /// The kernels that the Jupyter Server holds.
    pub(crate) async fn kernels(&self) -> Vec<Value> {
        let (url, token) = self.jupyter.ensure().await.unwrap();
        let answer = gatehouse::outbound::client(&dask_gateway::HttpProxy::Off)
            .unwrap()
            .get(format!("{url}api/kernels"))
            .header("Authorization", format!("token {token}"))
            .send()
            .await
            .unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    /// Every test ends with this: nothing of the jobs is left.
    pub(crate) async fn leave(self) {
        assert_eq!(self.kernels().await, Vec::<Value>::new(), "kernels were left");
        self.jupyter.shutdown().await;
    }
}

/// A snippet on a cluster that runs.
pub(crate) fn request(cluster: &str, code: &str) -> CreateJob {
    CreateJob {
        work: Work {
            source: code.to_owned(),
            ..Work::default()
        },
        place: Place {
            kind: PlaceKind::Cluster,
            cluster: Some(cluster.to_owned()),
            ..Place::default()
        },
        ..CreateJob::default()
    }
}

pub(crate) async fn jobs_in(folder: &Path, instance: &str, source: JupyterSource) -> Jobs {
    let store = Store::open(&folder.join("gatehouse.sqlite")).await.unwrap();
    let config = JobsConfig {
        folder: folder.join("jobs"),
        instance: instance.to_owned(),
        limits: Limits::default(),
    };
    let (events, _) = broadcast::channel(64);
    Jobs::new(store, config, source, events).unwrap()
}

/// A job that is over, and what it showed.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) state: Option<JobState>,
    pub(crate) error: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// How often something was cleared.
    pub(crate) cleared: u32,
    pub(crate) results: Vec<String>,
    pub(crate) errors: Vec<(String, String, Vec<String>)>,
}

/// Follows the output to its end.
pub(crate) async fn ended(jobs: &Jobs, id: &str) -> Ended {
    tokio::time::timeout(PATIENCE, async {
        let mut output = jobs.output(id).await.unwrap();
        let mut ended = Ended::default();
        while let Some(message) = output.recv().await {
            assert_eq!(ended.state, None, "nothing comes after the end");
            match message {
                JobOutput::Stdout { text } => ended.stdout.push_str(&text),
                JobOutput::Stderr { text } => ended.stderr.push_str(&text),
                JobOutput::Shown { mut data, .. } => ended.results.extend(data.remove("text/plain")),
                JobOutput::Cleared => ended.cleared += 1,
                JobOutput::Cell { .. } => {}
                JobOutput::Error {
                    name,
                    value,
                    traceback,
                } => ended.errors.push((name, value, traceback)),
                JobOutput::End { state, error } => {
                    ended.state = Some(state);
                    ended.error = error.unwrap_or_default();
                }
            }
        }
        let job = jobs.get(id).await.unwrap();
        assert_eq!(Some(job.state), ended.state, "the end says what the store says");
        assert!(job.ended_at.is_some());
        ended
    })
    .await
    .expect("the job ended")
}

/// Waits until the job's standard output holds `text`.
pub(crate) async fn until_printed(jobs: &Jobs, id: &str, text: &str) {
    tokio::time::timeout(PATIENCE, async {
        let mut output = jobs.output(id).await.unwrap();
        let mut seen = String::new();
        while !seen.contains(text) {
            match output.recv().await {
                Some(JobOutput::Stdout { text }) => seen.push_str(&text),
                Some(JobOutput::End { error, .. }) => {
                    panic!("the job ended before it printed {text:?}: {error:?}")
                }
                Some(_) => {}
                None => panic!("the output ended"),
            }
        }
    })
    .await
    .expect("the job printed");
}

/// Waits until the job is in `state`.
pub(crate) async fn until_state(jobs: &Jobs, id: &str, state: JobState) -> Job {
    let started = Instant::now();
    loop {
        let job = jobs.get(id).await.unwrap();
        if job.state == state {
            return job;
        }
        assert!(
            started.elapsed() < PATIENCE && !job.state.is_over(),
            "waiting for {state:?}, it is {job:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

struct Gateway {
    process: Child,
    env: BTreeMap<String, String>,
}

impl Gateway {
    fn start(folder: &Path) -> Self {
        let (port, api_port) = (free_port(), free_port());
        let config = GATEWAY_CONFIG
            .replace("@API_PORT@", &api_port.to_string())
            .replace("@PORT@", &port.to_string())
            .replace("@FOLDER@", &folder.to_string_lossy())
            .replace("@PASSWORD@", "only-for-this-test")
            .replace("@PYTHON@", &python().to_string_lossy());
        std::fs::write(folder.join("config.py"), config).unwrap();
        let log = std::fs::File::create(folder.join("gateway.log")).unwrap();
        let env: BTreeMap<String, String> = [
            ("DASK_GATEWAY__ADDRESS", format!("http://127.0.0.1:{port}")),
            (
                "DASK_GATEWAY__PROXY_ADDRESS",
                format!("gateway://127.0.0.1:{port}"),
            ),
            ("DASK_GATEWAY__AUTH__TYPE", "basic".into()),
            ("DASK_GATEWAY__AUTH__KWARGS__USERNAME", "tester".into()),
            (
                "DASK_GATEWAY__AUTH__KWARGS__PASSWORD",
                "only-for-this-test".into(),
            ),
            // Importing dask_gateway writes a file there.
            ("DASK_CONFIG", folder.join("dask").to_string_lossy().into_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let process = Command::new(python())
            .args(["-c", "from dask_gateway_server.app import main; main()", "-f"])
            .arg(folder.join("config.py"))
            .envs(&env)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let gateway = Self { process, env };
        let started = Instant::now();
        let healthy = "import sys, urllib.request as u; u.urlopen(sys.argv[1] + '/api/health')";
        while !run(healthy, &gateway.env, &[&gateway.env["DASK_GATEWAY__ADDRESS"]])
            .status
            .success()
        {
            let log = || std::fs::read_to_string(folder.join("gateway.log")).unwrap_or_default();
            assert!(
                started.elapsed() < PATIENCE,
                "the gateway did not start: {}",
                log()
            );
        }
        gateway
    }
}

/// The gateway stops its clusters on SIGTERM.
impl Drop for Gateway {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).ok();
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn run(code: &str, env: &BTreeMap<String, String>, args: &[&str]) -> std::process::Output {
    Command::new(python())
        .args(["-c", code])
        .args(args)
        .envs(env)
        .output()
        .unwrap()
}

fn run_python(code: &str, env: &BTreeMap<String, String>) -> String {
    let output = run(code, env, &[]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
