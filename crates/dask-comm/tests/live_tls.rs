//! A scheduler with TLS and an authority of its own, as `dask scheduler --tls-ca-file …` starts it.

mod common;

use common::{Process, python, run_script};
use dask_comm::{Address, ClusterCert, CommError, Connection, Timeouts};

/// Two authorities, a certificate of each for `scheduler.example`, and one self-signed certificate that is everything.
const MAKE: &str = r#"
import datetime, sys
from pathlib import Path
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

def key():
    return ec.generate_private_key(ec.SECP256R1())

def write(name, cert, key):
    Path(name + ".pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    Path(name + ".key").write_bytes(key.private_bytes(serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

def make(name, issuer, authority):
    own = key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, own)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).public_key(own.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True))
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("scheduler.example")]), False)
    cert = builder.sign(issuer_key, hashes.SHA256())
    write(name, cert, own)
    return cert, own

for name in ("ours", "other"):
    make(name + "-node", make(name, None, True), False)
make("all-in-one", None, True)
"#;

struct Site {
    dir: tempfile::TempDir,
    scheduler: Process,
    address: Address,
}

impl Site {
    /// A scheduler that shows the certificate `name` and admits who `authority` vouches for.
    fn start(name: &str, authority: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        run_script(&python(), dir.path(), MAKE, &[]);
        let file = dir.path().join("scheduler.json");
        let (cert, key, ca) = (
            format!("{name}.pem"),
            format!("{name}.key"),
            format!("{authority}.pem"),
        );
        let mut scheduler = Process::start(
            &python(),
            dir.path(),
            "scheduler",
            &[],
            &[
                "-m",
                "distributed.cli.dask_scheduler",
                "--protocol",
                "tls",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--no-dashboard",
                "--tls-ca-file",
                &ca,
                "--tls-cert",
                &cert,
                "--tls-key",
                &key,
                "--scheduler-file",
                "scheduler.json",
            ],
        );
        let address = scheduler.wait_for("the scheduler's file", || {
            let text = std::fs::read_to_string(&file).ok()?;
            let json: serde_json::Value = serde_json::from_str(&text).ok()?;
            json["address"].as_str()?.parse().ok()
        });
        Self {
            dir,
            scheduler,
            address,
        }
    }

    fn cert(&self, authority: &str, name: &str) -> ClusterCert {
        let read = |file: String| std::fs::read(self.dir.path().join(file)).expect("a file");
        let (ca, cert, key) = (
            read(format!("{authority}.pem")),
            read(format!("{name}.pem")),
            read(format!("{name}.key")),
        );
        ClusterCert::with_authority(&ca, &cert, &key).expect("a certificate")
    }

    async fn connect(&self, cert: &ClusterCert) -> Result<String, CommError> {
        let mut connection = Connection::connect(&self.address, Some(cert), Timeouts::default()).await?;
        Ok(connection.identity().await?.kind)
    }
}

#[tokio::test]
async fn an_authority_of_the_sites_own_is_enough() {
    let mut site = Site::start("ours-node", "ours");
    assert!(matches!(site.address, Address::Tls { .. }), "{}", site.address);
    let good = site.cert("ours", "ours-node");
    assert_eq!(site.connect(&good).await.expect("connects"), "Scheduler");

    let error = site
        .connect(&site.cert("other", "ours-node"))
        .await
        .expect_err("another authority");
    assert!(error.to_string().contains("authority vouches for"), "{error}");
    let error = site
        .connect(&site.cert("ours", "other-node"))
        .await
        .expect_err("another's certificate");
    assert!(error.to_string().contains("refuses our certificate"), "{error}");

    let (host, port) = site.address.host_port();
    let plain: Address = format!("tcp://{host}:{port}").parse().expect("an address");
    let error = Connection::connect(&plain, None, Timeouts::default())
        .await
        .expect_err("no TLS");
    assert!(matches!(error, CommError::Closed { .. }), "{error}");
    site.scheduler.end();
    let error = site.connect(&good).await.expect_err("gone");
    assert!(matches!(error, CommError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn one_self_signed_certificate_for_everything_is_trusted() {
    let site = Site::start("all-in-one", "all-in-one");
    let cert = site.cert("all-in-one", "all-in-one");
    assert_eq!(site.connect(&cert).await.expect("connects"), "Scheduler");
}

#[tokio::test]
async fn files_that_do_not_fit_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    run_script(&python(), dir.path(), MAKE, &[]);
    let read = |file: &str| std::fs::read(dir.path().join(file)).expect("a file");
    let (ca, cert, key) = (read("ours.pem"), read("ours-node.pem"), read("ours-node.key"));
    let other = read("other-node.key");
    for (ca, cert, key, words) in [
        (&key, &cert, &key, "authority's file holds no certificate"),
        (&ca, &key, &key, "certificate's file holds no certificate"),
        (&ca, &cert, &cert, "key's file holds no private key"),
        (&ca, &cert, &other, "does not belong"),
    ] {
        let error = ClusterCert::with_authority(ca, cert, key)
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("BEGIN"), "{error}");
    }
}
