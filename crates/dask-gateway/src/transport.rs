//! The connection below HTTP: proxies, certificates, and why it failed.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Proxy, Url};
use rustls::CertificateError;

use crate::config::{GatewayConfig, HttpProxy};
use crate::error::GatewayError;

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn client(address: &Url, config: &GatewayConfig) -> Result<reqwest::Client, GatewayError> {
    let failed = |what: &str, error: &reqwest::Error| {
        GatewayError::Config(format!(
            "{what} can't be used: {}. Check Dask's configuration.",
            root_cause(error)
        ))
    };
    let mut builder = reqwest::Client::builder()
        .cookie_store(true)
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect leads to a login page or to another scheme; following it would end in a puzzle.
        .redirect(Policy::none())
        .user_agent(concat!("gatehouse/", env!("CARGO_PKG_VERSION")));
    builder = match config.proxy_on_the_way() {
        HttpProxy::Environment => builder,
        HttpProxy::Off => builder.no_proxy(),
        // Meant for this gateway: NO_PROXY is no exception to it, as for Dask's client.
        HttpProxy::Url(url) => {
            let proxy = Proxy::all(url.expose())
                .map_err(|error| failed("gateway.http-client.proxy", &error.without_url()))?;
            builder.no_proxy().proxy(proxy)
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    if address.scheme() == "http" {
        // Reading the system's certificates takes time and fails where there are none; nothing here needs them.
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| GatewayError::Config(format!("TLS can't be set up: {error}.")))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(tls);
    } else {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have been faster with the same provider, which is as good.
            rustls::crypto::ring::default_provider()
                .install_default()
                .unwrap_or_default();
        }
        builder = builder.tls_certs_merge(config.authorities());
    }
    builder
        .build()
        .map_err(|error| failed("The connection to the gateway", &error.without_url()))
}

impl GatewayConfig {
    /// The HTTP proxy that counts for this gateway: the environment's is not for one on this machine.
    pub fn proxy_on_the_way(&self) -> &HttpProxy {
        let url = self
            .address
            .as_deref()
            .and_then(|address| Url::parse(address).ok());
        let loopback = url.is_some_and(|url| url.host_str().is_some_and(is_loopback));
        match &self.http_proxy {
            HttpProxy::Environment if loopback => &HttpProxy::Off,
            proxy => proxy,
        }
    }

    /// Certificates of Dask's own authority, to be trusted beside the system's. One that can't be read is logged and
    /// left out, because Dask's gateway client would work without it.
    pub fn authorities(&self) -> Vec<Certificate> {
        let Some(ca) = &self.tls_ca else {
            return Vec::new();
        };
        // As in Dask, it may be the certificate itself.
        let pem = if ca.contains('\n') {
            Ok(ca.clone().into_bytes())
        } else {
            std::fs::read(ca).map_err(|error| error.to_string())
        };
        let certificates = pem.and_then(|pem| {
            Certificate::from_pem_bundle(&pem).map_err(|error| error.without_url().to_string())
        });
        certificates.unwrap_or_else(|reason| {
            tracing::warn!(
                reason,
                "Dask's distributed.comm.tls.ca-file can't be read and is not trusted"
            );
            Vec::new()
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is wrong with the certificate and what to do, where that is what failed.
pub(crate) fn untrusted(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref::<rustls::Error>() {
        return Some(match why {
            CertificateError::UnknownIssuer => "no authority that this machine trusts has signed it. Add the site's \
                authority to the system's, or name its file in SSL_CERT_FILE or in Dask's distributed.comm.tls.ca-file"
                .to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "it has expired. Whoever runs the site must renew it, unless this machine's clock is wrong".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another host. Check gateway.address".to_owned()
            }
            other => format!("{other}. Ask whoever runs the site"),
        });
    }
    // An I/O error does not name what it wraps as its source.
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => untrusted(wrapped),
        None => error.source().and_then(untrusted),
    }
}

/// The innermost cause, without the URL: it is named beside, and may hold what a log must not.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_is_none_is_left_out() {
        for tls_ca in [None, Some("/nowhere/ca.pem"), Some("not\na certificate")] {
            let config = GatewayConfig {
                tls_ca: tls_ca.map(str::to_owned),
                ..GatewayConfig::default()
            };
            assert!(config.authorities().is_empty(), "{tls_ca:?}");
        }
    }

    #[test]
    fn a_certificate_is_what_is_wrong_however_deep_it_lies() {
        use std::io::{Error, ErrorKind};
        let refused = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = Error::other(Error::new(ErrorKind::InvalidData, refused));
        assert!(untrusted(&wrapped).is_some_and(|reason| reason.contains("expired")));
        assert_eq!(untrusted(&Error::other("lost")), None);
    }
}
