//! `gatehouse doctor`: looks at everything that has to fit together, and says what to mend.

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use dask_comm::{Connection, Timeouts};
use dask_gateway::{ClusterStatus, GatewayClient, GatewayConfig};
use serde::Serialize;
use tokio::process::Command;

use super::HouseArgs;
use super::house::{default_state_dir, gateway_config, python};
use super::look::LookArgs;
use crate::embedded::{Embedded, Settings};
use crate::live::Target;
use crate::state_dir::StateDir;
use crate::store::Store;

/// How long an interpreter may take to say what it has.
const PYTHON_LIMIT: Duration = Duration::from_secs(60);

/// How long a scheduler may take to answer.
const SCHEDULER_LIMIT: Duration = Duration::from_secs(10);

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    well: bool,
    /// What was found, or what is wrong and how to mend it, in a sentence.
    says: String,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, what: &'static str, found: Result<String, String>) -> bool {
        let well = found.is_ok();
        let says = found.unwrap_or_else(|wrong| wrong);
        self.0.push(Finding { what, well, says });
        well
    }
}

/// Prints what is well and what is not; the exit status is 1 where anything is not.
///
/// # Errors
/// Where the findings can't be printed.
pub(super) async fn doctor(args: LookArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Findings(Vec::new());
    look(&args.house, &mut findings).await;
    let well = findings.0.iter().all(|finding| finding.well);
    if args.json {
        println!("{}", serde_json::to_string(&findings.0)?);
    } else {
        for Finding { what, well, says } in &findings.0 {
            println!("{} {what:<14}  {says}", if *well { '✔' } else { '✘' });
        }
    }
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn look(args: &HouseArgs, findings: &mut Findings) {
    let settings = Settings::load(args.config.as_deref()).map_err(|error| error.to_string());
    let from = args
        .config
        .as_ref()
        .map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
    findings.add("settings", settings.map(|_| from));
    let state = state(args).await;
    findings.add(
        "state folder",
        state
            .as_ref()
            .map(|dir| dir.root().display().to_string())
            .map_err(Clone::clone),
    );
    let config = match gateway_config(args) {
        Ok(config) => config,
        Err(error) => {
            findings.add("configuration", Err(format!("{error:#}")));
            return;
        }
    };
    let says = config.address.as_ref().map_or_else(
        || "Dask's configuration names no gateway: the embedded one is used".to_owned(),
        |address| format!("Dask's configuration names the gateway at {address}"),
    );
    findings.add("configuration", Ok(says));
    for warning in &config.warnings {
        findings.add("configuration", Err(warning.clone()));
    }
    interpreter(args, config.address.is_none(), findings).await;
    match (&config.address, state) {
        (Some(_), _) => gateway(&config, findings).await,
        (None, Ok(dir)) => embedded(&dir, findings).await,
        (None, Err(_)) => {}
    }
}

/// Opens the folder and its store, as a server does.
async fn state(args: &HouseArgs) -> Result<StateDir, String> {
    let root = args.state_dir.clone().map_or_else(default_state_dir, Ok);
    let dir =
        StateDir::open(&root.map_err(|error| format!("{error:#}"))?).map_err(|error| error.to_string())?;
    Store::open(&dir.store())
        .await
        .map_err(|error| error.to_string())?;
    Ok(dir)
}

/// Whether Python has what runs jobs and, where it is needed, the embedded gateway.
async fn interpreter(args: &HouseArgs, embedded: bool, findings: &mut Findings) {
    let python = match python(args) {
        Ok(python) => python,
        Err(error) => {
            findings.add("Python", Err(format!("{error:#}")));
            return;
        }
    };
    findings.add("Python", Ok(python.display().to_string()));
    let wanted = [
        ("jobs", "jupyter_server", "jupyter-server", true),
        ("jobs", "ipykernel", "ipykernel", true),
        ("Dask", "dask_gateway", "dask-gateway", true),
        (
            "gateway",
            "dask_gateway_server",
            "dask-gateway-server[local]",
            embedded,
        ),
    ];
    for (what, module, package, needed) in wanted {
        if needed {
            findings.add(what, imports(&python, module, package).await);
        }
    }
}

async fn imports(python: &Path, module: &str, package: &str) -> Result<String, String> {
    let distribution = package.split('[').next().unwrap_or(package);
    let code = format!("import {module}, importlib.metadata as m; print(m.version('{distribution}'))");
    let run = Command::new(python)
        .args(["-c", &code])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let missing = |why: String| {
        format!(
            "{} can't import {module} ({why}). Install {package} in it.",
            python.display()
        )
    };
    let output = tokio::time::timeout(PYTHON_LIMIT, run)
        .await
        .map_err(|_late| missing("it took too long".to_owned()))?
        .map_err(|error| missing(error.to_string()))?;
    if output.status.success() {
        return Ok(format!(
            "{package} {}",
            String::from_utf8_lossy(&output.stdout).trim()
        ));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(missing(
        said.lines().last().unwrap_or("no reason was given").to_owned(),
    ))
}

/// The embedded gateway runs while a server or a job does.
async fn embedded(dir: &StateDir, findings: &mut Findings) {
    let recorded = Embedded::recorded(dir).filter(|_| dir.has_members());
    match recorded {
        Some(config) => gateway(&config, findings).await,
        None => {
            findings.add(
                "gateway",
                Ok("the embedded gateway starts with JupyterLab or a job".to_owned()),
            );
        }
    }
}

/// Reach, authentication, options, and the schedulers of the clusters that run.
async fn gateway(config: &GatewayConfig, findings: &mut Findings) {
    let client = match GatewayClient::new(config) {
        Ok(client) => client,
        Err(error) => {
            findings.add("gateway", Err(error.to_string()));
            return;
        }
    };
    let version = client
        .version()
        .await
        .map(|version| format!("version {version} answers at {}", client.address()));
    if !findings.add("gateway", version.map_err(|error| error.to_string())) {
        return;
    }
    let clusters = client.list(&[ClusterStatus::Running]).await;
    let says = clusters
        .as_ref()
        .map(|list| format!("the gateway takes our credentials; {} running", list.len()));
    if !findings.add("authentication", says.map_err(ToString::to_string)) {
        return;
    }
    let options = client
        .options()
        .await
        .map(|options| format!("{} options", options.len()));
    findings.add("options", options.map_err(|error| error.to_string()));
    for report in clusters.unwrap_or_default() {
        let Some(tls) = &report.tls else { continue };
        let found = match Target::gateway(config, &report.name, tls) {
            Ok(target) => scheduler(&target).await,
            Err(error) => Err(error.to_string()),
        };
        let name = &report.name;
        findings.add(
            "scheduler",
            found.map(|version| format!("{name} answers, distributed {version}")).map_err(|error| {
                format!(
                    "The scheduler of {name} can't be reached at {}: {error} Check gateway.proxy-address.",
                    config.proxy_address.as_deref().unwrap_or("no proxy address")
                )
            }),
        );
    }
}

async fn scheduler(target: &Target) -> Result<String, String> {
    let asked = async {
        let mut scheduler =
            Connection::connect(target.address(), target.certificate(), Timeouts::default()).await?;
        scheduler.versions().await
    };
    let answered = tokio::time::timeout(SCHEDULER_LIMIT, asked)
        .await
        .map_err(|_late| format!("it did not answer within {} s.", SCHEDULER_LIMIT.as_secs()))?;
    let versions = answered.map_err(|error| error.to_string())?;
    Ok(versions
        .packages
        .get("distributed")
        .cloned()
        .unwrap_or_else(|| "of unknown version".to_owned()))
}
