//! Every refusal a gateway and what stands before it give, as the sentence that its user reads.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{answering, client_with, options, refusal};
use dask_gateway::{AuthConfig, GatewayError, Secret};
use serde_json::{Map, json};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

fn hub(token: Option<&str>) -> AuthConfig {
    AuthConfig::JupyterHub {
        token: token.map(Secret::new),
    }
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
