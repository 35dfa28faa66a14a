//! One store a server: its state by events, shared by every panel and pane of the page.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use futures_util::StreamExt;
use gloo::events::EventListener;
use gloo::net::websocket::Message;
use gloo::net::websocket::futures::WebSocket;
use protocol::events::Notice;
use yew::prelude::*;

use super::events::{Link, State};
use super::json::read_event;
use super::rest::Api;
use super::socket::{self, Backoff, Task};
use crate::state::command::Command;

thread_local! {
    static STORES: RefCell<Vec<Weak<Inner>>> = const { RefCell::new(Vec::new()) };
    /// Commands that came before there was a panel to take them, by the server's prefix.
    static WAITING: RefCell<Vec<(String, Command)>> = const { RefCell::new(Vec::new()) };
}

/// A connection that lived this long was a good one, in milliseconds: the next attempt need not wait.
const STEADY_MS: f64 = 5_000.0;

/// A handle of the state of one server. The connection ends with the last handle.
#[derive(Clone)]
pub struct Store(Rc<Inner>);

struct Inner {
    base_url: AttrValue,
    state: RefCell<State>,
    changed: Listeners<()>,
    notices: Listeners<Notice>,
    commands: Listeners<Command>,
    task: RefCell<Option<Task>>,
    /// Signs that a lost connection may be back: the network, or the page, came back.
    wakers: RefCell<Vec<EventListener>>,
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Store {
    /// The store of the server at `base_url`, connected if it is the first handle of it.
    pub fn of(base_url: &str) -> Self {
        let known = known(base_url);
        if let Some(inner) = known {
            return Self(inner);
        }
        let inner = Rc::new(Inner {
            base_url: AttrValue::from(base_url.to_owned()),
            state: RefCell::default(),
            changed: Listeners::default(),
            notices: Listeners::default(),
            commands: Listeners::default(),
            task: RefCell::default(),
            wakers: RefCell::default(),
        });
        STORES.with_borrow_mut(|stores| {
            stores.retain(|store| store.strong_count() > 0);
            stores.push(Rc::downgrade(&inner));
        });
        let store = Self(inner);
        store.connect();
        store.listen_for_return();
        store
    }

    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    pub fn api(&self) -> Api {
        Api::new(self.0.base_url.clone())
    }

    pub fn base_url(&self) -> &AttrValue {
        &self.0.base_url
    }

    /// Connects anew, now; what is known stays until the new snapshot replaces it.
    pub fn connect(&self) {
        *self.0.task.borrow_mut() = Some(Task::spawn(run(Rc::downgrade(&self.0))));
    }

    /// Calls back after every change, until the subscription is dropped.
    pub fn subscribe(&self, callback: Callback<()>) -> Subscription {
        let id = self.0.changed.add(callback);
        let store = self.clone();
        Subscription(Some(Box::new(move || store.0.changed.remove(id))))
    }

    /// Calls back with each of the server's notices.
    pub fn subscribe_notices(&self, callback: Callback<Notice>) -> Subscription {
        let id = self.0.notices.add(callback);
        let store = self.clone();
        Subscription(Some(Box::new(move || store.0.notices.remove(id))))
    }

    /// Calls back with each command, and at once with one that waited.
    pub fn subscribe_commands(&self, callback: Callback<Command>) -> Subscription {
        let id = self.0.commands.add(callback.clone());
        if let Some(command) = WAITING.with_borrow_mut(|waiting| {
            let at = waiting
                .iter()
                .position(|(base_url, _)| *base_url == self.0.base_url.as_str())?;
            Some(waiting.swap_remove(at).1)
        }) {
            callback.emit(command);
        }
        let store = self.clone();
        Subscription(Some(Box::new(move || store.0.commands.remove(id))))
    }

    fn listen_for_return(&self) {
        let weak = Rc::downgrade(&self.0);
        let retry = move |_: &web_sys::Event| {
            let Some(inner) = weak.upgrade() else { return };
            let lost = matches!(inner.state.borrow().link, Link::Lost { .. });
            if lost && !gloo::utils::document().hidden() {
                Self(inner).connect();
            }
        };
        *self.0.wakers.borrow_mut() = vec![
            EventListener::new(&gloo::utils::window(), "online", retry.clone()),
            EventListener::new(&gloo::utils::document(), "visibilitychange", retry),
        ];
    }
}

fn known(base_url: &str) -> Option<Rc<Inner>> {
    STORES.with_borrow(|stores| {
        stores
            .iter()
            .filter_map(Weak::upgrade)
            .find(|inner| inner.base_url == *base_url)
    })
}

/// Gives a command to the panel of the server at `base_url`, or keeps it until there is one.
pub fn send_command(base_url: &str, command: Command) {
    match known(base_url) {
        Some(inner) if !inner.commands.is_empty() => inner.commands.emit_last(&command),
        _ => {
            WAITING.with_borrow_mut(|waiting| {
                waiting.retain(|(waits, _)| waits != base_url);
                waiting.push((base_url.to_owned(), command));
            });
        }
    }
}

impl Inner {
    fn change(&self, with: impl FnOnce(&mut State) -> Option<Notice>) {
        let (notice, changed) = {
            let mut state = self.state.borrow_mut();
            let before = state.clone();
            let notice = with(&mut state);
            (notice, *state != before)
        };
        if changed {
            self.changed.emit(&());
        }
        if let Some(notice) = notice {
            self.notices.emit(&notice);
        }
    }
}

/// Follows the events until the store is gone, connecting again after every loss.
async fn run(weak: Weak<Inner>) {
    let Some(base_url) = weak.upgrade().map(|inner| inner.base_url.clone()) else {
        return;
    };
    let api = Api::new(base_url.clone());
    let mut backoff = Backoff::default();
    loop {
        let begun = js_sys::Date::now();
        if let Ok(mut socket) = socket::url(&base_url, "api/v1/events").and_then(|url| {
            WebSocket::open(&url).map_err(|error| wasm_bindgen::JsValue::from_str(&error.to_string()))
        }) {
            while let Some(Ok(message)) = socket.next().await {
                let Some(inner) = weak.upgrade() else { return };
                let Message::Text(text) = message else { continue };
                match read_event(&text) {
                    Ok(event) => inner.change(|state| state.apply(event)),
                    // A newer server may send what this module does not know; the rest still holds.
                    Err(error) => gloo::console::warn!(format!("an event could not be read: {error}")),
                }
            }
        }
        if js_sys::Date::now() - begun > STEADY_MS {
            backoff.reset();
        }
        // A socket does not tell why it could not be opened; a request does.
        let why = match api.status().await {
            Ok(_) => None,
            Err(error) => Some(error.message),
        };
        let Some(inner) = weak.upgrade() else { return };
        // One failure alone may be a restart that is over in a moment; a known cause is said at once.
        if let Some(message) = why.or_else(|| (backoff.attempts() > 0).then(stays_closed)) {
            inner.change(|state| {
                state.link = Link::Lost { message };
                None
            });
        }
        drop(inner);
        backoff.pause().await;
    }
}

fn stays_closed() -> String {
    "The server answers, but its event connection closes. A proxy in between may not let WebSockets pass."
        .to_owned()
}

/// A callback's place in a store; dropping it ends the calls.
pub struct Subscription(Option<Box<dyn FnOnce()>>);

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

struct Listeners<T> {
    next: Cell<u64>,
    list: RefCell<Vec<(u64, Callback<T>)>>,
}

impl<T> Default for Listeners<T> {
    fn default() -> Self {
        Self {
            next: Cell::new(0),
            list: RefCell::default(),
        }
    }
}

impl<T: Clone> Listeners<T> {
    fn add(&self, callback: Callback<T>) -> u64 {
        let id = self.next.get();
        self.next.set(id + 1);
        self.list.borrow_mut().push((id, callback));
        id
    }

