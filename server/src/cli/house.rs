//! All rooms of a server, put together and taken apart in the right order: what `serve` shows to browsers and `run` uses
//! for one job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use dask_gateway::{ConfigSources, GatewayConfig, literal};
use protocol::jobs::Job;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::host::ServerHost;
use super::{HouseArgs, Switch, listen};
use crate::attached::Attachments;
use crate::clusters::guard::GuardConfig;
use crate::clusters::{Clusters, GatewayOrigin};
use crate::embedded::jupyter::{PrivateJupyter, PrivateJupyterConfig};
use crate::embedded::{Embedded, Settings};
use crate::http::App;
use crate::jobs::{Jobs, JobsConfig, JupyterSource};
use crate::kernels::Kernels;
use crate::proxy::dashboard::Dashboards;
use crate::proxy::gateway::{Door, router as door_router};
use crate::recordings::Recordings;
use crate::state_dir::{Departure, LastGuard, Membership, StateDir};
use crate::store::Store;

/// How long the gateway may take to end its clusters before we end their processes.
const CLUSTERS_PATIENCE: Duration = Duration::from_secs(20);

/// How long requests that are under way may take when the server ends.
const DRAIN: Duration = Duration::from_secs(2);

/// Who the server is, and how it is reached.
pub(super) struct Name {
    pub(super) instance: String,
    /// What browsers put before `clusters/{name}/status`.
    pub(super) public: String,
    /// Whether a person needs to be told how Python reaches the gateway.
    pub(super) tells_access: bool,
    /// The process that the server ends with.
    pub(super) parent_pid: Option<u32>,
    /// Folder that a private Jupyter Server's kernels start in; the current one where `None`.
    pub(super) root: Option<PathBuf>,
}

/// The rooms, running.
pub(super) struct House {
    pub(super) clusters: Clusters,
    pub(super) jobs: Jobs,
    pub(super) stop: CancellationToken,
    pub(super) requests: TaskTracker,
    pub(super) kernel_env: BTreeMap<String, String>,
    attached: Attachments,
    kernels: Kernels,
    recordings: Recordings,
    job_events: broadcast::Sender<Job>,
    dashboards: Dashboards,
    jupyter: JupyterSource,
    embedded: Option<Arc<Embedded>>,
    state_dir: StateDir,
    membership: Membership,
    background: Option<Background>,
}

/// What runs beside the requests.
struct Background {
    recovering: JoinHandle<()>,
    watch: CancellationToken,
    watching: Option<JoinHandle<()>>,
    supervise: CancellationToken,
    supervising: Option<JoinHandle<()>>,
}

