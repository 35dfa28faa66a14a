//! Asks the gateway what there is, keeps a watcher on each running cluster, and publishes the list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dask_gateway::{ClusterReport, ClusterStatus, GatewayError, Listing};
use protocol::events::{Figures, NoticeLevel};
use protocol::live::Health;
use protocol::names::title;
use protocol::rest::{GatewayKind, GatewayState, GatewayStatus, LiveState, Scaling};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Clusters, gone, view, waiting};
use crate::embedded::{Embedded, EmbeddedState};
use crate::live::{Feed, Target, Watcher};

/// While something starts or stops, while a panel is open, and otherwise.
const SOON: Duration = Duration::from_millis(300);
const OPEN: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_secs(5);

/// The list is published at most this often, and at most that often where nothing but a scheduler's figures changed:
/// nobody reads them faster.
const PUBLISH: Duration = Duration::from_millis(200);
const FIGURES: Duration = Duration::from_secs(1);

/// States in which a cluster may cost something.
pub(super) const ACTIVE: [ClusterStatus; 3] = [
    ClusterStatus::Pending,
    ClusterStatus::Running,
    ClusterStatus::Stopping,
];

/// What the panel shows.
const SHOWN: [ClusterStatus; 4] = [
    ClusterStatus::Pending,
    ClusterStatus::Running,
    ClusterStatus::Stopping,
    ClusterStatus::Failed,
];

/// How long a failed cluster is shown, milliseconds.
const FAILED_SHOWN_MS: i64 = 3_600_000;

/// Where the gateway comes from; the embedded one says how it is.
#[derive(Clone)]
pub enum GatewayOrigin {
    Embedded(Arc<Embedded>),
    Remote,
}

pub(super) fn initial_status(origin: &GatewayOrigin, address: &str) -> GatewayStatus {
    GatewayStatus {
        kind: match origin {
            GatewayOrigin::Embedded(_) => GatewayKind::Embedded,
            GatewayOrigin::Remote => GatewayKind::Remote,
        },
        state: GatewayState::Starting,
        address: Some(address.to_owned()),
        version: None,
        message: None,
        access: None,
    }
}

