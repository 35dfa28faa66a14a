//! The HTTP client for what we pass on: no redirects followed, no cookies kept, nothing decoded.

use std::time::Duration;

use dask_gateway::HttpProxy;

/// A client over rustls with ring and the system's certificate authorities, through the HTTP proxy that the gateway's
/// configuration names. What stays on this machine needs [`HttpProxy::Off`]: its credentials must not leave it.
///
/// # Errors
/// Where the system's authorities can't be read, or the proxy's address can't be used.
pub fn client(proxy: &HttpProxy) -> reqwest::Result<reqwest::Client> {
    // A second call finds the provider installed already, which is all that is wanted.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10));
    match proxy {
        HttpProxy::Environment => builder,
        HttpProxy::Off => builder.no_proxy(),
        HttpProxy::Url(url) => builder.proxy(reqwest::Proxy::all(url.expose())?),
    }
    .build()
}
