//! From what the user typed to a scheduler that answers, with a sentence for each way in which it may not.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use dask_comm::{Address, ClusterCert, CommError, Connection, Timeouts, TlsProblem};
use protocol::attached::Attach;

use super::AttachError;
use super::index::Files;
use crate::live::Target;

/// For the connection, and for each of the first answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a certificate's file; a chain of certificates has a few thousand.
const FILE_LIMIT: u64 = 1 << 20;

/// Where a person finds the right address.
const WHERE: &str = "In a notebook, client.scheduler.address tells it.";

fn invalid(field: &'static str, message: impl Into<String>) -> AttachError {
    AttachError::Invalid {
        field,
        message: message.into(),
    }
}

/// Reads the address; one without a scheme is `tcp://`, as in Dask.
pub(super) fn address(typed: &str) -> Result<Address, AttachError> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(invalid(
            "address",
            format!("Type the scheduler\u{2019}s address, such as tcp://127.0.0.1:8786. {WHERE}"),
        ));
    }
    let text = if typed.contains("://") {
        typed.to_owned()
    } else {
        format!("tcp://{typed}")
    };
    let refusal = match text.split_once("://").map_or("", |(scheme, _)| scheme) {
        "gateway" => {
            "A gateway\u{2019}s clusters are in the list by themselves; only a scheduler at tcp:// or tls:// can be attached."
        }
        "http" | "https" => {
            "That is the address of a dashboard. The scheduler\u{2019}s own begins with tcp:// or tls:// and has another port."
        }
        "inproc" => {
            "A scheduler at inproc:// lives inside the process that made it and can\u{2019}t be reached from outside. Make the \
             LocalCluster with processes=True, or with protocol=\"tcp://\"."
        }
        "ws" | "wss" | "ucx" | "ucxx" => {
            "Only tcp:// and tls:// are spoken here. Start the scheduler with one of these protocols to attach to it."
        }
        _ => "",
    };
    if !refusal.is_empty() {
        return Err(invalid("address", refusal));
    }
    text.parse().map_err(|error: CommError| match error {
        CommError::Address { reason, .. } => invalid(
            "address",
            format!(
                "{typed} is not a scheduler\u{2019}s address: {reason}. Write it as tcp://host:port. {WHERE}"
            ),
        ),
        other => invalid("address", format!("{other}.")),
    })
}

/// The files of a request, as absolute paths; none for an address without TLS.
pub(super) fn files(address: &Address, request: &Attach) -> Result<Option<Files>, AttachError> {
    let typed = |path: &Option<String>| {
        let path = path.as_deref().map(str::trim).unwrap_or_default().to_owned();
        (!path.is_empty()).then_some(path)
    };
    let (ca, cert, key) = (
        typed(&request.ca_file),
        typed(&request.cert_file),
        typed(&request.key_file),
    );
    if !matches!(address, Address::Tls { .. }) {
        return match (&ca, &cert, &key) {
            (None, None, None) => Ok(None),
            _ => Err(invalid(
                "address",
                "Certificates are for tls:// addresses: begin the address with tls://, or leave the files empty.",
            )),
        };
    }
    let ca = ca.ok_or_else(|| {
        invalid(
            "ca_file",
            "A tls:// scheduler needs the path of its authority\u{2019}s certificate (distributed.comm.tls.ca-file).",
        )
    })?;
    let cert = cert.ok_or_else(|| {
        invalid(
            "cert_file",
            "A tls:// scheduler lets only those in who have a certificate: give its path \
             (distributed.comm.tls.client.cert).",
        )
    })?;
    let key = match key {
        Some(key) => absolute("key_file", &key)?,
        None => absolute("cert_file", &cert)?,
    };
    Ok(Some(Files {
        ca: absolute("ca_file", &ca)?,
        cert: absolute("cert_file", &cert)?,
        key,
    }))
}

/// `~` is the user's home folder; what is relative is relative to nothing that the user sees.
fn absolute(field: &'static str, typed: &str) -> Result<String, AttachError> {
    let home = typed.strip_prefix("~/").zip(std::env::home_dir());
    let path = home.map_or_else(|| PathBuf::from(typed), |(rest, home)| home.join(rest));
    if !path.is_absolute() {
        return Err(invalid(
            field,
            format!("{typed} is not a whole path: begin it with / or with ~/."),
        ));
    }
    Ok(path.to_string_lossy().into_owned())
}

