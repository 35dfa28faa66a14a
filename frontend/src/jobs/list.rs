//! All jobs: a table to search, to open, to run again from and to choose two from.

use std::rc::Rc;

use protocol::jobs::{Job, JobState};
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::view::{Start, View};
use super::{Tab, currency, words};
use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, segmented};

/// Which jobs are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    #[default]
    All,
    /// Those that are not over.
    Active,
    Succeeded,
    /// Failed or cancelled.
    Failed,
}

const CHOICES: [(Shown, &str, &str); 4] = [
    (Shown::All, "All", "jobs-all"),
    (Shown::Active, "Active", "jobs-active"),
    (Shown::Succeeded, "Succeeded", "jobs-succeeded"),
    (Shown::Failed, "Failed", "jobs-failed"),
];

impl Shown {
    fn takes(self, state: JobState) -> bool {
        match self {
            Self::All => true,
            Self::Active => !state.is_over(),
            Self::Succeeded => state == JobState::Succeeded,
            Self::Failed => matches!(state, JobState::Failed | JobState::Cancelled),
        }
    }
}

/// Whether every word of `words`, in lower case, is in the job's name, file, place, kind or state.
fn matches(job: &Job, on: &str, words: &str) -> bool {
    let work = &job.request.work;
    let text = [
        &job.name,
        work.path.as_deref().unwrap_or_default(),
        on,
        words::kind(work.kind),
        format::job_state(job.state),
        job.error.as_deref().unwrap_or_default(),
    ]
    .join("\n")
    .to_lowercase();
    words.split_whitespace().all(|word| text.contains(word))
}

#[derive(Clone, PartialEq, Properties)]
pub struct JobListProps {
    pub tab: Tab,
    pub state: State,
}

#[component]
pub fn JobList(props: &JobListProps) -> Html {
    let tab = &props.tab;
    let shown = use_state_eq(Shown::default);
    let filter = use_state_eq(String::new);
    // Two at most, in the order in which they were chosen.
    let chosen = use_state_eq(Vec::<String>::new);
    let state = &props.state;
    let words = filter.to_lowercase();
    let rows: Vec<_> = state
        .jobs
        .iter()
        .map(|job| (job, words::place(state, job)))
        .filter(|(job, on)| shown.takes(job.state) && matches(job, on, &words))
        .collect();
    let currency = currency(state);
    let on_filter = {
        let filter = filter.setter();
        Callback::from(move |event: InputEvent| {
            filter.set(event.target_unchecked_into::<HtmlInputElement>().value());
        })
    };
    let on_shown = {
        let shown = shown.setter();
        Callback::from(move |to| shown.set(to))
    };
    let toggle = {
        let chosen = chosen.clone();
        Callback::from(move |id: String| {
            let mut next: Vec<_> = chosen.iter().filter(|known| **known != id).cloned().collect();
            if next.len() == chosen.len() {
                next.push(id);
            }
            // A third takes the place of the first.
            let from = next.len().saturating_sub(2);
            chosen.set(next.split_off(from));
        })
    };
    let compare = match chosen.as_slice() {
        [one, other] => Some(tab.panel.opens_jobs(View::Compare(one.clone(), other.clone()))),
        _ => None,
    };
    let available = state
        .status
        .as_ref()
        .is_none_or(|status| status.jupyter.available);
    let none = state.jobs.is_empty();
    html! {
        <section class="gh-job-page" aria-label="Jobs" data-testid="job-list">
            <header class="gh-job-head">
                <div class="gh-job-title"><h2>{"Jobs"}</h2></div>
                <div class="gh-job-actions">
                    {Button::new("Compare").icon(Icon::Tiles).title(if compare.is_some() { "Compare the two chosen runs" } else { "Choose two jobs to compare them" }).disabled(compare.is_none()).on(compare.unwrap_or_else(Callback::noop)).testid("jobs-compare").view()}
                    {Button::new("New job").icon(Icon::Plus).tone(Tone::Primary).disabled(!available).on(tab.panel.opens_jobs(View::New(Start::Blank))).testid("jobs-new").view()}
                </div>
                <div class="gh-job-filter">
                    <input
                        type="search"
                        class="gh-input"
                        placeholder="Search by name, file, cluster or error"
                        aria-label="Search jobs"
                        value={(*filter).clone()}
                        oninput={on_filter}
                        data-testid="jobs-filter"
                    />
                    {segmented("gh-jobs-shown", "Which jobs", &CHOICES, *shown, false, &on_shown)}
                </div>
            </header>
            if rows.is_empty() {
                <p class="gh-note gh-note--empty" data-testid="jobs-none">
                    {if none {
                        "No jobs yet. Run a script, a notebook or some lines: its cluster ends with it, whatever happens."
                    } else {
                        "No job fits."
                    }}
                </p>
            } else {
                <div class="gh-job-scroll">
                    <table class="gh-job-table gh-job-table--list">
                        <thead>
                            <tr>
                                <th><span class="gh-unseen">{"Compare"}</span></th>
                                <th>{"Job"}</th>
                                <th>{"State"}</th>
                                <th>{"Began"}</th>
                                <th class="gh-right">{"Duration"}</th>
                                <th class="gh-right">{"Tasks"}</th>
                                <th class="gh-right">{"Peak memory"}</th>
                                <th class="gh-right">{if currency.is_some() { "Cost" } else { words::WORKER_TIME }}</th>
                                <th><span class="gh-unseen">{"Actions"}</span></th>
                            </tr>
                        </thead>
                        <tbody>
                            {for rows.into_iter().map(|(job, on)| row(tab, state, job, on, chosen.contains(&job.id), &toggle))}
                        </tbody>
                    </table>
                </div>
            }
        </section>
    }
}

