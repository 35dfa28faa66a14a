//! Every answer a gateway gives, from a server that gives it on purpose.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::time::Duration;

use common::{answering, client, options, refusal};
use dask_gateway::{ClusterStatus, GatewayClient, GatewayConfig, GatewayError, HttpProxy, Secret};
use serde_json::{Map, json};
use wiremock::matchers::{body_json, header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const ROOT: &str = "/services/dask-gateway/api/v1/clusters/";

#[tokio::test]
async fn credentials_follow_a_401_and_then_the_cookie_is_enough() {
    let server = MockServer::start().await;
    let list = || Mock::given(method("GET")).and(path(ROOT));
    list()
        .and(header("cookie", "dask-gateway-1=2"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
        .with_priority(1)
        .expect(1)
        .mount(&server)
        .await;
    list()
        .and(header("authorization", "Basic YWxpY2U6c2VzYW1lLXNlY3JldA=="))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({}))
                .insert_header("set-cookie", "dask-gateway-1=2; Max-Age=600; Path=/"),
        )
        .with_priority(2)
        .expect(1)
        .mount(&server)
        .await;
    list()
        .respond_with(refusal(401, "Authentication required"))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server);
    client.list(&[]).await.unwrap();
    client.clone().list(&[]).await.unwrap();
}

#[tokio::test]
async fn one_broken_report_hides_no_other() {
    let (_server, client) = answering(ResponseTemplate::new(200).set_body_json(json!({
        "good": {"name": "good", "status": "RUNNING", "start_time": 1, "stop_time": null, "options": {},
                 "dashboard_route": "/clusters/good/status", "tls_cert": "CERT", "tls_key": "THE-KEY"},
        "odd": {"name": "odd", "status": "SLEEPING"},
        "null": null,
        "dev.b2": {"name": "dev.b2", "status": "PENDING", "start_time": 2, "options": {"profile": "Small"}},
    })))
    .await;
    let mut reports = client.list(&[]).await.unwrap();
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        reports
            .iter()
            .map(|report| report.name.as_str())
            .collect::<Vec<_>>(),
        ["dev.b2", "good"]
    );
    assert_eq!(reports[1].tls.as_ref().unwrap().key_pem(), "THE-KEY");
    assert!(!format!("{reports:?}").contains("THE-KEY"));
    let mut unreadable = client.listing(&[]).await.unwrap().unreadable;
    unreadable.sort_unstable();
    let names: Vec<_> = unreadable.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["null", "odd"]);
}

#[tokio::test]
async fn requests_are_what_the_gateway_expects() {
    let server = MockServer::start().await;
    let ok = || ResponseTemplate::new(200).set_body_json(json!({"ok": true, "msg": null}));
    let sent = json!({"cluster_options": {"profile": "Small"}});
    Mock::given(method("POST"))
        .and(path(ROOT))
        .and(body_json(sent))
        .and(header_exists("content-type"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"name": "c1"})))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(ROOT))
        .and(query_param("status", "running,failed"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
        .expect(1)
        .mount(&server)
        .await;
    let below = |rest: &str| path(format!("{ROOT}c1{rest}"));
    Mock::given(method("POST"))
        .and(below("/scale"))
        .and(body_json(json!({"count": 2})))
        .respond_with(ok())
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(below("/scale"))
        .and(body_json(json!({"count": 99})))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"ok": false, "msg": "Scaling to 3 instead."})),
        )
        .expect(1)
        .mount(&server)
        .await;
    let adapt = json!({"minimum": 0, "maximum": null, "active": true});
    Mock::given(method("POST"))
        .and(below("/adapt"))
        .and(body_json(adapt))
        .respond_with(ok())
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .and(below(""))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;

    let client = client(&server);
    assert_eq!(
        client
            .create(&options(json!({"profile": "Small"})))
            .await
            .unwrap(),
        "c1"
    );
    assert_eq!(
        client
            .list(&[ClusterStatus::Running, ClusterStatus::Failed])
            .await
            .unwrap(),
        []
    );
    assert_eq!(client.scale("c1", 2).await.unwrap(), None);
    assert_eq!(
        client.scale("c1", 99).await.unwrap().as_deref(),
        Some("Scaling to 3 instead.")
    );
    assert_eq!(client.adapt("c1", Some(0), None, true).await.unwrap(), None);
    client.delete("c1").await.unwrap();
    for hostile in ["", "..", "../options", "a/b", "a?b", "a b", "é"] {
        assert!(
            matches!(client.delete(hostile).await, Err(GatewayError::NotFound { .. })),
            "{hostile:?}"
        );
    }
}

