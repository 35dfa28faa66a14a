//! `gatehouse run FILE`: one job from the command line, without a server or a JupyterLab, and nothing left behind.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use protocol::jobs::{CreateJob, Job, JobOutput, JobState, OnMismatch, Place, PlaceKind, Work, WorkKind};
use protocol::rest::{GatewayState, Scaling};
use serde_json::{Map, Value};

use super::HouseArgs;
use super::house::{House, Name};
use super::progress::Bars;
use super::signals::Signals;
use super::values::{ask, chosen, option_value, pair, parameter};
use crate::jobs::{JobError, own_cluster, parameters_of};

/// How long the gateway may take until it answers.
const GATEWAY_LIMIT: Duration = Duration::from_secs(90);

/// Exit statuses beside the job's own.
const WRONG: u8 = 2;
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// A Python script (.py) or a notebook (.ipynb).
    file: PathBuf,
    /// An option of the cluster, as the gateway names it.
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = pair)]
    options: Vec<(String, String)>,
    /// A preset that was saved in the panel; options given here go before its own.
    #[arg(long)]
    preset: Option<String>,
    /// Workers of the cluster [default: the preset's, else 1].
    #[arg(long, conflicts_with = "adapt")]
    workers: Option<u32>,
    /// Workers as the work needs them, between two numbers.
    #[arg(long, value_name = "MIN:MAX", value_parser = range)]
    adapt: Option<(u32, u32)>,
    /// Begin with so many workers [default: all of --workers, the least of --adapt but 1].
    #[arg(long, value_name = "N")]
    wait_for: Option<u32>,
    /// Seconds that the cluster and these workers may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait_limit: u64,
    /// Run on this cluster, which goes on running, instead of one of the job's own.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["options", "preset", "workers", "adapt"])]
    cluster: Option<String>,
    /// Run without a cluster: the code makes its own, or needs none.
    #[arg(long, conflicts_with_all = ["cluster", "options", "preset", "workers", "adapt"])]
    no_cluster: bool,
    /// Kernelspec [default: the notebook's, else Jupyter's].
    #[arg(long)]
    kernel: Option<String>,
    /// A parameter of a notebook; the value is JSON, or text.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// A variable that is set before anything is imported.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    environment: Vec<(String, String)>,
    /// Seconds after which the job is ended.
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<u64>,
    /// How often it is begun anew after a failure.
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,
    /// Run the job although its cluster exceeds a budget.
    #[arg(long)]
    over_budget: bool,
    /// Fail where the kernel's packages and the cluster's don't fit each other.
    #[arg(long)]
    strict_versions: bool,
    /// Where the executed notebook is written.
    #[arg(long, value_name = "PATH")]
    notebook: Option<PathBuf>,
    /// Where the report is written, one HTML file.
    #[arg(long, value_name = "PATH")]
    report: Option<PathBuf>,
    /// Where the tasks that ran are written, one Parquet table.
    #[arg(long, value_name = "PATH")]
    tasks: Option<PathBuf>,
    /// Print one line of JSON for each piece of output, and the job as the last one.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    house: HouseArgs,
    /// Arguments of the script.
    #[arg(last = true)]
    args: Vec<String>,
}

fn range(text: &str) -> Result<(u32, u32), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    match parsed {
        Some((low, high)) if low <= high && high > 0 => Ok((low, high)),
        _ => Err("two whole numbers, the smaller one first: 1:8".to_owned()),
    }
}

/// Runs the job and returns its exit status; 2 where it could not begin, 130 where it was interrupted.
///
/// # Errors
/// A sentence, where something that is needed is not there.
pub(super) async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("Signals can't be listened to")?;
    let work = match check_places(&args).and_then(|()| work(&args)) {
        Ok(work) => work,
        Err(error) => return Ok(refused(&error)),
    };
    let name = Name {
        instance: format!(
            "run-{}-{}",
            std::process::id(),
            &crate::state_dir::random_hex()[..8]
        ),
        public: String::new(),
        tells_access: false,
        parent_pid: None,
        root: Some(std::env::current_dir().context("The current folder is not there")?),
    };
    let mut house = House::open(&args.house, name).await?;
    house.begin_jupyter();
    let ended = tokio::select! {
        ended = async {
            house.live().await;
            prepare(&args, work, &house).await
        } => Some(ended),
        _ = signals.end_is_asked(None) => None,
    };
    let status = match ended {
        None => INTERRUPTED,
        Some(Err(error)) => {
            eprintln!("gatehouse: {error:#}");
            WRONG
        }
        Some(Ok(job)) => follow(&args, &house, &job, &mut signals).await?,
    };
    house.end().await;
    Ok(ExitCode::from(status))
}

