//! Jobs: the list, the form for a new one, and the view of one with its output.

pub mod run;
pub mod stream;
pub mod tail;
pub mod view;

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::jobs::{Job, JobState, PlaceKind};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

pub use self::run::RunJob;
pub use self::view::JobView;
use super::context::{Panel, Sheet, use_panel};
use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Elapsed, Tone, banner, spinner};

/// Jobs listed before the user asks for more.
const FEW: usize = 8;

#[derive(Clone, PartialEq, Properties)]
pub struct JobsProps {
    pub state: State,
}

/// The section with the jobs, newest first.
#[component]
pub fn Jobs(props: &JobsProps) -> Html {
    let panel = use_panel();
    let all = use_state(|| false);
    let state = &props.state;
    if state.clusters.is_none() {
        return html! {};
    }
    let jupyter = state.status.as_ref().map(|status| &status.jupyter);
    let available = jupyter.is_none_or(|jupyter| jupyter.available);
    let run = panel.go.reform(|_: MouseEvent| Sheet::RunJob {
        cluster: None,
        code: None,
    });
    let shown = if *all { state.jobs.len() } else { FEW };
    let show_all = {
        let all = all.clone();
        Callback::from(move |_: MouseEvent| all.set(true))
    };
    html! {
        <section class="gh-section" aria-label="Jobs">
            <header class="gh-section-header">
                <h2>{"Jobs"}</h2>
                if !state.jobs.is_empty() {
                    <span class="gh-count gh-figure">{state.jobs.len()}</span>
                }
                {Button::new("Run job").icon(Icon::Play).on(run).disabled(!available).testid("run-job").class("gh-push").view()}
            </header>
            if let Some(message) = jupyter.filter(|jupyter| !jupyter.available).map(|jupyter| &jupyter.message) {
                {banner(NoticeLevel::Info, "jobs-unavailable", html! { {message.clone().unwrap_or_else(|| {
                        "Jobs can't be run: no Jupyter Server is there to run their kernels.".to_owned()
                    })} }, Html::default())}
            } else if state.jobs.is_empty() {
                <p class="gh-note gh-note--empty">
                    {"Run a piece of Python on a cluster without opening a notebook."}
                </p>
            }
            <ul class="gh-jobs">
                {for state.jobs.iter().take(shown).map(|job| {
                    job_row(&panel, job, place(state, job))
                })}
            </ul>
            if state.jobs.len() > shown {
                {Button::new(format!("Show all {}", state.jobs.len())).tone(Tone::Quiet).on(show_all).view()}
            }
        </section>
    }
}

/// The title of the job's cluster; that of one that is gone as it was.
pub fn place(state: &State, job: &Job) -> String {
    let Some(name) = &job.cluster else {
        return match job.request.place.kind {
            PlaceKind::Fresh => "a cluster of its own".to_owned(),
            PlaceKind::Cluster | PlaceKind::None => "no cluster".to_owned(),
        };
    };
    let label = match state.cluster(name) {
        Some(cluster) => &cluster.label,
        None => &job.cluster_label,
    };
    format::title(label.as_deref(), name).to_owned()
}

/// One line of the list; `on` is the cluster's title.
fn job_row(panel: &Panel, job: &Rc<Job>, on: String) -> Html {
    let open = {
        let id = job.id.clone();
        panel
            .go
            .reform(move |_: MouseEvent| Sheet::Job { id: id.clone() })
    };
    html! {
        <li key={job.id.clone()} class="gh-job" data-testid="job" data-job={job.id.clone()} data-state={job_key(job.state)}>
            <button type="button" class="gh-job-open" onclick={open} title={job.name.clone()} data-testid="job-open">
                {job_icon(job.state)}
                <span class="gh-job-name">{job.name.clone()}</span>
                <span class="gh-job-sub">
                    <span>{format::job_state(job.state)}</span>
                    <bdi class="gh-ellipsis">{on}</bdi>
                    {job_time(job)}
                </span>
            </button>
            if !job.state.is_over() {
                {cancel_button(panel, job, true)}
            }
        </li>
    }
}

/// The time a job runs or ran; that it waits, before.
fn job_time(job: &Job) -> Html {
    match job.started_at {
        Some(since) => html! { <Elapsed {since} until={job.ended_at} /> },
        None if job.state.is_over() => html! {},
        None => html! { <Elapsed since={job.created_at} /> },
    }
}

fn cancel_button(panel: &Panel, job: &Job, icon_only: bool) -> Html {
    let (panel, id) = (panel.clone(), job.id.clone());
    let onclick = Callback::from(move |_: MouseEvent| {
        let (panel, id) = (panel.clone(), id.clone());
        spawn_local(async move {
            if let Err(error) = panel.store.api().cancel_job(&id).await {
                panel.fail(&format!("The job could not be cancelled: {}", error.message));
            }
        });
    });
    html! {
        {Button::new(if icon_only { "Cancel job" } else { "Cancel" }).icon(Icon::Stop).icon_only(icon_only).tone(if icon_only { Tone::Danger } else { Tone::Plain }).on(onclick).busy(job.state == JobState::Cancelling).testid("job-cancel").view()}
    }
}

/// The state as the server writes it, for tests and styles.
fn job_key(state: JobState) -> &'static str {
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

fn job_icon(state: JobState) -> Html {
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
