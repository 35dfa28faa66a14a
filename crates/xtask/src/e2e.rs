//! Scenarios in a real browser and benches: small Node programs under `tests/`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::board::Board;
use crate::setup;
use crate::signals::Registered;
use crate::workspace::Workspace;

const SCENARIOS: &str = "tests/e2e";
const BENCHES: &str = "tests/bench";

/// A program of `tests/e2e` that calls `scenario`; the others are its helpers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// Whether `npm test` runs it: `export const gate = true;`
    pub(crate) gate: bool,
}

/// All scenarios, in the order of their names.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn scenarios(workspace: &Workspace) -> Result<Vec<Scenario>> {
    let mut found = Vec::new();
    for (name, file) in programs(&workspace.path(SCENARIOS))? {
        let text = fs::read_to_string(&file)?;
        if text.lines().any(|line| line.starts_with("await scenario(")) {
            let gate = text.lines().any(|line| line == "export const gate = true;");
            found.push(Scenario { name, file, gate });
        }
    }
    Ok(found)
}

fn programs(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be listed", folder.display()))?;
    let mut found: Vec<(String, PathBuf)> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "mjs"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path.clone())))
        .collect();
    found.sort();
    Ok(found)
}

pub(crate) fn command(workspace: &Workspace, scenario: &Scenario) -> Command {
    let mut command = Command::new("node");
    command.arg(&scenario.file).current_dir(&workspace.root);
    command
}

/// `npm run e2e -- NAME`: one scenario, its lines as they come.
///
/// # Errors
/// When there is none of that name or the set-up fails.
pub(crate) fn run(workspace: &Workspace, board: &Arc<Board>, name: &str) -> Result<bool> {
    let all = scenarios(workspace)?;
    let Some(scenario) = all.iter().find(|scenario| scenario.name == name) else {
        let names: Vec<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        bail!("there is no scenario {name:?}: there are {}", names.join(", "));
    };
    setup::build_for_tests(workspace, board)?;
    let mut child = command(workspace, scenario)
        .process_group(0)
        .spawn()
        .context("node cannot be started")?;
    let _registered = Registered::new(child.id());
    Ok(child.wait()?.success())
}

/// `npm run bench -- NAME`: passes the bench's JSON lines on and keeps them in `target/bench/NAME.jsonl`.
///
/// # Errors
/// When there is none of that name, the set-up fails, or the bench does.
pub(crate) fn bench(
    workspace: &Workspace,
    board: &Arc<Board>,
    name: &str,
    arguments: &[String],
) -> Result<bool> {
    let all = programs(&workspace.path(BENCHES))?;
    let Some((_, file)) = all.iter().find(|(found, _)| found == name) else {
        let names: Vec<&str> = all.iter().map(|(found, _)| found.as_str()).collect();
        bail!("there is no bench {name:?}: there are {}", names.join(", "));
    };
    setup::build_for_tests(workspace, board)?;
    let folder = workspace.path("target/bench");
    fs::create_dir_all(&folder)?;
    let results = folder.join(format!("{name}.jsonl"));
    let mut keep =
        fs::File::create(&results).with_context(|| format!("{} cannot be written", results.display()))?;
    let mut child = Command::new("node")
        .arg(file)
        .args(arguments)
        .current_dir(&workspace.root)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("node cannot be started")?;
    let _registered = Registered::new(child.id());
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines() {
            let line = line?;
            println!("{line}");
            if serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|value| value.is_object()) {
                writeln!(keep, "{line}")?;
            }
        }
    }
    Ok(child.wait()?.success())
}