fn refused(error: &anyhow::Error) -> ExitCode {
    eprintln!("gatehouse: {error:#}");
    ExitCode::from(WRONG)
}

/// What the file is.
fn work(args: &RunArgs) -> anyhow::Result<Work> {
    let file = &args.file;
    let kind = match file.extension().and_then(|extension| extension.to_str()) {
        Some("py") => WorkKind::Script,
        Some("ipynb") => WorkKind::Notebook,
        _ => bail!(
            "{} is neither a script (.py) nor a notebook (.ipynb).",
            file.display()
        ),
    };
    let source =
        std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    let mut work = Work {
        kind,
        source,
        path: Some(std::path::absolute(file)?.to_string_lossy().into_owned()),
        args: args.args.clone(),
        parameters: Map::new(),
    };
    let known = parameters_of(&work);
    for (name, text) in &args.parameters {
        let default = known.iter().find(|parameter| parameter.name == *name);
        if default.is_none() && kind == WorkKind::Notebook {
            let names: Vec<_> = known.iter().map(|parameter| parameter.name.as_str()).collect();
            let has = match names.as_slice() {
                [] => "it has no cell that is tagged `parameters`".to_owned(),
                names => format!("it has {}", names.join(", ")),
            };
            eprintln!("gatehouse: the notebook has no parameter {name}; {has}. It is set all the same.");
        }
        let default = default.and_then(|parameter| parameter.default.as_ref());
        work.parameters
            .insert(name.clone(), parameter(name, text, default)?);
    }
    Ok(work)
}

/// What is to be written in the end must have a place: told before anything is begun.
fn check_places(args: &RunArgs) -> anyhow::Result<()> {
    for (option, to) in [
        ("--notebook", &args.notebook),
        ("--report", &args.report),
        ("--tasks", &args.tasks),
    ] {
        let Some(to) = to else { continue };
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            bail!(
                "{option}: there is no folder {}. Make it, or name another one.",
                folder.display()
            );
        }
        if to.is_dir() {
            bail!("{option}: {} is a folder. Name a file in it.", to.display());
        }
    }
    Ok(())
}

/// Waits for the gateway, and asks for the job.
async fn prepare(args: &RunArgs, work: Work, house: &House) -> anyhow::Result<Job> {
    let place = if args.no_cluster {
        Place::default()
    } else {
        gateway_is_up(house).await?;
        match &args.cluster {
            Some(name) => existing(args, house, name)?,
            None => fresh(args, house).await?,
        }
    };
    may_cost(args, house, &place).await?;
    let request = CreateJob {
        work,
        place,
        name: None,
        kernel: args.kernel.clone(),
        folder: Some(std::env::current_dir()?.to_string_lossy().into_owned()),
        environment: args.environment.iter().cloned().collect::<BTreeMap<_, _>>(),
        time_limit_s: args.time_limit,
        retries: args.retries,
        on_mismatch: if args.strict_versions {
            OnMismatch::Stop
        } else {
            OnMismatch::Show
        },
    };
    Ok(house.jobs.create(request).await?)
}

/// Asks the user where the job's cluster exceeds a budget.
async fn may_cost(args: &RunArgs, house: &House, place: &Place) -> anyhow::Result<()> {
    let Some(cluster) = own_cluster(place).filter(|_| !args.over_budget) else {
        return Ok(());
    };
    let Err(question) = house.clusters.check_create(&cluster) else {
        return Ok(());
    };
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        bail!("{question} Say --over-budget to run the job all the same.");
    }
    let (answer, answered) = tokio::sync::oneshot::channel();
    // A thread that nobody waits for: Ctrl-C is an answer, too.
    std::thread::spawn(move || answer.send(ask(&format!("{question} Run the job all the same?"))));
    if !answered.await.context("The answer can't be read")?? {
        bail!("The job was not begun.");
    }
    Ok(())
}

