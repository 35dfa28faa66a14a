//! Dashboards through the browser's door of a real server, before a gateway that is made up: what crosses in which
//! direction, what is mended, and that nothing is reached but what the gateway names.

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::ws::{Message as Sent, WebSocketUpgrade};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use common::{PATIENCE, Server};
use dask_gateway::{GatewayConfig, HttpProxy};
use futures_util::{SinkExt, StreamExt, stream};
use gatehouse::proxy::dashboard::{DashboardError, Dashboards};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const CLUSTER: &str = "dev.abc";

/// Remembers the paths it was asked for, below its prefix.
#[derive(Clone, Default)]
struct Fake {
    asked: Arc<Mutex<Vec<String>>>,
    /// Lets a body that trickles go on.
    go_on: Arc<Notify>,
}

/// A gateway below `/prefix` with clusters whose dashboards are at these routes; returns its address.
async fn gateway(routes: &[(&str, &str)]) -> (String, Fake) {
    let fake = Fake::default();
    let report = |name: &str, route: &str| json!({"name": name, "status": "RUNNING", "start_time": 1, "options": {}, "dashboard_route": route});
    let list: serde_json::Map<String, Value> = routes
        .iter()
        .map(|(name, route)| ((*name).to_owned(), report(name, route)))
        .collect();
    let app = Router::new()
        .route(
            "/prefix/api/version",
            get(async || Json(json!({"version": "2026.3.0"}))),
        )
        .route("/prefix/api/v1/clusters/", get(async move || Json(list)))
        .route("/prefix/clusters/dev.abc/ws", any(websocket))
        .route("/prefix/clusters/dev.abc/{*path}", any(page))
        .fallback(async |State(fake): State<Fake>, request: Request| {
            fake.asked
                .lock()
                .expect("unpoisoned")
                .push(request.uri().to_string());
            StatusCode::NOT_FOUND
        })
        .with_state(fake.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = format!("http://{}/prefix", listener.local_addr().expect("an address"));
    tokio::spawn(axum::serve(listener, app).into_future());
    (address, fake)
}

fn seen(headers: &HeaderMap) -> serde_json::Map<String, Value> {
    let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value).into()))
        .collect()
}

async fn page(State(fake): State<Fake>, Path(path): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match path.as_str() {
        "individual-plots.json" => Json(json!({"Individual CPU": "/individual-cpu"})).into_response(),
        "moved" => (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "/status?a=1")]).into_response(),
        "deep/er/moved" => {
            let here = format!("http://{}", parts.headers[header::HOST].to_str().expect("text"));
            let place = format!("{here}/prefix/clusters/dev.abc/info/main/workers.html");
            (StatusCode::FOUND, [(header::LOCATION, place)]).into_response()
        }
        "trickle" => {
            let rest = stream::once(async move {
                fake.go_on.notified().await;
                "two"
            });
            let text = stream::once(async { "one" }).chain(rest).map(Ok::<_, Infallible>);
            ([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(text)).into_response()
        }
        "guarded" if !parts.headers.contains_key(header::AUTHORIZATION) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic")]).into_response()
        }
        _ => {
            let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
            let answer = json!({
                "method": parts.method.as_str(), "uri": parts.uri.to_string(), "headers": seen(&parts.headers),
                "body": String::from_utf8_lossy(&body),
            });
            let about_its_host = [
                (header::SET_COOKIE, "session=1; Path=/"),
                (header::CONNECTION, "x-private"),
                (header::HeaderName::from_static("x-private"), "1"),
                (header::HeaderName::from_static("clear-site-data"), "\"cookies\""),
                (header::HeaderName::from_static("x-kept"), "1"),
            ];
            (StatusCode::IM_A_TEAPOT, about_its_host, Json(answer)).into_response()
        }
    }
}

/// Says what it was opened with, then echoes; closes with a code of its own when it hears `close`.
async fn websocket(headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let opened = json!({ "headers": seen(&headers) }).to_string();
    upgrade.protocols(["bokeh"]).on_upgrade(async move |mut socket| {
        socket.send(Sent::text(opened)).await.expect("sent");
        while let Some(Ok(message)) = socket.recv().await {
            let close = axum::extract::ws::CloseFrame {
                code: 4321,
                reason: "enough".into(),
            };
            match message {
                Sent::Text(text) if text.as_str() == "close" => {
                    socket.send(Sent::Close(Some(close))).await.expect("sent");
                }
                Sent::Text(_) | Sent::Binary(_) => socket.send(message).await.expect("sent"),
                _ => {}
            }
        }
    })
}

