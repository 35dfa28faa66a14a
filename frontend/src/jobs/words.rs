//! What the panel's list and the jobs' tabs both say of a job.

use protocol::guard::Spent;
use protocol::jobs::{Job, JobState, PlaceKind, WorkKind};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::panel::context::Panel;
use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Elapsed, spinner};

/// Where it runs, such as `on nightly`: the title of its cluster, as it was where that is gone.
pub fn place(state: &State, job: &Job) -> String {
    let name = match (job.request.place.kind, &job.cluster) {
        // It is called as the job is.
        (PlaceKind::Fresh, _) => return "own cluster".to_owned(),
        (_, None) => return "without a cluster".to_owned(),
        (_, Some(name)) => name,
    };
    let label = match state.cluster(name) {
        Some(cluster) => &cluster.label,
        None => &job.cluster_label,
    };
    format!("on {}", format::title(label.as_deref(), name))
}

/// The time a job runs or ran; that it waits, before.
pub fn time(job: &Job) -> Html {
    match job.started_at {
        Some(since) => html! { <Elapsed {since} until={job.ended_at} /> },
        None if job.state.is_over() => html! {},
        None => html! { <Elapsed since={job.created_at} /> },
    }
}

/// Whether what its cluster does now is the job's: on one that others use, only once its code began.
pub fn works(job: &Job) -> bool {
    match job.state {
        JobState::Running | JobState::Cancelling => true,
        JobState::Queued | JobState::Starting => job.request.place.kind == PlaceKind::Fresh,
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => false,
    }
}

/// How long it ran, milliseconds; `None` where it never began, or still runs.
pub fn ran(job: &Job) -> Option<i64> {
    Some(job.ended_at? - job.started_at?)
}

/// The state as the server writes it, for tests and styles.
pub fn key(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Starting => "starting",
        JobState::Running => "running",
        JobState::Cancelling => "cancelling",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

pub fn icon(state: JobState) -> Html {
    let (class, icon) = match state {
        JobState::Queued | JobState::Starting | JobState::Running | JobState::Cancelling => {
            return html! { <span class="gh-job-icon">{spinner()}</span> };
        }
        JobState::Succeeded => ("gh-job-icon gh-good", Icon::Check),
        JobState::Failed => ("gh-job-icon gh-bad", Icon::Alert),
        JobState::Cancelled => ("gh-job-icon gh-dim", Icon::Stop),
    };
    html! { <span {class}>{glyph(icon, 14)}</span> }
}

/// The state in words, with its place where it waits for its turn.
pub fn state(job: &Job) -> String {
    match job.position.filter(|_| job.state == JobState::Queued) {
        Some(1) => "Queued, next".to_owned(),
        Some(position) => format!("Queued, number {position}"),
        None => format::job_state(job.state).to_owned(),
    }
}

/// What runs, in a word.
pub fn kind(kind: WorkKind) -> &'static str {
    match kind {
        WorkKind::Snippet => "Snippet",
        WorkKind::Script => "Script",
        WorkKind::Notebook => "Notebook",
    }
}

/// What was used, and what that is: money where there are rates, else how long its workers were there, added up.
pub fn cost(cost: &Spent, currency: Option<&str>) -> (&'static str, String) {
    match (cost.amount, currency) {
        (Some(amount), Some(unit)) => ("Cost", format!("{} {unit}", self::amount(amount))),
        _ => (WORKER_TIME, worker_time(cost.worker_hours)),
    }
}

/// What [`worker_time`] is called.
pub const WORKER_TIME: &str = "Worker time";

/// Worker hours as a span.
pub fn worker_time(hours: f64) -> String {
    span((hours * 3.6e9) as u64)
}

/// A figure with the digits that say something.
pub fn amount(value: f64) -> String {
    crate::panel::guard::amount(value)
}

/// A span of microseconds, such as `420 ms` or `1 m 20 s`.
pub fn span(us: u64) -> String {
    match us {
        0 => "0 s".to_owned(),
        1..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ => format::duration(i64::try_from(us / 1_000).unwrap_or(i64::MAX)),
    }
}

/// A moment in the user's time and words.
pub fn moment(ms: i64) -> String {
    let date = js_sys::Date::new(&(ms as f64).into());
    date.to_locale_string("default", &wasm_bindgen::JsValue::UNDEFINED)
        .into()
}

/// Asks, then cancels: what it has computed so far is lost.
pub fn cancel(panel: &Panel, job: &Job) -> Callback<MouseEvent> {
    let (panel, id) = (panel.clone(), job.id.clone());
    let question = format!("Stop the job \u{201c}{}\u{201d}?", job.name);
    let body = match (job.state, job.request.place.kind) {
        (JobState::Queued, _) => "It has not begun yet.",
        (_, PlaceKind::Fresh) => {
            "Its code is interrupted, and its cluster is shut down. What it has computed and not saved is lost."
        }
        _ => "Its code is interrupted. What it has computed and not saved is lost.",
    };
    Callback::from(move |_: MouseEvent| {
        let (panel, id, question) = (panel.clone(), id.clone(), question.clone());
        spawn_local(async move {
            if !panel
                .host
                .confirm(question, body.to_owned(), "Stop job".to_owned())
                .await
            {
                return;
            }
            if let Err(error) = panel.store.api().cancel_job(&id).await {
                panel.fail(&format!("The job could not be cancelled: {}", error.message));
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_at_a_glance() {
        for (us, words) in [
            (0, "0 s"),
            (1_540, "1.5 ms"),
            (420_900, "420 ms"),
            (1_240_000, "1.2 s"),
            (80_000_000, "1 m 20 s"),
        ] {
            assert_eq!(span(us), words);
        }
    }

    #[test]
    fn a_cost_without_rates_is_worker_time() {
        let mut spent = Spent {
            worker_hours: 1.5,
            ..Spent::default()
        };
        assert_eq!(cost(&spent, Some("EUR")), ("Worker time", "1 h 30 m".to_owned()));
        spent.amount = Some(0.25);
        assert_eq!(cost(&spent, Some("EUR")), ("Cost", "0.25 EUR".to_owned()));
        assert_eq!(cost(&spent, None).0, "Worker time");
    }

    #[test]
    fn a_job_that_waits_says_its_place() {
        let mut job = Job::queued("1", "n", Default::default(), 0);
        assert_eq!(state(&job), format::job_state(JobState::Queued));
        job.position = Some(3);
        assert_eq!(state(&job), "Queued, number 3");
        job.state = JobState::Running;
        assert_eq!(state(&job), format::job_state(JobState::Running));
    }
}
