//! `npm test`: the gate. Set-up, checks, tests, size budgets, and the scenarios in a real browser.

mod deny;
mod sizes;
mod tally;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::board::{Board, Mark, elapsed};
use crate::e2e;
use crate::job::Job;
use crate::plan::show_failure;
use crate::setup::{self, cargo, debian::find_program, node};
use crate::signals;
use crate::workspace::Workspace;
use tally::Tally;

/// Runs the checks, the tests and the scenarios of the gate.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Every scenario, not only those of the gate
    #[arg(long)]
    all: bool,
}

type Work<'a> = Box<dyn Fn(&Job) -> Result<Tally> + Sync + 'a>;

struct Check<'a> {
    name: String,
    title: String,
    work: Work<'a>,
}

struct Outcome {
    title: String,
    tally: Tally,
    took: Duration,
}

/// Runs everything, whatever fails on the way, and returns whether all passed.
///
/// # Errors
/// When the set-up fails or somebody asked us to stop.
pub(crate) fn run(workspace: &Workspace, board: &Arc<Board>, test: &Test) -> Result<bool> {
    let began = Instant::now();
    let set_up = setup::build_for_tests(workspace, board);
    let mut outcomes = vec![Outcome {
        title: "Set-up".to_owned(),
        tally: Tally::of(set_up.is_ok()),
        took: began.elapsed(),
    }];
    if signals::stopping() {
        bail!("interrupted");
    }
    if let Err(error) = set_up {
        board.say(&format!("gatehouse: {error:#}"));
    } else {
        for (id, check) in checks(workspace, test.all)?.iter().enumerate() {
            outcomes.push(perform(workspace, board, id, check)?);
        }
    }
    Ok(summarise(board, &outcomes, began.elapsed()))
}

fn perform(workspace: &Workspace, board: &Arc<Board>, id: usize, check: &Check<'_>) -> Result<Outcome> {
    let began = Instant::now();
    let job = Job::new(id, board.clone(), &workspace.logs(), &check.name)?;
    board.start(id, &check.title);
    let outcome = std::thread::scope(|scope| {
        let work = scope.spawn(|| (check.work)(&job));
        while !work.is_finished() {
            board.tick();
            std::thread::sleep(Duration::from_millis(100));
        }
        work.join().unwrap_or_else(|_| bail!("the check itself broke"))
    });
    if signals::stopping() {
        board.end(id, Mark::Note, "stopped");
        bail!("interrupted");
    }
    let tally = match outcome {
        Ok(tally) => {
            board.end(
                id,
                if tally.failed == 0 {
                    Mark::Done
                } else {
                    Mark::Failed
                },
                &tally.to_string(),
            );
            if tally.failed > 0 {
                show_failure(board, &job, &anyhow::anyhow!("{} failed", check.title));
            }
            tally
        }
        Err(error) => {
            board.end(id, Mark::Failed, "");
            show_failure(board, &job, &error);
            Tally::of(false)
        }
    };
    Ok(Outcome {
        title: check.title.clone(),
        tally,
        took: began.elapsed(),
    })
}

fn summarise(board: &Board, outcomes: &[Outcome], took: Duration) -> bool {
    let width = outcomes
        .iter()
        .map(|outcome| outcome.title.chars().count())
        .max()
        .unwrap_or(0);
    board.say(&format!("\n  The gate took {}:\n", elapsed(took)));
    for Outcome { title, tally, took } in outcomes {
        let mark = if tally.failed == 0 {
            Mark::Done
        } else {
            Mark::Failed
        };
        board.mark(mark, &format!("{title:width$}  {:>8}  {tally}", elapsed(*took)));
    }
    let total = outcomes
        .iter()
        .fold(Tally::default(), |sum, outcome| sum + outcome.tally);
    board.say("");
    println!("{} passed, {} failed", total.passed, total.failed);
    total.failed == 0
}

fn checks(workspace: &Workspace, all: bool) -> Result<Vec<Check<'_>>> {
    let mut checks = vec![
        check("fmt", "Format: Rust", |job| {
            job.run(&mut plain(workspace, "cargo", &["fmt", "--all", "--check"]))
        }),
        check("prettier", "Format: tests", |job| {
            job.run(tool(workspace, "prettier").args(["--check", "."]))
        }),
        check("eslint", "Lint: tests", |job| {
            job.run(tool(workspace, "eslint").arg("."))
        }),
        check(
            "extension-lint",
            "Format, lint and types: JupyterLab extension",
            |job| {
                job.run(&mut plain(
                    workspace,
                    "npm",
                    &["run", "lint", "-w", "dask-gatehouse"],
                ))?;
                job.run(&mut plain(
                    workspace,
                    "npm",
                    &["run", "check", "-w", "dask-gatehouse"],
                ))
            },
        ),
        check("clippy", "Lint: Rust", |job| {
            job.run(cargo(workspace, &["clippy"], "target").args([
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        }),
        Check {
            name: "rust".to_owned(),
            title: "Tests: Rust".to_owned(),
            work: Box::new(|job| rust_tests(workspace, job)),
        },
        Check {
            name: "pytest".to_owned(),
            title: "Tests: Python".to_owned(),
            work: Box::new(|job| python_tests(workspace, job)),
        },
        check("sizes", "Size budgets", |job| sizes::check(workspace, job)),
    ];
    checks.extend(deny::program().map(|program| {
        check("deny", "Licences and sources of crates", move |job| {
            deny::check(workspace, job, &program)
        })
    }));
    for scenario in e2e::scenarios(workspace)?
        .into_iter()
        .filter(|scenario| all || scenario.gate)
    {
        let title = format!("Scenario: {}", scenario.name);
        checks.push(check(&format!("e2e-{}", scenario.name), &title, move |job| {
            job.run(&mut e2e::command(workspace, &scenario))
        }));
    }
    Ok(checks)
}

/// A check that passes or fails as a whole.
fn check<'a>(name: &str, title: &str, work: impl Fn(&Job) -> Result<()> + Sync + 'a) -> Check<'a> {
    let work = move |job: &Job| work(job).map(|()| Tally::of(true));
    Check {
        name: name.to_owned(),
        title: title.to_owned(),
        work: Box::new(work),
    }
}

fn rust_tests(workspace: &Workspace, job: &Job) -> Result<Tally> {
    let nextest = find_program("cargo-nextest").is_some();
    let verb: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    if !nextest {
        job.line("cargo-nextest is not installed: `cargo test` does it, one test binary after the other.");
    }
    let mut command = cargo(workspace, verb, "target");
    command
        .args(["--workspace", "--no-fail-fast"])
        .env("GATEHOUSE_PYTHON", workspace.venv_tool("python"));
    let outcome = job.run(&mut command);
    let counted = if nextest {
        tally::of_nextest(&job.text()?)
    } else {
        tally::of_cargo_test(&job.text()?)
    };
    tally::judge(counted, outcome)
}

fn python_tests(workspace: &Workspace, job: &Job) -> Result<Tally> {
    let mut command = Command::new(workspace.venv_tool("python"));
    command
        .args([
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "jupyter-extension/tests",
            "tests/examples",
        ])
        .env("GATEHOUSE_BIN", workspace.server_binary())
        .env("GATEHOUSE_ASSETS", workspace.panel())
        .current_dir(&workspace.root);
    let outcome = job.run(&mut command);
    tally::judge(tally::of_pytest(&job.text()?), outcome)
}

fn plain(workspace: &Workspace, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&workspace.root);
    command
}

fn tool(workspace: &Workspace, name: &str) -> Command {
    let mut command = Command::new(node::tool(workspace, name));
    command.current_dir(&workspace.root);
    command
}
