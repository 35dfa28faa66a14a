//! What can go wrong with a gateway, each as a sentence that its user can act on.

/// An answer of the gateway that is not the one asked for, or no answer at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The configuration can't be used; the text says what to change.
    #[error("{0}")]
    Config(String),
    /// No connection.
    #[error(
        "No gateway answers at {address} ({reason}). Check that it runs and that gateway.address is right."
    )]
    Unreachable { address: String, reason: String },
    /// A certificate that is not to be trusted; the reason says what to do, too.
    #[error("The certificate of the gateway at {address} can't be trusted: {reason}.")]
    Untrusted { address: String, reason: String },
    /// It did not answer in time.
    #[error("The gateway at {address} did not answer within {seconds} s. It may be overloaded: try again.")]
    Timeout { address: String, seconds: u64 },
    /// It wants other credentials than ours, or than we can send; the text says what to do.
    #[error("{0}")]
    Unauthorized(String),
    /// 403: someone else's cluster, for example.
    #[error("{message}. Only the user who made a cluster may see and change it.")]
    Forbidden { message: String },
    /// 404: no such cluster.
    #[error("{message}. It may have been shut down and forgotten: refresh the list.")]
    NotFound { message: String },
    /// 409: the cluster is pending or over.
    #[error("{message}. Wait until it runs, or create another one.")]
    NotRunning { message: String },
    /// 422: the gateway refuses what was asked.
    #[error("The gateway refuses this: {message}.")]
    Invalid {
        message: String,
        /// The option it speaks of, where that can be told.
        field: Option<String>,
    },
    /// Another error status, with what the gateway or something before it says of it.
    #[error("The gateway at {address} answers with an error ({status}): {text}. {}", advice(*.status))]
    Upstream {
        address: String,
        status: u16,
        text: String,
    },
    /// An answer that no Dask Gateway gives.
    #[error("What answers at {address} does not speak like a Dask Gateway: {reason}. Check gateway.address.")]
    BadAnswer { address: String, reason: String },
}

impl GatewayError {
    /// Whether the same request may succeed a little later, with nothing changed by the user.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Upstream { status, .. } => matches!(status, 429 | 502..=504),
            _ => false,
        }
    }
}

/// What to do about an error status.
fn advice(status: u16) -> &'static str {
    match status {
        403 | 407 => {
            "Something before the gateway refuses us: ask whoever runs the site, or check gateway.address."
        }
        429 => "It asks for fewer requests: try again in a minute.",
        502..=504 => "It, or what it asks, may be starting: try again in a moment.",
        500.. => "Whoever runs the gateway finds more in its log.",
        _ => "Check gateway.address, or ask whoever runs the site.",
    }
}
