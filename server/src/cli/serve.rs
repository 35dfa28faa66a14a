//! `gatehouse serve`: puts the rooms together, and takes them apart in the right order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use dask_gateway::{ConfigSources, GatewayConfig};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::signals::Signals;
use super::{ServeArgs, Switch, listen};
use crate::attached::Attachments;
use crate::clusters::guard::GuardConfig;
use crate::clusters::{Clusters, GatewayOrigin};
use crate::embedded::jupyter::{PrivateJupyter, PrivateJupyterConfig};
use crate::embedded::{Embedded, Settings};
use crate::http::{App, Token, assets_folder, router};
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

/// Where browsers reach the door.
struct Address {
    listener: listen::Listener,
    token: Option<Token>,
    /// What a person opens, token included; `None` on a unix socket.
    url: Option<String>,
    /// What stands before `clusters/{name}/status`.
    public: String,
}

/// Serves until a signal comes or the parent is gone.
///
/// # Errors
/// A sentence, where something that is needed at the start is not there.
pub(super) async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("Signals can't be listened to")?;
    let settings = Settings::load(args.config.as_deref())?;
    let state_dir = StateDir::open(&args.state_dir.clone().map_or_else(default_state_dir, Ok)?)?;
    let config = gateway_config(&args)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let python = python(&args)?;
    let address = bind(&args).await?;
    let instance = args.instance.clone().unwrap_or_else(|| {
        format!(
            "standalone-{}-{}",
            std::process::id(),
            &crate::state_dir::random_hex()[..8]
        )
    });
    let mut membership = Membership::join(&state_dir, &instance, args.parent_pid).await?;

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
    if address.url.is_some() {
        clusters.tell_access(access(&config, embedded.as_deref()));
    }
    let outbound = crate::outbound::client_of(&config).context("The HTTP client can't be made")?;
    let stop = CancellationToken::new();
    let requests = TaskTracker::new();

    let mut kernel_env = BTreeMap::new();
    if let Some(embedded) = &embedded {
        let (listener, port) = open_door(&mut membership).await?;
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
        });
        let ended = stop.clone().cancelled_owned();
        requests.spawn(
            axum::serve(listen::prompt(listener), door)
                .with_graceful_shutdown(ended)
                .into_future(),
        );
        kernel_env = embedded.kernel_env(&format!("http://127.0.0.1:{port}"), &address.public);
    }

    let (job_events, _) = broadcast::channel(256);
    let jupyter_folder = state_dir.root().join("jupyter").join(&instance);
    let jupyter = jupyter_source(&args, &python, &jupyter_folder, &kernel_env);
    let jobs_config = JobsConfig {
        folder: state_dir.jobs(),
        instance,
    };
    let attached = Attachments::new(store.clone(), live, recordings.clone());
    let jobs = Jobs::new(store, jobs_config, jupyter.clone(), job_events.clone())?;
    let kernels = kernels(&args, &python, jupyter.clone(), &kernel_env, &config)?;

    let app = App {
        clusters: clusters.clone(),
        attached: attached.clone(),
        kernels: kernels.clone(),
        jobs: jobs.clone(),
        recordings: recordings.clone(),
        job_events,
        dashboards: Dashboards::new(&config, outbound, clusters.credentials(), stop.child_token()),
        assets: assets_folder(args.assets.clone()).map(Arc::new),
        shutdown: stop.child_token(),
    };
    requests.spawn(
        address
            .listener
            .serve(router(app, address.token.clone()), stop.clone()),
    );
    announce(&args, address.url.as_deref(), &kernel_env);

    let recovering = tokio::spawn({
        let recordings = recordings.clone();
        async move { recordings.recover().await }
    });
    let watch = CancellationToken::new();
    let mut watching = Some(tokio::spawn({
        let (clusters, watch) = (clusters.clone(), watch.clone());
        async move {
            tokio::join!(clusters.run(watch.clone()), attached.run(watch));
        }
    }));
    requests.spawn(jobs.clone().watch_others(stop.clone()));
    requests.spawn(kernels.watch(stop.clone()));
    let supervise = CancellationToken::new();
    let supervising = embedded.clone().map(|embedded| {
        let supervise = supervise.clone();
        tokio::spawn(async move { embedded.run(supervise).await })
    });
    settle_jobs(&jobs, &state_dir).await;

    let why = signals.end_is_asked(args.parent_pid).await;
    info!(why, "ending");
    // The embedded gateway ends with the last server, and its clusters with it.
    let last_here = embedded.is_some() && membership.is_alone();
    // Whatever started us may end the whole container in a moment: nothing is awaited before these requests left.
    let stopping = clusters.stop_at_end(last_here);
    recordings.closing();
    stop.cancel();
    requests.close();
    match embedded {
        // A site's gateway goes on without us.
        None => {
            let (left, (), ()) = tokio::join!(stopping, drain(&requests), jobs.shutdown());
            warn_of(left);
            // Clusters that were made while the others ended.
            warn_of(clusters.stop_at_end(false).await);
            leave(membership).await;
        }
        Some(embedded) => {
            supervise.cancel();
            let (left, (), ()) = tokio::join!(stopping, drain(&requests), jobs.shutdown());
            warn_of(left);
            if let Some(supervising) = supervising
                && let Err(error) = supervising.await
            {
                warn!(%error, "the embedded gateway's supervision did not end well");
            }
            let (last, _newcomers_wait) = leave(membership).await;
            if last {
                warn_of(clusters.stop_all(CLUSTERS_PATIENCE).await);
                // Before the gateway goes: that it can't be asked then is no news.
                watch.cancel();
                end_watch(&mut watching).await;
                end_private_jupyter(&jupyter).await;
                embedded.end().await;
            }
        }
    }
    watch.cancel();
    end_watch(&mut watching).await;
    recovering.abort();
    recordings.close().await;
    end_private_jupyter(&jupyter).await;
    if let Some(socket) = &args.socket {
        std::fs::remove_file(socket).ok();
    }
    info!("ended");
    Ok(())
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