/// A server before that gateway, once it knows its clusters.
async fn before(address: &str, clusters: usize) -> Server {
    let server = Server::start_with(&["--gateway", address]);
    server
        .wait("api/v1/clusters", "the clusters", |list| {
            (list.as_array()?.len() == clusters).then_some(())
        })
        .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_cross_without_what_is_private() {
    let (address, _) = gateway(&[(CLUSTER, "/clusters/dev.abc/status")]).await;
    let server = before(&address, 1).await;
    let path = format!("clusters/{CLUSTER}/info/call-stack/('x',%201).html?a=b%20c&token=secret&d");
    let answer = server
        .request("POST", &path)
        .header("cookie", "_xsrf=secret; gatehouse-1=secret")
        .header("origin", server.url.trim_end_matches('/'))
        .header("referer", "http://127.0.0.1/secret")
        .header("x-forwarded-for", "10.0.0.1")
        .header("connection", "x-named")
        .header("x-named", "1")
        .header("te", "trailers")
        .header("x-kept", "1")
        .body("a body")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 418);
    for gone in ["set-cookie", "x-private", "clear-site-data"] {
        assert!(!answer.headers().contains_key(gone), "{gone} came back");
    }
    assert_eq!(answer.headers()["x-kept"], "1");
    let heard: Value = answer.json().await.expect("json");
    assert_eq!(
        (&heard["method"], &heard["body"]),
        (&json!("POST"), &json!("a body"))
    );
    assert_eq!(
        heard["uri"],
        "/prefix/clusters/dev.abc/info/call-stack/('x',%201).html?a=b%20c&d"
    );
    let headers = heard["headers"].as_object().expect("headers");
    for gone in [
        "cookie",
        "authorization",
        "origin",
        "referer",
        "x-forwarded-for",
        "x-named",
        "te",
        "x-gatehouse",
    ] {
        assert!(!headers.contains_key(gone), "{gone} crossed");
    }
    assert_eq!(headers["x-kept"], "1");
    assert_eq!(
        format!("http://{}/prefix", headers["host"].as_str().expect("text")),
        address
    );
    assert!(!heard.to_string().contains(&server.token));

    let answer = server
        .request("GET", &format!("clusters/{CLUSTER}/x"))
        .send()
        .await
        .expect("an answer");
    let heard: Value = answer.json().await.expect("json");
    for added in ["transfer-encoding", "content-length"] {
        assert!(
            !heard["headers"].as_object().expect("headers").contains_key(added),
            "a GET got {added}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_and_plots_stay_below_the_prefix() {
    let (address, _) = gateway(&[(CLUSTER, "/clusters/dev.abc/status")]).await;
    let server = before(&address, 1).await;
    for (path, location) in [
        ("", "./status"),
        ("moved", "./status?a=1"),
        ("deep/er/moved", "./../../info/main/workers.html"),
    ] {
        let answer = server
            .request("GET", &format!("clusters/{CLUSTER}/{path}"))
            .send();
        let answer = answer.await.expect("an answer");
        assert!(answer.status().is_redirection(), "{path}: {}", answer.status());
        assert_eq!(answer.headers()["location"], location, "{path}");
    }
    assert_eq!(
        server.json(&format!("api/v1/clusters/{CLUSTER}/plots")).await,
        json!([{"title": "CPU", "path": "clusters/dev.abc/individual-cpu"}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream() {
    let (address, fake) = gateway(&[(CLUSTER, "/clusters/dev.abc/status")]).await;
    let server = before(&address, 1).await;
    for encoding in ["identity", "gzip"] {
        let answer = server
            .request("GET", &format!("clusters/{CLUSTER}/trickle"))
            .header("accept-encoding", encoding)
            .send();
        let mut answer = answer.await.expect("an answer");
        let mut first = 0;
        // The rest is not sent before the beginning has arrived.
        while first < 3 {
            let chunk = tokio::time::timeout(PATIENCE, answer.chunk()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("{encoding} is held back"));
            first += chunk.expect("a chunk").expect("not the end").len();
        }
        fake.go_on.notify_one();
        let rest = tokio::time::timeout(PATIENCE, answer.bytes()).await;
        assert!(!rest.expect("in time").expect("the rest").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_cross_whole() {
    let (address, _) = gateway(&[(CLUSTER, "/clusters/dev.abc/status")]).await;
    let mut server = before(&address, 1).await;
    let url = format!("{}clusters/{CLUSTER}/ws?token=secret", server.url).replacen("http", "ws", 1);
    let mut request = url.into_client_request().expect("a request");
    for (name, value) in [
        ("authorization", format!("Bearer {}", server.token)),
        ("cookie", "_xsrf=secret".to_owned()),
        ("origin", server.url.trim_end_matches('/').to_owned()),
        ("sec-websocket-protocol", "bokeh, a-session-token".to_owned()),
    ] {
        request
            .headers_mut()
            .insert(name, value.parse().expect("a header"));
    }
    let (mut other, _) = tokio_tungstenite::connect_async(request.clone())
        .await
        .expect("upgraded");
    let (mut socket, answer) = tokio_tungstenite::connect_async(request).await.expect("upgraded");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "bokeh");
    let mut next = async || {
        tokio::time::timeout(PATIENCE, socket.next())
            .await
            .expect("in time")
            .expect("open")
            .expect("a message")
    };
    let opened: Value = serde_json::from_str(next().await.to_text().expect("text")).expect("json");
    let headers = opened["headers"].as_object().expect("headers");
    assert_eq!(headers["sec-websocket-protocol"], "bokeh, a-session-token");
    for gone in ["cookie", "authorization", "origin"] {
        assert!(!headers.contains_key(gone), "{gone} crossed");
    }
    let big = Message::binary(vec![7_u8; 3 << 20]);
    for message in [Message::text("text"), big, Message::text("close")] {
        socket.send(message.clone()).await.expect("sent");
        let heard = tokio::time::timeout(PATIENCE, socket.next()).await;
        match (
            heard.expect("in time").expect("open").expect("a message"),
            message,
        ) {
            (Message::Close(Some(close)), _) => {
                assert_eq!((u16::from(close.code), close.reason.as_str()), (4321, "enough"));
            }
            (heard, message) => assert_eq!(heard, message),
        }
    }

    // A page that is no WebSocket stays one.
    let refused = server
        .request("GET", &format!("clusters/{CLUSTER}/x"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    assert_eq!(refused.send().await.expect("an answer").status(), 418);

    // One that is still open ends with the server, and does not hold it up.
    other
        .next()
        .await
        .expect("open")
        .expect("what it was opened with");
    let asked = Instant::now();
    assert!(server.end().success());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let left = tokio::time::timeout(PATIENCE, other.next())
        .await
        .expect("in time");
    assert!(matches!(left, None | Some(Err(_))), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_added_where_they_are_asked_for() {
    let (address, _) = gateway(&[(CLUSTER, "/clusters/dev.abc/status")]).await;
    let server = before(&address, 1).await;
    let authorization = async |path: &str| {
        let answer = server
            .request("GET", &format!("clusters/{CLUSTER}/{path}"))
            .send();
        let answer = answer.await.expect("an answer");
        assert!(!answer.headers().contains_key("www-authenticate"));
        answer.json::<Value>().await.expect("json")["headers"]["authorization"].clone()
    };
    assert_eq!(authorization("x").await, Value::Null, "sent though nobody asked");
    let sent = authorization("guarded").await;
    assert!(
        sent.as_str().is_some_and(|sent| sent.starts_with("Basic ")),
        "{sent}"
    );
    assert!(!sent.to_string().contains(&server.token));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_but_what_the_gateway_names() {
    let (stranger, strange) = gateway(&[]).await;
    let routes = [
        (CLUSTER, "/clusters/dev.abc/status"),
        ("absolute", &format!("{stranger}/clusters/a/status")),
        ("schemeless", &stranger.replace("http:", "")),
        ("climbing", "/clusters/../api/v1/status"),
    ];
    let (address, fake) = gateway(&routes).await;
    let server = before(&address, routes.len()).await;
    let host = address.replace("http://", "").replace("/prefix", "");
    let mut paths: Vec<String> = vec![
        "clusters/nowhere/status".to_owned(),
        format!("clusters/{stranger}/status"),
        format!("clusters/{}/status", stranger.replace('/', "%2F")),
        "clusters/dev.abc%2F..%2F..%2Fapi/v1/clusters/".to_owned(),
        format!("clusters/{CLUSTER}/%2e%2e/%2e%2e/api/v1/clusters/"),
        format!("clusters/{CLUSTER}/..%5C..%5Capi"),
        format!("proxy/{host}/prefix/api/version"),
    ];
    for (name, _) in &routes[1..] {
        paths.push(format!("clusters/{name}/status"));
        paths.push(format!("api/v1/clusters/{name}/plots"));
    }
    for path in paths {
        let answer = raw(&server, &path).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(answer.contains("\"code\":\"not_found\""), "{path}: {answer}");
    }
    for fake in [fake, strange] {
        assert_eq!(*fake.asked.lock().expect("unpoisoned"), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_why_there_is_no_dashboard() {
    let (address, _) = gateway(&[(CLUSTER, "/clusters/dev.abc/status")]).await;
    let server = before(&address, 1).await;
    for (accept, kind) in [
        ("text/html,*/*", "text/plain; charset=utf-8"),
        ("*/*", "application/json"),
    ] {
        let answer = server
            .request("GET", "clusters/<b>gone/status")
            .header("accept", accept);
        let answer = answer.send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (404, &kind.parse().expect("a kind"))
        );
        let text = answer.text().await.expect("text");
        assert_eq!(
            text.starts_with("There is no cluster <b>gone."),
            kind.starts_with("text"),
            "{text}"
        );
    }
}

/// The answer to a path that no well-behaved client would send.
async fn raw(server: &Server, path: &str) -> String {
    let address = server.url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let token = &server.token;
    let request = format!(
        "GET /{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

/// The dashboards of a gateway whose API is at one address and its public one at another.
fn dashboards(address: &str, public: &str) -> Dashboards {
    let config = GatewayConfig {
        address: Some(address.to_owned()),
        public_address: Some(public.to_owned()),
        ..GatewayConfig::default()
    };
    let client = gatehouse::outbound::client(&HttpProxy::Off).expect("a client");
    Dashboards::new(&config, client, None, CancellationToken::new())
}

#[tokio::test]
async fn an_api_without_dashboards_leads_to_the_public_address() {
    let (with, _) = gateway(&[]).await;
    let (without, _) = gateway(&[]).await;
    let without = without.replace("/prefix", "/other");
    let plots = dashboards(&without, &with)
        .plots(CLUSTER, "/clusters/dev.abc/status")
        .await;
    assert_eq!(plots.expect("plots").len(), 1);
    let nowhere = dashboards(&without, "/services/relative")
        .plots(CLUSTER, "/clusters/dev.abc/status")
        .await;
    assert!(
        matches!(&nowhere, Err(DashboardError::Unreachable(why)) if why.contains("404")),
        "{nowhere:?}"
    );
}

#[tokio::test]
async fn what_stands_before_a_dashboard_is_named() {
    let site = MockServer::start().await;
    let answers = [
        (
            "a",
            ResponseTemplate::new(302).insert_header("location", "https://login.example/?state=1"),
        ),
        ("b", ResponseTemplate::new(403)),
        (
            "c",
            ResponseTemplate::new(200).set_body_string("<html>Log in</html>"),
        ),
        ("d", ResponseTemplate::new(200).set_body_json(json!({}))),
    ];
    for (name, answer) in answers {
        Mock::given(path(format!("/clusters/{name}/individual-plots.json")))
            .respond_with(answer)
            .mount(&site)
            .await;
    }
    let only = dashboards(&site.uri(), &site.uri());
    for name in ["a", "b", "c"] {
        let error = only.plots(name, &format!("/clusters/{name}/status")).await;
        let error = error.expect_err("no plots");
        assert!(matches!(error, DashboardError::Login(_)), "{name}: {error}");
        let sentence = error.to_string();
        let link = format!("{}/clusters/{name}/status", site.uri());
        assert!(
            sentence.contains(&link) && !sentence.contains("state="),
            "{sentence}"
        );
    }
    let bare = only.plots("d", "/clusters/d/status").await;
    assert!(matches!(bare, Err(DashboardError::NoPlots)), "{bare:?}");
}
