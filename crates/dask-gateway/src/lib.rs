//! Dask's configuration, the Dask Gateway's REST API and its authentication.
//!
//! [`GatewayConfig`] says where the gateway is and how to log in, read as Python's `dask.config` would read it;
//! [`GatewayClient`] speaks the REST API. TLS keys, tokens and passwords have types whose `Debug` hides them and that
//! cannot be serialised.

mod auth;
mod client;
pub mod config;
mod error;
mod model;
mod page;
mod request;
mod secret;
mod transport;

pub use client::GatewayClient;
pub use config::{
    AuthConfig, ConfigError, ConfigSources, Difference, Environment, GatewayConfig, HttpProxy, KernelSpec,
    differences, literal, python_literal,
};
pub use error::GatewayError;
pub use model::{ClusterReport, ClusterStatus, ClusterTls, Listing, OptionSpec};
pub use secret::Secret;
