//! The embedded gateway for real: dask-gateway-server, schedulers and workers from the Python environment.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dask_gateway::{ClusterReport, ClusterStatus, GatewayClient, GatewayError};
use gatehouse::embedded::{Embedded, EmbeddedState, Settings};
use gatehouse::state_dir::{Departure, Membership, StateDir};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(90);

fn python() -> PathBuf {
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
struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
        }
    }

    fn dir(&self) -> StateDir {
        StateDir::open(self.temp.path()).unwrap()
    }

    fn pid(&self) -> u32 {
        let record: Value =
            serde_json::from_slice(&std::fs::read(self.dir().gateway().join("gateway.json")).unwrap())
                .unwrap();
        u32::try_from(record["process"]["pid"].as_u64().expect("a gateway runs")).unwrap()
    }

    /// Living processes with this folder in their arguments, environment or working folder, or on the gateway's port.
    fn processes(&self) -> Vec<(u32, String)> {
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

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
}

/// A server, as far as the embedded gateway is concerned.
struct Server {
    embedded: Arc<Embedded>,
    client: GatewayClient,
    running: JoinHandle<()>,
    stop: CancellationToken,
}

impl Server {
    async fn start(dir: &StateDir) -> Self {
        Self::start_with(dir, &Settings::default()).await
    }

