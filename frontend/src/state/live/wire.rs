//! The WebSocket of a live connection.

use std::rc::Weak;

use protocol::live::{Request, encode};
use protocol::recordings::PANE_PREFIX;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use super::LiveClient;
use crate::state::socket::{segment, url};

/// A WebSocket with its handlers; closed when dropped.
pub(super) struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Socket {
    pub(super) fn open(base_url: &str, cluster: &str, client: Weak<LiveClient>) -> Result<Self, JsValue> {
        let (list, name) = match cluster.strip_prefix(PANE_PREFIX) {
            Some(id) => ("recordings", id),
            None => ("clusters", cluster),
        };
        let socket = WebSocket::new(&url(base_url, &format!("api/v1/{list}/{}/live", segment(name)))?)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let (on_open, on_message, on_close) = (client.clone(), client.clone(), client);
        let on_open = Closure::<dyn FnMut()>::new(move || {
            if let Some(client) = on_open.upgrade() {
                client.opened();
            }
        });
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let (Some(client), Ok(buffer)) = (
                on_message.upgrade(),
                event.data().dyn_into::<js_sys::ArrayBuffer>(),
            ) {
                client.received(&js_sys::Uint8Array::new(&buffer).to_vec());
            }
        });
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            if let Some(client) = on_close.upgrade() {
                client.lost(event.code());
            }
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self {
            socket,
            _on_open: on_open,
            _on_message: on_message,
            _on_close: on_close,
        })
    }

    pub(super) fn send(&self, request: &Request) {
        if self.socket.ready_state() != WebSocket::OPEN {
            return;
        }
        let sent = encode(request).map_err(|error| JsValue::from(error.to_string()));
        if let Err(error) = sent.and_then(|bytes| self.socket.send_with_u8_array(&bytes)) {
            gloo::console::error!("a live request could not be sent:", error);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        if let Err(error) = self.socket.close() {
            gloo::console::error!("the live connection could not be closed:", error);
        }
    }
}
