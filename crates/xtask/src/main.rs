//! What package.json's scripts call: set-up, build, start, test, e2e, bench.

mod board;
mod e2e;
mod job;
mod plan;
mod setup;
mod signals;
mod stamp;
mod start;
mod test;
mod workspace;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::board::Board;
use crate::workspace::Workspace;

/// Builds, starts and tests Gatehouse.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", bin_name = "npm run", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Start(start::Start),
    Test(test::Test),
    /// Run one scenario in a real browser
    E2e {
        name: String,
    },
    /// Run one bench; its JSON lines also land in target/bench/NAME.jsonl
    Bench {
        name: String,
        /// What the bench itself takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build everything: the server, the panel, the JupyterLab extension, the Python environment
    Build,
    /// Build everything, then the Python wheel, into target/dist/
    Package,
    /// Format everything
    Fmt,
    /// Print where things are, as JSON
    #[command(hide = true)]
    Env,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let board = Arc::new(Board::new());
    match perform(arguments.verb, &board) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) if signals::stopping() => ExitCode::from(130),
        Err(error) => {
            board.say(&format!("gatehouse: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well; an error says why something could not be done at all.
fn perform(verb: Verb, board: &Arc<Board>) -> Result<bool> {
    let workspace = Workspace::here();
    let requests = signals::listen()?;
    match verb {
        Verb::Start(start) => start::run(&workspace, board, &start, &requests).map(|()| true),
        Verb::Test(test) => test::run(&workspace, board, &test),
        Verb::E2e { name } => e2e::run(&workspace, board, &name),
        Verb::Bench { name, arguments } => e2e::bench(&workspace, board, &name, &arguments),
        Verb::Build => setup::build(&workspace, board).map(|()| true),
        Verb::Package => setup::package(&workspace, board).map(|()| true),
        Verb::Fmt => setup::fmt(&workspace, board).map(|()| true),
        Verb::Env => {
            println!("{}", start::describe(&workspace));
            Ok(true)
        }
    }
}
