//! Life of a cluster: list, create, scale, adapt, watch, stop.

pub mod cost;
mod error;
pub mod guard;
mod options;
mod poll;
mod view;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dask_gateway::{ClusterReport, GatewayClient, GatewayConfig};
use protocol::events::{Notice, NoticeLevel};
use protocol::rest::{Cluster, ClusterState, CreateCluster, GatewayStatus, MAX_LABEL, Scaling};
use serde_json::Value;
use tokio::sync::{Notify, broadcast, watch};
use tracing::{info, warn};

use crate::live::{self, Feed, Inspector, Watcher};
use crate::recordings::Recordings;
use crate::store::{ClusterNote, Store};
pub use error::ClusterError;
use guard::GuardConfig;
pub use poll::GatewayOrigin;

/// All clusters of the user on one gateway. Cheap to clone.
#[derive(Clone)]
pub struct Clusters(Arc<Inner>);

struct Inner {
    client: GatewayClient,
    config: GatewayConfig,
    origin: GatewayOrigin,
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
    /// Labels and sizes asked for, as the store holds them.
    remembered: HashMap<String, ClusterNote>,
    /// Sizes to ask for as soon as the cluster runs.
    pending_scaling: HashMap<String, Scaling>,
    /// Failed clusters whose card the user has closed.
    dismissed: HashSet<String>,
    /// Clusters that were asked to stop: their end is no news.
    stopping: HashSet<String>,
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
        Ok(Self(Arc::new(Inner {
            client,
            config,
            origin,
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
        })))
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

    /// Asks for a cluster and returns its name.
    ///
    /// # Errors
    /// [`ClusterError::Invalid`] with the field, or [`ClusterError::Gateway`].
    pub async fn create(&self, request: CreateCluster) -> Result<String, ClusterError> {
        let label = check_label(request.label)?;
        check_environment(&request.options)?;
        let scaling = request.scaling.unwrap_or(Scaling::Unknown);
        check_scaling(&scaling)?;
        if let Some(terms) = &request.lease {
            self.check_terms(terms)?;
        }
        let mut options = self.0.config.cluster_options.clone();
        options.extend(request.options);
        self.guard_by_gateway(&mut options, request.lease.as_ref()).await;
        let name = self.0.client.create(&options).await?;
        info!(cluster = %name, "created a cluster");
        if scaling != Scaling::Unknown {
            self.book().pending_scaling.insert(name.clone(), scaling);
        }
        {
            let mut book = self.book();
            let note = book.note(&name);
            note.created_by = Some(self.0.instance.clone());
            note.label.clone_from(&label);
        }
        self.0
            .store
            .add_cluster(&name, label.as_deref(), &self.0.instance)
            .await?;
        self.lease_new(&name, request.lease).await?;
        self.refresh().await;
        Ok(name)
    }

    /// Asks for `workers` workers; ends adaptive scaling. Returns the gateway's warning, such as a limit.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`], [`ClusterError::WrongState`] before it runs, [`ClusterError::Gateway`].
    pub async fn scale(&self, name: &str, workers: u32) -> Result<Option<String>, ClusterError> {
        self.rescale(name, Scaling::Manual { workers }).await
    }

    /// Lets the scheduler choose between the bounds. Returns the gateway's warning, such as a limit.
    ///
    /// # Errors
    /// As [`Clusters::scale`], and [`ClusterError::Invalid`] where the minimum is above the maximum.
    pub async fn adapt(
        &self,
        name: &str,
        minimum: u32,
        maximum: u32,
    ) -> Result<Option<String>, ClusterError> {
        self.rescale(name, Scaling::Adaptive { minimum, maximum }).await
    }

    async fn rescale(&self, name: &str, scaling: Scaling) -> Result<Option<String>, ClusterError> {
        check_scaling(&scaling)?;
        let cluster = self.find(name).await?;
        match cluster.state {
            ClusterState::Running => {}
            ClusterState::Pending => {
                return Err(ClusterError::WrongState(format!(
                    "Cluster {name} is still starting. Scale it when it runs, which its card shows."
                )));
            }
            state => {
                return Err(ClusterError::WrongState(format!(
                    "Cluster {name} is {}; only a running cluster can be scaled. Create a new one.",
                    view::state_word(state)
                )));
            }
        }
        self.apply_scaling(name, scaling).await
    }

    async fn apply_scaling(&self, name: &str, scaling: Scaling) -> Result<Option<String>, ClusterError> {
        let warning = match scaling {
            Scaling::Manual { workers } => self.0.client.scale(name, workers).await?,
            Scaling::Adaptive { minimum, maximum } => {
                self.0
                    .client
                    .adapt(name, Some(minimum), Some(maximum), true)
                    .await?
            }
            Scaling::Unknown => None,
        };
        let scaling = warning
            .as_deref()
            .map(|words| limited(&scaling, words))
            .unwrap_or(scaling);
        self.book().note(name).scaling = scaling.clone();
        self.0.store.set_scaling(name, &scaling).await?;
        self.0.dirty.notify_one();
        // Its words are for a page that shows reStructuredText.
        Ok(warning.map(|words| words.replace('`', "")))
    }

