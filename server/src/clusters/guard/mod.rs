//! The guard: sees to it that no cluster is forgotten. Leases, when they run out, and what was done about it.

mod change;
mod end;
mod gateway;
mod lease;
mod settings;
mod store;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dask_gateway::ClusterStatus;
use protocol::events::{Notice, NoticeLevel};
use protocol::guard::{Deed, Guard, Limit};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::lease::{Due, LeaseRow, Origin, Seen, Step};
pub use self::settings::{GuardSettings, OthersSettings};
pub(super) use self::view::EMBEDDED_KEEP;
use super::cost::{self, CostSettings};
use super::{Clusters, poll};
use crate::clock::now_ms;
use crate::live::{Activity, IdleReader};
use crate::store::StoreError;

/// How often the guard makes its round.
const ROUND: Duration = Duration::from_secs(1);

/// Rounds between two counts of what was used.
const COUNT_EVERY: u32 = 15;

/// A cluster that is not listed for so long is gone; before, another server may just be making it.
const GONE_AFTER: Duration = Duration::from_secs(60);

/// Deeds that panels are shown.
const SHOWN_DEEDS: u32 = 50;

/// Tells whether the server of that name lives.
pub type Lives = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// What the guard goes by.
pub struct GuardConfig {
    /// Name of this server.
    pub instance: String,
    pub rules: GuardSettings,
    pub cost: CostSettings,
    pub lives: Lives,
}

/// What the guard knows.
pub(super) struct State {
    pub(super) rules: GuardSettings,
    pub(super) cost: CostSettings,
    lives: Lives,
    rows: Mutex<HashMap<String, LeaseRow>>,
    pub(super) totals: Mutex<cost::Totals>,
    info: watch::Sender<Arc<Guard>>,
}

