//! The live connection to one cluster's scheduler, shared by all panes that show it.

pub mod stream;
mod wire;

use std::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use gloo::timers::future::TimeoutFuture;
use protocol::attached::NAME_PREFIX;
use protocol::live::{
    Details, Errors, Frame, Health, Packet, Progress, Request, Sample, TimeLeft, Topics, VERSION, Worker,
    decode,
};
use protocol::recordings::PANE_PREFIX;
use protocol::rest::ClusterState;
use yew::prelude::*;

use super::events::Link as ServerLink;
use super::socket::{Backoff, Task};
use super::store::{self, Store};
use crate::draw::frame::FrameRequest;
pub use stream::{PrefixTotal, Stream, StreamError, Thread};
use wire::Socket;

/// Details kept for tooltips.
const KEEP_DETAILS: usize = 300;

/// Samples kept: what the server keeps, and as many again.
const KEEP_SAMPLES: usize = 15_000;

/// A connection that held this long, milliseconds, worked: the next attempt after it comes at once.
const STEADY_MS: f64 = 5_000.0;

/// What a server says that closes a connection on purpose: the cluster ends, or the server does.
const AWAY: u16 = 1001;

/// After that it is time for the news of it to come, milliseconds.
const NEWS_MS: u32 = 2_500;

/// How the connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// The first connection is being made.
    #[default]
    Connecting,
    /// The cluster does not run yet.
    Starting,
    Open,
    /// Lost; tried again by itself.
    Lost,
    /// The cluster runs no more.
    Gone,
    /// The server speaks a later version: only a reload of the page helps.
    Outdated,
}

/// Everything that the scheduler told.
#[derive(Debug, Default)]
pub struct Live {
    pub link: Link,
    /// `None` until the first word about it came.
    pub health: Option<Health>,
    pub stream: Stream,
    pub progress: Option<Rc<Progress>>,
    /// `None` until they came once.
    pub workers: Option<Rc<[Worker]>>,
    /// Oldest first.
    pub samples: VecDeque<Sample>,
    pub errors: Option<Rc<Errors>>,
    /// First and last moment of a recording; `None` of a cluster that runs, and until it was read.
    pub span: Option<(i64, i64)>,
    /// The moment of a recording that was chosen, and the one that `workers` and `progress` are of; `None` for the end.
    pub at: Option<i64>,
    pub answered: Option<i64>,
    /// Raised whenever `stream` is another one than before.
    pub generation: u64,
    /// Those asked for last.
    details: VecDeque<Rc<Details>>,
    /// A stream that is being sent anew while the one before is still shown.
    incoming: Option<Stream>,
}

impl Live {
    /// Details of a record, where they were asked for and came.
    pub fn details(&self, record: u64) -> Option<Rc<Details>> {
        self.details
            .iter()
            .find(|details| details.record == record)
            .cloned()
    }

    /// What was told, as a test wants it.
    #[cfg(test)]
    pub fn told(set: impl FnOnce(&mut Self)) -> Self {
        let mut live = Self::default();
        set(&mut live);
        live
    }

    /// The connection stands otherwise.
    fn link(&mut self, link: Link) {
        if link != Link::Open
            && let Some(progress) = &mut self.progress
            && progress.left != TimeLeft::default()
        {
            // Counts stay as they were last; a time that is left does not.
            Rc::make_mut(progress).left = TimeLeft::default();
        }
        self.link = link;
    }