async fn gateway_is_up(house: &House) -> anyhow::Result<()> {
    let mut gateway = house.clusters.gateway();
    let answered = gateway.wait_for(|gateway| gateway.state != GatewayState::Starting);
    let Ok(status) = tokio::time::timeout(GATEWAY_LIMIT, answered).await else {
        bail!("The gateway did not answer within {} s.", GATEWAY_LIMIT.as_secs());
    };
    let status = status.context("The gateway is not asked any more")?.clone();
    if status.state != GatewayState::Up {
        let why = status
            .message
            .unwrap_or_else(|| "The gateway can't be used.".to_owned());
        bail!("{why} `gatehouse doctor` says more.");
    }
    Ok(())
}

fn existing(args: &RunArgs, house: &House, name: &str) -> anyhow::Result<Place> {
    let clusters = house.clusters.list();
    let cluster = chosen(
        &clusters,
        |cluster| (&cluster.name, cluster.label.as_deref()),
        name,
    )?;
    Ok(Place {
        kind: PlaceKind::Cluster,
        cluster: Some(cluster.name.clone()),
        wait_for: args.wait_for,
        wait_limit_s: Some(args.wait_limit),
        ..Place::default()
    })
}

async fn fresh(args: &RunArgs, house: &House) -> anyhow::Result<Place> {
    let (mut options, mut scaling) = match &args.preset {
        Some(name) => of_preset(house, name).await?,
        None => (Map::new(), None),
    };
    let specs = house.clusters.options().await?.options;
    for (name, text) in &args.options {
        let Some(spec) = specs.iter().find(|spec| spec.field == *name) else {
            let known: Vec<_> = specs.iter().map(|spec| spec.field.as_str()).collect();
            bail!(
                "The gateway has no option {name:?}; it has: {}.",
                known.join(", ")
            );
        };
        options.insert(name.clone(), option_value(&spec.spec, name, text)?);
    }
    match (args.workers, args.adapt) {
        (Some(workers), _) => scaling = Some(Scaling::Manual { workers }),
        (None, Some((minimum, maximum))) => scaling = Some(Scaling::Adaptive { minimum, maximum }),
        (None, None) => {}
    }
    let wait_for = args.wait_for.or(match &scaling {
        Some(Scaling::Manual { workers }) => Some(*workers),
        Some(Scaling::Adaptive { minimum, .. }) => Some((*minimum).max(1)),
        Some(Scaling::Unknown) | None => None,
    });
    Ok(Place {
        kind: PlaceKind::Fresh,
        cluster: None,
        options,
        scaling,
        wait_for,
        wait_limit_s: Some(args.wait_limit),
    })
}

async fn of_preset(house: &House, name: &str) -> anyhow::Result<(Map<String, Value>, Option<Scaling>)> {
    let presets = house.clusters.presets().list().await?.presets;
    let Some(preset) = presets
        .iter()
        .find(|preset| preset.name.eq_ignore_ascii_case(name))
    else {
        let known: Vec<_> = presets.iter().map(|preset| preset.name.as_str()).collect();
        match known.as_slice() {
            [] => bail!("There is no preset {name:?}, nor any other. Save one in the panel's form."),
            known => bail!("There is no preset {name:?}; there are: {}.", known.join(", ")),
        }
    };
    let options = preset.form.get("options").and_then(Value::as_object).cloned();
    let scaling = preset.form.get("scaling").cloned();
    let scaling = scaling.and_then(|scaling| serde_json::from_value(scaling).ok());
    Ok((options.unwrap_or_default(), scaling))
}

