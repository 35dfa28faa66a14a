//! What these tests share.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};

use dask_gateway::{AuthConfig, GatewayClient, GatewayConfig, Secret};
use serde_json::{Map, Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// The Python with dask-gateway and dask-gateway-server, which `npm test` sets up.
pub(crate) fn python() -> PathBuf {
    let python = std::env::var_os("GATEHOUSE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.is_file(),
        "these tests need a Python with dask-gateway-server[local]: make .venv with `npm start`, or set GATEHOUSE_PYTHON"
    );
    python
}

pub(crate) fn client_with(server: &MockServer, auth: AuthConfig) -> GatewayClient {
    let address = Some(format!("{}/services/dask-gateway/", server.uri()));
    GatewayClient::new(&GatewayConfig {
        address,
        auth,
        ..GatewayConfig::default()
    })
    .unwrap()
}

pub(crate) fn client(server: &MockServer) -> GatewayClient {
    client_with(
        server,
        AuthConfig::Basic {
            username: "alice".into(),
            password: Secret::new("sesame-secret"),
        },
    )
}

pub(crate) async fn answering(response: ResponseTemplate) -> (MockServer, GatewayClient) {
    let server = MockServer::start().await;
    Mock::given(|_: &Request| true)
        .respond_with(response)
        .mount(&server)
        .await;
    let client = client(&server);
    (server, client)
}

pub(crate) fn refusal(status: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"error": message}))
}

pub(crate) fn options(value: Value) -> Map<String, Value> {
    let Value::Object(options) = value else {
        panic!("a mapping")
    };
    options
}
