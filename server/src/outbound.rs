//! The HTTP client for what we pass on: no redirects followed, no cookies kept, nothing decoded.

use std::time::Duration;

/// A client over rustls with ring and the system's certificate authorities.
///
/// # Errors
/// Where the system's authorities can't be read.
pub fn client() -> reqwest::Result<reqwest::Client> {
    // A second call finds the provider installed already, which is all that is wanted.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .build()
}
