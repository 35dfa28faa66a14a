//! A real dask-gateway-server.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::python;
use dask_gateway::{
    AuthConfig, ClusterReport, ClusterStatus, GatewayClient, GatewayConfig, GatewayError, Secret,
};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(90);

/// A gateway with two options, a limit of one worker a cluster, and a password.
struct Server {
    child: Child,
    address: String,
    _temp: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let config = format!(
            r#"
import sys
from dask_gateway_server.options import Options, Select, Integer
c.Proxy.address = "127.0.0.1:{port}"
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.UnsafeLocalBackend.clusters_directory = {clusters:?}
c.UnsafeLocalBackend.sigint_timeout = 3
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "distributed.cli.dask_worker"]
c.ClusterConfig.cluster_max_workers = 1
c.SimpleAuthenticator.password = "sesame"
c.Backend.cluster_options = Options(
    Select("profile", ["Small", "Medium"], label="Profile"), Integer("priority", 1, min=0, max=10), handler=lambda options: {{}}
)
"#,
            clusters = temp.path().join("clusters"),
        );
        let path = temp.path().join("config.py");
        std::fs::write(&path, config).unwrap();
        let child = Command::new(python())
            .args(["-m", "dask_gateway_server", "-f"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            child,
            address: format!("http://127.0.0.1:{port}"),
            _temp: temp,
        }
    }

    fn client(&self, user: &str, password: &str) -> GatewayClient {
        let auth = AuthConfig::Basic {
            username: user.into(),
            password: Secret::new(password),
        };
        let address = Some(self.address.clone());
        GatewayClient::new(&GatewayConfig {
            address,
            auth,
            ..GatewayConfig::default()
        })
        .unwrap()
    }

    /// SIGTERM, upon which it stops its clusters too.
    async fn end(mut self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("the gateway ends")
            .unwrap();
    }
}

async fn reaches(client: &GatewayClient, name: &str, status: ClusterStatus) -> ClusterReport {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = client.get(name).await.unwrap();
        if report.status == status {
            return report;
        }
        assert!(
            Instant::now() < deadline,
            "{name} is {} and not {status}",
            report.status
        );
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_life_of_a_cluster() {
    let server = Server::start().await;
    let client = server.client("alice", "sesame");
    let deadline = Instant::now() + PATIENCE;
    // Until its proxy knows the API's route, a plain 404 comes.
    while client.health().await.is_err() {
        assert!(Instant::now() < deadline, "the gateway comes up");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(client.version().await.unwrap().starts_with("20"));
    let options = client.options().await.unwrap();
    assert_eq!(
        options[0].spec,
        json!({"type": "select", "options": ["Small", "Medium"]})
    );
    assert_eq!(
        (
            options[1].field.as_str(),
            options[1].label.as_str(),
            &options[1].default
        ),
        ("priority", "priority", &json!(1))
    );

    let choose = |value: Value| value.as_object().cloned().unwrap_or_default();
    for (wrong, field) in [
        (json!({"profile": "Huge"}), Some("profile")),
        (json!({"priority": 99}), Some("priority")),
        (json!({"nope": 1}), Some("nope")),
    ] {
        match client.create(&choose(wrong)).await.unwrap_err() {
            GatewayError::Invalid { field: named, .. } => assert_eq!(named.as_deref(), field),
            other => panic!("{other:?}"),
        }
    }

    let name = client
        .create(&choose(json!({"profile": "Medium"})))
        .await
        .unwrap();
    assert!(matches!(
        client.scale(&name, 1).await,
        Err(GatewayError::NotRunning { .. })
    ));
    let report = reaches(&client, &name, ClusterStatus::Running).await;
    assert_eq!(
        report.options,
        choose(json!({"profile": "Medium", "priority": 1}))
    );
    assert!(report.tls.unwrap().key_pem().contains("PRIVATE KEY"));
    assert_eq!(
        report.dashboard_route.unwrap(),
        format!("/clusters/{name}/status")
    );
    assert!(report.start_time.unwrap() > 1_600_000_000_000 && report.stop_time.is_none());
    assert_eq!(client.list(&[]).await.unwrap()[0].name, name);

    assert_eq!(client.scale(&name, 1).await.unwrap(), None);
    assert!(
        client
            .scale(&name, 9)
            .await
            .unwrap()
            .unwrap()
            .contains("limit of 1 workers")
    );
    assert_eq!(client.adapt(&name, Some(0), Some(1), true).await.unwrap(), None);
    assert_eq!(client.adapt(&name, None, None, false).await.unwrap(), None);

    let bob = server.client("bob", "sesame");
    assert!(matches!(
        bob.get(&name).await,
        Err(GatewayError::Forbidden { .. })
    ));
    assert_eq!(bob.list(&[]).await.unwrap(), []);
    assert!(matches!(
        server.client("alice", "wrong").list(&[]).await,
        Err(GatewayError::Unauthorized(_))
    ));
    assert!(matches!(
        client.get("doesnotexist").await,
        Err(GatewayError::NotFound { .. })
    ));

    client.delete(&name).await.unwrap();
    client.delete("doesnotexist").await.unwrap();
    let report = reaches(&client, &name, ClusterStatus::Stopped).await;
    assert!(report.tls.is_none() && report.stop_time.is_some());
    assert_eq!(client.list(&[ClusterStatus::Stopped]).await.unwrap().len(), 1);
    server.end().await;
    assert!(matches!(
        client.list(&[]).await,
        Err(GatewayError::Unreachable { .. })
    ));
}