fn row(
    tab: &Tab,
    state: &State,
    job: &Rc<Job>,
    on: String,
    is_chosen: bool,
    toggle: &Callback<String>,
) -> Html {
    let currency = currency(state);
    let choose = {
        let id = job.id.clone();
        toggle.reform(move |_: Event| id.clone())
    };
    let work = &job.request.work;
    let over = job.state.is_over();
    let summary = job.summary.as_ref();
    let dash = || "\u{2013}".to_owned();
    let again = Button::new("Run again\u{2026}")
        .only_icon(Icon::Refresh)
        .tone(Tone::Quiet)
        .on(tab.panel.opens_jobs(View::New(Start::Again(job.id.clone()))))
        .testid("job-again");
    let cancel = Button::new("Stop job")
        .only_icon(Icon::Stop)
        .tone(Tone::Danger)
        .busy(job.state == JobState::Cancelling)
        .on(words::cancel(&tab.panel, job))
        .testid("job-cancel");
    html! {
        <tr key={job.id.clone()} data-testid="job-row" data-job={job.id.clone()} data-state={words::key(job.state)}>
            <td>
                <input
                    type="checkbox"
                    checked={is_chosen}
                    disabled={!over && !is_chosen}
                    onchange={choose}
                    aria-label={format!("Compare {}", job.name)}
                    data-testid="job-choose"
                />
            </td>
            <td class="gh-job-cell">
                <button type="button" class="gh-link" onclick={tab.panel.opens_jobs(View::Job(job.id.clone()))} title={job.name.clone()} data-testid="job-open">
                    {job.name.clone()}
                </button>
                <small class="gh-ellipsis">
                    {words::kind(work.kind)}{" \u{b7} "}<bdi>{on}</bdi>
                    if let Some(path) = work.path.as_ref().filter(|path| **path != job.name) {
                        {" \u{b7} "}<bdi>{path.clone()}</bdi>
                    }
                </small>
            </td>
            <td><span class="gh-job-state" title={job.error.clone()}>{words::icon(job.state)}{words::state(job)}</span></td>
            <td class="gh-figure">{words::moment(job.started_at.unwrap_or(job.created_at))}</td>
            <td class="gh-right gh-figure">{words::time(job)}</td>
            <td class="gh-right gh-figure">{summary.map_or_else(dash, |summary| summary.tasks.to_string())}</td>
            <td class="gh-right gh-figure">{summary.map_or_else(dash, |summary| format::bytes(summary.peak_memory))}</td>
            <td class="gh-right gh-figure">{job.cost.as_ref().map_or_else(dash, |spent| words::cost(spent, currency).1)}</td>
            <td class="gh-right">{if over { again.view() } else { cancel.view() }}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use protocol::jobs::{CreateJob, Work, WorkKind};

    use super::*;

    fn job() -> Job {
        let work = Work {
            kind: WorkKind::Script,
            path: Some("etl/load.py".into()),
            ..Work::default()
        };
        let request = CreateJob {
            work,
            ..CreateJob::default()
        };
        Job {
            state: JobState::Failed,
            error: Some("KilledWorker".into()),
            ..Job::queued("1", "Nightly", request, 0)
        }
    }

    #[test]
    fn each_word_is_looked_for_everywhere() {
        for (words, found) in [
            ("", true),
            ("night", true),
            ("load.py failed", true),
            ("script big", true),
            ("killed", true),
            ("night notebook", false),
        ] {
            assert_eq!(matches(&job(), "Big one", words), found, "{words}");
        }
    }

    #[test]
    fn cancelled_jobs_are_among_the_failed() {
        assert!(Shown::Failed.takes(JobState::Cancelled) && !Shown::Succeeded.takes(JobState::Cancelled));
        assert!(Shown::Active.takes(JobState::Cancelling) && !Shown::Active.takes(JobState::Failed));
    }
}
