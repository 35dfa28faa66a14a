//! Both doors of a real server with a running cluster: what passes, what is refused, and that nothing secret leaves.

mod common;

use std::time::Duration;

use common::{PATIENCE, Server};
use futures_util::{SinkExt, StreamExt};
use protocol::live::{CREDITS, Frame, Packet, Request, Topics};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Opens a WebSocket of the browser's door.
async fn websocket(
    server: &Server,
    path: &str,
) -> tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>> {
    let url = format!("{}{path}", server.url).replacen("http", "ws", 1);
    let mut request = url.into_client_request().expect("a request");
    let bearer = format!("Bearer {}", server.token).parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    tokio_tungstenite::connect_async(request)
        .await
        .expect("upgraded")
        .0
}

/// What must never pass the browser's door.
fn secrets(server: &Server) -> Vec<String> {
    let state = server.home.path().join("state");
    let gateway: Value =
        serde_json::from_slice(&std::fs::read(state.join("gateway/gateway.json")).expect("gateway.json"))
            .expect("json");
    let mut secrets: Vec<String> = [
        "-----BEGIN",
        "PRIVATE KEY",
        "tls_key",
        "tls_cert",
        "set-cookie",
        "dask-gateway-",
    ]
    .map(str::to_owned)
    .into();
    for field in ["password", "encrypt_key"] {
        secrets.push(gateway[field].as_str().expect(field).to_owned());
    }
    secrets.push(server.token.clone());
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_passes_the_browsers_door() {
    let mut server = Server::start();
    let name = server.cluster(1).await;
    let secrets = secrets(&server);
    let check = |what: &str, text: &str| {
        for secret in &secrets {
            assert!(
                !text.to_lowercase().contains(&secret.to_lowercase()),
                "{what} gives away {secret}"
            );
        }
    };

    let document = server.json("api/v1/openapi.json").await;
    let mut walked = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        if path.ends_with("/live") || path.ends_with("/events") || path.ends_with("/output") {
            continue;
        }
        let url = path
            .trim_start_matches('/')
            .replace("{name}", &name)
            .replace("{id}", "nothing");
        for method in methods.as_object().expect("methods").keys() {
            if method == "delete" && path.contains("{name}") {
                continue;
            }
            let body = serde_json::json!({"workers": 1, "minimum": 2, "maximum": 1});
            let request = server.request(&method.to_uppercase(), &url);
            let request = if method == "post" {
                request.json(&body)
            } else {
                request
            };
            let answer = request.send().await.expect("an answer");
            check(path, &format!("{:?}", answer.headers()));
            check(path, &answer.text().await.expect("text"));
            walked += 1;
        }
    }
    assert!(walked >= 12, "only {walked} requests");
    for path in ["status", "json/identity.json", "info/main/workers.html"] {
        let answer = server
            .request("GET", &format!("clusters/{name}/{path}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        check(path, &format!("{:?}", answer.headers()));
        check(path, &answer.text().await.expect("text"));
    }

    let mut events = websocket(&server, "api/v1/events").await;
    let first = events
        .next()
        .await
        .expect("a message")
        .expect("a frame")
        .into_text()
        .expect("text");
    assert!(first.contains(&name), "{first}");
    check("events", &first);

    let mut live = websocket(&server, &format!("api/v1/clusters/{name}/live")).await;
    let subscribe = Request::Subscribe(Topics {
        tasks: true,
        progress: true,
        workers: true,
        series: true,
        errors: true,
    });
    live.send(Message::binary(
        protocol::live::encode(&subscribe).expect("encodes"),
    ))
    .await
    .expect("sent");
    let (mut hello, mut workers, mut last) = (false, false, 0);
    // A browser that acknowledges nothing gets so much and no more, whatever the topic.
    while last < CREDITS {
        let message = tokio::time::timeout(PATIENCE, live.next())
            .await
            .expect("in time")
            .expect("open")
            .expect("a frame");
        let Message::Binary(bytes) = message else { continue };
        check("live", &String::from_utf8_lossy(&bytes));
        let packet: Packet = protocol::live::decode(&bytes).expect("a packet");
        assert_eq!(packet.seq, last + 1);
        last = packet.seq;
        match packet.frame {
            Frame::Hello(_) => hello = true,
            Frame::Workers(list) => workers = list.len() == 1 && list[0].threads == 1,
            _ => {}
        }
    }
    assert!(hello && workers);
    let more = tokio::time::timeout(Duration::from_secs(3), live.next()).await;
    assert!(more.is_err(), "{more:?}");
    let ack = protocol::live::encode(&Request::Ack { seq: last }).expect("encodes");
    live.send(Message::binary(ack)).await.expect("sent");
    tokio::time::timeout(PATIENCE, live.next())
        .await
        .expect("more as soon as there is room")
        .expect("open")
        .expect("a frame");

    assert!(server.end().success());
    assert_eq!(server.processes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_sentences() {
    let server = Server::start();
    let refused = async |method: &str, path: &str, body: Value, status: u16, code: &str| {
        let answer = server
            .request(method, path)
            .json(&body)
            .send()
            .await
            .expect("an answer");
        let got = answer.status().as_u16();
        let error: Value = answer.json().await.expect("json");
        assert_eq!(
            (got, error["code"].as_str()),
            (status, Some(code)),
            "{method} {path}: {error}"
        );
        let message = error["message"].as_str().expect("a message").to_owned();
        assert!(
            message.ends_with('.') && message.contains(' '),
            "no sentence: {message}"
        );
        assert!(!error["request_id"].as_str().expect("an id").is_empty());
        (message, error["field"].as_str().map(str::to_owned))
    };
    server
        .wait("api/v1/status", "the gateway", |s| {
            (s["gateway"]["state"] == "up").then_some(())
        })
        .await;

    let create = |options: Value| serde_json::json!({ "options": options });
    let (message, field) = refused(
        "POST",
        "api/v1/clusters",
        create(serde_json::json!({"profile": "Huge"})),
        422,
        "invalid",
    )
    .await;
    assert!(
        message.contains("Huge") && field.as_deref() == Some("profile"),
        "{message} {field:?}"
    );
    let (message, field) = refused(
        "POST",
        "api/v1/clusters",
        create(serde_json::json!({"idle_timeout": -1})),
        422,
        "invalid",
    )
    .await;
    assert!(field.as_deref() == Some("idle_timeout"), "{message} {field:?}");
    let numbers = serde_json::json!({"environment_vars": {"A": 1}});
    let (message, field) = refused("POST", "api/v1/clusters", create(numbers), 422, "invalid").await;
    assert!(
        message.contains("text") && field.as_deref() == Some("environment_vars"),
        "{message}"
    );
    refused(
        "POST",
        "api/v1/clusters",
        serde_json::json!({"nonsense": 1}),
        422,
        "invalid",
    )
    .await;
    refused(
        "POST",
        "api/v1/clusters/nowhere/scale",
        serde_json::json!({"workers": 1}),
        404,
        "not_found",
    )
    .await;
    refused("DELETE", "api/v1/clusters/nowhere", Value::Null, 404, "not_found").await;
    refused("GET", "api/v1/jobs/nowhere", Value::Null, 404, "not_found").await;
    refused("GET", "no/such/page", Value::Null, 404, "not_found").await;

    let answer = server
        .request("POST", "api/v1/clusters")
        .json(&create(serde_json::json!({})))
        .send()
        .await
        .expect("ok");
    let name = answer.json::<Value>().await.expect("json")["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    let scale = format!("api/v1/clusters/{name}/scale");
    let early = server
        .request("POST", &scale)
        .json(&serde_json::json!({"workers": 1}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(early.status(), 200, "{}", early.text().await.expect("text"));
    let adapt = serde_json::json!({"minimum": 3, "maximum": 1});
    refused(
        "POST",
        &format!("api/v1/clusters/{name}/adapt"),
        adapt,
        422,
        "invalid",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_is_shut_to_strangers() {
    let server = Server::start();
    let get = |path: &str| server.client.get(format!("{}{path}", server.url));
    for path in [
        "",
        "api/v1/status",
        "api/v1/clusters",
        "clusters/a/status",
        "?token=wrong",
    ] {
        assert_eq!(get(path).send().await.expect("an answer").status(), 401, "{path}");
    }
    assert_eq!(get("health").send().await.expect("an answer").status(), 200);

    let entered = get(&format!("?token={}", server.token))
        .send()
        .await
        .expect("an answer");
    assert_eq!(entered.status(), 303);
    let cookie = entered.headers()["set-cookie"].to_str().expect("text");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let with_cookie = |method: &str, path: &str| {
        let method = method.parse().expect("a method");
        server
            .client
            .request(method, format!("{}{path}", server.url))
            .header("cookie", cookie.clone())
    };
    assert_eq!(
        with_cookie("GET", "api/v1/status")
            .send()
            .await
            .expect("an answer")
            .status(),
        200
    );
    // A form on another site can send the cookie at most, not the header.
    assert_eq!(
        with_cookie("POST", "api/v1/clusters")
            .body("{}")
            .send()
            .await
            .expect("an answer")
            .status(),
        403
    );
    let foreign = with_cookie("POST", "api/v1/clusters")
        .header("x-gatehouse", "1")
        .header("origin", "http://evil.example");
    assert_eq!(foreign.send().await.expect("an answer").status(), 403);
    let listening = with_cookie("GET", "api/v1/events")
        .header("origin", "http://evil.example")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    assert_eq!(listening.send().await.expect("an answer").status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_panels_files_are_served() {
    let assets = tempfile::tempdir().expect("a folder");
    for name in ["index.html", "gatehouse.js", "notes.txt", ".hidden.js"] {
        std::fs::write(assets.path().join(name), name).expect("written");
    }
    let server = Server::start_with(&["--assets", assets.path().to_str().expect("text")]);
    let get = async |path: &str| {
        let answer = server.request("GET", path).send().await.expect("an answer");
        let policy = answer.headers().contains_key("content-security-policy");
        (
            answer.status().as_u16(),
            policy,
            answer.text().await.expect("text"),
        )
    };
    assert_eq!(get("").await, (200, true, "index.html".to_owned()));
    assert_eq!(get("gatehouse.js").await, (200, true, "gatehouse.js".to_owned()));
    for path in [
        "notes.txt",
        ".hidden.js",
        "missing.js",
        "..%2Fgatehouse.js",
        "a/gatehouse.js",
    ] {
        let (status, _, text) = get(path).await;
        assert_eq!(status, 404, "{path}: {text}");
    }
}
