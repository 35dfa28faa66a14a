//! Deaths on purpose: `GATEHOUSE_DIES_AT=STEP:before` or `:after` kills the server, as `kill -9` does, before or after the
//! side effect of a step. Tests restart it and look what became of the job.

use super::step::Step;

/// The variable's name.
const VARIABLE: &str = "GATEHOUSE_DIES_AT";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

/// Refuses a variable that would kill nothing.
///
/// # Errors
/// The steps that there are, in a sentence.
pub fn check() -> Result<(), String> {
    let Some(wanted) = std::env::var_os(VARIABLE) else {
        return Ok(());
    };
    let wanted = wanted.to_string_lossy();
    let named = wanted
        .split_once(':')
        .is_some_and(|(step, moment)| Step::named(step).is_some() && matches!(moment, "before" | "after"));
    if named {
        return Ok(());
    }
    let steps: Vec<_> = Step::all().map(Step::name).collect();
    Err(format!(
        "{VARIABLE} is STEP:before or STEP:after, not {wanted:?}. The steps are: {}.",
        steps.join(", ")
    ))
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
