//! A connection to a scheduler: handshake, then strictly one request and its answer at a time.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use rmpv::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::frame::{self, FrameError, Limits};
use crate::tls::{ClusterCert, server_name};
use crate::value::{self, get, get_str, map};
use crate::{Address, CommError, TlsProblem};

/// How long to wait before giving up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For TCP, TLS and Dask's handshake together.
    pub connect: Duration,
    /// For one call's answer. A scheduler that takes in a large graph answers nothing for many seconds, so this is
    /// the point where it counts as stuck; "busy" is the caller's to notice much earlier.
    pub reply: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            reply: Duration::from_secs(300),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection on which operations of a scheduler are called, one at a time.
///
/// It registers nothing with the scheduler: no client appears in its lists. Dropping it closes it.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    address: Address,
    reply_within: Duration,
    limits: Limits,
    /// Set while an answer is due; if a call ends without clearing it, no later call can trust what arrives.
    answer_due: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.address)
    }
}

impl Connection {
    /// Connects and shakes hands. A `tls://` or `gateway://` address needs the cluster's certificate, as a Dask
    /// Gateway makes it.
    ///
    /// # Errors
    /// [`CommError::Unreachable`], [`CommError::UnknownCluster`], [`CommError::Tls`], [`CommError::Handshake`],
    /// [`CommError::Timeout`] where something listens but the scheduler does not get to its handshake, and
    /// [`CommError::CertificateNeeded`].
    pub async fn connect(
        address: &Address,
        cert: Option<&ClusterCert>,
        timeouts: Timeouts,
    ) -> Result<Self, CommError> {
        let deadline = Instant::now() + timeouts.connect;
        let (host, port) = address.host_port();
        let unreachable = |source| CommError::Unreachable {
            address: address.to_string(),
            source,
        };
        let tcp = timeout_at(deadline, TcpStream::connect((host, port)))
            .await
            .unwrap_or_else(|_elapsed| Err(ErrorKind::TimedOut.into()))
            .map_err(unreachable)?;
        tune(&tcp).map_err(unreachable)?;

        let late = |_elapsed| CommError::Timeout {
            op: "connect".into(),
            after: timeouts.connect,
        };
        let stream: Box<dyn Stream> = if address.is_tls() {
            let cert = cert.ok_or_else(|| CommError::CertificateNeeded {
                address: address.to_string(),
            })?;
            let connecting = TlsConnector::from(cert.config()).connect(server_name(address)?, tcp);
            let tls = timeout_at(deadline, connecting).await.map_err(late)?;
            Box::new(tls.map_err(|error| tls_error(address, error))?)
        } else {
            Box::new(tcp)
        };
        let mut connection = Self {
            stream: BufReader::with_capacity(64 << 10, stream),
            address: address.clone(),
            reply_within: timeouts.reply,
            limits: Limits::default(),
            answer_due: false,
        };
        timeout_at(deadline, connection.shake_hands())
            .await
            .map_err(late)??;
        Ok(connection)
    }

