//! The HTTP client for what we pass on: no redirects followed, no cookies kept, nothing decoded.

use std::time::Duration;

use dask_gateway::{GatewayConfig, HttpProxy};

/// A client over rustls with ring and the system's certificate authorities, through the HTTP proxy that is named. What
/// stays on this machine needs [`HttpProxy::Off`]: its credentials must not leave it.
///
/// # Errors
/// Where the system's authorities can't be read, or the proxy's address can't be used.
pub fn client(proxy: &HttpProxy) -> reqwest::Result<reqwest::Client> {
    builder(proxy)?.build()
}

/// A client for what the gateway serves: through its proxy, and trusting Dask's own certificate authority too.
///
/// # Errors
/// As [`client`].
pub fn client_of(config: &GatewayConfig) -> reqwest::Result<reqwest::Client> {
    builder(config.proxy_on_the_way())?
        .tls_certs_merge(config.authorities())
        .build()
}

fn builder(proxy: &HttpProxy) -> reqwest::Result<reqwest::ClientBuilder> {
    // A second call finds the provider installed already, which is all that is wanted.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10));
    Ok(match proxy {
        HttpProxy::Environment => builder,
        HttpProxy::Off => builder.no_proxy(),
        HttpProxy::Url(url) => builder.no_proxy().proxy(reqwest::Proxy::all(url.expose())?),
    })
}