    /// Takes a frame in.
    fn take(&mut self, frame: Frame) -> Result<(), StreamError> {
        match frame {
            Frame::Hello(hello) => {
                let stream = Stream::new(&hello);
                if self.stream.is_same_scheduler(&stream) {
                    self.incoming = Some(stream);
                } else {
                    self.stream = stream;
                    self.generation += 1;
                    self.incoming = None;
                    self.progress = None;
                    self.errors = None;
                    self.details.clear();
                }
            }
            Frame::Tasks(batch) => {
                let caught_up = batch.caught_up;
                self.incoming.as_mut().unwrap_or(&mut self.stream).extend(batch)?;
                if caught_up && let Some(whole) = self.incoming.take() {
                    self.stream = whole;
                    self.generation += 1;
                }
            }
            Frame::Progress(progress) => self.progress = Some(Rc::new(progress)),
            Frame::Workers(workers) => self.workers = Some(workers.into()),
            Frame::Health(health) => self.health = Some(health),
            Frame::Series(series) => {
                if series.begins {
                    self.samples.clear();
                }
                self.samples.extend(series.samples);
                let surplus = self.samples.len().saturating_sub(KEEP_SAMPLES);
                self.samples.drain(..surplus);
            }
            Frame::Errors(errors) => self.errors = Some(Rc::new(errors)),
            Frame::Moment(moment) => {
                self.span = Some((moment.first_us, moment.last_us));
                self.answered = moment.at_us;
            }
            Frame::Details(details) => {
                self.details.truncate(KEEP_DETAILS - 1);
                self.details.push_front(Rc::new(details));
            }
        }
        Ok(())
    }
}

struct Listener {
    id: u64,
    topics: Topics,
    notify: Rc<dyn Fn()>,
}

/// One connection; it ends with the last pane that holds it.
pub struct LiveClient {
    base_url: String,
    cluster: String,
    live: RefCell<Live>,
    listeners: RefCell<Vec<Listener>>,
    next_id: Cell<u64>,
    socket: RefCell<Option<Socket>>,
    backoff: RefCell<Backoff>,
    attempt: RefCell<Option<Task>>,
    /// Record whose details were asked for last.
    asked: Cell<Option<u64>>,
    /// The moment that this connection was asked for last.
    sought: Cell<Option<i64>>,
    store: Store,
    /// Hears whether the cluster runs.
    news: RefCell<Option<store::Subscription>>,
    /// When the connection was made, as `Date.now()` tells.
    opened_at: Cell<Option<f64>>,
    notify: FrameRequest,
}

/// Keeps a listener; dropped, it hears no more.
pub struct Subscription {
    client: Rc<LiveClient>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let topics = self.client.topics();
        self.client
            .listeners
            .borrow_mut()
            .retain(|listener| listener.id != self.id);
        if self.client.topics() != topics {
            self.client.send_topics();
        }
    }
}

thread_local! {
    static CLIENTS: RefCell<Vec<Weak<LiveClient>>> = const { RefCell::new(Vec::new()) };
}

impl LiveClient {
    /// The connection to a cluster: the one that is there, or a new one.
    pub fn open(base_url: &str, cluster: &str) -> Rc<Self> {
        CLIENTS.with_borrow_mut(|clients| {
            clients.retain(|client| client.strong_count() > 0);
            let same = |client: &Rc<Self>| client.base_url == base_url && client.cluster == cluster;
            if let Some(client) = clients.iter().filter_map(Weak::upgrade).find(same) {
                return client;
            }
            let client = Rc::new_cyclic(|weak: &Weak<Self>| {
                let weak = weak.clone();
                Self {
                    base_url: base_url.to_owned(),
                    cluster: cluster.to_owned(),
                    live: RefCell::default(),
                    listeners: RefCell::default(),
                    next_id: Cell::new(0),
                    socket: RefCell::default(),
                    backoff: RefCell::default(),
                    attempt: RefCell::default(),
                    asked: Cell::default(),
                    sought: Cell::default(),
                    store: Store::of(base_url),
                    news: RefCell::default(),
                    opened_at: Cell::default(),
                    notify: FrameRequest::new(move |_| {
                        if let Some(client) = weak.upgrade() {
                            client.notify_all();
                        }
                    }),
                }
            });
            clients.push(Rc::downgrade(&client));
            client.listen();
            client
        })
    }