impl State {
    pub(super) fn new(
        rules: GuardSettings,
        cost: CostSettings,
        lives: Lives,
        keep_note: Option<String>,
    ) -> Self {
        let info = Guard {
            defaults: rules.own(),
            warn_s: rules.warn_s(),
            keep_note,
            usage: protocol::guard::Usage::default(),
            deeds: Vec::new(),
        };
        Self {
            rules,
            cost,
            lives,
            rows: Mutex::default(),
            totals: Mutex::default(),
            info: watch::Sender::new(Arc::new(info)),
        }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<String, LeaseRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the guard remembers from round to round.
struct Rounds {
    began: Instant,
    count_in: u32,
    /// Clusters whose use was counted last time.
    counted: Vec<cost::Present>,
    /// How long nobody guarded before this server began; known once the first round was made.
    away_ms: Option<i64>,
    /// What ran out meanwhile may be acted on at once: the clusters of the first round, with the versions of their leases, until
    /// it is known what they do.
    unguarded: HashMap<String, i64>,
    missing: HashMap<String, Instant>,
    /// What panels of this server were told: when the lease says so, by cluster.
    told: HashMap<String, i64>,
    failing: bool,
}

/// A cluster as the guard sees it.
struct Watched {
    name: String,
    running: bool,
    created_by: Option<String>,
    gateway_s: Option<u64>,
    started_at: Option<i64>,
    idle: Option<IdleReader>,
}

impl Watched {
    fn seen(&self) -> Seen {
        self.seen_as(self.idle.as_ref().map_or(Activity::Unknown, IdleReader::now))
    }

    fn seen_as(&self, activity: Activity) -> Seen {
        Seen {
            activity,
            started_at: self.started_at,
            gateway_s: self.gateway_s,
        }
    }
}

impl Clusters {
    /// What the guard goes by, what it did and what was used, changing.
    pub fn guard_info(&self) -> watch::Receiver<Arc<Guard>> {
        self.0.guard.info.subscribe()
    }

    /// Makes rounds until `shutdown`.
    pub(super) async fn guard(&self, shutdown: &CancellationToken) {
        let mut rounds = Rounds {
            began: Instant::now(),
            count_in: 0,
            counted: Vec::new(),
            away_ms: None,
            unguarded: HashMap::new(),
            missing: HashMap::new(),
            told: HashMap::new(),
            failing: false,
        };
        let every = async {
            loop {
                if self.is_listed() {
                    match self.round(&mut rounds).await {
                        Ok(()) => rounds.failing = false,
                        // Said once: the next round is in a second.
                        Err(error) if !rounds.failing => {
                            warn!(%error, "the guard can't do its work");
                            rounds.failing = true;
                        }
                        Err(_again) => {}
                    }
                }
                tokio::time::sleep(ROUND).await;
            }
        };
        shutdown.run_until_cancelled(every).await;
        if self.is_listed()
            && let Err(error) = self.count_usage(rounds.began.elapsed()).await
        {
            warn!(%error, "what was used in the last seconds can't be counted");
        }
    }

    async fn round(&self, rounds: &mut Rounds) -> Result<(), StoreError> {
        let now = now_ms();
        let watched = self.watched();
        self.take_leases(&watched, rounds).await?;
        let away_ms = match rounds.away_ms {
            Some(away) => away,
            None => {
                let until = cost::counted_until(&self.0.store, self.0.client.address()).await?;
                let away = until.map_or(0, |until| now.saturating_sub(until));
                self.settle_leases(&watched).await?;
                rounds.away_ms = Some(away);
                rounds.unguarded = self.guard_versions();
                self.publish_guard().await?;
                away
            }
        };
        let steps = watched
            .iter()
            .filter(|cluster| cluster.running)
            .filter_map(|cluster| {
                let row = self.0.guard.rows().get(&cluster.name).cloned()?;
                let seen = cluster.seen();
                let unguarded = rounds.unguarded.get(&cluster.name) == Some(&row.version);
                let step = row.step(seen, now, self.warn_ms(), if unguarded { away_ms } else { 0 });
                Some((cluster, row, step, seen.activity != Activity::Unknown))
            });
        let steps: Vec<_> = steps.collect();
        for (cluster, ..) in steps.iter().filter(|(.., known)| *known) {
            rounds.unguarded.remove(&cluster.name);
        }
        let stops = steps.iter().filter_map(|(cluster, row, step, _)| match step {
            Step::Stop(due) => Some(self.stop_overdue(cluster, row, *due, away_ms)),
            Step::Wait | Step::Forget | Step::Tell(_) => None,
        });
        let stops: Vec<_> = stops.collect();
        futures_util::future::join_all(stops).await;
        for (cluster, row, step, _) in &steps {
            match step {
                Step::Tell(due) => self.tell(cluster, row, *due, now, rounds).await?,
                Step::Forget => {
                    store::told(&self.0.store, row, None).await?;
                    rounds.told.remove(&cluster.name);
                }
                Step::Wait | Step::Stop(_) => self.tell_here(cluster, row, rounds),
            }
        }
        let uptime = rounds.began.elapsed();
        if self.count_changed(&mut rounds.counted, uptime).await? || rounds.count_in == 0 {
            rounds.count_in = COUNT_EVERY;
            rounds.counted = self.count_usage(uptime).await?;
        }
        rounds.count_in -= 1;
        self.0.dirty.notify_one();
        Ok(())
    }

    fn guard_versions(&self) -> HashMap<String, i64> {
        let rows = self.0.guard.rows();
        rows.values()
            .map(|row| (row.cluster.clone(), row.version))
            .collect()
    }

    pub(super) fn warn_ms(&self) -> i64 {
        i64::try_from(self.0.guard.rules.warn.as_millis()).unwrap_or(i64::MAX)
    }

    /// The clusters that may have a lease.
    fn watched(&self) -> Vec<Watched> {
        let book = self.book();
        book.reports
            .values()
            .filter(|report| report.status != ClusterStatus::Failed)
            .map(|report| Watched {
                name: report.name.clone(),
                running: report.status == ClusterStatus::Running,
                created_by: book
                    .remembered
                    .get(&report.name)
                    .and_then(|n| n.created_by.clone()),
                gateway_s: gateway::gateway_idle(&report.options),
                started_at: report.start_time,
                idle: book
                    .watchers
                    .get(&report.name)
                    .and_then(crate::live::Watcher::idle),
            })
            .collect()
    }

    /// Reads the leases, which other servers may have changed; gives one to each cluster that has none, and drops those of
    /// clusters that are gone.
    async fn take_leases(&self, watched: &[Watched], rounds: &mut Rounds) -> Result<(), StoreError> {
        let (db, gateway) = (&self.0.store, self.0.client.address());
        let mut rows = store::leases(db, gateway).await?;
        let mut added = false;
        for cluster in watched {
            if !rows.iter().any(|row| row.cluster == cluster.name) {
                store::put(db, gateway, self.default_lease(cluster), false).await?;
                added = true;
            }
        }
        if added {
            rows = store::leases(db, gateway).await?;
        }
        let listed = |name: &str| watched.iter().any(|cluster| cluster.name == name);
        rounds.missing.retain(|name, _| !listed(name));
        let unlisted = rows.iter().filter(|row| !listed(&row.cluster));
        for row in unlisted {
            rounds
                .missing
                .entry(row.cluster.clone())
                .or_insert_with(Instant::now);
        }
        let gone: Vec<String> = rounds
            .missing
            .extract_if(|_, since| since.elapsed() > GONE_AFTER)
            .map(|(name, _)| name)
            .collect();
        if !gone.is_empty() {
            store::forget(db, gone.clone()).await?;
            cost::forget(db, gone).await?;
        }
        rounds.told.retain(|name, _| listed(name));
        *self.0.guard.rows() = rows.into_iter().map(|row| (row.cluster.clone(), row)).collect();
        Ok(())
    }

    fn default_lease(&self, cluster: &Watched) -> LeaseRow {
        let (terms, origin) = match cluster.created_by {
            Some(_) => (self.0.guard.rules.own(), Origin::Default),
            None => (self.0.guard.rules.others(), Origin::Elsewhere),
        };
        LeaseRow {
            cluster: cluster.name.clone(),
            owner: cluster.created_by.clone(),
            terms,
            origin,
            kept_at: None,
            ends_at: None,
            told_at: None,
            version: 1,
        }
    }

    async fn tell(
        &self,
        cluster: &Watched,
        row: &LeaseRow,
        due: Due,
        now: i64,
        rounds: &mut Rounds,
    ) -> Result<(), StoreError> {
        let first = store::told(&self.0.store, row, Some(now)).await?;
        let row = LeaseRow {
            told_at: Some(now),
            ..row.clone()
        };
        self.0.guard.rows().insert(row.cluster.clone(), row.clone());
        if first {
            let message = view::told_words(&self.called(&cluster.name), &row, due, self.warn_ms());
            self.done(&cluster.name, "told", message).await?;
        }
        self.tell_here(cluster, &row, rounds);
        Ok(())
    }

    /// Tells the panels of this server, once, what the lease says the user was told.
    fn tell_here(&self, cluster: &Watched, row: &LeaseRow, rounds: &mut Rounds) {
        let (Some(told_at), Some(due)) = (row.told_at, row.due(cluster.seen())) else {
            return;
        };
        if rounds.told.insert(cluster.name.clone(), told_at) == Some(told_at) {
            return;
        }
        let notice = Notice {
            level: NoticeLevel::Warning,
            message: view::told_words(&self.called(&cluster.name), row, due, self.warn_ms()),
            offer: self.offer(row, told_at, due),
        };
        // Nobody listens while no page is open; the card tells it, too.
        self.0.notices.send(notice).ok();
    }

    async fn stop_overdue(&self, cluster: &Watched, row: &LeaseRow, due: Due, away_ms: i64) {
        if due.limit == Limit::Idle {
            // What was read a moment ago is not enough to end a cluster.
            let Some(idle) = &cluster.idle else { return };
            let seen = cluster.seen_as(idle.fresh().await);
            if !matches!(row.step(seen, now_ms(), self.warn_ms(), away_ms), Step::Stop(_)) {
                return;
            }
        }
        if let Err(error) = self.stop_claimed(cluster, row, due).await {
            warn!(cluster = %cluster.name, %error, "the guard can't write down what it does");
        }
    }

    async fn stop_claimed(&self, cluster: &Watched, row: &LeaseRow, due: Due) -> Result<(), StoreError> {
        if !store::claim(&self.0.store, row, now_ms()).await? {
            return Ok(());
        }
        let (name, called) = (&cluster.name, self.called(&cluster.name));
        self.book().stopping.insert(name.clone());
        if let Err(error) = self.0.client.delete(name).await {
            self.book().stopping.remove(name);
            let message =
                format!("Cluster {called} should be stopped now, and the gateway did not take it: {error}");
            self.notify(NoticeLevel::Error, message.clone());
            return self.done(name, "failed", message).await;
        }
        info!(cluster = %name, limit = view::limit_word(due.limit), "the guard stopped a cluster");
        let message = view::stopped_words(&called, row, due);
        self.notify(NoticeLevel::Info, message.clone());
        self.wake();
        self.done(name, "stopped", message).await
    }

    /// Writes down what was done, and shows it.
    pub(super) async fn done(&self, cluster: &str, what: &str, message: String) -> Result<(), StoreError> {
        let label = self
            .book()
            .remembered
            .get(cluster)
            .and_then(|note| note.label.clone());
        let deed = Deed {
            at: now_ms(),
            cluster: cluster.to_owned(),
            label,
            what: what.to_owned(),
            message,
        };
        store::record(&self.0.store, deed).await?;
        self.publish_guard().await
    }

    /// Shows panels what was done and used.
    pub(super) async fn publish_guard(&self) -> Result<(), StoreError> {
        let deeds = store::deeds(&self.0.store, SHOWN_DEEDS).await?;
        let usage = self.usage();
        self.0.guard.info.send_if_modified(|info| {
            let new = Guard {
                usage,
                deeds,
                ..(**info).clone()
            };
            let changed = **info != new;
            if changed {
                *info = Arc::new(new);
            }
            changed
        });
        Ok(())
    }

    /// What the user calls the cluster.
    fn called(&self, name: &str) -> String {
        poll::short(&self.book(), name)
    }

    fn seen(&self, name: &str) -> Option<Seen> {
        let watched = self.watched();
        watched
            .iter()
            .find(|cluster| cluster.name == name)
            .map(Watched::seen)
    }

    /// Whether a word was never said before, by any server of the user.
    pub(super) async fn first_time(&self, what: String) -> Result<bool, StoreError> {
        store::first_time(&self.0.store, what).await
    }
}