#[tokio::test]
async fn only_reads_are_tried_again() {
    // A server that takes connections and says nothing but goodbye.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = count.clone();
    let rude = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            // Reading first makes it a lost connection after the request was sent.
            tokio::io::AsyncReadExt::read(&mut socket, &mut [0; 1024])
                .await
                .unwrap();
        }
    });
    let client = GatewayClient::new(&GatewayConfig {
        address: Some(address),
        ..GatewayConfig::default()
    })
    .unwrap();
    assert!(matches!(
        client.create(&Map::new()).await,
        Err(GatewayError::Unreachable { .. })
    ));
    assert_eq!(
        count.swap(0, std::sync::atomic::Ordering::SeqCst),
        1,
        "a cluster may have been made"
    );
    assert!(matches!(
        client.version().await,
        Err(GatewayError::Unreachable { .. })
    ));
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 3);
    rude.abort();
    assert!(rude.await.is_err());
    let error = client.version().await.unwrap_err();
    assert!(
        error.is_passing()
            && error
                .to_string()
                .starts_with("No gateway answers at http://127.0.0.1:"),
        "{error}"
    );
}

#[tokio::test]
async fn a_proxy_of_the_configuration_is_used() {
    let proxy = MockServer::start().await;
    Mock::given(header("proxy-authorization", "Basic Ym9iOnNlc2FtZQ=="))
        .and(header("host", "gateway.invalid:8000"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"version": "1"})))
        .mount(&proxy)
        .await;
    let url = proxy.uri().replace("http://", "http://bob:sesame@");
    let config = |http_proxy| GatewayConfig {
        address: Some("http://gateway.invalid:8000".to_owned()),
        http_proxy,
        ..GatewayConfig::default()
    };
    let through = GatewayClient::new(&config(HttpProxy::Url(Secret::new(url)))).unwrap();
    assert_eq!(through.version().await.unwrap(), "1");
    let direct = GatewayClient::new(&config(HttpProxy::Off)).unwrap();
    assert!(matches!(
        direct.version().await,
        Err(GatewayError::Unreachable { .. })
    ));
}

#[test]
fn the_environments_proxy_is_not_for_this_machine() {
    for (address, proxy) in [
        ("http://127.0.0.1:8000", HttpProxy::Off),
        ("http://[::1]:8000/x", HttpProxy::Off),
        ("https://localhost", HttpProxy::Off),
        ("http://gateway", HttpProxy::Environment),
    ] {
        let config = GatewayConfig {
            address: Some(address.to_owned()),
            ..GatewayConfig::default()
        };
        assert_eq!(*config.proxy_on_the_way(), proxy, "{address}");
    }
}

#[test]
fn an_address_that_is_none_is_refused_at_once() {
    for (address, words) in [
        (None, "names no gateway"),
        (Some("gateway.example:8000"), "must be a URL"),
        (Some("ftp://gateway.example"), "must be a URL"),
        (Some("http://bob:sekret@gateway.example"), "gateway.auth.kwargs"),
        (Some("http://gateway.example?token=sekret"), "gateway.auth.kwargs"),
    ] {
        let address = address.map(str::to_owned);
        let error = GatewayClient::new(&GatewayConfig {
            address,
            ..GatewayConfig::default()
        })
        .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}").contains("sekret"), "{error:?}");
    }
}

#[tokio::test]
async fn https_is_spoken() {
    let config = GatewayConfig {
        address: Some("https://127.0.0.1:9/gateway".into()),
        ..GatewayConfig::default()
    };
    let error = GatewayClient::new(&config).unwrap().version().await.unwrap_err();
    assert!(matches!(error, GatewayError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn the_gateway_says_when_a_cluster_has_started() {
    let server = MockServer::start().await;
    let report =
        json!({"name": "c1", "status": "RUNNING", "start_time": 1, "stop_time": null, "options": {}});
    Mock::given(method("GET"))
        .and(path(format!("{ROOT}c1")))
        .and(query_param("wait", ""))
        .respond_with(ResponseTemplate::new(200).set_body_json(report))
        .expect(1)
        .mount(&server)
        .await;
    let started = client(&server).started("c1").await.unwrap();
    assert_eq!(started.status, ClusterStatus::Running);
}

#[tokio::test]
async fn an_end_is_waited_for_through_a_hiccup() {
    let server = MockServer::start().await;
    let report = |status: &str| {
        let report =
            json!({"name": "c1", "status": status, "start_time": 1, "stop_time": null, "options": {}});
        ResponseTemplate::new(200).set_body_json(report)
    };
    let answers = [report("RUNNING"), ResponseTemplate::new(503), report("STOPPED")];
    for answer in answers {
        Mock::given(method("GET"))
            .and(path(format!("{ROOT}c1")))
            .respond_with(answer)
            .up_to_n_times(1)
            .mount(&server)
            .await;
    }
    Mock::given(method("GET"))
        .and(path(format!("{ROOT}slow")))
        .respond_with(report("STOPPING"))
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .respond_with(ResponseTemplate::new(204))
        .expect(2)
        .mount(&server)
        .await;
    let client = client(&server);
    assert!(client.end("c1", Duration::from_secs(60)).await.unwrap());
    assert!(!client.end("slow", Duration::ZERO).await.unwrap());
}