impl House {
    /// Puts the rooms together; [`House::live`] sets them to work.
    ///
    /// # Errors
    /// A sentence, where something that is needed at the start is not there.
    pub(super) async fn open(args: &HouseArgs, name: Name) -> anyhow::Result<Self> {
        crate::jobs::check_fault().map_err(anyhow::Error::msg)?;
        let settings = Settings::load(args.config.as_deref())?;
        let state_dir = StateDir::open(&args.state_dir.clone().map_or_else(default_state_dir, Ok)?)?;
        let config = gateway_config(args)?;
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let python = python(args)?;
        let instance = name.instance;
        let mut membership = Membership::join(&state_dir, &instance, name.parent_pid).await?;
        let embedded = match &config.address {
            Some(_) => None,
            None => Some(Embedded::prepare(&state_dir, &settings, &python).await?),
        };
        let config = embedded
            .as_ref()
            .map_or(config, |embedded| embedded.gateway_config());
        let origin = embedded
            .clone()
            .map_or(GatewayOrigin::Remote, GatewayOrigin::Embedded);
        let store = Store::open(&state_dir.store()).await?;
        let live = crate::live::Settings {
            feed: args.scheduler_feed == Switch::On,
            idle: true,
            limits: settings.recordings.limits(),
        };
        let (notices, _) = broadcast::channel(64);
        let recordings = Recordings::new(
            state_dir.recordings(),
            settings.recordings.clone(),
            store.clone(),
            notices.clone(),
        );
        let guard = GuardConfig {
            instance: instance.clone(),
            rules: settings.guard.clone(),
            cost: settings.cost.clone(),
            lives: Box::new({
                let state_dir = state_dir.clone();
                move |instance| state_dir.instance_lives(instance)
            }),
        };
        let clusters = Clusters::new(
            config.clone(),
            origin,
            store.clone(),
            guard,
            live,
            recordings.clone(),
            notices,
        )
        .await?;
        clusters.tell_notes(settings.options.clone());
        if name.tells_access {
            clusters.tell_access(access(&config, embedded.as_deref()));
        }
        let outbound = crate::outbound::client_of(&config).context("The HTTP client can't be made")?;
        let stop = CancellationToken::new();
        let requests = TaskTracker::new();

        // Jobs' kernels use the door of a site's gateway, too: their clusters are told from others by it.
        let (door_listener, door_port) = open_door(&mut membership).await?;
        let door_address = format!("http://127.0.0.1:{door_port}");
        let kernel_env = embedded.as_ref().map_or_else(BTreeMap::new, |embedded| {
            embedded.kernel_env(&door_address, &name.public)
        });

        let (job_events, _) = broadcast::channel(256);
        let jupyter_folder = state_dir.root().join("jupyter").join(&instance);
        let jupyter = jupyter_source(args, &python, &jupyter_folder, name.root, &kernel_env);
        let jobs_config = JobsConfig {
            folder: state_dir.jobs(),
            instance: instance.clone(),
            limits: settings.jobs,
        };
        let attached = Attachments::new(store.clone(), live, recordings.clone());
        let jobs = Jobs::new(store, jobs_config, jupyter.clone(), job_events.clone())?;
        let kernels = kernels(args, &python, jupyter.clone(), &kernel_env, &config)?;
        jobs.tell_host(Arc::new(ServerHost {
            clusters: clusters.clone(),
            kernels: kernels.clone(),
            recordings: recordings.clone(),
            // The embedded gateway's kernels have all but the address already.
            env: embedded
                .as_ref()
                .map_or_else(|| job_env(&config), |_| BTreeMap::new()),
            door: door_address,
        }));
        let door = door_router(Door {
            target: config.address.clone().unwrap_or_default(),
            client: outbound.clone(),
            changed: Box::new({
                let clusters = clusters.clone();
                move || clusters.wake()
            }),
            scaled: Box::new({
                let clusters = clusters.clone();
                move |asked| clusters.asked_elsewhere(&asked.cluster, asked.scaling, asked.warning.as_deref())
            }),
            ending: Box::new({
                let clusters = clusters.clone();
                move |cluster| {
                    let (clusters, cluster) = (clusters.clone(), cluster.to_owned());
                    Box::pin(async move { clusters.catch_up(&cluster).await })
                }
            }),
            jobs: Box::new(jobs.clone()),
        });
        requests.spawn(
            axum::serve(listen::prompt(door_listener), door)
                .with_graceful_shutdown(stop.clone().cancelled_owned())
                .into_future(),
        );

        let dashboards = Dashboards::new(&config, outbound, clusters.credentials(), stop.child_token());
        Ok(Self {
            clusters,
            jobs,
            stop,
            requests,
            kernel_env,
            attached,
            kernels,
            recordings,
            job_events,
            dashboards,
            jupyter,
            embedded,
            state_dir,
            membership,
            background: None,
        })
    }

    /// What the routes need.
    pub(super) fn app(&self, assets: Option<PathBuf>) -> App {
        App {
            clusters: self.clusters.clone(),
            attached: self.attached.clone(),
            kernels: self.kernels.clone(),
            jobs: self.jobs.clone(),
            recordings: self.recordings.clone(),
            job_events: self.job_events.clone(),
            dashboards: self.dashboards.clone(),
            assets: assets.map(Arc::new),
            shutdown: self.stop.child_token(),
        }
    }

    /// Starts a private Jupyter Server, where kernels need one, beside whatever comes next. Why it does not start is said when
    /// a kernel is asked for.
    pub(super) fn begin_jupyter(&self) {
        let jupyter = self.jupyter.clone();
        tokio::spawn(async move { jupyter.endpoint().await.map(drop) });
    }

    /// Watches clusters, kernels and other servers from now on, and settles what an earlier run left.
    pub(super) async fn live(&mut self) {
        let recovering = tokio::spawn({
            let recordings = self.recordings.clone();
            async move { recordings.recover().await }
        });
        let watch = CancellationToken::new();
        let watching = tokio::spawn({
            let (clusters, attached, watch) = (self.clusters.clone(), self.attached.clone(), watch.clone());
            async move {
                tokio::join!(clusters.run(watch.clone()), attached.run(watch));
            }
        });
        self.requests
            .spawn(self.jobs.clone().watch_others(self.stop.clone()));
        let jobs = self.jobs.clone();
        self.requests
            .spawn(jobs.keep_jupyter_alive(crate::jobs::TOUCH, self.stop.clone()));
        self.requests.spawn(self.kernels.clone().watch(self.stop.clone()));
        let supervise = CancellationToken::new();
        let supervising = self.embedded.clone().map(|embedded| {
            let supervise = supervise.clone();
            tokio::spawn(async move { embedded.run(supervise).await })
        });
        self.background = Some(Background {
            recovering,
            watch,
            watching: Some(watching),
            supervise,
            supervising,
        });
        settle_jobs(&self.jobs, &self.state_dir).await;
    }

