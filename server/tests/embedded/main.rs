//! The embedded gateway for real: dask-gateway-server, schedulers and workers from the Python environment.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod dask_process;
mod house;
mod owners;

use std::path::Path;
use std::time::Duration;

use dask_gateway::{ClusterStatus, GatewayError};
use gatehouse::embedded::{Embedded, EmbeddedState, Settings};
use gatehouse::state_dir::{Departure, Membership};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::house::{PATIENCE, Place, Server, kill, look_inside, python};

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
    let tails = server.embedded.log_tails(&name, true);
    assert_eq!(tails.len(), 1, "{tails:?}");
    assert!(
        tails[0].of == "scheduler" && tails[0].text.contains("PYTHONHOME"),
        "{tails:?}"
    );

    // A scheduler that dies is noticed, and the reason is kept.
    let name = server.cluster(json!({})).await;
    let (scheduler, _) = place
        .processes()
        .into_iter()
        .find(|(_, arguments)| arguments.contains("dask_scheduler"))
        .unwrap();
    let tails = server.embedded.log_tails(&name, false);
    assert!(
        tails.iter().any(|tail| tail.text.contains("Scheduler at")),
        "{tails:?}"
    );
    assert_eq!(server.embedded.log_tails("../nowhere", false), []);
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