/// Waits for the end of the clusters' watch, which was cancelled.
async fn end_watch(watching: &mut Option<tokio::task::JoinHandle<()>>) {
    if let Some(watching) = watching.take()
        && let Err(error) = watching.await
    {
        warn!(%error, "the clusters' watch did not end well");
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

async fn bind(args: &ServeArgs) -> anyhow::Result<Address> {
    if let Some(socket) = &args.socket {
        let public = args.public_url.clone().unwrap_or_else(|| "/gatehouse".to_owned());
        return Ok(Address {
            listener: listen::unix(socket).await?,
            token: None,
            url: None,
            public: trim(&public),
        });
    }
    let (listener, port) = listen::loopback(args.port).await?;
    let secret = crate::state_dir::random_hex();
    Ok(Address {
        listener: listen::Listener::Tcp(listener),
        token: Some(Token::new(&secret, port)),
        url: Some(format!("http://127.0.0.1:{port}/?token={secret}")),
        public: trim(
            args.public_url
                .as_deref()
                .unwrap_or(&format!("http://127.0.0.1:{port}")),
        ),
    })
}

fn trim(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
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

fn gateway_config(args: &ServeArgs) -> anyhow::Result<GatewayConfig> {
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

fn default_state_dir() -> anyhow::Result<PathBuf> {
    if let Some(state) = std::env::var_os("XDG_STATE_HOME").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(state).join("gatehouse"));
    }
    let home = std::env::home_dir()
        .context("There is no home folder: say with --state-dir where state may be kept")?;
    Ok(home.join(".local/state/gatehouse"))
}

/// The Python to use: as told, or the one that a shell would find.
fn python(args: &ServeArgs) -> anyhow::Result<PathBuf> {
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
    args: &ServeArgs,
    python: &Path,
    folder: &Path,
    kernel_env: &BTreeMap<String, String>,
) -> JupyterSource {
    let token = std::env::var("GATEHOUSE_JUPYTER_TOKEN").unwrap_or_default();
    match &args.jupyter_url {
        None => JupyterSource::Private(Arc::new(PrivateJupyter::new(PrivateJupyterConfig {
            python: python.to_owned(),
            folder: folder.to_owned(),
            root: None,
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
    args: &ServeArgs,
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

fn announce(args: &ServeArgs, url: Option<&str>, kernel_env: &BTreeMap<String, String>) {
    if args.ready_json {
        println!(
            "{}",
            serde_json::json!({ "event": "ready", "url": url, "kernel_env": kernel_env })
        );
    } else if let Some(url) = url {
        println!("Gatehouse is at {url}");
    }
}