    /// Takes the rooms apart; clusters and jobs are ended as their leases say.
    pub(super) async fn end(mut self) {
        let clusters = self.clusters;
        // The embedded gateway ends with the last server, and its clusters with it.
        let last_here = self.embedded.is_some() && self.membership.is_alone();
        // Whatever started us may end the whole container in a moment: nothing is awaited before these requests left.
        let stopping = clusters.stop_at_end(last_here);
        self.recordings.closing();
        self.stop.cancel();
        self.requests.close();
        let (left, (), ()) = tokio::join!(stopping, drain(&self.requests), self.jobs.shutdown());
        warn_of(left);
        match self.embedded {
            // A site's gateway goes on without us.
            None => {
                // Clusters that were made while the others ended.
                warn_of(clusters.stop_at_end(false).await);
                leave(self.membership).await;
            }
            Some(embedded) => {
                if let Some(background) = &mut self.background {
                    background.supervise.cancel();
                    if let Some(supervising) = background.supervising.take()
                        && let Err(error) = supervising.await
                    {
                        warn!(%error, "the embedded gateway's supervision did not end well");
                    }
                }
                let (last, _newcomers_wait) = leave(self.membership).await;
                if last {
                    warn_of(clusters.stop_all(CLUSTERS_PATIENCE).await);
                    // Before the gateway goes: that it can't be asked then is no news.
                    if let Some(background) = &mut self.background {
                        background.end_watch().await;
                    }
                    end_private_jupyter(&self.jupyter).await;
                    embedded.end().await;
                }
            }
        }
        let rooms = async {
            if let Some(mut background) = self.background {
                background.end_watch().await;
                background.recovering.abort();
            }
            self.recordings.close().await;
        };
        tokio::join!(rooms, end_private_jupyter(&self.jupyter));
        info!("ended");
    }
}

impl Background {
    /// Ends the clusters' watch and waits for its end.
    async fn end_watch(&mut self) {
        self.watch.cancel();
        if let Some(watching) = self.watching.take()
            && let Err(error) = watching.await
        {
            warn!(%error, "the clusters' watch did not end well");
        }
    }
}

/// Leaves the state folder. Returns whether nobody else uses what is shared, with what keeps newcomers waiting while it is
/// ended. Where the folder does not tell, it is ended: clusters that stay cost more than an early end.
async fn leave(membership: Membership) -> (bool, Option<LastGuard>) {
    match membership.leave().await {
        Ok(Departure::Others) => (false, None),
        Ok(Departure::Last(guard)) => (true, Some(guard)),
        Err(error) => {
            warn!(%error, "whether another server uses the gateway can't be told, so it is ended");
            (true, None)
        }
    }
}

fn warn_of(left: Vec<String>) {
    for name in left {
        warn!(cluster = %name, "the gateway did not end this cluster in time");
    }
}

/// Lets requests that are under way finish.
async fn drain(requests: &TaskTracker) {
    if tokio::time::timeout(DRAIN, requests.wait()).await.is_err() {
        warn!("some requests were still open and were dropped");
    }
}

async fn end_private_jupyter(jupyter: &JupyterSource) {
    if let JupyterSource::Private(jupyter) = jupyter {
        jupyter.shutdown().await;
    }
}

/// Python's door, on the port that kernels of an earlier run still know where it is free.
async fn open_door(membership: &mut Membership) -> anyhow::Result<(tokio::net::TcpListener, u16)> {
    let wanted = membership.record().door_port.unwrap_or(0);
    let (listener, port) = match listen::loopback(wanted).await {
        Ok(bound) => bound,
        Err(error) if wanted != 0 => {
            warn!(%error, "kernels that run already must be restarted to reach the gateway");
            listen::loopback(0).await?
        }
        Err(error) => return Err(error),
    };
    membership.set_door_port(port)?;
    Ok((listener, port))
}

/// What a job's kernel needs besides the address of the door: the other addresses follow from the gateway's own.
fn job_env(config: &GatewayConfig) -> BTreeMap<String, String> {
    let proxy = config
        .proxy_address
        .as_ref()
        .map(|proxy| format!("gateway://{proxy}"));
    let named = [
        ("DASK_GATEWAY__PROXY_ADDRESS", proxy.as_ref()),
        ("DASK_GATEWAY__PUBLIC_ADDRESS", config.public_address.as_ref()),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), literal(value?))));
    // The door is on this machine, whatever proxy leads to the gateway.
    named
        .chain([("DASK_GATEWAY__HTTP_CLIENT__PROXY".to_owned(), "False".to_owned())])
        .collect()
}