/// Shows what the job says until it is over; the first signal cancels it, and it is cleaned up after all the same.
async fn follow(args: &RunArgs, house: &House, job: &Job, signals: &mut Signals) -> anyhow::Result<u8> {
    let mut output = house.jobs.output(&job.id).await?;
    let mut bars = Bars::new(house, &job.id, !args.json && std::io::stderr().is_terminal());
    let mut interrupted = false;
    let state = loop {
        tokio::select! {
            message = output.recv() => match message {
                Some(JobOutput::End { state, .. }) => break state,
                Some(message) => bars.aside(|| show(args, &message)),
                None => bail!("The job's output broke off."),
            },
            why = signals.end_is_asked(None) => {
                if !std::mem::replace(&mut interrupted, true) {
                    bars.aside(|| eprintln!("gatehouse: {why}: cancelling the job and cleaning up…"));
                }
                house.jobs.cancel(&job.id).await?;
            }
            () = bars.turn() => {}
        }
    };
    bars.end();
    let job = house.jobs.get(&job.id).await?;
    let is_kept = keep(args, house, &job).await;
    if args.json {
        println!("{}", serde_json::to_string(&job.clone().listed())?);
    } else if let Some(error) = &job.error {
        eprintln!("gatehouse: {error}");
    }
    for mismatch in job.mismatches.iter().filter(|_| !args.json) {
        eprintln!("gatehouse: versions: {mismatch}");
    }
    Ok(match state {
        JobState::Succeeded if is_kept => 0,
        JobState::Succeeded => 1,
        JobState::Cancelled if interrupted => INTERRUPTED,
        _ => job
            .exit_status
            .and_then(|status| u8::try_from(status).ok())
            .filter(|status| *status > 0)
            .unwrap_or(1),
    })
}

/// Writes what remains of the job where it was asked for; whether what there is could be written.
async fn keep(args: &RunArgs, house: &House, job: &Job) -> bool {
    let (jobs, id) = (&house.jobs, &job.id);
    let mut is_kept = true;
    if let Some(to) = &args.notebook {
        let written = jobs.notebook(id).await.map(|bytes| std::fs::write(to, bytes));
        is_kept &= told("--notebook", to, written);
    }
    if let Some(to) = &args.report {
        let written = jobs.report(id).await.map(|bytes| std::fs::write(to, bytes));
        is_kept &= told("--report", to, written);
    }
    if let Some(to) = &args.tasks {
        let written = jobs.tasks(id).await;
        let written = written.map(|from| std::fs::copy(from, to).map(drop));
        is_kept &= told("--tasks", to, written);
    }
    is_kept
}

/// Says what could not be written, or that there is nothing to write; whether all is well.
fn told(option: &str, to: &Path, written: Result<std::io::Result<()>, JobError>) -> bool {
    match written {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            eprintln!("gatehouse: {option}: {} can't be written: {error}.", to.display());
            false
        }
        Err(missing) => {
            eprintln!("gatehouse: {option}: {missing}");
            true
        }
    }
}

/// Prints a piece of output where it belongs. A pipe that nobody reads any more ends nothing.
fn show(args: &RunArgs, message: &JobOutput) {
    let written = if args.json {
        serde_json::to_string(message).map_or(Ok(()), |line| writeln!(std::io::stdout(), "{line}"))
    } else {
        match message {
            JobOutput::Stdout { text } => std::io::stdout().write_all(text.as_bytes()),
            JobOutput::Stderr { text } => std::io::stderr().write_all(text.as_bytes()),
            JobOutput::Shown {
                data, update: false, ..
            } => match data.get("text/plain") {
                Some(text) => writeln!(std::io::stdout(), "{text}"),
                None => Ok(()),
            },
            JobOutput::Error { traceback, .. } => writeln!(std::io::stderr(), "{}", traceback.join("\n")),
            // What stands in a terminal or a file stays there.
            JobOutput::Shown { .. } | JobOutput::Cleared | JobOutput::Cell { .. } | JobOutput::End { .. } => {
                Ok(())
            }
        }
    };
    if let Err(error) = written.and_then(|()| std::io::stdout().flush()) {
        tracing::debug!(%error, "a piece of output could not be printed");
    }
}
