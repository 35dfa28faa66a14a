//! Life of a cluster: list, create, scale, adapt, watch, stop.

mod causes;
pub mod cost;
mod create;
mod error;
mod for_jobs;
mod gone;
pub mod guard;
mod kernel;
mod label;
mod notes;
mod options;
mod poll;
mod scaling;
mod seen;
mod stake;
mod stop;
mod tails;
mod view;
mod waiting;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use dask_gateway::{ClusterReport, GatewayClient, GatewayConfig};
use protocol::events::{Notice, NoticeLevel};
use protocol::rest::{Cluster, ClusterState, GatewayStatus, Scaling};
use tokio::sync::{Notify, broadcast, watch};
use tracing::warn;

use crate::live::{self, Feed, Inspector, Watcher};
use crate::presets::Presets;
use crate::recordings::Recordings;
use crate::store::{ClusterNote, Store};
pub(crate) use create::Named;
pub use error::ClusterError;
use guard::GuardConfig;
pub use notes::OptionNotes;
pub use poll::GatewayOrigin;
use seen::Lives;

/// All clusters of the user on one gateway. Cheap to clone.
#[derive(Clone)]
pub struct Clusters(Arc<Inner>);

struct Inner {
    client: GatewayClient,
    config: GatewayConfig,
    origin: GatewayOrigin,
    /// What the settings say of the gateway's options.
    notes: OnceLock<OptionNotes>,
    store: Store,
    /// Name of this server, which marks the clusters that were created through it.
    instance: String,
    live: live::Settings,
    recordings: Recordings,
    guard: guard::State,
    book: Mutex<Book>,
    list: watch::Sender<Arc<Vec<Cluster>>>,
    gateway: watch::Sender<GatewayStatus>,
    notices: broadcast::Sender<Notice>,
    /// Something may have changed: ask the gateway now.
    wake: Notify,
    /// Something we know has changed: publish the list anew.
    dirty: Arc<Notify>,
    /// Held from asking for the list to taking it in: an older list must not replace a newer one.
    refreshing: tokio::sync::Mutex<()>,
    /// Panels that are open.
    viewers: AtomicUsize,
}

/// What is known of the clusters.
#[derive(Default)]
struct Book {
    reports: BTreeMap<String, ClusterReport>,
    watchers: HashMap<String, Watcher>,
    /// What was seen of each cluster since it is listed.
    lives: Lives,
    /// Labels and sizes asked for, as the store holds them.
    remembered: HashMap<String, ClusterNote>,
    /// Sizes to ask for as soon as the cluster runs.
    pending_scaling: HashMap<String, Scaling>,
    /// Clusters that are over and whose card the user has closed.
    dismissed: HashSet<String>,
    /// Clusters that were asked to stop: their end is no news.
    stopping: HashSet<String>,
    /// Clusters of which nobody says what became of them, and why.
    unanswered: HashMap<String, String>,
}

impl Book {
    /// What is remembered of a cluster, to change.
    fn note(&mut self, name: &str) -> &mut ClusterNote {
        let empty = || ClusterNote {
            label: None,
            scaling: Scaling::Unknown,
            created_by: None,
        };
        self.remembered.entry(name.to_owned()).or_insert_with(empty)
    }
}

/// Keeps the list fresh while a panel is open.
pub struct ViewerGuard(Clusters);

