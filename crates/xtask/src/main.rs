//! What package.json's scripts call: set-up, build, start, test, e2e, bench.

mod board;
mod job;
mod plan;
mod setup;
mod signals;
mod stamp;
mod start;
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
    /// Build everything: the server, the panel, the JupyterLab extension, the Python environment.
    Build,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let board = Arc::new(Board::new());
    match perform(arguments.verb, &board) {
        Ok(code) => code,
        Err(_) if signals::stopping() => ExitCode::from(130),
        Err(error) => {
            board.say(&format!("gatehouse: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb, board: &Arc<Board>) -> Result<ExitCode> {
    let workspace = Workspace::here();
    let requests = signals::listen()?;
    match verb {
        Verb::Start(start) => start::run(&workspace, board, &start, &requests)?,
        Verb::Build => setup::build(&workspace, board)?,
    }
    Ok(ExitCode::SUCCESS)
}
