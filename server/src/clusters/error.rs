//! Why something could not be done to a cluster.

use dask_gateway::GatewayError;

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("There is no cluster {0}. It may have been shut down; the list shows what is there.")]
    NotFound(String),
    /// The cluster's state does not allow it.
    #[error("{0}")]
    WrongState(String),
    /// What was asked can't be right; `field` is the option's or parameter's name.
    #[error("{message}")]
    Invalid { field: Option<String>, message: String },
    /// It would exceed a budget; the user may want it all the same.
    #[error("{0}")]
    OverBudget(String),
    #[error(transparent)]
    Gateway(GatewayError),
    #[error("What Gatehouse knows of the cluster could not be stored: {0}")]
    Store(#[from] crate::store::StoreError),
}

impl From<GatewayError> for ClusterError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Invalid { message, field } => Self::Invalid {
                field,
                message: sentence(&message),
            },
            GatewayError::NotRunning { .. } => Self::WrongState(error.to_string()),
            other => Self::Gateway(other),
        }
    }
}

/// The gateway's messages begin with a field's name and end without a full stop.
fn sentence(message: &str) -> String {
    let message = message.trim();
    if message.ends_with(['.', '!', '?']) {
        message.to_owned()
    } else {
        format!("{message}.")
    }
}
