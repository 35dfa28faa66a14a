//! Schedulers that are attached by their address: real ones, plain and with TLS, watched, kept over a restart, let go.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Server, python};
use serde_json::{Value, json};

/// A `LocalCluster` that tells where it is, does a little work, and ends with its standard input. With a folder, it uses
/// TLS and writes an authority and a certificate there, and those of another site.
const CLUSTER: &str = r#"
import datetime, json, sys
from pathlib import Path

def certificates(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID
    now = datetime.datetime.now(datetime.timezone.utc)
    def make(name, issuer):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by, with_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
        cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .sign(with_key, hashes.SHA256()))
        (folder / f"{name}.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return cert, key
    for site in ("ca", "other-ca"):
        make(site.replace("ca", "node"), make(site, None))

def main():
    from distributed import Client, LocalCluster
    from distributed.security import Security
    security = None
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        certificates(folder)
        files = {f"tls_{who}_{part}": str(folder / f"node.{end}") for who in ("scheduler", "worker", "client")
                 for part, end in (("cert", "pem"), ("key", "key"))}
        security = Security(tls_ca_file=str(folder / "ca.pem"), require_encryption=True, **files)
    protocol = "tls" if security else "tcp"
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0", security=security,
                      protocol=protocol) as cluster, Client(cluster) as client:
        futures = client.map(abs, range(8))
        client.gather(futures)
        print(json.dumps({"address": cluster.scheduler_address, "client": client.id}), flush=True)
        sys.stdin.read()

if __name__ == "__main__":
    main()
"#;

struct Notebook {
    child: Child,
    address: String,
    client: String,
}

impl Notebook {
    fn start(folder: &Path, tls: Option<&Path>) -> Self {
        let script = folder.join("notebook.py");
        std::fs::write(&script, CLUSTER).expect("a script");
        let mut child = Command::new(python())
            .arg(&script)
            .args(tls)
            .current_dir(folder)
            .env("HOME", folder)
            .env("DASK_CONFIG", folder.join("no-dask"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        let text = |name: &str| ready[name].as_str().expect("a text").to_owned();
        Self {
            address: text("address"),
            client: text("client"),
            child,
        }
    }
}

impl Drop for Notebook {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

async fn attach(server: &Server, body: Value) -> (u16, Value) {
    let answer = server
        .request("POST", "api/v1/attached")
        .json(&body)
        .send()
        .await
        .expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("json"))
}

/// Waits until the first of the list is live with a worker.
async fn live(server: &Server) -> Value {
    server
        .wait("api/v1/attached", "a live scheduler", |list| {
            let first = &list[0];
            (first["live"] == "live" && first["summary"]["workers"] == 1).then(|| first.clone())
        })
        .await
}

#[tokio::test]
async fn a_local_cluster_is_watched_kept_and_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let notebook = Notebook::start(folder.path(), None);
    let server = Server::start();

    let (status, made) = attach(
        &server,
        json!({ "address": notebook.address, "label": "Notebook" }),
    )
    .await;
    assert_eq!(status, 201, "{made}");
    let name = made["name"].as_str().expect("a name").to_owned();
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        (made["label"].as_str(), name.strip_prefix("attached:")),
        (Some("Notebook"), Some(id.as_str()))
    );
    live(&server).await;

    let (status, again) = attach(&server, json!({ "address": notebook.address })).await;
    assert_eq!(status, 409, "{again}");

    let view = server.json(&format!("api/v1/clusters/{name}/clients")).await;
    assert_eq!(view["connection_method"], "Direct");
    assert_eq!(view["cluster_type"], Value::Null);
    assert_eq!(
        view["clients"].as_array().map(Vec::len),
        Some(1),
        "ours is none: {view}"
    );
    assert_eq!(view["clients"][0]["id"], notebook.client.as_str());
    assert_eq!(view["clients"][0]["results"], 8);
    assert!(
        view["clients"][0]["connected_at"].as_i64() > Some(1_600_000_000_000),
        "{view}"
    );
    assert!(
        view["dashboard"]
            .as_str()
            .is_some_and(|url| url.ends_with("/status")),
        "{view}"
    );