impl Clusters {
    /// Asks and publishes until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::join!(
            self.ask(&shutdown),
            self.publish(&shutdown),
            self.guard(&shutdown)
        );
        let watchers: Vec<Watcher> = self.book().watchers.drain().map(|(_, watcher)| watcher).collect();
        for watcher in watchers {
            watcher.stop().await;
        }
    }

    async fn ask(&self, shutdown: &CancellationToken) {
        let mut embedded = match &self.0.origin {
            GatewayOrigin::Embedded(embedded) => Some(embedded.state()),
            GatewayOrigin::Remote => None,
        };
        loop {
            self.refresh().await;
            let pause = self.pause();
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.0.wake.notified() => {}
                () = changed(&mut embedded) => {}
            }
        }
    }

    fn pause(&self) -> Duration {
        let book = self.book();
        let moving = book.reports.values().any(|r| {
            matches!(r.status, ClusterStatus::Pending | ClusterStatus::Stopping)
                && !book.dismissed.contains(&r.name)
        });
        let starting = self.0.gateway.borrow().state == GatewayState::Starting;
        drop(book);
        match self.0.viewers.load(Ordering::Relaxed) {
            _ if moving || starting => SOON,
            0 => QUIET,
            _ => OPEN,
        }
    }

    async fn publish(&self, shutdown: &CancellationToken) {
        let mut figures_due = Instant::now();
        loop {
            let due = Instant::now() >= figures_due;
            self.publish_now(due);
            if due {
                figures_due = Instant::now() + FIGURES;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = async {
                    self.0.dirty.notified().await;
                    tokio::time::sleep(PUBLISH).await;
                } => {}
                () = tokio::time::sleep_until(figures_due), if !due => {}
            }
        }
    }

    /// Asks the gateway once and takes in what it says; returns when the list is up to date.
    pub(super) async fn refresh(&self) {
        let _order = self.0.refreshing.lock().await;
        match self.0.client.listing(&SHOWN).await {
            Ok(listing) => {
                let unreadable = gone::sentence(&listing.unreadable);
                self.take_in(listing).await;
                self.gateway_is_up(unreadable).await;
            }
            Err(error) => self.gateway_is_down(&error),
        }
        self.publish_now(false);
    }

    /// Publishes the list; one in which only figures are new waits until these are due.
    pub(super) fn publish_now(&self, figures: bool) {
        let mut list = view::clusters(&self.book(), &self.0.origin);
        self.dress(&mut list);
        self.0.list.send_if_modified(|old| {
            let changed = **old != list && (figures || Figures::between(old, &list).is_none());
            if changed {
                *old = Arc::new(list);
            }
            changed
        });
    }

    async fn gateway_is_up(&self, message: Option<String>) {
        let before = self.0.gateway.borrow().clone();
        if before.state == GatewayState::Up {
            if before.message != message {
                if let Some(message) = &message {
                    warn!("{message}");
                }
                self.0.gateway.send_replace(GatewayStatus { message, ..before });
            }
            return;
        }
        let version = match self.0.client.version().await {
            Ok(version) => Some(version),
            Err(error) => {
                warn!(%error, "the gateway does not tell its version");
                None
            }
        };
        info!(version, "the gateway is up");
        self.0.gateway.send_replace(GatewayStatus {
            state: GatewayState::Up,
            version,
            message,
            ..before
        });
    }

    fn gateway_is_down(&self, error: &GatewayError) {
        let before = self.0.gateway.borrow().clone();
        let embedded = match &self.0.origin {
            GatewayOrigin::Embedded(embedded) => Some(embedded.state().borrow().clone()),
            GatewayOrigin::Remote => None,
        };
        let (state, message) = match (embedded, error) {
            (Some(EmbeddedState::Starting), _) => (GatewayState::Starting, None),
            (Some(EmbeddedState::Failed { message }), _) => (GatewayState::Down, Some(message)),
            (_, GatewayError::Unauthorized(_) | GatewayError::Forbidden { .. }) => {
                (GatewayState::Unauthorized, Some(error.to_string()))
            }
            _ => (GatewayState::Down, Some(error.to_string())),
        };
        let now = GatewayStatus {
            state,
            message,
            ..before
        };
        self.0.gateway.send_if_modified(|old| {
            let changed = *old != now;
            if changed {
                warn!(%error, "the gateway can't be asked");
                *old = now;
            }
            changed
        });
    }

    /// Whether the list is what the gateway has: it answers.
    pub(super) fn is_listed(&self) -> bool {
        self.0.gateway.borrow().state == GatewayState::Up
    }

    async fn take_in(&self, listing: Listing) {
        let now_ms = crate::clock::now_ms();
        let mut reports: BTreeMap<String, ClusterReport> = listing
            .reports
            .into_iter()
            .filter(|r| {
                r.status != ClusterStatus::Failed
                    || now_ms - r.stop_time.or(r.start_time).unwrap_or(0) < FAILED_SHOWN_MS
            })
            .map(|r| (r.name.clone(), r))
            .collect();
        self.follow_up(&mut reports, now_ms).await;
        self.recall(&reports).await;
        let gone: Vec<String> = {
            let book = self.book();
            book.reports
                .keys()
                .filter(|name| !reports.contains_key(*name))
                .cloned()
                .collect()
        };
        let (to_scale, ended) = self.settle(reports, now_ms);
        for name in gone {
            self.forget(&name).await;
        }
        for watcher in ended {
            watcher.stop().await;
        }
        for (name, scaling) in to_scale {
            // On its own: scaling waits for the scheduler, and the list must not wait with it.
            let clusters = self.clone();
            tokio::spawn(async move { clusters.scale_at_start(name, scaling).await });
        }
    }

    /// Reads again what is remembered where a cluster is new: another server of this user may have made it.
    async fn recall(&self, reports: &BTreeMap<String, ClusterReport>) {
        let is_new = reports.keys().any(|name| !self.book().reports.contains_key(name));
        if !is_new {
            return;
        }
        match self.0.store.clusters().await {
            // What this server knows of its own is newer than what it read.
            Ok(notes) => {
                let mut book = self.book();
                for (name, note) in notes {
                    book.remembered.entry(name).or_insert(note);
                }
            }
            Err(error) => warn!(%error, "what is remembered of the clusters can't be read"),
        }
        match waiting::all(&self.0.store).await {
            Ok(waiting) => {
                let mut book = self.book();
                for (name, scaling) in waiting {
                    if reports.contains_key(&name) {
                        book.pending_scaling.entry(name).or_insert(scaling);
                    }
                }
            }
            Err(error) => warn!(%error, "the sizes that wait for clusters can't be read"),
        }
    }

    /// Compares with what was known; returns the sizes to ask for now and the watchers that are no longer needed.
    fn settle(
        &self,
        reports: BTreeMap<String, ClusterReport>,
        now_ms: i64,
    ) -> (Vec<(String, Scaling)>, Vec<Watcher>) {
        let mut book = self.book();
        book.lives.take(&reports, now_ms);
        let mut to_scale = Vec::new();
        let mut ended = Vec::new();
        for (name, old) in &book.reports {
            let new = reports.get(name).map(|r| r.status);
            let over = matches!(new, None | Some(ClusterStatus::Stopped));
            let ended = over && matches!(old.status, ClusterStatus::Running | ClusterStatus::Pending);
            if ended && !book.stopping.contains(name) {
                self.notify(
                    NoticeLevel::Info,
                    format!("Cluster {} was shut down.", short(&book, name)),
                );
            }
            if new == Some(ClusterStatus::Failed) && old.status != ClusterStatus::Failed {
                self.notify(
                    NoticeLevel::Error,
                    format!("Cluster {} has failed; its card says more.", short(&book, name)),
                );
            }
        }
        for (name, report) in &reports {
            if report.status != ClusterStatus::Running {
                continue;
            }
            if let Some(scaling) = book.pending_scaling.remove(name) {
                to_scale.push((name.clone(), scaling));
            }
            if !book.watchers.contains_key(name)
                && let Some(tls) = &report.tls
            {
                match Target::gateway(&self.0.config, name, tls) {
                    Ok(target) => {
                        let label = book.remembered.get(name).and_then(|note| note.label.clone());
                        let tap = self.0.recordings.record(name, label);
                        let watcher = Watcher::start(target, self.0.live, self.0.dirty.clone(), tap);
                        tokio::spawn(self.clone().wake_when_lost(watcher.feed(), watcher.ended()));
                        book.watchers.insert(name.clone(), watcher);
                    }
                    Err(error) => {
                        warn!(cluster = %name, %error, "the cluster can't be watched");
                        let problem = format!("It runs, but it can't be watched: {error}.");
                        book.lives.set_problem(name, Some(problem));
                    }
                }
            }
        }
        let running = |name: &String| {
            reports
                .get(name)
                .is_some_and(|r| r.status == ClusterStatus::Running)
        };
        let over: Vec<String> = book
            .watchers
            .keys()
            .filter(|name| !running(name))
            .cloned()
            .collect();
        for name in over {
            ended.extend(book.watchers.remove(&name));
        }
        book.stopping.retain(|name| reports.contains_key(name));
        book.dismissed.retain(|name| reports.contains_key(name));
        book.pending_scaling.retain(|name, _| {
            reports
                .get(name)
                .is_none_or(|r| r.status == ClusterStatus::Pending)
        });
        book.reports = reports;
        (to_scale, ended)
    }
}

impl Clusters {
    /// Asks the gateway what became of a cluster as soon as its scheduler is lost.
    async fn wake_when_lost(self, feed: Arc<Feed>, ended: CancellationToken) {
        let mut health = feed.health();
        let is_lost = |health: &Health| health.state == LiveState::Lost;
        let wake = async {
            while health.wait_for(is_lost).await.is_ok() {
                self.wake();
                if health.wait_for(|health| !is_lost(health)).await.is_err() {
                    return;
                }
            }
        };
        ended.run_until_cancelled(wake).await;
    }
}

/// Waits for a change of the embedded gateway's state; for ever where there is none.
async fn changed(state: &mut Option<watch::Receiver<EmbeddedState>>) {
    if let Some(state) = state
        && state.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// What the user calls the cluster, as on its card.
pub(super) fn short(book: &super::Book, name: &str) -> String {
    let note = book.remembered.get(name);
    title(note.and_then(|note| note.label.as_deref()), name).to_owned()
}