    /// Asks for the end of a cluster. A failed one is only taken off the list.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] or [`ClusterError::Gateway`].
    pub async fn stop(&self, name: &str) -> Result<(), ClusterError> {
        let cluster = self.find(name).await?;
        if cluster.state == ClusterState::Failed {
            self.book().dismissed.insert(name.to_owned());
            self.0.dirty.notify_one();
            return Ok(());
        }
        self.book().stopping.insert(name.to_owned());
        self.0.client.delete(name).await?;
        info!(cluster = %name, "asked the gateway to stop a cluster");
        self.refresh().await;
        Ok(())
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

fn check_label(label: Option<String>) -> Result<Option<String>, ClusterError> {
    let Some(label) = label.map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()) else {
        return Ok(None);
    };
    if label.chars().count() > MAX_LABEL {
        return Err(ClusterError::Invalid {
            field: Some("label".to_owned()),
            message: format!("The label is longer than {MAX_LABEL} characters; choose a shorter one."),
        });
    }
    Ok(Some(label))
}

/// The gateway takes any value for an environment variable, and then the cluster fails: they must be text. Mappings of
/// other names are the site's own, and may hold anything.
fn check_environment(options: &protocol::rest::OptionValues) -> Result<(), ClusterError> {
    for (field, value) in options
        .iter()
        .filter(|(field, _)| field.to_lowercase().contains("env"))
    {
        let no_name = |name: &&String| {
            name.starts_with(|c: char| c.is_ascii_digit())
                || name.contains(|c: char| c == '=' || c.is_whitespace())
        };
        if let Some(name) = value.as_object().and_then(|mapping| mapping.keys().find(no_name)) {
            return Err(ClusterError::Invalid {
                field: Some(field.clone()),
                message: format!(
                    "“{name}” can't be the name of a variable: no blanks, no “=”, and no digit at its beginning."
                ),
            });
        }
        let wrong = value
            .as_object()
            .and_then(|mapping| mapping.iter().find(|(_, value)| !value.is_string()));
        if let Some((key, value)) = wrong {
            let hint = match value {
                Value::Null | Value::Bool(_) | Value::Number(_) => format!("write it in quotes: \"{value}\""),
                _ => "lists and mappings have no place here".to_owned(),
            };
            return Err(ClusterError::Invalid {
                field: Some(field.clone()),
                message: format!("The value of {key} must be text; {hint}."),
            });
        }
    }
    Ok(())
}

/// The size that the gateway chose in place of the one asked for, as the end of its warning names it.
fn limited(asked: &Scaling, warning: &str) -> Scaling {
    let after = |mark: &str| {
        let rest = &warning[warning.rfind(mark)? + mark.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    match *asked {
        Scaling::Manual { workers } => Scaling::Manual {
            workers: after("Scaling to ").unwrap_or(workers),
        },
        Scaling::Adaptive { minimum, maximum } => Scaling::Adaptive {
            minimum: after("minimum=").unwrap_or(minimum),
            maximum: after("maximum=").unwrap_or(maximum),
        },
        Scaling::Unknown => Scaling::Unknown,
    }
}

fn check_scaling(scaling: &Scaling) -> Result<(), ClusterError> {
    match scaling {
        Scaling::Adaptive { minimum, maximum } if minimum > maximum => Err(ClusterError::Invalid {
            field: Some("minimum".to_owned()),
            message: format!(
                "The minimum ({minimum}) is above the maximum ({maximum}); lower it or raise the maximum."
            ),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn environment_variables_must_be_text() {
        let options = json!({"pod_config": {"n": 1}, "environment_vars": {"A": "1", "B": 2}});
        let error = check_environment(options.as_object().expect("object")).expect_err("a number");
        let ClusterError::Invalid { field, message } = error else {
            panic!("{error}")
        };
        assert_eq!(field.as_deref(), Some("environment_vars"));
        assert_eq!(message, "The value of B must be text; write it in quotes: \"2\".");
    }

    #[test]
    fn environment_variables_have_names() {
        for wrong in ["1A", "A B", "A=B"] {
            let options = json!({"environment_vars": {wrong: "x"}, "site": {wrong: 1}});
            let error = check_environment(options.as_object().expect("object")).expect_err(wrong);
            assert!(error.to_string().contains(&format!("“{wrong}”")), "{error}");
        }
    }

    #[test]
    fn labels_are_trimmed_and_bounded() {
        assert_eq!(
            check_label(Some("  taxi ".to_owned())).expect("ok").as_deref(),
            Some("taxi")
        );
        assert_eq!(check_label(Some("   ".to_owned())).expect("ok"), None);
        assert!(check_label(Some("x".repeat(MAX_LABEL + 1))).is_err());
    }

    #[test]
    fn a_limit_is_remembered_in_place_of_what_was_asked() {
        let words =
            "Scale request of 99 workers would exceed resource limit of 3 workers. Scaling to 3 instead.";
        assert_eq!(
            limited(&Scaling::Manual { workers: 99 }, words),
            Scaling::Manual { workers: 3 }
        );
        let words = "Adapt with `maximum=99, minimum=0` workers would exceed resource limit of 3 workers. Using \
                     `maximum=3, minimum=0` instead.";
        let asked = Scaling::Adaptive {
            minimum: 0,
            maximum: 99,
        };
        assert_eq!(
            limited(&asked, words),
            Scaling::Adaptive {
                minimum: 0,
                maximum: 3
            }
        );
        assert_eq!(
            limited(&Scaling::Manual { workers: 9 }, "No."),
            Scaling::Manual { workers: 9 }
        );
    }

    #[test]
    fn bounds_must_be_in_order() {
        assert!(
            check_scaling(&Scaling::Adaptive {
                minimum: 3,
                maximum: 2
            })
            .is_err()
        );
        assert!(
            check_scaling(&Scaling::Adaptive {
                minimum: 2,
                maximum: 2
            })
            .is_ok()
        );
    }
}
