//! TLS to a scheduler of any site: an authority of its own, a client's certificate, and no look at the host's name, which is
//! how Dask itself does it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::CommError;

/// What a certificate is called that is its own authority, where it says that it is one.
const IS_AUTHORITY: &str = "CaUsedAsEndEntity";

/// Reads the three PEM texts of Dask's `tls.ca-file`, `tls.client.cert` and `tls.client.key`.
///
/// # Errors
/// [`CommError::Certificate`], which never repeats the texts.
pub(crate) fn config(authority: &[u8], cert: &[u8], key: &[u8]) -> Result<Arc<ClientConfig>, CommError> {
    let wrong = |reason: &str| CommError::Certificate {
        reason: reason.to_owned(),
    };
    let authorities =
        certificates(authority).ok_or(wrong("the authority's file holds no certificate in PEM"))?;
    let chain = certificates(cert).ok_or(wrong("the certificate's file holds no certificate in PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_text| wrong("the key's file holds no private key in PEM, or one that has a password"))?;
    let provider = Arc::new(ring::default_provider());
    let verifier =
        AuthorityVerifier::new(authorities, Arc::clone(&provider)).map_err(|reason| wrong(&reason))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain, key)
        .map_err(|error| match error {
            TlsError::InconsistentKeys(_) => wrong("the key does not belong to the certificate"),
            other => wrong(&other.to_string()),
        })?;
    Ok(Arc::new(config))
}

/// Every certificate of a PEM text; `None` where there is none.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()?;
    (!found.is_empty()).then_some(found)
}

/// Trusts what the authority signed, whatever host it is for.
#[derive(Debug)]
struct AuthorityVerifier {
    inner: Arc<WebPkiServerVerifier>,
    authorities: Vec<CertificateDer<'static>>,
}

impl AuthorityVerifier {
    fn new(authorities: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots
                .add(authority.clone())
                .map_err(|error| format!("the authority can't be used ({error})"))?;
        }
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { inner, authorities })
    }
}

impl ServerCertVerifier for AuthorityVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified = self
            .inner
            .verify_server_cert(end_entity, intermediates, host, ocsp_response, now);
        match verified {
            // The chain is checked first: what is left to complain of is the name.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            // One self-signed certificate for everything, whose dates were checked before: trusted as it is.
            Err(TlsError::InvalidCertificate(CertificateError::Other(other)))
                if other.to_string().contains(IS_AUTHORITY)
                    && self.authorities.iter().any(|known| known == end_entity) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
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
