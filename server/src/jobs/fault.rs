//! Deaths on purpose: `GATEHOUSE_DIES_AT=STEP:before` or `:after` kills the server, as `kill -9` does, before or after the
//! side effect of a step. Tests restart it and look what became of the job.

use super::record::Step;

/// The variable's name.
const VARIABLE: &str = "GATEHOUSE_DIES_AT";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

/// Dies here where the variable says so.
pub(super) fn at(step: Step, moment: Moment) {
    let Some(wanted) = std::env::var_os(VARIABLE) else {
        return;
    };
    let moment = match moment {
        Moment::Before => "before",
        Moment::After => "after",
    };
    if wanted.to_string_lossy() == format!("{}:{moment}", step.name()) {
        tracing::warn!(step = step.name(), moment, "dies, as {VARIABLE} says");
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
    }
}
