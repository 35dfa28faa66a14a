//! cargo-deny, where it is installed: licences, bans and sources of the crates.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::job::Job;
use crate::setup::debian::find_program;
use crate::workspace::Workspace;

/// Compiling it takes longer than many a check here, so it is used where it is and not demanded.
pub(super) fn program() -> Option<PathBuf> {
    find_program("cargo-deny")
}

pub(super) fn check(workspace: &Workspace, job: &Job, program: &Path) -> Result<()> {
    // Advisories need their database from the network at each run; these three do not.
    job.run(
        Command::new(program)
            .args(["--offline", "check", "licenses", "bans", "sources"])
            .current_dir(&workspace.root),
    )
}
