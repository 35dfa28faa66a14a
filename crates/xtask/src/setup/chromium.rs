//! A browser for the tests: Chromium or a kin of it.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::debian::{self, find_program};
use crate::job::Job;
use crate::plan::Step;
use crate::stamp::Inputs;

/// Names a browser outright.
pub(crate) const VARIABLE: &str = "GATEHOUSE_CHROMIUM";

const PROGRAMS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];
const APPLICATIONS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// The browser that tests use, if there is one.
pub(crate) fn find() -> Option<PathBuf> {
    std::env::var_os(VARIABLE)
        .map(PathBuf::from)
        .or_else(|| PROGRAMS.iter().find_map(|name| find_program(name)))
        .or_else(|| APPLICATIONS.iter().map(PathBuf::from).find(|file| file.is_file()))
}

pub(crate) fn step<'a>() -> Step<'a> {
    Step {
        name: "chromium",
        title: "Chromium",
        needs: vec![],
        inputs: Inputs::default(),
        outputs: find().map_or_else(|| vec![PathBuf::from("/usr/bin/chromium")], |found| vec![found]),
        work: Box::new(install),
    }
}

fn install(job: &Job) -> Result<()> {
    if find().is_some() {
        return Ok(());
    }
    if debian::may_install() {
        debian::install(job, &["chromium", "fonts-liberation"])?;
    }
    if find().is_none() {
        bail!(
            "Chromium or Chrome is needed for the browser tests, and none was found: get it with `apt-get install chromium` \
             (Debian, Ubuntu) or `brew install --cask chromium` (macOS), or name one in {VARIABLE}."
        );
    }
    Ok(())
}
