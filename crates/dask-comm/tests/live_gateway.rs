//! Against a real Dask Gateway: through its proxy by the cluster's name, with the cluster's own certificate.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use common::{Process, run_script};
use dask_comm::{Address, ClusterCert, CommError, Connection, TaskStreamCursor, Timeouts};
use serde_json::{Value, json};

/// `tester:sesame`
const AUTHORIZATION: &str = "Basic dGVzdGVyOnNlc2FtZQ==";

const CONFIG: &str = r#"
import sys
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = "127.0.0.1:0"
c.Proxy.address = "127.0.0.1:PORT"
c.SimpleAuthenticator.password = "sesame"
c.UnsafeLocalBackend.clusters_directory = "DIR/clusters"
c.UnsafeLocalBackend.cluster_status_period = 2
c.UnsafeLocalBackend.worker_status_period = 2
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "distributed.cli.dask_worker"]
"#;

/// Ends its clusters when it ends.
struct Gateway {
    server: Process,
    port: u16,
    dir: tempfile::TempDir,
}

impl Gateway {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.local_addr().expect("an address").port()
        };
        let config: PathBuf = dir.path().join("config.py");
        let folder = dir.path().to_str().expect("UTF-8");
        let text = CONFIG.replace("PORT", &port.to_string()).replace("DIR", folder);
        std::fs::write(&config, text).expect("writes");
        let args = ["-m", "dask_gateway_server", "-f", config.to_str().expect("UTF-8")];
        let mut server = Process::start(&common::python(), dir.path(), "gateway", &[], &args);
        server.wait_for("the gateway's health", || {
            let (status, _) = request(port, "GET", "/api/health", None)?;
            (status == 200).then_some(())
        });
        Self { server, port, dir }
    }

    fn new_cluster(&mut self) -> (String, Value) {
        let (status, created) =
            request(self.port, "POST", "/api/v1/clusters/", Some(json!({}))).expect("an answer");
        assert_eq!(status, 201, "{created}");
        let name = created["name"].as_str().expect("a name").to_owned();
        let path = format!("/api/v1/clusters/{name}");
        let report = self.server.wait_for("the cluster runs", || {
            let (_, report) = request(self.port, "GET", &path, None)?;
            assert_ne!(report["status"], "FAILED", "the cluster failed");
            (report["status"] == "RUNNING").then_some(report)
        });
        (name, report)
    }

    fn address(&self, cluster: &str) -> Address {
        Address::Gateway {
            host: "127.0.0.1".into(),
            port: self.port,
            cluster: cluster.into(),
        }
    }
}

/// None while nobody answers.
fn request(port: u16, method: &str, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: {AUTHORIZATION}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

fn pem<'a>(report: &'a Value, field: &str) -> &'a str {
    report[field].as_str().expect("a running cluster's report has it")
}

#[tokio::test]
async fn through_the_gateway_to_the_cluster_that_is_named() {
    let mut gateway = Gateway::start();
    let (name, report) = gateway.new_cluster();
    let cert =
        ClusterCert::from_pem(pem(&report, "tls_cert"), pem(&report, "tls_key")).expect("a certificate");
    assert_eq!(format!("{cert:?}"), "ClusterCert(..)");

    let address = gateway.address(&name);
    let mut connection = Connection::connect(&address, Some(&cert), Timeouts::default())
        .await
        .expect("connects");
    let versions = connection.versions().await.expect("versions");
    TaskStreamCursor::new(versions.distributed)
        .arm(&mut connection)
        .await
        .expect("arms");
    let identity = connection.identity().await.expect("identity");
    assert!(identity.address.starts_with("tls://"), "{}", identity.address);
    assert!(identity.dashboard_port.is_some() && identity.workers.is_empty());

    // The same scheduler without the gateway's proxy in between.
    let direct: Address = identity.address.parse().expect("an address");
    let mut directly = Connection::connect(&direct, Some(&cert), Timeouts::default())
        .await
        .expect("connects");
    assert_eq!(directly.identity().await.expect("identity").id, identity.id);

    // A name that the gateway does not know.
    let error = Connection::connect(&gateway.address("nobody"), Some(&cert), Timeouts::default())
        .await
        .expect_err("no such cluster");
    assert!(
        matches!(&error, CommError::UnknownCluster { cluster, .. } if cluster == "nobody"),
        "{error}"
    );
    assert!(
        error.to_string().contains("no running cluster named `nobody`"),
        "{error}"
    );

    // A certificate that is not this cluster's, though its names are the same.
    let script = "import json\nfrom dask_gateway_server.tls import new_keypair\n\
                  print(json.dumps([pem.decode() for pem in new_keypair('NAME')]))";
    let pair = run_script(
        &common::python(),
        gateway.dir.path(),
        &script.replace("NAME", &name),
        &[],
    );
    let pair: [String; 2] = serde_json::from_str(&pair).expect("two texts");
    let stranger = ClusterCert::from_pem(&pair[0], &pair[1]).expect("a certificate");
    let error = Connection::connect(&address, Some(&stranger), Timeouts::default())
        .await
        .expect_err("not trusted");
    assert!(matches!(error, CommError::Tls { .. }), "{error}");
    assert!(
        error.to_string().contains("not the one that the gateway reports"),
        "{error}"
    );

    let error = Connection::connect(&address, None, Timeouts::default())
        .await
        .expect_err("no certificate");
    assert!(matches!(error, CommError::CertificateNeeded { .. }), "{error}");

    // Shut down under us: closed, not busy.
    let (status, _) =
        request(gateway.port, "DELETE", &format!("/api/v1/clusters/{name}"), None).expect("an answer");
    assert_eq!(status, 204);
    let error = loop {
        match connection.identity().await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CommError::Closed { .. }), "{error}");
}
