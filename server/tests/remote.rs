//! A gateway that Dask's configuration names: not there yet, refusing us, and there at last.

mod common;

use std::net::TcpListener;

use common::Server;
use serde_json::json;
use wiremock::matchers::{header, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn free_address() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_comes_late_is_found() {
    let address = free_address();
    let server = Server::start_with(&["--gateway", &format!("http://{address}")]);
    assert_eq!(
        server.kernel_env,
        json!({}),
        "kernels of a configured gateway need nothing from us"
    );
    let message = server
        .wait("api/v1/status", "the word that it is down", |status| {
            let gateway = &status["gateway"];
            (gateway["kind"] == "remote" && gateway["state"] == "down")
                .then(|| gateway["message"].to_string())
        })
        .await;
    assert!(message.contains(&address.to_string()), "{message}");
    let refused = server
        .request("POST", "api/v1/clusters")
        .json(&json!({}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), 502);

    let gateway = MockServer::builder()
        .listener(TcpListener::bind(address).expect("the same port"))
        .start()
        .await;
    let answer = |body| ResponseTemplate::new(200).set_body_json(body);
    Mock::given(path("/api/v1/clusters/"))
        .respond_with(answer(json!({})))
        .mount(&gateway)
        .await;
    Mock::given(path("/api/version"))
        .respond_with(answer(json!({"version": "2022.4.0"})))
        .mount(&gateway)
        .await;
    let version = server
        .wait("api/v1/status", "the gateway", |status| {
            (status["gateway"]["state"] == "up").then(|| status["gateway"]["version"].clone())
        })
        .await;
    assert_eq!(version, "2022.4.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named() {
    let gateway = MockServer::start().await;
    Mock::given(path_regex("^/api/v1/"))
        .respond_with(
            ResponseTemplate::new(401)
                .insert_header("www-authenticate", "Basic")
                .set_body_json(json!({"error": "Authentication required"})),
        )
        .mount(&gateway)
        .await;
    let server = Server::start_with(&["--gateway", &gateway.uri()]);
    let message = server
        .wait("api/v1/status", "the refusal", |status| {
            let gateway = &status["gateway"];
            (gateway["state"] == "unauthorized").then(|| gateway["message"].to_string())
        })
        .await;
    assert!(message.contains("gateway.auth.kwargs"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clusters_created_here_are_stopped_at_the_end() {
    let gateway = MockServer::start().await;
    let report = |name: &str| json!({"name": name, "status": "RUNNING", "start_time": 1, "options": {}});
    Mock::given(method("POST"))
        .and(path("/api/v1/clusters/"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"name": "ours"})))
        .mount(&gateway)
        .await;
    Mock::given(method("GET"))
        .and(path("/api/v1/clusters/"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"ours": report("ours"), "notebook": report("notebook")})),
        )
        .mount(&gateway)
        .await;
    Mock::given(path("/api/version"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"version": "2026.3.0"})))
        .mount(&gateway)
        .await;
    let delete = |name: &str, times: u64| {
        Mock::given(method("DELETE"))
            .and(path(format!("/api/v1/clusters/{name}")))
            .and(header("accept", "*/*"))
            .respond_with(ResponseTemplate::new(204))
            .expect(times)
    };
    delete("ours", 1).mount(&gateway).await;
    delete("notebook", 0).mount(&gateway).await;

    let mut server = Server::start_with(&["--gateway", &gateway.uri()]);
    let created = server
        .request("POST", "api/v1/clusters")
        .json(&json!({}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(created.status(), 201);
    server
        .wait("api/v1/clusters", "both", |list| {
            (list.as_array()?.len() == 2).then_some(())
        })
        .await;
    assert!(server.end().success());
    gateway.verify().await;
}
