//! One job: how it stands, what it took, its code and its output.

pub mod blocks;
pub mod facts;
pub mod output;
pub mod stream;
pub mod tail;

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::jobs::{Job, JobState, WorkKind};
use protocol::recordings::PANE_PREFIX;
use protocol::rest::ClusterState;
use yew::prelude::*;

use self::blocks::{OutputBlock, Shown};
use self::facts::facts;
use self::stream::{Followed, use_output};
use self::tail::use_tail;
use super::view::{Start, View};
use super::{Tab, words};
use crate::plots;
use crate::state::events::State;
use crate::state::socket::{Backoff, Task, segment};
use crate::ui::icons::{Icon, glyph};
use crate::ui::slot::Slot;
use crate::ui::widgets::{Button, Tone, banner, focus, focus_is_lost};

#[derive(Clone, PartialEq, Properties)]
pub struct JobViewProps {
    pub tab: Tab,
    pub state: State,
    pub id: AttrValue,
}

#[component]
pub fn JobView(props: &JobViewProps) -> Html {
    let tab = &props.tab;
    let listed = props.state.job(&props.id).cloned();
    let (whole, missing) = use_whole(tab, &props.id, listed.as_ref());
    let followed = use_output(tab.panel.store.base_url(), &props.id);
    let Some(job) = listed.or(whole.clone()) else {
        return match missing {
            Some(message) => banner(
                NoticeLevel::Error,
                "job-missing",
                html! { {message} },
                Html::default(),
            ),
            None => super::waiting("Asking for the job\u{2026}"),
        };
    };
    let beside = beside(&props.state, &job);
    html! {
        <article class="gh-job-page" data-testid="job-view" data-job={props.id.clone()} data-state={words::key(job.state)}>
            {head(props, &job)}
            {facts(&props.state, &job, whole.as_deref())}
            if let Some(error) = job.error.as_ref().filter(|_| job.state == JobState::Failed) {
                <p class="gh-reason" role="alert" data-testid="job-error">{error.clone()}</p>
            }
            if !job.mismatches.is_empty() {
                {banner(NoticeLevel::Warning, "job-mismatches", html! {
                    <>{"The kernel's packages don't all fit the cluster's:"}
                    <ul class="gh-sentences">{for job.mismatches.iter().map(|one| html! { <li>{one.clone()}</li> })}</ul></>
                }, Html::default())}
            }
            <div class={if beside.is_some() { "gh-job-body gh-job-body--two" } else { "gh-job-body" }}>
                <OutputView {followed} job={Rc::clone(&job)} tab={tab.clone()} code={code(&job, whole.as_deref())} />
                if let Some((plot, source)) = beside {
                    <div class="gh-job-beside" data-testid="job-plot" data-plot={plot} data-source={source.clone()}>
                        <Slot key={source.to_string()} mount={tab.panel.host.plot(plot, &source)} />
                    </div>
                }
            </div>
        </article>
    }
}

/// Which plot of what stands beside the output: the progress of its cluster while it runs, the task stream that was recorded
/// afterwards.
fn beside(state: &State, job: &Job) -> Option<(&'static str, AttrValue)> {
    if !job.state.is_over() {
        let cluster = job.cluster.as_deref().filter(|_| words::works(job))?;
        let runs = state
            .cluster(cluster)
            .is_some_and(|cluster| cluster.state == ClusterState::Running);
        return runs.then(|| ("progress", cluster.to_owned().into()));
    }
    // What others did on its cluster says nothing of a job that did nothing there.
    let summary = job.summary.as_ref().filter(|summary| summary.tasks > 0)?;
    let recording = summary.recordings.first()?;
    let kept = state
        .recordings
        .iter()
        .flat_map(|list| list.iter())
        .any(|known| known.id == *recording);
    kept.then(|| ("task-stream", format!("{PANE_PREFIX}{recording}").into()))
}

