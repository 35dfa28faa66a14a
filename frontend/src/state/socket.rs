//! WebSockets below the server's prefix: addresses, tasks that end with their owner, and pauses between attempts.

use std::time::Duration;

use futures_util::future::{AbortHandle, abortable};
use gloo::timers::future::TimeoutFuture;
use wasm_bindgen::JsValue;

/// The absolute `ws:` or `wss:` address of `path` below `base_url`, which may be host-relative.
pub fn url(base_url: &str, path: &str) -> Result<String, JsValue> {
    let page = gloo::utils::window().location().href()?;
    let url = web_sys::Url::new_with_base(&format!("{base_url}{path}"), &page)?;
    url.set_protocol(if url.protocol() == "https:" { "wss:" } else { "ws:" });
    url.set_hash("");
    Ok(url.href())
}

/// `text` as one segment of a path.
pub fn segment(text: &str) -> String {
    String::from(js_sys::encode_uri_component(text))
}

/// A running task; it ends when this is dropped.
pub struct Task(AbortHandle);

impl Task {
    pub fn spawn(future: impl Future<Output = ()> + 'static) -> Self {
        let (future, handle) = abortable(future);
        wasm_bindgen_futures::spawn_local(async move {
            // Aborted means that nobody waits for it any more: all is well.
            future.await.ok();
        });
        Self(handle)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Pauses between attempts to connect: from a quarter of a second, doubling, to 8 s.
#[derive(Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Forgets earlier failures: a connection worked.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Failed attempts since the last that worked.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next pause. `spread`, from 0 to 1, shortens it by up to a fifth, so that many browsers don't come back at once.
    fn next(&mut self, spread: f64) -> Duration {
        let ms = 250_u64 << self.attempts.min(5);
        self.attempts += 1;
        Duration::from_millis(ms).mul_f64(1.0 - 0.2 * spread)
    }

    /// Waits before the next attempt.
    pub async fn pause(&mut self) {
        let pause = self.next(js_sys::Math::random());
        TimeoutFuture::new(pause.as_millis() as u32).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::default();
        let first: Vec<_> = (0..8).map(|_| backoff.next(0.0).as_millis()).collect();
        assert_eq!(first, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        backoff.reset();
        assert_eq!(backoff.next(1.0).as_millis(), 200);
    }
}
