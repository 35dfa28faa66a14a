//! Whose the gateway is: several servers, one that left, a machine that died, a port that is taken.

use std::time::Duration;

use dask_gateway::ClusterStatus;
use gatehouse::embedded::{Embedded, EmbeddedState, Settings};
use gatehouse::state_dir::{Departure, Membership};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::house::{PATIENCE, Place, Server, kill, look_inside, python};

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