/// Its name and state, and what can be done with it.
fn head(props: &JobViewProps, job: &Rc<Job>) -> Html {
    let tab = &props.tab;
    let panel = &tab.panel;
    let work = &job.request.work;
    let over = job.state.is_over();
    let file = work.path.as_deref().unwrap_or_default();
    let on = words::place(&props.state, job);
    html! {
        <header class="gh-job-head">
            <div class="gh-job-title">
                {words::icon(job.state)}
                <h2 class="gh-ellipsis" title={job.name.clone()}>{job.name.clone()}</h2>
            </div>
            <div class="gh-job-actions">
                if !over {
                    {Button::new("Stop job").icon(Icon::Stop).on(words::cancel(panel, job)).busy(job.state == JobState::Cancelling).testid("job-cancel").view()}
                }
                {opener(panel, &props.state, job)}
                {notebook(tab, job)}
                if job.report.is_some() {
                    {link(tab, job, "report", Icon::External, "Report", None)}
                }
                if job.tasks.is_some() {
                    {link(tab, job, "tasks", Icon::Download, "Tasks", Some("Download its tasks as a Parquet table"))}
                }
                if over {
                    {Button::new("Run again\u{2026}").icon(Icon::Refresh).on(tab.panel.opens_jobs(View::New(Start::Again(job.id.clone())))).testid("job-again").view()}
                }
            </div>
            <p class="gh-meta gh-job-meta" role="status">
                <span data-testid="job-state">{words::state(job)}</span>
                {words::time(job)}
                if let Some(doing) = job.doing.as_ref().filter(|_| !over) {
                    <span data-testid="job-doing">{doing.clone()}</span>
                }
                <span>{words::kind(work.kind)}{if file.is_empty() { html! {} } else { html! { <>{" "}<bdi>{file.to_owned()}</bdi></> } }}</span>
                <span class="gh-ellipsis"><bdi data-testid="job-place">{on}</bdi></span>
                if let Some(cells) = job.cells {
                    <span data-testid="job-cells">{format!("{} of {} cells", cells.done, cells.all)}</span>
                }
                if job.request.retries > 0 {
                    <span>{format!("attempt {} of at most {}", job.attempt, job.request.retries + 1)}</span>
                }
            </p>
        </header>
    }
}

/// Opens the plots: of its cluster while that is there, as recorded afterwards.
fn opener(panel: &crate::panel::context::Panel, state: &State, job: &Job) -> Html {
    let Some((_, source)) = beside(state, job) else {
        return Html::default();
    };
    let recorded = if job.state.is_over() { " (recorded)" } else { "" };
    let title = format!(
        "{} \u{b7} {}{recorded}",
        plots::title("status").unwrap_or_default(),
        job.name
    );
    let host = panel.host.clone();
    let open = Callback::from(move |_: MouseEvent| host.open_pane("status", &source, &title));
    Button::new("Plots")
        .icon(Icon::TaskStream)
        .title("Task stream, memory and progress of its cluster")
        .on(open)
        .testid("job-plots")
        .view()
}

/// A link to what the server has of the job: saved, where `saves` says what, else shown on a page of its own.
fn link(tab: &Tab, job: &Job, what: &str, icon: Icon, word: &str, saves: Option<&'static str>) -> Html {
    let shown = saves.is_none();
    html! {
        <a
            class="gh-button gh-button--plain"
            href={format!("{}api/v1/jobs/{}/{what}", tab.panel.host.base_url(), segment(&job.id))}
            download={saves.map(|_| "")}
            target={shown.then_some("_blank")}
            rel={shown.then_some("noopener")}
            title={saves}
            data-testid={format!("job-{what}")}
        >
            {glyph(icon, 16)}<span>{word.to_owned()}</span>
        </a>
    }
}

/// The executed notebook: opened where it lies below Jupyter's root, else downloaded.
fn notebook(tab: &Tab, job: &Job) -> Html {
    let Some(path) = job.notebook.as_ref().filter(|_| job.state.is_over()) else {
        return Html::default();
    };
    let host = &tab.panel.host;
    if !path.starts_with('/') && host.opens_files() {
        let (host, path) = (host.clone(), path.clone());
        let title = format!("Open {path}");
        return Button::new("Notebook")
            .icon(Icon::Code)
            .title(title)
            .on(Callback::from(move |_: MouseEvent| host.open_file(&path)))
            .testid("job-notebook")
            .view();
    }
    let saves = Some("Download the executed notebook");
    link(tab, job, "notebook", Icon::Code, "Notebook", saves)
}

/// The job's whole code; `None` while it is asked for.
fn code(job: &Job, whole: Option<&Job>) -> Option<AttrValue> {
    let of = if job.is_cut() { whole? } else { job };
    // A notebook's code is read with its cells.
    (of.request.work.kind != WorkKind::Notebook).then(|| of.request.work.source.clone().into())
}

/// The job as it is asked for by itself, with what lists leave out; read anew when it is over. And why it can't be read.
#[hook]
fn use_whole(tab: &Tab, id: &AttrValue, listed: Option<&Rc<Job>>) -> (Option<Rc<Job>>, Option<String>) {
    let asked = use_state(|| None::<Rc<Job>>);
    let missing = use_state(|| None::<String>);
    let over = listed.map(|job| job.state.is_over());
    use_effect_with((id.clone(), over), {
        let (api, asked, missing) = (tab.panel.store.api(), asked.setter(), missing.setter());
        move |(id, _)| {
            let id = id.clone();
            let task = Task::spawn(async move {
                let mut backoff = Backoff::default();
                loop {
                    match api.job(&id).await {
                        Ok(job) => {
                            missing.set(None);
                            return asked.set(Some(Rc::new(job)));
                        }
                        Err(error) => {
                            let gone = error.code == "not_found";
                            missing.set(Some(error.message));
                            if gone {
                                return;
                            }
                        }
                    }
                    backoff.pause().await;
                }
            });
            move || drop(task)
        }
    });
    let whole = (*asked).clone().filter(|job| job.id == id.as_str());
    (whole, (*missing).clone())
}