/// How the scheduler is reached; reads the certificate's files.
pub(super) async fn target(address: Address, files: Option<&Files>) -> Result<Target, AttachError> {
    let Some(files) = files else {
        return Ok(Target::direct(address));
    };
    let ca = read("ca_file", &files.ca).await?;
    let cert = read("cert_file", &files.cert).await?;
    let key = read("key_file", &files.key).await?;
    let cert = ClusterCert::with_authority(&ca, &cert, &key).map_err(|error| match error {
        CommError::Certificate { reason } => {
            let field = match reason.as_str() {
                authority if authority.starts_with("the authority") => "ca_file",
                key if key.starts_with("the key") => "key_file",
                _ => "cert_file",
            };
            invalid(field, format!("The certificate can\u{2019}t be used: {reason}."))
        }
        other => invalid("cert_file", format!("{other}.")),
    })?;
    Ok(Target::secure(address, cert))
}

async fn read(field: &'static str, path: &str) -> Result<Vec<u8>, AttachError> {
    let wrong = |why: String| {
        invalid(
            field,
            format!("{path} can\u{2019}t be read on the machine of Gatehouse: {why}."),
        )
    };
    let found = tokio::fs::metadata(path)
        .await
        .map_err(|error| wrong(in_words(&error)))?;
    if !found.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    if found.len() > FILE_LIMIT {
        return Err(wrong("it is too large for a certificate".to_owned()));
    }
    tokio::fs::read(path)
        .await
        .map_err(|error| wrong(in_words(&error)))
}

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "its permissions do not allow it".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether a scheduler that we can speak to answers there.
pub(super) async fn probe(address: &Address, target: &Target) -> Result<(), AttachError> {
    let timeouts = Timeouts {
        connect: PATIENCE,
        reply: PATIENCE,
    };
    let asked = async {
        let mut connection = Connection::connect(address, target.certificate(), timeouts).await?;
        let identity = connection.identity().await?;
        // A version that is not told is one that we can't watch.
        if identity.kind == "Scheduler" {
            connection.versions().await?;
        }
        connection.close().await;
        Ok(identity.kind)
    };
    match asked.await {
        Ok(kind) if kind == "Scheduler" => Ok(()),
        Ok(kind) => Err(invalid(
            "address",
            format!(
                "At {address} a {} answers, not a scheduler. {WHERE}",
                if kind.is_empty() { "program" } else { kind.as_str() }.to_lowercase()
            ),
        )),
        Err(error) => Err(explain(address, &error)),
    }
}