    fn remove(&self, id: u64) {
        self.list.borrow_mut().retain(|(known, _)| *known != id);
    }

    fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Tells only the one that came last.
    fn emit_last(&self, value: &T) {
        let last = self.list.borrow().last().map(|(_, callback)| callback.clone());
        if let Some(callback) = last {
            callback.emit(value.clone());
        }
    }

    /// The list is copied first: a callback may add or remove one.
    fn emit(&self, value: &T) {
        let callbacks: Vec<_> = self
            .list
            .borrow()
            .iter()
            .map(|(_, callback)| callback.clone())
            .collect();
        for callback in callbacks {
            callback.emit(value.clone());
        }
    }
}

/// The store of a server and its state, with a repaint after every change.
#[hook]
pub fn use_store(base_url: &AttrValue) -> (Store, State) {
    let store = use_memo(base_url.clone(), |base_url| Store::of(base_url));
    let state = use_state_eq(|| store.state());
    {
        let state = state.setter();
        use_effect_with((*store).clone(), move |store| {
            // What came between the first paint and this subscription.
            state.set(store.state());
            let from = Rc::downgrade(&store.0);
            let subscription = store.subscribe(Callback::from(move |()| {
                if let Some(inner) = from.upgrade() {
                    state.set(inner.state.borrow().clone());
                }
            }));
            move || drop(subscription)
        });
    }
    ((*store).clone(), (*state).clone())
}
