//! What can go wrong between us and a scheduler, in sentences.

use std::time::Duration;

use crate::frame::{DecodeError, FrameError};

/// An error of a connection to a scheduler.
///
/// Never holds key material; the texts of a remote exception are the user's own code speaking.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommError {
    /// The address is not one of the forms we can speak to.
    #[error(
        "`{address}` is not a scheduler address: {reason}. Expected tcp://host:port, tls://host:port or gateway://host:port/cluster"
    )]
    Address { address: String, reason: &'static str },

    /// The address needs TLS, and no certificate of the cluster was given.
    #[error(
        "{address} speaks TLS: a certificate and its key are needed; a gateway reports those of its clusters once they run"
    )]
    CertificateNeeded { address: String },

    /// The certificate or the key is not usable.
    #[error("the TLS certificate can't be used: {reason}")]
    Certificate { reason: String },

    /// No TCP connection could be made.
    #[error("can't reach the scheduler at {address}: {source}")]
    Unreachable { address: String, source: std::io::Error },

    /// The gateway hung up on the cluster's name: it has no running cluster of that name.
    #[error(
        "the gateway at {gateway} has no running cluster named `{cluster}`: it may have been shut down, or the name is wrong"
    )]
    UnknownCluster { gateway: String, cluster: String },

    /// TLS failed, on their side or ours.
    #[error("TLS with {address} failed: {reason}")]
    Tls {
        address: String,
        problem: TlsProblem,
        reason: String,
    },

    /// The peer's first message is not Dask's.
    #[error("{address} does not speak Dask's protocol: {reason}")]
    Handshake { address: String, reason: String },

    /// The connection is established as far as the network goes, but no answer came within the time allowed.
    #[error("the scheduler did not answer `{op}` within {} s: it is busy or stuck", after.as_secs_f64())]
    Timeout { op: String, after: Duration },

    /// The peer closed the connection, or the network did.
    #[error(
        "the connection to the scheduler at {address} was closed: it ended, or the network between failed"
    )]
    Closed {
        address: String,
        source: Option<std::io::Error>,
    },

    /// An earlier call was dropped or failed midway, so that what arrives next may be its answer: connect anew.
    #[error(
        "an earlier call on this connection to {address} was abandoned before its answer came: a new connection is needed"
    )]
    Abandoned { address: String },

    /// A message breaks the framing or its bounds; the connection can't be used any more.
    #[error("a message from the scheduler can't be read: {0}")]
    Frame(#[from] FrameError),

    /// A message's body is not msgpack within our bounds.
    #[error("a message from the scheduler can't be decoded: {0}")]
    Decode(#[from] DecodeError),

    /// The operation raised on the scheduler; the connection stays usable.
    #[error("the scheduler could not do `{op}`: {exception_text}")]
    Remote {
        op: String,
        exception_text: String,
        traceback_text: String,
    },

    /// The answer lacks what the operation promises. An unknown operation answers nothing at all.
    #[error(
        "the scheduler's answer to `{op}` is not understood: {reason}. Its version of distributed may not know this operation"
    )]
    UnexpectedReply { op: &'static str, reason: &'static str },
}

/// What TLS stumbled over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The peer's certificate is not one that we trust.
    TheirCertificate,
    /// The peer ended the handshake: mostly because it does not trust our certificate.
    OurCertificate,
    /// The peer does not speak TLS.
    NoTls,
    Other,
}

impl CommError {
    /// Whether the connection can take the next call; otherwise connect anew.
    pub fn keeps_connection(&self) -> bool {
        matches!(self, Self::Remote { .. } | Self::UnexpectedReply { .. })
    }
}