    async fn start_with(dir: &StateDir, settings: &Settings) -> Self {
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

    async fn up(&self) {
        let mut state = self.embedded.state();
        let up = state.wait_for(|state| matches!(state, EmbeddedState::Up { .. }));
        let last = self.embedded.state();
        match tokio::time::timeout(PATIENCE, up).await {
            Ok(up) => drop(up.unwrap()),
            Err(_) => panic!("the gateway does not come up: {:?}", *last.borrow()),
        }
    }

    async fn stop(self) -> Arc<Embedded> {
        self.stop.cancel();
        self.running.await.unwrap();
        self.embedded
    }

    async fn cluster(&self, options: Value) -> String {
        let Value::Object(options) = options else {
            panic!("options are a mapping")
        };
        let name = self.client.create(&options).await.unwrap();
        self.reaches(&name, ClusterStatus::Running).await;
        name
    }

    async fn reaches(&self, name: &str, status: ClusterStatus) -> ClusterReport {
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
    async fn in_kernel(&self, code: &str) -> Value {
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

fn look_inside(name: &str) -> String {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_gets_what_was_chosen_and_survives_its_gateway() {
    let place = Place::new();
    let dir = place.dir();
    let member = Membership::join(&dir, "lab", None).await.unwrap();
    let server = Server::start(&dir).await;
    server.up().await;

    let fields: Vec<_> = server.client.options().await.unwrap();
    let labels: Vec<_> = fields
        .iter()
        .map(|option| (option.field.as_str(), option.label.as_str()))
        .collect();
    assert_eq!(
        labels,
        [
            ("conda_environment", "Environment"),
            ("profile", "Cluster Profile"),
            ("environment_vars", "Environment Variables"),
            ("idle_timeout", "Idle Timeout (seconds, 0 = never)"),
        ]
    );
    assert_eq!(
        fields[1].spec,
        json!({"type": "select", "options": ["Small Worker", "Medium Worker"]})
    );

    for (options, field) in [
        (json!({"environment_vars": {"A": 1}}), "environment_vars"),
        (json!({"environment_vars": {"A=B": "1"}}), "environment_vars"),
        (json!({"profile": "Huge"}), "profile"),
        (json!({"idle_timeout": -1}), "idle_timeout"),
    ] {
        let Value::Object(options) = options else {
            unreachable!()
        };
        match server.client.create(&options).await {
            Err(GatewayError::Invalid {
                field: Some(named), ..
            }) => assert_eq!(named, field),
            other => panic!("{options:?}: {other:?}"),
        }
    }

    let variables = json!({"A": "é 1", "PATH": "/custom"});
    let name = server
        .cluster(json!({"profile": "Medium Worker", "environment_vars": variables}))
        .await;
    assert_eq!(server.client.scale(&name, 1).await.unwrap(), None);
    let seen = server.in_kernel(&look_inside(&name)).await;
    assert_eq!(
        (&seen["threads"], &seen["memory"]),
        (&json!(2), &json!(4_294_967_296_u64)),
        "{seen}"
    );
    assert_eq!(seen["environ"]["A"], "é 1");
    assert_eq!(seen["environ"]["PATH"], "/custom", "the user's own value wins");
    assert_eq!(seen["environ"]["HOME"], std::env::var("HOME").unwrap().as_str());
    assert_eq!(
        seen["environ"]["DASK_GATEWAY__AUTH__KWARGS__PASSWORD"],
        Value::Null
    );
    assert_eq!(seen["host"], "127.0.0.1");
    assert_eq!(
        seen["link"],
        format!("/user/{{me}}/gatehouse/clusters/{name}/status")
    );
    assert_eq!(seen["sum"], 6);

    // The gateway is killed: another takes its place on the same port, and the cluster is still there.
    let before = place.pid();
    kill(before);
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.up().await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while server.client.get(&name).await.is_err() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the restarted gateway knows its cluster"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_ne!(place.pid(), before);
    assert_eq!(
        server.client.get(&name).await.unwrap().status,
        ClusterStatus::Running
    );
    assert_eq!(server.in_kernel(&look_inside(&name)).await["sum"], 6);

    // A stop after that leaves nothing of the cluster.
    server.client.delete(&name).await.unwrap();
    server.reaches(&name, ClusterStatus::Stopped).await;
    let left: Vec<_> = place
        .processes()
        .into_iter()
        .filter(|(_, arguments)| arguments.contains("distributed"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    // One that can't even start is noticed too, with what its log says.
    let variables = json!({"PYTHONHOME": "/nowhere"});
    let options = json!({"environment_vars": variables})
        .as_object()
        .cloned()
        .unwrap();
    let name = server.client.create(&options).await.unwrap();
    server.reaches(&name, ClusterStatus::Failed).await;
    let reason = server.embedded.failure_reason(&name).unwrap();
    assert!(
        reason.contains("its scheduler has ended") && reason.contains("encodings"),
        "{reason}"
    );

    // A scheduler that dies is noticed, and the reason is kept.
    let name = server.cluster(json!({})).await;
    let (scheduler, _) = place
        .processes()
        .into_iter()
        .find(|(_, arguments)| arguments.contains("dask_scheduler"))
        .unwrap();
    kill(scheduler);
    server.reaches(&name, ClusterStatus::Failed).await;
    let reason = server.embedded.failure_reason(&name).unwrap();
    assert!(reason.contains("its scheduler has ended"), "{reason}");

    // The end, with a cluster that nobody stopped.
    let name = server.cluster(json!({})).await;
    server.client.scale(&name, 1).await.unwrap();
    let client = server.client.clone();
    let embedded = server.stop().await;
    let Departure::Last(guard) = member.leave().await.unwrap() else {
        panic!("the last one out")
    };
    embedded.end().await;
    drop(guard);
    assert_eq!(place.processes(), []);
    assert!(matches!(
        client.health().await,
        Err(GatewayError::Unreachable { .. })
    ));

    // The next start does not find the ended cluster running.
    let _member = Membership::join(&dir, "lab", None).await.unwrap();
    let server = Server::start(&dir).await;
    server.up().await;
    assert_eq!(
        server.client.get(&name).await.unwrap().status,
        ClusterStatus::Stopped
    );
    assert_eq!(server.client.list(&[]).await.unwrap(), []);
    server.stop().await.end().await;
    assert_eq!(place.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_bounds_and_idle_timeout_take_effect() {
    let place = Place::new();
    let _member = Membership::join(&place.dir(), "lab", None).await.unwrap();
    // Looks like a conda environment; its Python is the test's own.
    let prefix = place.temp.path().join("envs/other");
    let real = python().canonicalize().unwrap();
    let venv = python()
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .canonicalize()
        .unwrap();
    std::fs::create_dir_all(prefix.join("conda-meta")).unwrap();
    std::fs::create_dir_all(prefix.join("bin")).unwrap();
    std::os::unix::fs::symlink(venv.join("lib"), prefix.join("lib")).unwrap();
    std::fs::copy(venv.join("pyvenv.cfg"), prefix.join("pyvenv.cfg")).unwrap();
    std::os::unix::fs::symlink(real, prefix.join("bin/python")).unwrap();
    let file = place.temp.path().join("gatehouse.yaml");
    std::fs::write(
        &file,
        "embedded:\n  environments: {filesystem/dask: server, other: envs/other, gone: envs/gone}\n  profiles: {Tiny: {threads: 3, memory: 512 MiB}}\n  max_workers: 1\n",
    )
    .unwrap();
    let server = Server::start_with(&place.dir(), &Settings::load(Some(&file)).unwrap()).await;
    server.up().await;
    let options = server.client.options().await.unwrap();
    let environments: Vec<_> = options[0].spec["options"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        environments.ends_with(&["filesystem/dask", "other"]) && environments.len() >= 3,
        "{environments:?}"
    );
    assert_eq!(options[0].default, environments[0]);
    assert_eq!(options[1].spec["options"], json!(["Tiny"]));

    let name = server.cluster(json!({"conda_environment": "other"})).await;
    // As many as the settings allow, said in the gateway's own words.
    for warning in [
        server.client.scale(&name, 4_000_000_000).await.unwrap(),
        server
            .client
            .adapt(&name, Some(1), Some(4_000_000_000), true)
            .await
            .unwrap(),
    ] {
        let warning = warning.unwrap();
        assert!(warning.contains("limit of 1 workers"), "{warning}");
    }
    let code = format!(
        r#"
import json, os, sys
from dask_gateway import Gateway
client = Gateway().connect("{name}").get_client()
client.wait_for_workers(1, timeout=60)
(seen,) = client.run(lambda: [sys.executable, os.environ["CONDA_PREFIX"], os.environ["PATH"].split(":")[0]]).values()
(worker,) = client.scheduler_info()["workers"].values()
print(json.dumps([*seen, worker["nthreads"], worker["memory_limit"]]))
"#
    );
    let prefix = prefix.to_string_lossy();
    assert_eq!(
        server.in_kernel(&code).await,
        json!([
            format!("{prefix}/bin/python"),
            prefix,
            format!("{prefix}/bin"),
            3,
            512 << 20
        ])
    );
    // Nobody uses this one: it ends by itself.
    let options = json!({"idle_timeout": 2}).as_object().cloned().unwrap();
    let name = server.client.create(&options).await.unwrap();
    server.reaches(&name, ClusterStatus::Stopped).await;
    server.stop().await.end().await;
    assert_eq!(place.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_one_gateway() {
    let place = Place::new();
    let dir = place.dir();
    let first_member = Membership::join(&dir, "first", None).await.unwrap();
    let first = Server::start(&dir).await;
    first.up().await;
    let gateway = place.pid();
    let second_member = Membership::join(&dir, "second", None).await.unwrap();
    let second = Server::start(&dir).await;
    second.up().await;
    assert_eq!(first.embedded.port(), second.embedded.port());
    let name = first.cluster(json!({})).await;
    assert_eq!(
        second.client.get(&name).await.unwrap().status,
        ClusterStatus::Running
    );

    // The first leaves, and the second takes over the same gateway.
    drop(first.stop().await);
    assert!(matches!(first_member.leave().await.unwrap(), Departure::Others));
    assert_eq!(place.pid(), gateway);
    kill(gateway);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while second.client.get(&name).await.is_err() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the second server restarts the gateway"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_ne!(place.pid(), gateway);

    // As after SIGKILL of the server: nothing is ended, and the next one attaches.
    let gateway = place.pid();
    drop(second.stop().await);
    drop(second_member);
    let third_member = Membership::join(&dir, "second", None).await.unwrap();
    let third = Server::start(&dir).await;
    third.up().await;
    assert_eq!(place.pid(), gateway);
    assert_eq!(
        third.client.get(&name).await.unwrap().status,
        ClusterStatus::Running
    );

    let embedded = third.stop().await;
    let Departure::Last(guard) = third_member.leave().await.unwrap() else {
        panic!("the last one out")
    };
    embedded.end().await;
    drop(guard);
    assert_eq!(place.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_left_starts_no_gateway() {
    let place = Place::new();
    let dir = place.dir();
    let slow_member = Membership::join(&dir, "slow", None).await.unwrap();
    let slow = Server::start(&dir).await;
    slow.up().await;
    let quick_member = Membership::join(&dir, "quick", None).await.unwrap();
    let quick = Server::start(&dir).await;
    quick.up().await;
    assert!(matches!(slow_member.leave().await.unwrap(), Departure::Others));
    let Departure::Last(_guard) = quick_member.leave().await.unwrap() else {
        panic!("the last one out")
    };
    quick.stop().await.end().await;
    let mut state = slow.embedded.state();
    let failed = state.wait_for(|state| matches!(state, EmbeddedState::Failed { .. }));
    drop(tokio::time::timeout(PATIENCE, failed).await.unwrap().unwrap());
    drop(slow.stop().await);
    assert_eq!(place.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_of_a_dead_machine_are_over() {
    let place = Place::new();
    let dir = place.dir();
    let _member = Membership::join(&dir, "lab", None).await.unwrap();
    let server = Server::start(&dir).await;
    server.up().await;
    let name = server.cluster(json!({})).await;
    server.client.scale(&name, 1).await.unwrap();
    let kernel = server.in_kernel(&look_inside(&name)).await;
    assert_eq!(kernel["sum"], 6);
    drop(server.stop().await);
    // As after a reboot: nothing of it lives. And another program took the port meanwhile.
    while let Some((pid, _)) = place.processes().into_iter().next() {
        kill(pid);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let server = Server::start(&dir).await;
    server.up().await;
    assert_eq!(
        server.client.get(&name).await.unwrap().status,
        ClusterStatus::Failed
    );
    assert!(
        server
            .embedded
            .failure_reason(&name)
            .unwrap()
            .contains("had ended")
    );
    assert!(
        !dir.gateway().join("clusters").join(&name).exists(),
        "its folder is removed"
    );
    server.stop().await.end().await;
    assert_eq!(place.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_left_to_its_program() {
    let place = Place::new();
    let dir = place.dir();
    let _member = Membership::join(&dir, "lab", None).await.unwrap();
    let first = Embedded::prepare(&dir, &Settings::default(), &python())
        .await
        .unwrap();
    let (old, password) = (first.port(), first.credentials().password);
    drop(first);
    let squatter = std::net::TcpListener::bind(("127.0.0.1", old)).unwrap();
    let moved = Server::start(&dir).await;
    assert_ne!(moved.embedded.port(), old);
    assert_eq!(moved.embedded.credentials().password, password);
    moved.up().await;
    moved.stop().await.end().await;
    drop(squatter);

    // Taken after the port was announced: a sentence, and it comes up when the port is free.
    let late = Embedded::prepare(&dir, &Settings::default(), &python())
        .await
        .unwrap();
    let squatter = std::net::TcpListener::bind(("127.0.0.1", late.port())).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (late, stop) = (late.clone(), stop.clone());
        async move { late.run(stop).await }
    });
    let mut state = late.state();
    let failed = state.wait_for(|state| matches!(state, EmbeddedState::Failed { .. }));
    let failed = tokio::time::timeout(PATIENCE, failed)
        .await
        .unwrap()
        .unwrap()
        .clone();
    let EmbeddedState::Failed { message } = failed else {
        unreachable!()
    };
    assert!(
        message.contains(&late.port().to_string()) && message.contains("another program"),
        "{message}"
    );
    drop(squatter);
    let up = state.wait_for(|state| matches!(state, EmbeddedState::Up { .. }));
    tokio::time::timeout(PATIENCE, up).await.unwrap().unwrap();
    stop.cancel();
    running.await.unwrap();
    late.end().await;
    assert_eq!(place.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_without_the_gateway_is_told_what_to_install() {
    let place = Place::new();
    let _member = Membership::join(&place.dir(), "lab", None).await.unwrap();
    let fake = place.temp.path().join("python");
    std::fs::write(&fake, "#!/bin/sh\necho dask_gateway_server\necho sqlalchemy\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let embedded = Embedded::prepare(&place.dir(), &Settings::default(), &fake)
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (embedded, stop) = (embedded.clone(), stop.clone());
        async move { embedded.run(stop).await }
    });
    let mut state = embedded.state();
    let failed = state.wait_for(|state| matches!(state, EmbeddedState::Failed { .. }));
    let failed = tokio::time::timeout(PATIENCE, failed)
        .await
        .unwrap()
        .unwrap()
        .clone();
    let EmbeddedState::Failed { message } = failed else {
        unreachable!()
    };
    assert!(
        message.contains("lacks dask_gateway_server, sqlalchemy") && message.contains("pip install"),
        "{message}"
    );
    stop.cancel();
    running.await.unwrap();
    assert!(
        Embedded::prepare(&place.dir(), &Settings::default(), Path::new("/nowhere/python"))
            .await
            .is_err()
    );
}