    /// Replaces the bounds on answers.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Where this connection leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Calls an operation and waits for its answer: the bare value that the scheduler's handler returned. An
    /// operation that the scheduler does not know answers nil (and logs a warning there).
    ///
    /// Not cancel-safe: if the future is dropped before it is done, every later call fails with
    /// [`CommError::Abandoned`]. To notice a busy scheduler, keep the future and `select!` on `&mut future`
    /// with a timer.
    ///
    /// # Errors
    /// [`CommError::Remote`] if the handler raised; the connection stays usable. After all others
    /// ([`CommError::Timeout`], [`CommError::Closed`], …) it is not.
    pub async fn call(
        &mut self,
        op: &str,
        args: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Value, CommError> {
        if self.answer_due {
            return Err(CommError::Abandoned {
                address: self.address.to_string(),
            });
        }
        let mut request = vec![("op".into(), op.into()), ("reply".into(), true.into())];
        request.extend(args.into_iter().map(|(key, value)| (key.into(), value)));

        self.answer_due = true;
        let deadline = Instant::now() + self.reply_within;
        let reply = timeout_at(deadline, self.exchange(&Value::Map(request)))
            .await
            .map_err(|_elapsed| CommError::Timeout {
                op: op.to_owned(),
                after: self.reply_within,
            })??;
        self.answer_due = false;

        if get_str(&reply, "status") == Some("uncaught-error") {
            let text = |key| get_str(&reply, key).unwrap_or("it did not say why").to_owned();
            return Err(CommError::Remote {
                op: op.to_owned(),
                exception_text: text("exception_text"),
                traceback_text: text("traceback_text"),
            });
        }
        Ok(reply)
    }

    /// Waits for the next message of an operation that goes on sending; [`Connection::call`] gave the first. However long
    /// it takes: it is for the caller to say how long that may be. Not cancel-safe, as `call`.
    ///
    /// # Errors
    /// After each the connection is not usable.
    pub(crate) async fn next_message(&mut self) -> Result<Value, CommError> {
        self.answer_due = true;
        match frame::read(&mut self.stream, &self.limits).await {
            Ok(body) => Ok(value::decode(&body, &self.limits)?),
            Err(FrameError::Io(error)) => Err(self.broken(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// Says goodbye. Errors no longer matter then, so there are none.
    pub async fn close(mut self) {
        let goodbye = map([("op", "close".into()), ("reply", false.into())]);
        if !self.answer_due && self.send(&goodbye).await.is_ok() {
            self.stream.shutdown().await.ok();
        }
    }

    /// Both sides write first. The scheduler ignores a hello that lacks one of these two keys and never answers.
    /// Without compression on our side there is none in either direction.
    async fn shake_hands(&mut self) -> Result<(), CommError> {
        let hello = map([("compression", Value::Nil), ("pickle-protocol", 5.into())]);
        let theirs = match self.exchange(&hello).await {
            Ok(theirs) => theirs,
            Err(CommError::Frame(error)) => return Err(self.no_dask(error.to_string())),
            Err(CommError::Decode(error)) => return Err(self.no_dask(error.to_string())),
            Err(error) => return Err(error),
        };
        if get(&theirs, "pickle-protocol").is_none() {
            return Err(self.no_dask("its greeting is another one".to_owned()));
        }
        Ok(())
    }

    fn no_dask(&self, reason: String) -> CommError {
        CommError::Handshake {
            address: self.address.to_string(),
            reason,
        }
    }

    async fn exchange(&mut self, message: &Value) -> Result<Value, CommError> {
        self.send(message).await?;
        match frame::read(&mut self.stream, &self.limits).await {
            Ok(body) => Ok(value::decode(&body, &self.limits)?),
            Err(FrameError::Io(error)) => Err(self.broken(error)),
            Err(error) => Err(error.into()),
        }
    }

    async fn send(&mut self, message: &Value) -> Result<(), CommError> {
        let bytes = frame::encode(&value::encode(message));
        let sent = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| self.broken(error))
    }

    fn broken(&self, error: std::io::Error) -> CommError {
        let address = self.address.to_string();
        match tls_reason(&self.address, &error) {
            Some((problem, reason)) => CommError::Tls {
                address,
                problem,
                reason,
            },
            None if error.kind() == ErrorKind::UnexpectedEof => CommError::Closed {
                address,
                source: None,
            },
            None => CommError::Closed {
                address,
                source: Some(error),
            },
        }
    }
}

/// Small requests go out at once; a peer that is gone without a word is noticed after 30 s, as Dask itself does it.
fn tune(tcp: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    tcp.set_nodelay(true)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, Duration::from_secs(10))?;
    sockopt::set_tcp_keepintvl(tcp, Duration::from_secs(2))?;
    sockopt::set_tcp_keepcnt(tcp, 10)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(tcp, 30_000)?;
    Ok(())
}

/// A gateway's proxy that does not know the name in the ClientHello just hangs up.
fn tls_error(address: &Address, error: std::io::Error) -> CommError {
    match (address, tls_reason(address, &error)) {
        (_, Some((problem, reason))) => CommError::Tls {
            address: address.to_string(),
            problem,
            reason,
        },
        (Address::Gateway { host, port, cluster }, None) => CommError::UnknownCluster {
            gateway: format!("{host}:{port}"),
            cluster: cluster.clone(),
        },
        (_, None) => CommError::Tls {
            address: address.to_string(),
            problem: TlsProblem::Other,
            reason: error.to_string(),
        },
    }
}

/// What TLS itself has to say, if the error is its own and not the network's.
fn tls_reason(address: &Address, error: &std::io::Error) -> Option<(TlsProblem, String)> {
    Some(
        match (error.get_ref()?.downcast_ref::<rustls::Error>()?, address) {
            (rustls::Error::InvalidCertificate(reason), Address::Gateway { .. }) => (
                TlsProblem::TheirCertificate,
                format!(
                    "its certificate is not the one that the gateway reports for this cluster ({reason})"
                ),
            ),
            (rustls::Error::InvalidCertificate(reason), _) => (
                TlsProblem::TheirCertificate,
                format!("its certificate is not one that the given authority vouches for ({reason})"),
            ),
            (rustls::Error::AlertReceived(alert), _) => (
                TlsProblem::OurCertificate,
                format!("it refuses our certificate or our way to speak TLS ({alert:?})"),
            ),
            (rustls::Error::InvalidMessage(_), _) => {
                (TlsProblem::NoTls, "what it says is not TLS".to_owned())
            }
            (other, _) => (TlsProblem::Other, other.to_string()),
        },
    )
}