#[derive(Clone, PartialEq, Properties)]
struct OutputViewProps {
    followed: Followed,
    job: Rc<Job>,
    tab: Tab,
    /// `None` where there is none to show beside the output.
    code: Option<AttrValue>,
}

/// The code, and below it what it wrote and showed, kept at its end while that grows.
#[component]
fn OutputView(props: &OutputViewProps) -> Html {
    let OutputViewProps {
        followed, job, tab, ..
    } = props;
    let scroller = use_node_ref();
    let (tail, follows) = use_tail(&scroller, followed.version);
    let onscroll = {
        let tail = Rc::clone(&tail);
        Callback::from(move |_: Event| tail.scrolled())
    };
    let onwheel = {
        let tail = Rc::clone(&tail);
        Callback::from(move |event: WheelEvent| {
            if event.delta_y() < 0.0 {
                tail.leave();
            }
        })
    };
    let onkeydown = {
        let tail = Rc::clone(&tail);
        Callback::from(move |event: KeyboardEvent| {
            if matches!(event.key().as_str(), "ArrowUp" | "PageUp" | "Home") {
                tail.leave();
            }
        })
    };
    let onpointerdown = {
        let tail = Rc::clone(&tail);
        Callback::from(move |_: PointerEvent| tail.leave())
    };
    let to_end = {
        let tail = Rc::clone(&tail);
        Callback::from(move |_: MouseEvent| tail.go_to_end())
    };
    let copy = {
        let (panel, output) = (tab.panel.clone(), Rc::clone(&followed.output));
        Callback::from(move |_: MouseEvent| panel.copy(output.borrow().to_text(), "Output"))
    };
    use_effect_with((), {
        let scroller = scroller.clone();
        move |()| {
            // The form that was here had it.
            if focus_is_lost() {
                focus(&scroller);
            }
        }
    });
    let cancelled = matches!(job.state, JobState::Cancelling | JobState::Cancelled);
    let over = job.state.is_over();
    let cells = job.cells.map(|cells| cells.all);
    let output = followed.output.borrow();
    html! {
        <div class="gh-job-output">
            if let Some(code) = &props.code {
                <details class="gh-details">
                    <summary>{glyph(Icon::Chevron, 12)}{"Code"}</summary>
                    <pre class="gh-listing" data-testid="job-code-shown">{code.clone()}</pre>
                </details>
            }
            if followed.lost {
                {banner(NoticeLevel::Warning, "", html! { {"The output's connection was lost; trying again."} }, Html::default())}
            }
            <div class="gh-output-frame">
                <div class="gh-output-bar">
                    <h3>{"Output"}</h3>
                    if !follows {
                        {Button::new("To the end").tone(Tone::Quiet).icon(Icon::Chevron).on(to_end).testid("job-output-end").view()}
                    }
                    // The style does the rest.
                    <label class="gh-button gh-button--quiet gh-button--icon gh-wrap" title="Wrap long lines">
                        <input type="checkbox" aria-label="Wrap long lines" data-testid="job-output-wrap" />
                        {glyph(Icon::Wrap, 16)}
                    </label>
                    {Button::new("Copy output").tone(Tone::Quiet).only_icon(Icon::Copy).on(copy).disabled(output.is_empty()).testid("job-output-copy").view()}
                </div>
                <div
                    ref={scroller}
                    class="gh-output"
                    role="log"
                    aria-label="Output"
                    tabindex="0"
                    {onscroll}
                    {onwheel}
                    {onkeydown}
                    {onpointerdown}
                    data-testid="job-output"
                >
                    if output.dropped() {
                        <p class="gh-hint">{"The beginning is not shown: only the last 10 MB are."}</p>
                    }
                    if output.is_empty() {
                        <p class="gh-hint">{waiting(job).to_owned()}</p>
                    }
                    {for output.blocks().map(|block| html! {
                        <OutputBlock key={block.id} block={Shown(Rc::clone(block))} {cancelled} {over} {cells} />
                    })}
                </div>
            </div>
        </div>
    }
}

/// What an empty output means.
fn waiting(job: &Job) -> &str {
    if let Some(doing) = job.doing.as_deref().filter(|_| !job.state.is_over()) {
        return doing;
    }
    match job.state {
        JobState::Queued => "Waiting for its turn.",
        JobState::Starting => "Its kernel is starting and connecting to the cluster.",
        JobState::Running | JobState::Cancelling => "No output yet.",
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => "It wrote nothing.",
    }
}
