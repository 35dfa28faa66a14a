//! Every answer a gateway gives, from a server that gives it on purpose.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use dask_gateway::{
    AuthConfig, ClusterStatus, GatewayClient, GatewayConfig, GatewayError, HttpProxy, Secret,
};
use serde_json::{Map, Value, json};
use wiremock::matchers::{body_json, header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

fn client_with(server: &MockServer, auth: AuthConfig) -> GatewayClient {
    let address = Some(format!("{}/services/dask-gateway/", server.uri()));
    GatewayClient::new(&GatewayConfig {
        address,
        auth,
        ..GatewayConfig::default()
    })
    .unwrap()
}

fn client(server: &MockServer) -> GatewayClient {
    client_with(
        server,
        AuthConfig::Basic {
            username: "alice".into(),
            password: Secret::new("sesame-secret"),
        },
    )
}

fn hub(token: Option<&str>) -> AuthConfig {
    AuthConfig::JupyterHub {
        token: token.map(Secret::new),
    }
}

async fn answering(response: ResponseTemplate) -> (MockServer, GatewayClient) {
    let server = MockServer::start().await;
    Mock::given(|_: &Request| true)
        .respond_with(response)
        .mount(&server)
        .await;
    let client = client(&server);
    (server, client)
}

fn refusal(status: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"error": message}))
}

