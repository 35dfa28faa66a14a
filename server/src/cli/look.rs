//! `gatehouse clusters`, `jobs` and `stop`: what there is, and its end, whether a server runs or not.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use dask_gateway::{ClusterReport, ClusterStatus, GatewayClient, GatewayConfig, GatewayError};
use protocol::jobs::Job;
use serde_json::json;

use super::HouseArgs;
use super::house::{default_state_dir, gateway_config};
use super::values::{ask, chosen};
use crate::clock::{now_ms, words};
use crate::embedded::Embedded;
use crate::state_dir::StateDir;
use crate::store::Store;

/// How long the gateway may take to end clusters.
const STOP_LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug, Args)]
pub(super) struct LookArgs {
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) house: HouseArgs,
}

#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// Names of clusters, their beginnings, or labels.
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// Every cluster of yours.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    house: HouseArgs,
}

/// The state folder, and the gateway that is configured or embedded in it; `None` where no embedded one was ever started.
pub(super) fn surroundings(args: &HouseArgs) -> anyhow::Result<(StateDir, Option<GatewayConfig>)> {
    let state_dir = StateDir::open(&args.state_dir.clone().map_or_else(default_state_dir, Ok)?)?;
    let config = gateway_config(args)?;
    let config = match config.address {
        Some(_) => Some(config),
        None => Embedded::recorded(&state_dir),
    };
    Ok((state_dir, config))
}

/// A cluster with the user's name for it.
struct Named {
    report: ClusterReport,
    label: Option<String>,
}

impl Named {
    fn names(&self) -> (&str, Option<&str>) {
        (&self.report.name, self.label.as_deref())
    }

    fn title(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.report.name)
    }
}

/// The clusters that are not over. Where the embedded gateway does not run, there are none.
async fn listed(args: &HouseArgs) -> anyhow::Result<(Option<GatewayClient>, Vec<Named>)> {
    let (state_dir, config) = surroundings(args)?;
    let Some(config) = config else {
        return Ok((None, Vec::new()));
    };
    let client = GatewayClient::new(&config)?;
    let active = [
        ClusterStatus::Pending,
        ClusterStatus::Running,
        ClusterStatus::Stopping,
    ];
    let reports = match client.list(&active).await {
        Err(GatewayError::Unreachable { .. }) if gateway_config(args)?.address.is_none() => {
            return Ok((None, Vec::new()));
        }
        reports => reports?,
    };
    let mut notes = Store::open(&state_dir.store()).await?.clusters().await?;
    let named = reports.into_iter().map(|report| Named {
        label: notes.remove(&report.name).and_then(|note| note.label),
        report,
    });
    Ok((Some(client), named.collect()))
}

/// Lists the clusters.
///
/// # Errors
/// A sentence, where the gateway or the state folder can't be read.
pub(super) async fn clusters(args: LookArgs) -> anyhow::Result<ExitCode> {
    let (_, clusters) = listed(&args.house).await?;
    if args.json {
        let list = clusters.iter().map(|cluster| {
            json!({
                "name": cluster.report.name, "label": cluster.label, "state": cluster.report.status.as_str(),
                "started_at": cluster.report.start_time, "options": cluster.report.options,
            })
        });
        println!("{}", serde_json::to_string(&list.collect::<Vec<_>>())?);
        return Ok(ExitCode::SUCCESS);
    }
    if clusters.is_empty() {
        println!("No cluster runs.");
    }
    for cluster in &clusters {
        let state = cluster.report.status.as_str();
        println!(
            "{}  {state:<8}  {:>11}  {}",
            cluster.report.name,
            since(cluster.report.start_time),
            cluster.label.as_deref().unwrap_or("")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists the jobs, newest first.
///
/// # Errors
/// A sentence, where the state folder can't be read.
pub(super) async fn jobs(args: LookArgs) -> anyhow::Result<ExitCode> {
    let (state_dir, _) = surroundings(&args.house)?;
    let jobs = crate::jobs::list(Store::open(&state_dir.store()).await?).await?;
    if args.json {
        println!("{}", serde_json::to_string(&jobs)?);
        return Ok(ExitCode::SUCCESS);
    }
    if jobs.is_empty() {
        println!("No job was run yet.");
    }
    for job in &jobs {
        println!("{}", line(job));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(job: &Job) -> String {
    let state = format!("{:?}", job.state).to_lowercase();
    let took = job.started_at.zip(job.ended_at).map(|(from, to)| span(to - from));
    let took = took.unwrap_or_else(|| since(job.started_at));
    let why = job
        .error
        .as_deref()
        .map(|error| format!("  {error}"))
        .unwrap_or_default();
    let asked = format!("{} ago", span(now_ms() - job.created_at));
    format!(
        "{}  {state:<10}  {took:>11}  {asked:>15}  {}{why}",
        &job.id[..8.min(job.id.len())],
        job.name
    )
}

/// How long ago that was.
fn since(at_ms: Option<i64>) -> String {
    let Some(at) = at_ms else { return "–".to_owned() };
    span(now_ms() - at)
}

fn span(ms: i64) -> String {
    words(u64::try_from(ms / 1000).unwrap_or(0))
}

/// Shuts clusters down and waits until they are over.
///
/// # Errors
/// A sentence, where a name means none or several, or the gateway does not end one.
pub(super) async fn stop(args: StopArgs) -> anyhow::Result<ExitCode> {
    let (client, clusters) = listed(&args.house).await?;
    let chosen = if args.all {
        clusters.iter().collect()
    } else {
        args.names
            .iter()
            .map(|name| chosen(&clusters, Named::names, name))
            .collect::<anyhow::Result<Vec<_>>>()?
    };
    let Some(client) = client.filter(|_| !chosen.is_empty()) else {
        println!("{}", if args.json { "[]" } else { "No cluster runs." });
        return Ok(ExitCode::SUCCESS);
    };
    if !args.yes && !agreed(&chosen)? {
        eprintln!("gatehouse: nothing was shut down.");
        return Ok(ExitCode::FAILURE);
    }
    let ends = chosen.iter().map(|cluster| end(&client, cluster));
    let ended = futures_util::future::join_all(ends).await;
    let mut failed = false;
    let mut list = Vec::new();
    for (cluster, ended) in chosen.iter().zip(ended) {
        match &ended {
            Ok(()) if !args.json => println!("{} is shut down.", cluster.title()),
            Err(error) if !args.json => {
                eprintln!("gatehouse: {} could not be shut down: {error:#}", cluster.title())
            }
            _ => {}
        }
        failed |= ended.is_err();
        list.push(
            json!({ "name": cluster.report.name, "error": ended.err().map(|error| format!("{error:#}")) }),
        );
    }
    if args.json {
        println!("{}", serde_json::to_string(&list)?);
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Asks at the terminal. Where nobody can be asked, `--yes` says so beforehand.
fn agreed(chosen: &[&Named]) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!(
            "What is in the clusters' memory is lost when they are shut down: say --yes where nobody can be asked."
        );
    }
    let titles: Vec<_> = chosen.iter().map(|cluster| cluster.title()).collect();
    ask(&format!(
        "Shut down {}? What is in their memory is lost.",
        titles.join(", ")
    ))
}

async fn end(client: &GatewayClient, cluster: &Named) -> anyhow::Result<()> {
    if !client.end(&cluster.report.name, STOP_LIMIT).await? {
        bail!("the gateway did not end it within {} s", STOP_LIMIT.as_secs());
    }
    Ok(())
}
