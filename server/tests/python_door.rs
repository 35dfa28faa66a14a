//! Python's door of a real server, beside the real gateway behind it: answers are the same, byte for byte, and the
//! browser's door gives none of them.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{PATIENCE, Server};
use dask_gateway::HttpProxy;
use futures_util::future::BoxFuture;
use gatehouse::proxy::gateway::{Door, JobClusters, router};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What differs between two answers to the same request: the time, and cookies, whose values are random.
const CHANGING: [&str; 2] = ["date", "set-cookie"];

/// Where the gateway is, past everything of ours, and what it wants to see.
struct Direct {
    address: String,
    credentials: String,
}

impl Direct {
    fn of(server: &Server) -> Self {
        let file = server.home.path().join("state/gateway/gateway.json");
        let found: Value = serde_json::from_slice(&std::fs::read(file).expect("gateway.json")).expect("json");
        let text = |field: &str| found[field].as_str().expect(field).to_owned();
        let pair = STANDARD.encode(format!("{}:{}", text("user"), text("password")));
        Self {
            address: format!("http://127.0.0.1:{}", found["port"]),
            credentials: format!("Basic {pair}"),
        }
    }
}

/// An answer without what changes: status, headers by name, body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

async fn ask(url: String, method: Method, body: Option<&str>, credentials: Option<&str>) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut request = client.request(method, url).timeout(PATIENCE);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_owned());
    }
    if let Some(credentials) = credentials {
        request = request.header("authorization", credentials);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let mut headers: Vec<(String, String)> = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
        .map(|(name, value)| {
            if CHANGING.contains(&name.as_str()) {
                (name, String::new())
            } else {
                (name, value)
            }
        })
        .collect();
    headers.sort();
    let body = answer.bytes().await.expect("a body");
    (status, headers, body.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_the_gateways_own() {
    let server = Server::start();
    let door = server.kernel_env["DASK_GATEWAY__ADDRESS"]
        .as_str()
        .expect("a door")
        .to_owned();
    let name = server.cluster(1).await;
    let direct = Direct::of(&server);
    assert_ne!(door, direct.address);
    let own = Some(direct.credentials.as_str());
    let (get, post) = (Method::GET, Method::POST);
    let cluster = format!("/api/v1/clusters/{name}");
    let scale = format!("{cluster}/scale");
    let cases = [
        (200, get.clone(), "/api/health", None, None),
        (200, get.clone(), "/api/version", None, None),
        (401, get.clone(), "/api/v1/options", None, None),
        (
            401,
            get.clone(),
            "/api/v1/clusters/",
            None,
            Some("Basic bm86Ym9keQ=="),
        ),
        (200, get.clone(), "/api/v1/options", None, own),
        (
            200,
            get.clone(),
            "/api/v1/clusters/?status=running,pending",
            None,
            own,
        ),
        (422, get.clone(), "/api/v1/clusters/?status=b%6Fgus", None, own),
        (200, get.clone(), &cluster, None, own),
        (404, get.clone(), "/api/v1/clusters/nowhere", None, own),
        (404, get.clone(), "/api/v1/clusters", None, own),
        (
            422,
            post.clone(),
            "/api/v1/clusters/",
            Some("{\"cluster_options\": {\"no\": 1}}"),
            own,
        ),
        (500, post.clone(), "/api/v1/clusters/", Some("{"), own),
        (422, post.clone(), &scale, Some("{\"count\": -1}"), own),
        (200, post, &scale, Some("{\"count\": 1}"), own),
        (204, Method::DELETE, "/api/v1/clusters/nowhere", None, own),
        (405, Method::PATCH, &cluster, None, own),
        (200, Method::HEAD, "/api/version", None, None),
    ];
    for (status, method, path, body, credentials) in cases {
        let passed = ask(format!("{door}{path}"), method.clone(), body, credentials).await;
        let straight = ask(
            format!("{}{path}", direct.address),
            method.clone(),
            body,
            credentials,
        )
        .await;
        let text = String::from_utf8_lossy(&passed.2).into_owned();
        assert_eq!(passed.0, status, "{method} {path}: {text}");
        assert_eq!(passed, straight, "{method} {path}: {text}");
        if path == cluster && method == Method::GET {
            assert!(text.contains("PRIVATE KEY"), "Python needs the key: {text}");
        }
    }

    // The browser's door has nothing of it, whoever asks: no path, no credentials of the gateway's, no key.
    let port = door.rsplit(':').next().expect("a port");
    for path in [
        "api/health".to_owned(),
        "api/version".to_owned(),
        "api/v1/clusters/".to_owned(),
        format!("{port}/api/version"),
        format!("{}/api/version", server.token),
        format!("clusters/{name}/api/v1/clusters/{name}"),
    ] {
        let answer = server.request("GET", &path).send().await.expect("an answer");
        assert_eq!(answer.status(), 404, "{path}");
        let text = answer.text().await.expect("text");
        assert!(
            !text.contains("tls_key") && !text.contains("2026."),
            "{path}: {text}"
        );
    }
    let ours = server.json(&format!("api/v1/clusters/{name}")).await;
    assert_eq!(ours.get("tls_key"), None);
    let with_theirs = ask(format!("{}api/v1/clusters", server.url), get, None, own).await;
    assert_eq!(with_theirs.0, 401, "the gateway's credentials open no other door");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_answers_when_the_cluster_runs() {
    let server = Server::start();
    server
        .wait("api/v1/status", "the gateway", |s| {
            (s["gateway"]["state"] == "up").then_some(())
        })
        .await;
    let door = server.kernel_env["DASK_GATEWAY__ADDRESS"]
        .as_str()
        .expect("a door");
    let direct = Direct::of(&server);
    let own = Some(direct.credentials.as_str());
    let clusters = format!("{door}/api/v1/clusters/");
    let made = ask(clusters.clone(), Method::POST, Some("{}"), own).await;
    assert_eq!(made.0, 201);
    let made: Value = serde_json::from_slice(&made.2).expect("json");
    let name = made["name"].as_str().expect("a name");
    let waited = ask(format!("{clusters}{name}?wait"), Method::GET, None, own).await;
    let report: Value = serde_json::from_slice(&waited.2).expect("json");
    assert_eq!((waited.0, &report["status"]), (200, &json!("RUNNING")));
    // What passed the door is known at once.
    server
        .wait("api/v1/clusters", "the cluster", |list| {
            list.as_array()?.iter().any(|c| c["name"] == name).then_some(())
        })
        .await;
}

struct NoJobs;

impl JobClusters for NoJobs {
    fn asks(&self, _: String, _: Map<String, Value>) -> BoxFuture<'_, Result<i64, String>> {
        Box::pin(async { Err("There are no jobs.".to_owned()) })
    }

    fn answered(&self, _: i64, _: Option<String>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_poll_that_nobody_waits_for_ends_at_the_gateway_too() {
    let gateway = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let door = Door {
        target: format!("http://{}", gateway.local_addr().expect("an address")),
        client: gatehouse::outbound::client(&HttpProxy::Off).expect("a client"),
        changed: Box::new(|| {}),
        scaled: Box::new(|_| {}),
        ending: Box::new(|_| Box::pin(async {})),
        jobs: Box::new(NoJobs),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(axum::serve(listener, router(door)).into_future());

    let asked = b"GET /api/v1/clusters/a?wait HTTP/1.1\r\nHost: door\r\n\r\n";
    let mut client = TcpStream::connect(address).await.expect("connected");
    client.write_all(asked).await.expect("sent");
    let (mut passed, _) = gateway.accept().await.expect("passed on");
    let mut head = [0; 1024];
    let read = passed.read(&mut head).await.expect("a request");
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    assert!(
        head.starts_with("GET /api/v1/clusters/a?wait HTTP/1.1\r\n"),
        "{head}"
    );
    drop(client);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, passed.read_to_end(&mut rest)).await;
    ended.expect("the gateway's side is let go").ok();
}