fn options(value: Value) -> Map<String, Value> {
    let Value::Object(options) = value else {
        panic!("a mapping")
    };
    options
}

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
async fn a_hub_token_has_its_own_scheme() {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "jupyterhub hub-token"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
        .mount(&server)
        .await;
    Mock::given(|_: &Request| true)
        .respond_with(refusal(401, "Authentication required"))
        .with_priority(9)
        .mount(&server)
        .await;
    client_with(&server, hub(Some("hub-token")))
        .list(&[])
        .await
        .unwrap();
    let error = client_with(&server, hub(Some("old-token")))
        .list(&[])
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::Unauthorized(_)));
    assert!(error.to_string().contains("JupyterHub token") && !format!("{error:?}").contains("old-token"));
    let error = client_with(&server, hub(None)).list(&[]).await.unwrap_err();
    assert!(error.to_string().contains("JUPYTERHUB_API_TOKEN"), "{error}");
    let kerberos = AuthConfig::Unsupported {
        kind: "kerberos".into(),
    };
    let error = client_with(&server, kerberos).list(&[]).await.unwrap_err();
    assert!(error.to_string().contains("from notebooks"), "{error}");
    let custom = AuthConfig::Unsupported {
        kind: "site.module.Auth".into(),
    };
    let error = client_with(&server, custom).list(&[]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("authentication site.module.Auth, Python code"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let (server, client) = answering(refusal(401, "Authentication required")).await;
    let error = client.create(&Map::new()).await.unwrap_err();
    assert!(matches!(&error, GatewayError::Unauthorized(said) if said.contains("the basic credentials")));
    assert!(error.to_string().contains("gateway.auth.kwargs"), "{error}");
    for text in [format!("{error:?}"), format!("{client:?}"), error.to_string()] {
        assert!(
            !text.contains("sesame-secret") && !text.contains("YWxpY2U6"),
            "{text}"
        );
    }
    assert_eq!(
        server.received_requests().await.unwrap().len(),
        2,
        "once without and once with credentials"
    );
}

/// An answer of the reference's table, or of what stands before a gateway; the error; all of its sentence but addresses.
type Row = (ResponseTemplate, fn(&GatewayError) -> bool, &'static str);

async fn check<const N: usize>(rows: [Row; N]) {
    for (response, expect, words) in rows {
        let (server, client) = answering(response).await;
        let error = client.get("a1").await.unwrap_err();
        let said = error
            .to_string()
            .replace(&format!("{}/services/dask-gateway", server.uri()), "GW");
        assert!(expect(&error), "{error:?}");
        assert_eq!(said, words);
    }
}

#[tokio::test]
async fn every_refusal_becomes_its_error() {
    check([
        (
            refusal(401, "Authentication required").insert_header("www-authenticate", "Basic"),
            |e| matches!(e, GatewayError::Unauthorized(_)),
            "The gateway at GW refuses the basic credentials of Dask's configuration. Check \
             gateway.auth.kwargs.username and .password.",
        ),
        (
            refusal(401, "Authentication required").insert_header("www-authenticate", "jupyterhub"),
            |e| matches!(e, GatewayError::Unauthorized(_)),
            "The gateway at GW wants jupyterhub authentication and Dask's configuration says basic: set \
             gateway.auth.type to jupyterhub.",
        ),
        (
            refusal(403, "User bob lacks permissions to view cluster a1"),
            |e| matches!(e, GatewayError::Forbidden { .. }),
            "User bob lacks permissions to view cluster a1. Only the user who made a cluster may see and change it.",
        ),
        (
            refusal(404, "Cluster a1 not found"),
            |e| matches!(e, GatewayError::NotFound { .. }),
            "Cluster a1 not found. It may have been shut down and forgotten: refresh the list.",
        ),
        (
            refusal(409, "cluster a1 is not running"),
            |e| matches!(e, GatewayError::NotRunning { .. }),
            "Cluster a1 is not running. Wait until it runs, or create another one.",
        ),
        (
            refusal(422, "'bogus' is not a valid ClusterStatus"),
            |e| matches!(e, GatewayError::Invalid { field: None, .. }),
            "The gateway refuses this: 'bogus' is not a valid ClusterStatus.",
        ),
        (
            refusal(422, "Scale expects a non-negative integer, got -1"),
            |e| matches!(e, GatewayError::Invalid { .. }),
            "The gateway refuses this: Scale expects a non-negative integer, got -1.",
        ),
        (
            ResponseTemplate::new(500)
                .set_body_string("500 Internal Server Error\n\nServer got itself in trouble"),
            |e| matches!(e, GatewayError::Upstream { status: 500, .. }) && !e.is_passing(),
            "The gateway at GW answers with an error (500): 500 Internal Server Error Server got itself in trouble. \
             Whoever runs the gateway finds more in its log.",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_hub_and_login_service_say_is_shown() {
    check([
        (
            refusal(500, "Permission failure verifying user's JupyterHub API token"),
            |e| matches!(e, GatewayError::Unauthorized(_)),
            "The gateway at GW does not let you in: \u{201c}Permission failure verifying user's JupyterHub API \
             token\u{201d}. JupyterHub does not know the token, or no longer: restart your server on the hub, or put a \
             new token into gateway.auth.kwargs.api_token.",
        ),
        (
            refusal(500, "Permission failure user does not have required dask_gateway roles"),
            |e| matches!(e, GatewayError::Unauthorized(_)),
            "The gateway at GW does not let you in: \u{201c}Permission failure user does not have required \
             dask_gateway roles\u{201d}. Ask whoever runs the site to give you what is missing, then log in again.",
        ),
        (
            refusal(502, "Upstream failure verifying user's JupyterHub API token"),
            |e| matches!(e, GatewayError::Upstream { status: 502, .. }) && e.is_passing(),
            "The gateway at GW answers with an error (502): Upstream failure verifying user's JupyterHub API token. \
             It, or what it asks, may be starting: try again in a moment.",
        ),
        (
            ResponseTemplate::new(503).set_body_string(
                "<html><head><title>JupyterHub</title></head><body><nav>Home</nav><h1>503 : Service Unavailable</h1>\
                 <p>Your server appears to be down.</p></body></html>",
            ),
            |e| matches!(e, GatewayError::Upstream { status: 503, .. }) && e.is_passing(),
            "The gateway at GW answers with an error (503): 503 : Service Unavailable Your server appears to be down. \
             It, or what it asks, may be starting: try again in a moment.",
        ),
        (
            ResponseTemplate::new(403).set_body_string(
                "<!DOCTYPE html><html><head><title>Log in to Nebari</title></head><body><h1 id=\"kc-page-title\">We are \
                 sorry&hellip;</h1><p class=\"instruction\">Invalid parameter: redirect_uri</p></body></html>",
            ),
            |e| matches!(e, GatewayError::Upstream { status: 403, .. }),
            "The gateway at GW answers with an error (403): We are sorry\u{2026} Invalid parameter: redirect_uri. \
             Something before the gateway refuses us: ask whoever runs the site, or check gateway.address.",
        ),
        (
            ResponseTemplate::new(429),
            |e| e.is_passing(),
            "The gateway at GW answers with an error (429): no reason is given. It asks for fewer requests: try again \
             in a minute.",
        ),
        (
            ResponseTemplate::new(404).set_body_string("404 page not found"),
            |e| matches!(e, GatewayError::BadAnswer { .. }),
            "What answers at GW does not speak like a Dask Gateway: it does not know the gateway's API (404). Check \
             gateway.address.",
        ),
        (
            ResponseTemplate::new(302)
                .insert_header("location", "https://sso.example/login?state=secret-state"),
            |e| matches!(e, GatewayError::BadAnswer { .. }),
            "What answers at GW does not speak like a Dask Gateway: it sends us to https://sso.example/login, perhaps \
             to a login page or to https. Check gateway.address.",
        ),
        (
            ResponseTemplate::new(200).set_body_string("<html><h1>Sign in</h1></html>"),
            |e| matches!(e, GatewayError::BadAnswer { .. }),
            "What answers at GW does not speak like a Dask Gateway: the answer is not JSON, and says \u{201c}Sign \
             in\u{201d}. Check gateway.address.",
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_refused_option_is_named() {
    for (message, field) in [
        ("'Huge' is not a valid option for profile", Some("profile")),
        ("Unknown fields ['nope']", Some("nope")),
        ("priority must be <= 10.000000, got 99", Some("priority")),
        (
            "Scheduler memory request of 2.00 GiB exceeds cluster memory limit of 1024.00 MiB",
            None,
        ),
    ] {
        let (_server, client) = answering(refusal(422, message)).await;
        let sent = options(json!({"profile": "Huge", "nope": 1, "priority": 99}));
        match client.create(&sent).await.unwrap_err() {
            GatewayError::Invalid {
                message: said,
                field: named,
            } => {
                assert_eq!((said.as_str(), named.as_deref()), (message, field));
            }
            other => panic!("{other:?}"),
        }
    }
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
