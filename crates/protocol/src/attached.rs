//! Schedulers that are watched by their address: `api/v1/attached…`.

use serde::{Deserialize, Serialize};

use crate::rest::{ClusterSummary, LiveState};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// An attached scheduler's name among the clusters is this, followed by its id: panes and `api/v1/clusters/{name}/…` take it.
pub const NAME_PREFIX: &str = "attached:";

/// A scheduler that the user gave the address of: it is watched and never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Attached {
    pub id: String,
    /// [`NAME_PREFIX`] and the id.
    pub name: String,
    /// The user's own name for it; host and port where none was given.
    pub label: String,
    pub address: String,
    /// Unix time in milliseconds.
    pub attached_at: i64,
    pub live: LiveState,
    /// What is wrong with the connection, in a sentence.
    pub message: Option<String>,
    pub summary: Option<ClusterSummary>,
}

/// `POST api/v1/attached`. The files are read by the server, on its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// `tcp://host:port` or `tls://host:port`; `host:port` is taken for the first.
    pub address: String,
    #[serde(default)]
    pub label: Option<String>,
    /// Path of the authority's certificate, for `tls://`.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Path of the client's certificate, for `tls://`.
    #[serde(default)]
    pub cert_file: Option<String>,
    /// Path of the certificate's key; the certificate's file where it is missing.
    #[serde(default)]
    pub key_file: Option<String>,
}