impl Drop for ViewerGuard {
    fn drop(&mut self) {
        self.0.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Clusters {
    /// Prepares the clusters of the gateway that `config` names; [`Clusters::run`] begins to ask it.
    ///
    /// # Errors
    /// Where the configuration can't be used, or the store can't be read.
    pub async fn new(
        config: GatewayConfig,
        origin: GatewayOrigin,
        store: Store,
        guard: GuardConfig,
        live: live::Settings,
        recordings: Recordings,
        notices: broadcast::Sender<Notice>,
    ) -> Result<Self, ClusterError> {
        let client = GatewayClient::new(&config)?;
        let remembered = store.clusters().await?;
        let gateway = poll::initial_status(&origin, client.address());
        let keep_note = match origin {
            GatewayOrigin::Embedded(_) => Some(guard::EMBEDDED_KEEP.to_owned()),
            GatewayOrigin::Remote => None,
        };
        let clusters = Self(Arc::new(Inner {
            client,
            config,
            origin,
            notes: OnceLock::new(),
            store,
            instance: guard.instance,
            live,
            recordings,
            guard: guard::State::new(guard.rules, guard.cost, guard.lives, keep_note),
            book: Mutex::new(Book {
                remembered,
                ..Book::default()
            }),
            list: watch::Sender::default(),
            gateway: watch::Sender::new(gateway),
            notices,
            wake: Notify::new(),
            dirty: Arc::new(Notify::new()),
            refreshing: tokio::sync::Mutex::new(()),
            viewers: AtomicUsize::new(0),
        }));
        clusters.recall_usage().await?;
        Ok(clusters)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clusters, newest first, changing.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Vec<Cluster>>> {
        self.0.list.subscribe()
    }

    pub fn list(&self) -> Arc<Vec<Cluster>> {
        self.0.list.borrow().clone()
    }

    /// The gateway's state, changing.
    pub fn gateway(&self) -> watch::Receiver<GatewayStatus> {
        self.0.gateway.subscribe()
    }

    /// Says how Python reaches the gateway from outside of Jupyter's kernels.
    pub fn tell_access(&self, access: String) {
        self.0
            .gateway
            .send_modify(|gateway| gateway.access = Some(access));
    }

    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Says that a panel is open, for as long as the guard lives.
    pub fn watch_closely(&self) -> ViewerGuard {
        self.0.viewers.fetch_add(1, Ordering::Relaxed);
        self.wake();
        ViewerGuard(self.clone())
    }

    /// Asks the gateway at once: something went through one of our doors.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// One cluster as the list shows it.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`].
    pub fn get(&self, name: &str) -> Result<Cluster, ClusterError> {
        let list = self.list();
        list.iter()
            .find(|c| c.name == name)
            .cloned()
            .ok_or_else(|| ClusterError::NotFound(name.to_owned()))
    }

    /// One cluster; asks the gateway again before it says that there is none.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`].
    pub async fn find(&self, name: &str) -> Result<Cluster, ClusterError> {
        if self.get(name).is_err() {
            self.refresh().await;
        }
        self.get(name)
    }

    /// Where the gateway says that a running cluster's dashboard is: a path below its own address.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`], or [`ClusterError::WrongState`] where it has none.
    pub async fn dashboard_route(&self, name: &str) -> Result<String, ClusterError> {
        let named = || self.book().reports.get(name)?.dashboard_route.clone();
        if let Some(route) = named() {
            return Ok(route);
        }
        let cluster = self.find(name).await?;
        named().ok_or_else(|| {
            ClusterError::WrongState(match cluster.state {
                ClusterState::Running => format!("The gateway names no dashboard for cluster {name}."),
                state => format!(
                    "Cluster {name} is {}; it has a dashboard while it runs.",
                    view::state_word(state)
                ),
            })
        })
    }

    /// What the gateway takes from us as `Authorization`, where the configuration has it.
    pub fn credentials(&self) -> Option<http::HeaderValue> {
        self.0.client.authorization()
    }

    /// What is kept to fill the form for a new cluster beforehand; each gateway's options are its own.
    pub fn presets(&self) -> Presets {
        let gateway = match &self.0.origin {
            GatewayOrigin::Embedded(_) => "embedded",
            GatewayOrigin::Remote => self.0.client.address(),
        };
        Presets::new(self.0.store.clone(), gateway)
    }

    /// Live data of a running cluster.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`], or [`ClusterError::WrongState`] where it is not running.
    pub async fn feed(
        &self,
        name: &str,
    ) -> Result<(Arc<Feed>, tokio_util::sync::CancellationToken), ClusterError> {
        self.watcher(name, |watcher| (watcher.feed(), watcher.ended()))
            .await
    }

    /// What asks the scheduler of a running cluster when somebody looks.
    ///
    /// # Errors
    /// As [`Clusters::feed`].
    pub async fn inspector(&self, name: &str) -> Result<Arc<Inspector>, ClusterError> {
        self.watcher(name, Watcher::inspector).await
    }

    async fn watcher<T>(&self, name: &str, take: impl FnOnce(&Watcher) -> T) -> Result<T, ClusterError> {
        let cluster = self.find(name).await?;
        self.book().watchers.get(name).map(take).ok_or_else(|| {
            ClusterError::WrongState(format!(
                "Cluster {name} is {}; there is live data while it runs.",
                view::state_word(cluster.state)
            ))
        })
    }

    /// Ends all clusters that may cost something: every request leaves at once, then waits until the gateway says that
    /// they are over, at most `patience`. Returns the names of those that are not.
    pub async fn stop_all(&self, patience: Duration) -> Vec<String> {
        let give_up = tokio::time::Instant::now() + patience;
        let mut asked = HashSet::new();
        self.delete_all(self.active_names()).await;
        loop {
            let Ok(reports) = self.0.client.list(&poll::ACTIVE).await else {
                return self.active_names();
            };
            if reports.is_empty() {
                return Vec::new();
            }
            let names = || reports.iter().map(|report| report.name.clone());
            if tokio::time::Instant::now() > give_up {
                return names().collect();
            }
            // Clusters that were made while the others ended.
            let unasked = names().filter(|name| asked.insert(name.clone())).collect();
            self.delete_all(unasked).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn active_names(&self) -> Vec<String> {
        self.list()
            .iter()
            .filter(|c| c.state.is_active())
            .map(|c| c.name.clone())
            .collect()
    }

    /// Every request leaves before the first answer is awaited. Returns the names that failed.
    async fn delete_all(&self, names: Vec<String>) -> Vec<String> {
        let deletes = names.into_iter().map(|name| async move {
            let error = self.0.client.delete(&name).await.err()?;
            warn!(cluster = %name, %error, "a cluster could not be stopped");
            Some(name)
        });
        futures_util::future::join_all(deletes)
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    fn notify(&self, level: NoticeLevel, message: String) {
        // Nobody listens while no panel is open; the log has it too.
        self.0.notices.send(Notice::new(level, message)).ok();
    }
}
