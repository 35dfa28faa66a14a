//! The jobs in the panel: the newest ones, and the way to the others.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::jobs::{Job, JobState};
use yew::prelude::*;

use super::context::{Panel, use_panel};
use crate::jobs::view::{Start, View};
use crate::jobs::words;
use crate::state::events::State;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner};

/// Jobs listed here; a tab lists them all.
const FEW: usize = 8;

#[derive(Clone, PartialEq, Properties)]
pub struct JobsProps {
    pub state: State,
}

/// The section with the jobs, newest first.
#[component]
pub fn Jobs(props: &JobsProps) -> Html {
    let panel = use_panel();
    let state = &props.state;
    if state.clusters.is_none() {
        return html! {};
    }
    let jupyter = state.status.as_ref().map(|status| &status.jupyter);
    let available = jupyter.is_none_or(|jupyter| jupyter.available);
    let run = panel.opens_jobs(View::New(Start::Blank));
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
                    {"Run a script, a notebook or some lines without being there: its cluster ends with it."}
                </p>
            }
            <ul class="gh-jobs">
                {for state.jobs.iter().take(FEW).map(|job| {
                    job_row(&panel, job, words::place(state, job), panel.opens_jobs(View::Job(job.id.clone())))
                })}
            </ul>
            if !state.jobs.is_empty() {
                {Button::new("All jobs").tone(Tone::Quiet).title("Search, run again and compare jobs").on(panel.opens_jobs(View::List)).testid("all-jobs").view()}
            }
        </section>
    }
}

/// One line of the list; `on` is the cluster's title.
fn job_row(panel: &Panel, job: &Rc<Job>, on: String, open: Callback<MouseEvent>) -> Html {
    let cancel = Button::new("Stop job")
        .only_icon(Icon::Stop)
        .tone(Tone::Danger)
        .on(words::cancel(panel, job))
        .busy(job.state == JobState::Cancelling)
        .testid("job-cancel");
    html! {
        <li key={job.id.clone()} class="gh-job" data-testid="job" data-job={job.id.clone()} data-state={words::key(job.state)}>
            <button type="button" class="gh-job-open" onclick={open} title={job.name.clone()} data-testid="job-open">
                {words::icon(job.state)}
                <span class="gh-job-name">{job.name.clone()}</span>
                <span class="gh-job-sub">
                    <span>{words::state(job)}</span>
                    <bdi class="gh-ellipsis">{on}</bdi>
                    {words::time(job)}
                </span>
            </button>
            if !job.state.is_over() {
                {cancel.view()}
            }
        </li>
    }
}
