//! Debian packages: installed where we may, named in a sentence where we may not.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::job::Job;

/// apt holds a lock of its own and does not wait for it.
static APT: Mutex<()> = Mutex::new(());

/// Looks a program up on `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Whether packages can be installed without asking anybody.
pub(crate) fn may_install() -> bool {
    geteuid().is_root() && find_program("apt-get").is_some()
}

/// Installs Debian packages.
///
/// # Errors
/// When apt-get fails.
pub(crate) fn install(job: &Job, packages: &[&str]) -> Result<()> {
    let Ok(_one_at_a_time) = APT.lock() else {
        bail!("an earlier installation broke off; run the command again")
    };
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        command
    };
    job.run(&mut apt(&["update", "-q"]))
        .context("the package list could not be brought up to date")?;
    job.run(apt(&["install", "-q", "-y", "--no-install-recommends"]).args(packages))
        .with_context(|| format!("Debian's {} could not be installed", packages.join(", ")))
}
