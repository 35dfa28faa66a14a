//! Schedulers of the user's that no gateway knows: watched by their address, never changed, kept across a restart.

mod index;
mod target;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::attached::{Attach, Attached, NAME_PREFIX};
use protocol::rest::{LiveState, MAX_LABEL};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;
use crate::live::{self, Feed, Inspector, Watcher};
use crate::recordings::Recordings;
use crate::store::{Store, StoreError};
use index::Given;

/// What other servers of the user attached and detached is looked for this often, and so is a certificate that could not
/// be read.
const LOOK: Duration = Duration::from_secs(2);

/// The list is published at most this often, and at most that often where only a scheduler's figures changed.
const PUBLISH: Duration = Duration::from_millis(200);
const FIGURES: Duration = Duration::from_secs(1);

/// Schedulers that may be attached at once: each is asked every second.
const AT_ONCE: usize = 32;

/// Why a scheduler can't be attached or found, in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("No scheduler is attached as {0}. It may have been detached; the list shows those that are.")]
    NotFound(String),
    /// `field` is the request's field that is to be corrected.
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    #[error("{0}")]
    WrongState(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All attached schedulers. Cheap to clone.
#[derive(Clone)]
pub struct Attachments(Arc<Inner>);

struct Inner {
    store: Store,
    live: live::Settings,
    recordings: Recordings,
    entries: Mutex<BTreeMap<String, Entry>>,
    list: watch::Sender<Arc<Vec<Attached>>>,
    /// A watcher learned something that the list shows.
    dirty: Arc<Notify>,
    /// Held from reading the store to taking it in.
    looking: tokio::sync::Mutex<()>,
}

struct Entry {
    given: Given,
    /// Or why there is none, in a sentence.
    watcher: Result<Watcher, String>,
}

impl Attachments {
    /// Nothing is watched before [`Attachments::run`].
    pub fn new(store: Store, live: live::Settings, recordings: Recordings) -> Self {
        Self(Arc::new(Inner {
            store,
            live,
            recordings,
            entries: Mutex::default(),
            list: watch::Sender::default(),
            dirty: Arc::default(),
            looking: tokio::sync::Mutex::default(),
        }))
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list, newest first, changing.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Vec<Attached>>> {
        self.0.list.subscribe()
    }

    pub fn list(&self) -> Arc<Vec<Attached>> {
        self.0.list.borrow().clone()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`AttachError::NotFound`].
    pub fn get(&self, id: &str) -> Result<Attached, AttachError> {
        let entries = self.entries();
        let entry = entries
            .get(id)
            .ok_or_else(|| AttachError::NotFound(id.to_owned()))?;
        Ok(shown(entry))
    }

    /// Watches what attached before and what attaches, until `stop`; then ends all watchers.
    pub async fn run(self, stop: CancellationToken) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut figures_due = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick() => self.look().await,
                () = self.0.dirty.notified() => tokio::time::sleep(PUBLISH).await,
            }
            let due = Instant::now() >= figures_due;
            self.publish(due);
            if due {
                figures_due = Instant::now() + FIGURES;
            }
        }
        let _order = self.0.looking.lock().await;
        let entries = std::mem::take(&mut *self.entries());
        for entry in entries.into_values() {
            end(entry).await;
        }
    }

    /// Attaches to a scheduler, which must answer now.
    ///
    /// # Errors
    /// [`AttachError::Invalid`] with the field to correct, [`AttachError::WrongState`] where it is attached already.
    pub async fn attach(&self, request: Attach) -> Result<Attached, AttachError> {
        let address = target::address(&request.address)?;
        let files = target::files(&address, &request)?;
        let label = label(&request, &address)?;
        let text = address.to_string();
        self.refuse_another(&text)?;
        let reached = target::target(address.clone(), files.as_ref()).await?;
        target::probe(&address, &reached).await?;
        let given = Given {
            id: uuid::Uuid::new_v4().simple().to_string()[..12].to_owned(),
            label,
            address: text.clone(),
            files,
            attached_at: clock::now_ms(),
        };
        let id = given.id.clone();
        if !index::add(&self.0.store, given).await? {
            return Err(already(&text));
        }
        info!(address = %text, "attached to a scheduler");
        self.look().await;
        self.publish(true);
        self.get(&id)
    }

    fn refuse_another(&self, address: &str) -> Result<(), AttachError> {
        let entries = self.entries();
        if entries.values().any(|entry| entry.given.address == address) {
            return Err(already(address));
        }
        if entries.len() >= AT_ONCE {
            return Err(AttachError::WrongState(format!(
                "{AT_ONCE} schedulers are attached, and more are not watched at once. Detach one first."
            )));
        }
        Ok(())
    }

    /// Forgets a scheduler, which goes on as before.
    ///
    /// # Errors
    /// [`AttachError::NotFound`].
    pub async fn detach(&self, id: &str) -> Result<(), AttachError> {
        let there = index::remove(&self.0.store, id).await?;
        self.look().await;
        self.publish(true);
        there
            .then_some(())
            .ok_or_else(|| AttachError::NotFound(id.to_owned()))
    }

    /// Live data of an attached scheduler.
    ///
    /// # Errors
    /// [`AttachError::NotFound`], or [`AttachError::WrongState`] where it can't be watched.
    pub fn feed(&self, id: &str) -> Result<(Arc<Feed>, CancellationToken), AttachError> {
        self.watcher(id, |watcher| (watcher.feed(), watcher.ended()))
    }

    /// What asks an attached scheduler when somebody looks.
    ///
    /// # Errors
    /// As [`Attachments::feed`].
    pub fn inspector(&self, id: &str) -> Result<Arc<Inspector>, AttachError> {
        self.watcher(id, Watcher::inspector)
    }

    fn watcher<T>(&self, id: &str, take: impl FnOnce(&Watcher) -> T) -> Result<T, AttachError> {
        match self.entries().get(id) {
            None => Err(AttachError::NotFound(id.to_owned())),
            Some(Entry {
                watcher: Err(why), ..
            }) => Err(AttachError::WrongState(why.clone())),
            Some(Entry {
                watcher: Ok(watcher), ..
            }) => Ok(take(watcher)),
        }
    }

    /// Compares with the store: another server of this user may have attached or detached.
    async fn look(&self) {
        let _order = self.0.looking.lock().await;
        let known = match index::list(&self.0.store).await {
            Ok(known) => known,
            Err(error) => return warn!(%error, "the attached schedulers can't be read"),
        };
        let gone: Vec<Entry> = {
            let mut entries = self.entries();
            let over: Vec<String> = entries
                .keys()
                .filter(|id| !known.iter().any(|given| given.id == **id))
                .cloned()
                .collect();
            over.iter().filter_map(|id| entries.remove(id)).collect()
        };
        for entry in gone {
            end(entry).await;
        }
        for given in known {
            let watched = self
                .entries()
                .get(&given.id)
                .is_some_and(|entry| entry.watcher.is_ok());
            if !watched {
                let watcher = self.watch(&given).await;
                self.entries().insert(given.id.clone(), Entry { given, watcher });
            }
        }
    }

    async fn watch(&self, given: &Given) -> Result<Watcher, String> {
        let told = |error: AttachError| error.to_string();
        let address = target::address(&given.address).map_err(told)?;
        let target = target::target(address, given.files.as_ref())
            .await
            .map_err(told)?;
        let tap = self
            .0
            .recordings
            .record(&given.address, Some(given.label.clone()));
        // Nobody here would end it, so it need not say when it rests.
        let live = live::Settings {
            idle: false,
            ..self.0.live
        };
        Ok(Watcher::start(target, live, self.0.dirty.clone(), tap))
    }

    /// Publishes the list; one in which only figures are new waits until these are due.
    fn publish(&self, figures: bool) {
        let mut list: Vec<Attached> = self.entries().values().map(shown).collect();
        list.sort_by(|a, b| b.attached_at.cmp(&a.attached_at).then_with(|| a.id.cmp(&b.id)));
        self.0.list.send_if_modified(|old| {
            let changed = **old != list && (figures || !same_but_figures(old, &list));
            if changed {
                *old = Arc::new(list);
            }
            changed
        });
    }
}