    let table = server.json(&format!("api/v1/clusters/{name}/versions")).await;
    assert_eq!(table["columns"].as_array().map(Vec::len), Some(2), "{table}");
    let rows = table["rows"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["agreement"] == "same"), "{table}");

    let logs = server.json(&format!("api/v1/clusters/{name}/logs")).await;
    assert!(
        logs["entries"]
            .as_array()
            .is_some_and(|entries| !entries.is_empty()),
        "{logs}"
    );
    // Nothing of it can be changed.
    let stop = server
        .request("DELETE", &format!("api/v1/clusters/{name}"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(stop.status(), 404);

    let server = server.restarted();
    let kept = live(&server).await;
    assert_eq!(
        (kept["id"].as_str(), kept["label"].as_str()),
        (Some(id.as_str()), Some("Notebook"))
    );

    let path = format!("api/v1/attached/{id}");
    let gone = server.request("DELETE", &path).send().await.expect("an answer");
    assert_eq!(gone.status(), 204);
    assert_eq!(server.json("api/v1/attached").await, json!([]));
    let gone = server.request("DELETE", &path).send().await.expect("an answer");
    assert_eq!(gone.status(), 404);
    // It goes on, is recorded, and can be attached again.
    server
        .wait("api/v1/recordings", "its recording at rest", |list| {
            let recording = &list[0];
            (recording["state"] == "ready" && recording["label"] == "Notebook").then_some(())
        })
        .await;
    let (status, made) = attach(&server, json!({ "address": notebook.address })).await;
    assert_eq!(status, 201, "{made}");
    live(&server).await;

    drop(notebook);
    server
        .wait("api/v1/attached", "the end of its scheduler", |list| {
            let message = list[0]["message"].as_str().unwrap_or_default();
            (list[0]["live"] == "lost" && message.contains("Trying again")).then_some(())
        })
        .await;
}

#[tokio::test]
async fn tls_takes_the_right_files_and_says_which_are_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let notebook = Notebook::start(folder.path(), Some(folder.path()));
    assert!(notebook.address.starts_with("tls://"), "{}", notebook.address);
    let server = Server::start();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let with = |ca: &str, cert: &str, key: &str| {
        json!({
            "address": notebook.address,
            "ca_file": path(ca),
            "cert_file": path(cert),
            "key_file": path(key),
        })
    };
    let plain = notebook.address.replace("tls://", "tcp://");
    for (body, field, words) in [
        (json!({ "address": notebook.address }), "ca_file", "authority"),
        (
            with("nowhere.pem", "node.pem", "node.key"),
            "ca_file",
            "no such file",
        ),
        (
            with("other-ca.pem", "node.pem", "node.key"),
            "ca_file",
            "vouches for",
        ),
        (
            with("ca.pem", "other-node.pem", "other-node.key"),
            "cert_file",
            "does not accept",
        ),
        (
            with("ca.pem", "node.pem", "other-node.key"),
            "key_file",
            "does not belong",
        ),
        (json!({ "address": plain }), "address", "begin with tls://"),
        (
            json!({ "address": "tcp://127.0.0.1:1" }),
            "address",
            "Nothing listens",
        ),
        (json!({ "address": "" }), "address", "Type the scheduler"),
        (json!({ "address": server.url }), "address", "dashboard"),
    ] {
        let (status, answer) = attach(&server, body.clone()).await;
        assert_eq!(
            (status, answer["field"].as_str()),
            (422, Some(field)),
            "{body}: {answer}"
        );
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{body}: {message}");
    }
    assert_eq!(server.json("api/v1/attached").await, json!([]));
    let (status, made) = attach(&server, with("ca.pem", "node.pem", "node.key")).await;
    assert_eq!(status, 201, "{made}");
    live(&server).await;
}

#[tokio::test]
async fn without_the_feed_clients_are_named_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let notebook = Notebook::start(folder.path(), None);
    let server = Server::start_with(&["--scheduler-feed", "off"]);
    let (status, made) = attach(&server, json!({ "address": notebook.address })).await;
    assert_eq!(status, 201, "{made}");
    let name = made["name"].as_str().expect("a name");
    let view = server.json(&format!("api/v1/clusters/{name}/clients")).await;
    assert_eq!(view["clients"].as_array().map(Vec::len), Some(1), "{view}");
    let client = &view["clients"][0];
    assert_eq!(client["id"], notebook.client.as_str());
    assert!(
        client["connected_at"].is_i64() && client["python"].is_null(),
        "{client}"
    );
    let limited = view["limited"].as_str().unwrap_or_default();
    assert!(limited.contains("--scheduler-feed off"), "{view}");
}
