//! The command line.

mod doctor;
mod host;
mod house;
mod listen;
mod look;
mod progress;
mod run;
mod serve;
mod signals;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Dask clusters from JupyterLab: create, watch, use and shut them down.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the panel and its API, and the embedded gateway where Dask's configuration names none.
    Serve(ServeArgs),
    /// Run a script or a notebook on a cluster of its own, and clean up after it.
    Run(Box<run::RunArgs>),
    /// List your clusters.
    Clusters(look::LookArgs),
    /// List the jobs, newest first.
    Jobs(look::LookArgs),
    /// Shut clusters down.
    Stop(look::StopArgs),
    /// Check what Gatehouse needs, and say what to mend.
    Doctor(look::LookArgs),
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen on this unix socket; who may open it may use everything (JupyterLab's way).
    #[arg(long, conflicts_with = "port")]
    socket: Option<PathBuf>,
    /// Listen on this port of 127.0.0.1, guarded by a token that the printed address carries; 0 takes a free one.
    #[arg(long, default_value_t = 0, value_parser = port)]
    port: u16,
    #[command(flatten)]
    house: HouseArgs,
    /// Folder of the panel's files [default: panel, beside the binary].
    #[arg(long, env = "GATEHOUSE_ASSETS")]
    assets: Option<PathBuf>,
    /// Name of this server, the same after a restart.
    #[arg(long)]
    instance: Option<String>,
    /// Where browsers reach this server: an address, or a path on the host they use.
    #[arg(long)]
    public_url: Option<String>,
    /// End when this process is no longer our parent.
    #[arg(long)]
    parent_pid: Option<u32>,
    /// Print one line of JSON when listening, for the program that started this one.
    #[arg(long)]
    ready_json: bool,
}

/// What every command needs that works with clusters or jobs.
#[derive(Debug, Args)]
struct HouseArgs {
    /// Folder for what must survive a restart [default: gatehouse in $XDG_STATE_HOME or ~/.local/state].
    #[arg(long, env = "GATEHOUSE_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Settings (gatehouse.yaml): the embedded gateway, recordings, notes on options.
    #[arg(long, env = "GATEHOUSE_CONFIG")]
    config: Option<PathBuf>,
    /// Python that runs the embedded gateway and, without JupyterLab, the jobs' kernels.
    #[arg(long, env = "GATEHOUSE_PYTHON")]
    python: Option<PathBuf>,
    /// Use this Dask Gateway, whatever Dask's configuration says.
    #[arg(long)]
    gateway: Option<String>,
    /// Jupyter Server whose kernels run jobs; its token comes in GATEHOUSE_JUPYTER_TOKEN.
    #[arg(long)]
    jupyter_url: Option<String>,
    /// Python's sys.prefix, below which Dask's configuration may be.
    #[arg(long)]
    sys_prefix: Option<PathBuf>,
    /// Further prefixes below which Dask's configuration may be.
    #[arg(long)]
    site_prefix: Vec<PathBuf>,
    /// Whether schedulers are asked for queued tasks, occupancy and exact memory by a small read-only expression that runs
    /// there while somebody looks; a site may refuse it, too.
    #[arg(long, value_enum, default_value_t = Switch::On, env = "GATEHOUSE_SCHEDULER_FEED")]
    scheduler_feed: Switch,
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse()
        .map_err(|_not_a_port| "a port is a whole number from 0 to 65535; 0 takes a free one")
}

/// A setting that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Runs the command that was asked for.
///
/// # Errors
/// A sentence for the person at the terminal.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let default = match &cli.command {
        Command::Serve(_) => "info",
        // Standard error is the job's.
        _ => "error",
    };
    tracing_subscriber::fmt()
        .with_env_filter(log_filter(default))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        // Whoever reads our log may die before us: then there is nobody to complain to, and an end to put in order.
        .log_internal_errors(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("The machine gives no threads for the server")?;
    match cli.command {
        Command::Serve(args) => runtime.block_on(serve::serve(args)).map(|()| ExitCode::SUCCESS),
        Command::Run(args) => runtime.block_on(run::run(*args)),
        Command::Clusters(args) => runtime.block_on(look::clusters(args)),
        Command::Jobs(args) => runtime.block_on(look::jobs(args)),
        Command::Stop(args) => runtime.block_on(look::stop(args)),
        Command::Doctor(args) => runtime.block_on(doctor::doctor(args)),
    }
}

/// What is logged: `GATEHOUSE_LOG`, or the default. tungstenite writes whole requests, tokens included, when it traces.
fn log_filter(default: &str) -> tracing_subscriber::EnvFilter {
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("GATEHOUSE_LOG").unwrap_or_else(|_unset| default.into());
    match "tungstenite=info".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_never) => filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_none_is_explained() {
        for wrong in ["abc", "65536"] {
            let error = Cli::try_parse_from(["gatehouse", "serve", "--port", wrong]).expect_err(wrong);
            assert!(error.to_string().contains("from 0 to 65535"), "{error}");
        }
    }
}