fn already(address: &str) -> AttachError {
    AttachError::WrongState(format!(
        "{address} is attached already; its card is in the list. Detach it first to attach it otherwise."
    ))
}

fn label(request: &Attach, address: &dask_comm::Address) -> Result<String, AttachError> {
    let typed = request.label.as_deref().map(str::trim).unwrap_or_default();
    if typed.chars().count() > MAX_LABEL {
        return Err(AttachError::Invalid {
            field: "label",
            message: format!("A label has at most {MAX_LABEL} characters. Shorten it."),
        });
    }
    if !typed.is_empty() {
        return Ok(typed.to_owned());
    }
    let (host, port) = address.host_port();
    Ok(format!("{host}:{port}"))
}

fn shown(entry: &Entry) -> Attached {
    let given = &entry.given;
    let (live, message, summary) = match &entry.watcher {
        Ok(watcher) => {
            let feed = watcher.feed();
            let health = feed.health().borrow().clone();
            (health.state, health.message, feed.summary().borrow().clone())
        }
        Err(why) => (LiveState::Off, Some(why.clone()), None),
    };
    Attached {
        name: format!("{NAME_PREFIX}{}", given.id),
        id: given.id.clone(),
        label: given.label.clone(),
        address: given.address.clone(),
        attached_at: given.attached_at,
        live,
        message,
        summary,
    }
}

async fn end(entry: Entry) {
    if let Ok(watcher) = entry.watcher {
        watcher.stop().await;
    }
}

fn same_but_figures(old: &[Attached], new: &[Attached]) -> bool {
    let same = |(old, new): (&Attached, &Attached)| {
        let summary = new.summary.clone();
        Attached {
            summary,
            ..old.clone()
        } == *new
    };
    old.len() == new.len() && old.iter().zip(new).all(same)
}