    pub fn read(&self) -> Ref<'_, Live> {
        self.live.borrow()
    }

    /// Calls `notify` after changes, at most once an animation frame, as long as the answer is kept.
    pub fn subscribe(self: &Rc<Self>, topics: Topics, notify: impl Fn() + 'static) -> Subscription {
        let before = self.topics();
        let id = self.next_id.replace(self.next_id.get() + 1);
        self.listeners.borrow_mut().push(Listener {
            id,
            topics,
            notify: Rc::new(notify),
        });
        if self.topics() != before {
            self.send_topics();
        }
        Subscription {
            client: Rc::clone(self),
            id,
        }
    }

    /// Asks for a record's details, unless they are here or under way; listeners hear when they come.
    pub fn ask_details(&self, record: u64) {
        if self.live.borrow().details(record).is_some() || self.asked.get() == Some(record) {
            return;
        }
        self.asked.set(Some(record));
        self.send(&Request::Details { record });
    }

    /// Shows another moment of a recording, microseconds since the Unix epoch; `None` for its end.
    pub fn seek(&self, at_us: Option<i64>) {
        self.live.borrow_mut().at = at_us;
        self.ask_moment();
        self.notify.request();
    }

    /// Asks for the moment that was chosen, where the server does not know it yet.
    fn ask_moment(&self) {
        let at_us = self.read().at;
        if self.sought.replace(at_us) != at_us {
            self.send(&Request::Moment { at_us });
        }
    }

    /// What all listeners together want.
    fn topics(&self) -> Topics {
        self.listeners
            .borrow()
            .iter()
            .fold(Topics::default(), |all, listener| all | listener.topics)
    }

    fn send_topics(&self) {
        self.send(&Request::Subscribe(self.topics()));
    }

    fn send(&self, request: &Request) {
        if let Some(socket) = &*self.socket.borrow() {
            socket.send(request);
        }
    }

    fn notify_all(&self) {
        // A listener may drop another one, or itself.
        let listeners: Vec<_> = self
            .listeners
            .borrow()
            .iter()
            .map(|l| (l.id, Rc::clone(&l.notify)))
            .collect();
        for (id, notify) in listeners {
            if self.listeners.borrow().iter().any(|l| l.id == id) {
                notify();
            }
        }
    }

    fn set_link(&self, link: Link) {
        self.live.borrow_mut().link(link);
        self.notify.request();
    }

    /// Connects as soon as the cluster runs, and gives up when it no longer does.
    fn listen(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let news = self.store.subscribe(Callback::from(move |()| {
            if let Some(client) = weak.upgrade() {
                client.heard();
            }
        }));
        self.news.replace(Some(news));
        self.heard();
    }

    /// What the server says of the cluster may have changed.
    fn heard(self: &Rc<Self>) {
        let state = self.store.state();
        // A recording and an attached scheduler can be shown for as long as they are in their list, or none has come yet.
        let kept = if self.cluster.starts_with(PANE_PREFIX) {
            Some(state.recordings.is_none() || state.recording(&self.cluster).is_some())
        } else if self.cluster.starts_with(NAME_PREFIX) {
            Some(state.attached.is_none() || state.attached(&self.cluster).is_some())
        } else {
            None
        };
        let cluster = if let Some(there) = kept {
            Some(if there {
                ClusterState::Running
            } else {
                ClusterState::Stopped
            })
        } else {
            state.cluster(&self.cluster).map(|cluster| cluster.state)
        };
        let connected = self.socket.borrow().is_some();
        let link = match cluster {
            Some(ClusterState::Running) => {
                if !connected && self.attempt.borrow().is_none() && self.read().link != Link::Outdated {
                    self.connect();
                }
                return;
            }
            // The server closes the connection itself, after the last records.
            _ if connected => return,
            Some(ClusterState::Pending) => Link::Starting,
            Some(ClusterState::Stopping | ClusterState::Stopped | ClusterState::Failed) => Link::Gone,
            None if state.clusters.is_some() => Link::Gone,
            None if matches!(state.link, ServerLink::Lost { .. }) => Link::Lost,
            None => return,
        };
        self.attempt.replace(None);
        if self.read().link != link {
            self.set_link(link);
        }
    }

    fn connect(self: &Rc<Self>) {
        match Socket::open(&self.base_url, &self.cluster, Rc::downgrade(self)) {
            Ok(socket) => {
                self.socket.replace(Some(socket));
            }
            Err(error) => {
                gloo::console::error!("the live connection could not be opened:", error);
                self.lost(0);
            }
        }
    }

    fn opened(&self) {
        self.set_link(Link::Open);
        self.opened_at.set(Some(js_sys::Date::now()));
        self.asked.set(None);
        self.sought.set(None);
        self.send_topics();
    }

    fn received(self: &Rc<Self>, bytes: &[u8]) {
        let Packet { seq, frame } = match decode(bytes) {
            Ok(packet) => packet,
            Err(error) => return self.give_up(&error.to_string()),
        };
        if matches!(&frame, Frame::Hello(hello) if hello.version != VERSION) {
            self.socket.replace(None);
            return self.set_link(Link::Outdated);
        }
        let is_moment = matches!(&frame, Frame::Moment(_));
        let taken = self.live.borrow_mut().take(frame);
        if let Err(error) = taken {
            return self.give_up(&error.to_string());
        }
        self.send(&Request::Ack { seq });
        if is_moment {
            // A connection that was made anew is at the end.
            self.ask_moment();
        }
        self.notify.request();
    }

    /// After a frame that makes no sense nothing later does: begin anew.
    fn give_up(self: &Rc<Self>, error: &str) {
        gloo::console::error!("a live frame could not be read:", error);
        self.lost(0);
    }

    /// The connection ended, with that code: try again after a pause, if the cluster still runs then.
    fn lost(self: &Rc<Self>, code: u16) {
        self.socket.replace(None);
        if self
            .opened_at
            .take()
            .is_some_and(|at| js_sys::Date::now() - at > STEADY_MS)
        {
            self.backoff.borrow_mut().reset();
        }
        self.set_link(Link::Lost);
        let weak = Rc::downgrade(self);
        let mut backoff = self.backoff.take();
        self.attempt.replace(Some(Task::spawn(async move {
            if code == AWAY {
                TimeoutFuture::new(NEWS_MS).await;
            }
            backoff.pause().await;
            if let Some(client) = weak.upgrade() {
                client.backoff.replace(backoff);
                client.attempt.replace(None);
                client.heard();
            }
        })));
        // The news of its end may have come before.
        self.heard();
    }
}

/// The connection to a cluster, for as long as the component lives and shows it.
#[hook]
pub fn use_live(base_url: &AttrValue, cluster: &AttrValue) -> Rc<LiveClient> {
    (*use_memo((base_url.clone(), cluster.clone()), |(base_url, cluster)| {
        LiveClient::open(base_url, cluster)
    }))
    .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_what_is_no_longer_heard_of() {
        let mut live = Live::default();
        let progress = Progress {
            left: TimeLeft {
                all: Some(12),
                prefixes: vec![Some(12)],
            },
            ..Progress::default()
        };
        live.link(Link::Open);
        live.take(Frame::Progress(progress)).expect("a frame");
        let shown = live.progress.clone();
        live.link(Link::Lost);
        let kept = live.progress.clone().expect("the counts stay");
        assert_eq!(kept.left, TimeLeft::default());
        assert!(
            shown.is_some_and(|shown| !Rc::ptr_eq(&shown, &kept)),
            "it is painted anew"
        );
        live.link(Link::Lost);
        assert!(
            live.progress.is_some_and(|again| Rc::ptr_eq(&again, &kept)),
            "once"
        );
    }
}
