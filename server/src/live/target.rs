//! A scheduler, what it takes to speak to it, and how it is watched.

use dask_comm::{Address, ClusterCert, CommError};
use dask_gateway::{ClusterTls, GatewayConfig};

use super::Limits;

/// How schedulers are watched.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether the scheduler is asked for what only its `feed` gives: it runs a small expression there.
    pub feed: bool,
    /// Whether it is asked when it works and when it does not, for somebody who would end it.
    pub idle: bool,
    /// What is kept in memory of each.
    pub limits: Limits,
}

/// A scheduler, and what it takes to speak to it.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) address: Address,
    pub(super) cert: Option<ClusterCert>,
}

impl Target {
    /// A scheduler that is reached directly and without a certificate.
    pub fn direct(address: Address) -> Self {
        Self { address, cert: None }
    }

    /// A scheduler that is reached directly, with a certificate.
    pub fn secure(address: Address, cert: ClusterCert) -> Self {
        Self {
            address,
            cert: Some(cert),
        }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What lets us in, where it takes something.
    pub fn certificate(&self) -> Option<&ClusterCert> {
        self.cert.as_ref()
    }

    /// The scheduler of a gateway's cluster.
    ///
    /// # Errors
    /// Where the certificate or the address can't be read.
    pub fn gateway(config: &GatewayConfig, name: &str, tls: &ClusterTls) -> Result<Self, CommError> {
        let proxy = config.proxy_address.as_deref().unwrap_or_default();
        Ok(Self {
            address: format!("gateway://{proxy}/{name}").parse()?,
            cert: Some(ClusterCert::from_pem(tls.cert_pem(), tls.key_pem())?),
        })
    }
}