pub(super) fn gateway_config(args: &HouseArgs) -> anyhow::Result<GatewayConfig> {
    let mut sources = ConfigSources::of_process(args.sys_prefix.clone(), args.site_prefix.clone());
    if let Some(gateway) = &args.gateway {
        // As if the user had set it: the highest layer, from which the other addresses follow.
        sources.env.remove("GATEHOUSE_GATEWAY_ADDRESS");
        sources.env.remove("DASK_GATEWAY__ADDRESS");
        sources.env.insert("DASK_GATEWAY__ADDRESS", gateway);
    }
    Ok(GatewayConfig::resolve(&sources)?)
}

/// The Python that makes `gateway` for who uses the standalone page: no kernel's environment leads there.
fn access(config: &GatewayConfig, embedded: Option<&Embedded>) -> String {
    embedded.map_or_else(
        || {
            protocol::connect::remote_access(
                config.address.as_deref().unwrap_or_default(),
                config.proxy_address.as_deref(),
            )
        },
        Embedded::access,
    )
}

pub(super) fn default_state_dir() -> anyhow::Result<PathBuf> {
    if let Some(state) = std::env::var_os("XDG_STATE_HOME").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(state).join("gatehouse"));
    }
    let home = std::env::home_dir()
        .context("There is no home folder: say with --state-dir where state may be kept")?;
    Ok(home.join(".local/state/gatehouse"))
}

/// The Python to use: as told, or the one that a shell would find.
pub(super) fn python(args: &HouseArgs) -> anyhow::Result<PathBuf> {
    if let Some(python) = &args.python {
        if !python.is_file() {
            bail!(
                "{} is not there: --python must name a Python interpreter",
                python.display()
            );
        }
        return Ok(python.clone());
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .flat_map(|folder| [folder.join("python3"), folder.join("python")])
        .find(|candidate| candidate.is_file())
        .context("No Python was found on the PATH: say with --python which one has dask-gateway-server")
}

fn jupyter_source(
    args: &HouseArgs,
    python: &Path,
    folder: &Path,
    root: Option<PathBuf>,
    kernel_env: &BTreeMap<String, String>,
) -> JupyterSource {
    let token = std::env::var("GATEHOUSE_JUPYTER_TOKEN").unwrap_or_default();
    match &args.jupyter_url {
        None => JupyterSource::Private(Arc::new(PrivateJupyter::new(PrivateJupyterConfig {
            python: python.to_owned(),
            folder: folder.to_owned(),
            root,
            kernel_env: kernel_env.clone(),
        }))),
        Some(_) if token.is_empty() => JupyterSource::Unavailable {
            message: "Jobs need the Jupyter Server's token, and this one has none (it is guarded by a password, for \
                      example). Start JupyterLab with a token to run jobs."
                .to_owned(),
        },
        Some(url) => JupyterSource::External { url: url.clone(), token },
    }
}

/// The kernels of the Jupyter Server that runs the jobs, whose environment is ours with `kernel_env`.
fn kernels(
    args: &HouseArgs,
    python: &Path,
    jupyter: JupyterSource,
    kernel_env: &BTreeMap<String, String>,
    config: &GatewayConfig,
) -> anyhow::Result<Kernels> {
    // Without JupyterLab around us, they are those of the interpreter that runs them.
    let own = python.parent().and_then(Path::parent).map(Path::to_owned);
    let sys_prefix = args.sys_prefix.clone().or(own);
    let site_prefixes = match args.site_prefix.as_slice() {
        [] => sys_prefix.iter().cloned().collect(),
        given => given.to_vec(),
    };
    let mut sources = ConfigSources::of_process(sys_prefix, site_prefixes);
    for (name, value) in kernel_env {
        sources.env.insert(name, value);
    }
    // Where they reach the gateway through what we handed out, that is what they are meant to find.
    let ours = if kernel_env.is_empty() {
        config.clone()
    } else {
        GatewayConfig::of_python(&sources)?
    };
    Kernels::new(jupyter, python.to_owned(), sources, ours).context("The HTTP client can't be made")
}

async fn settle_jobs(jobs: &Jobs, state_dir: &StateDir) {
    if let Err(error) = jobs.settle(|instance| state_dir.instance_lives(instance)).await {
        warn!(%error, "jobs of an earlier run could not be settled");
    }
}