fn explain(address: &Address, error: &CommError) -> AttachError {
    let tls = matches!(address, Address::Tls { .. });
    let (field, words) = match error {
        CommError::Unreachable { source, .. } => (
            "address",
            match source.kind() {
                ErrorKind::ConnectionRefused => format!(
                    "Nothing listens at {address}. Check the port and that the scheduler still runs. {WHERE}"
                ),
                ErrorKind::TimedOut => format!(
                    "{address} does not answer within {} s. Check the host, and that no firewall stands between.",
                    PATIENCE.as_secs()
                ),
                _ => format!("{address} can\u{2019}t be reached: {source}. Check the host\u{2019}s name."),
            },
        ),
        CommError::Tls {
            problem: TlsProblem::TheirCertificate,
            reason,
            ..
        } => (
            "ca_file",
            if reason.contains("Expired") {
                "The scheduler\u{2019}s certificate has expired. Its cluster needs a new one.".to_owned()
            } else {
                "The scheduler\u{2019}s certificate is not one that this authority vouches for. Choose the authority of its \
                 cluster."
                    .to_owned()
            },
        ),
        CommError::Tls {
            problem: TlsProblem::OurCertificate,
            ..
        } => (
            "cert_file",
            "The scheduler does not accept this certificate. Choose one that its own authority vouches for."
                .to_owned(),
        ),
        CommError::Tls {
            problem: TlsProblem::NoTls,
            ..
        } => (
            "address",
            format!(
                "What answers at {address} does not speak TLS. If it is a scheduler without it, begin with tcp://."
            ),
        ),
        CommError::Closed { .. } if tls => (
            "cert_file",
            format!("{address} hung up: it may not accept this certificate, or not be a scheduler."),
        ),
        CommError::Closed { .. } => (
            "address",
            format!(
                "{address} hung up. If the scheduler uses TLS, begin with tls://; if this is its dashboard\u{2019}s port, \
                 take the scheduler\u{2019}s own. {WHERE}"
            ),
        ),
        CommError::Handshake { .. } | CommError::Timeout { .. } => (
            "address",
            format!(
                "Something listens at {address}, but it does not answer as a scheduler. The dashboard has another port \
                 (often 8787) than the scheduler (often 8786). {WHERE}"
            ),
        ),
        other => ("address", format!("{address} can\u{2019}t be watched: {other}.")),
    };
    invalid(field, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: std::fmt::Debug>(result: Result<T, AttachError>) -> (&'static str, String) {
        match result {
            Err(AttachError::Invalid { field, message }) => (field, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_is_read_as_dask_reads_it() {
        for (typed, read) in [
            (" tcp://127.0.0.1:8786 ", "tcp://127.0.0.1:8786"),
            ("node-1:8786", "tcp://node-1:8786"),
            ("tls://[::1]:1", "tls://[::1]:1"),
        ] {
            assert_eq!(address(typed).unwrap().to_string(), read);
        }
        for (typed, words) in [
            ("", "such as tcp://"),
            ("tcp://host", "port is missing"),
            ("host", "port is missing"),
            ("http://localhost:8787/status", "dashboard"),
            ("inproc://10.0.0.1/1/1", "processes=True"),
            ("gateway://h:1/a", "by themselves"),
            ("ucx://h:1", "tcp:// and tls://"),
            ("ftp://h:1", "scheme is not known"),
        ] {
            let (field, message) = refused(address(typed));
            assert_eq!(field, "address");
            assert!(message.contains(words), "{typed}: {message}");
        }
    }

    #[test]
    fn certificates_belong_to_tls() {
        let (tcp, tls) = (address("tcp://h:1").unwrap(), address("tls://h:1").unwrap());
        let typed = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let given = |ca: &str, cert: &str, key: &str| Attach {
            ca_file: typed(ca),
            cert_file: typed(cert),
            key_file: typed(key),
            ..Attach::default()
        };
        assert_eq!(files(&tcp, &given("", " ", "")).unwrap(), None);
        assert_eq!(refused(files(&tcp, &given("/ca", "", ""))).0, "address");
        assert_eq!(refused(files(&tls, &given("", "/c", "/k"))).0, "ca_file");
        assert_eq!(refused(files(&tls, &given("/ca", "", "/k"))).0, "cert_file");
        let (field, message) = refused(files(&tls, &given("/ca", "c.pem", "/k")));
        assert_eq!(field, "cert_file");
        assert!(message.contains("whole path"), "{message}");
        let whole = files(&tls, &given("/ca", "/c", "")).unwrap().unwrap();
        assert_eq!((whole.cert.as_str(), whole.key.as_str()), ("/c", "/c"));
    }

    #[tokio::test]
    async fn a_file_that_is_wrong_is_named_and_not_shown() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name).to_string_lossy().into_owned();
        std::fs::write(path("text"), "secret words").unwrap();
        std::fs::write(path("large"), vec![b'x'; FILE_LIMIT as usize + 1]).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        for (ca, words) in [
            ("nowhere", "no such file"),
            ("folder", "not a file"),
            ("large", "too large"),
            ("text", "no certificate"),
        ] {
            let files = Files {
                ca: path(ca),
                cert: path("text"),
                key: path("text"),
            };
            let (field, message) = refused(target(address("tls://h:1").unwrap(), Some(&files)).await);
            assert_eq!(field, "ca_file", "{message}");
            assert!(
                message.contains(words) && !message.contains("secret words"),
                "{message}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_scheduler_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let web = tokio::spawn(async move {
            let page = axum::Router::new();
            axum::serve(listener, page).await
        });
        let ask = async |address: Address| probe(&address, &Target::direct(address.clone())).await;
        let (field, message) = refused(ask(address(&there.to_string()).unwrap()).await);
        assert_eq!(field, "address");
        assert!(message.contains("dashboard"), "{message}");
        web.abort();
        web.await.ok();
        let (_, message) = refused(ask(address(&there.to_string()).unwrap()).await);
        assert!(message.contains("Nothing listens"), "{message}");
        let (_, message) = refused(ask(address("nowhere.invalid:8786").unwrap()).await);
        assert!(message.contains("Check the host"), "{message}");
    }
}
