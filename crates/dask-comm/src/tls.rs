//! TLS to a cluster of a gateway: one self-signed certificate is server, client and authority at once.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::{Address, CommError};

/// The name in every certificate that a Dask Gateway makes.
const CERTIFICATE_NAME: &str = "dask-internal";

/// What the gateway's proxy expects before the cluster's name in the SNI.
const SNI_PREFIX: &str = "daskgateway-";

/// A certificate and its key with which a scheduler lets us in: those of a cluster, as the gateway's report has them, or
/// a client's of a site with an authority of its own.
///
/// Holds a secret: its `Debug` shows nothing of it, and there is no way to read the key back.
#[derive(Clone)]
pub struct ClusterCert {
    config: Arc<ClientConfig>,
}

impl ClusterCert {
    /// Reads the two PEM texts `tls_cert` and `tls_key`.
    ///
    /// # Errors
    /// [`CommError::Certificate`], which never repeats the texts.
    pub fn from_pem(cert: &str, key: &str) -> Result<Self, CommError> {
        let wrong = |reason: String| CommError::Certificate { reason };
        let cert = CertificateDer::from_pem_slice(cert.as_bytes())
            .map_err(|_text| wrong("the certificate is not PEM".into()))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_text| wrong("the key is not PEM".into()))?;
        let provider = Arc::new(ring::default_provider());
        let verifier = ClusterVerifier::new(&cert, Arc::clone(&provider)).map_err(wrong)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(vec![cert], key)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Reads the PEM texts of an authority, a client's certificate and its key, which Dask's configuration calls
    /// `tls.ca-file`, `tls.client.cert` and `tls.client.key`. As in Dask, the host's name is not looked at.
    ///
    /// # Errors
    /// [`CommError::Certificate`], which never repeats the texts.
    pub fn with_authority(authority: &[u8], cert: &[u8], key: &[u8]) -> Result<Self, CommError> {
        crate::authority::config(authority, cert, key).map(|config| Self { config })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for ClusterCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterCert(..)")
    }
}

/// The name to send in the ClientHello: a gateway finds the cluster by it.
pub(crate) fn server_name(address: &Address) -> Result<ServerName<'static>, CommError> {
    let name = match address {
        Address::Gateway { cluster, .. } => format!("{SNI_PREFIX}{cluster}"),
        Address::Tcp { host, .. } | Address::Tls { host, .. } => host.clone(),
    };
    ServerName::try_from(name).map_err(|_name| CommError::Address {
        address: address.to_string(),
        reason: "its name can't be sent in a TLS handshake",
    })
}

/// Trusts the cluster's own certificate and nothing else.
///
/// The name that is asked for (the SNI) is not in the certificate, so the chain is checked for the one that is.
#[derive(Debug)]
struct ClusterVerifier {
    inner: Arc<WebPkiServerVerifier>,
}

impl ClusterVerifier {
    fn new(cert: &CertificateDer<'static>, provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add(cert.clone()).map_err(|error| error.to_string())?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { inner })
    }
}

impl ServerCertVerifier for ClusterVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked_for: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let name =
            ServerName::try_from(CERTIFICATE_NAME).map_err(|error| TlsError::General(error.to_string()))?;
        self.inner
            .verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
