//! One job: its state, its code and its output.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::jobs::{Job, JobState, WorkKind};
use yew::prelude::*;

use super::super::context::{Panel, Sheet, use_panel};
use super::super::output::{Block, Stream};
use super::stream::use_output;
use super::tail::use_tail;
use super::{cancel_button, job_icon, job_key, job_time};
use crate::state::socket::{Backoff, Task};
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, banner, sheet};

/// Height of a line of output, as the style has it, in CSS pixels.
const LINE_PX: usize = 18;

#[derive(Clone, PartialEq, Properties)]
pub struct JobViewProps {
    pub id: AttrValue,
    /// `None` until its first event.
    pub job: Option<Rc<Job>>,
    /// The cluster's title.
    pub on: AttrValue,
}

#[component]
pub fn JobView(props: &JobViewProps) -> Html {
    let panel = use_panel();
    let followed = use_output(panel.store.base_url(), &props.id);
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
        let (panel, output) = (panel.clone(), Rc::clone(&followed.output));
        Callback::from(move |_: MouseEvent| panel.copy(output.borrow().to_text(), "Output"))
    };
    let code = use_code(&panel, props.job.as_ref());
    let on_close = panel.go.reform(|()| Sheet::Home);
    let title = props
        .job
        .as_ref()
        .map_or_else(|| "Job".to_owned(), |job| job.name.clone());
    let aside = match &props.job {
        Some(job) if !job.state.is_over() => cancel_button(&panel, job, false),
        _ => html! {},
    };
    // Not where Cancel was: who presses that twice means that.
    let again = match &props.job {
        // What is a file is run from where it lies: here is no field for its arguments.
        Some(job) if job.state.is_over() && job.request.work.kind == WorkKind::Snippet => {
            let (whole, cluster) = (code.clone(), job.cluster.clone());
            let again = panel.go.reform(move |_: MouseEvent| Sheet::RunJob {
                cluster: cluster.clone(),
                code: whole.clone(),
            });
            let busy = code.is_none();
            Button::new("Run again")
                .icon(Icon::Refresh)
                .on(again)
                .busy(busy)
                .testid("job-again")
                .view()
        }
        _ => html! {},
    };
    let cancelled = props
        .job
        .as_ref()
        .is_some_and(|job| matches!(job.state, JobState::Cancelling | JobState::Cancelled));
    let output = followed.output.borrow();
    sheet(
        "job-view",
        title.into(),
        &on_close,
        aside,
        html! {
            <div
                class="gh-sheet-body gh-sheet-body--fill"
                data-job={props.id.clone()}
                data-state={props.job.as_ref().map(|job| job_key(job.state))}
            >
                if let Some(job) = &props.job {
                    <div class="gh-meta gh-job-meta" role="status">
                        {job_icon(job.state)}
                        <span data-testid="job-state">{format::job_state(job.state)}</span>
                        {job_time(job)}
                        <span class="gh-ellipsis">{"on "}<bdi>{props.on.clone()}</bdi></span>
                        {again}
                    </div>
                    if let Some(error) = job.error.as_ref().filter(|_| job.state == JobState::Failed) {
                        <p class="gh-reason" role="alert" data-testid="job-error">{error.clone()}</p>
                    }
                    <details class="gh-details">
                        <summary>{glyph(Icon::Chevron, 12)}{"Code"}</summary>
                        <pre class="gh-listing">{code.as_ref().unwrap_or(&job.request.work.source).clone()}</pre>
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
                            <p class="gh-hint">{waiting(props.job.as_deref()).to_owned()}</p>
                        }
                        {for output.blocks().map(|block| html! {
                            <OutputBlock key={block.id} block={Shown(Rc::clone(block))} {cancelled} />
                        })}
                    </div>
                </div>
            </div>
        },
    )
}

/// The job's whole code, which is asked for where events hold only its beginning; `None` until it is there.
#[hook]
fn use_code(panel: &Panel, job: Option<&Rc<Job>>) -> Option<String> {
    let asked = use_state(|| None::<Job>);
    let cut = job.filter(|job| job.is_cut()).map(|job| job.id.clone());
    use_effect_with(cut.clone(), {
        let (panel, asked) = (panel.clone(), asked.setter());
        move |cut| {
            let task = cut.clone().map(|id| {
                Task::spawn(async move {
                    let mut backoff = Backoff::default();
                    let mut told = false;
                    loop {
                        match panel.store.api().job(&id).await {
                            Ok(job) => return asked.set(Some(job)),
                            Err(error) if !told => {
                                told = true;
                                panel.fail(&format!("The job's code could not be read: {}", error.message));
                            }
                            Err(_told) => {}
                        }
                        backoff.pause().await;
                    }
                })
            });
            move || drop(task)
        }
    });
    match cut {
        Some(id) => asked
            .as_ref()
            .filter(|job| job.id == id)
            .map(|job| job.request.work.source.clone()),
        None => job.map(|job| job.request.work.source.clone()),
    }
}

/// What an empty output means.
fn waiting(job: Option<&Job>) -> &str {
    if let Some(doing) = job
        .filter(|job| !job.state.is_over())
        .and_then(|job| job.doing.as_deref())
    {
        return doing;
    }
    match job.map(|job| job.state) {
        None | Some(JobState::Queued) => "Waiting for its turn.",
        Some(JobState::Starting) => "Its kernel is starting and connecting to the cluster.",
        Some(JobState::Running | JobState::Cancelling) => "No output yet.",
        Some(JobState::Succeeded | JobState::Failed | JobState::Cancelled) => "It wrote nothing.",
    }
}

/// A block that is the same only if it is the very same: text is never compared.
#[derive(Clone)]
struct Shown(Rc<Block>);

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Clone, PartialEq, Properties)]
struct OutputBlockProps {
    block: Shown,
    /// The job was cancelled: that this interrupted it is no news.
    cancelled: bool,
}

#[component]
fn OutputBlock(props: &OutputBlockProps) -> Html {
    let block = &props.block.0;
    let class = match block.stream {
        Stream::Stdout => "gh-out",
        Stream::Stderr => "gh-out gh-out--stderr",
        Stream::Result => "gh-out gh-out--result",
        Stream::Error => "gh-out gh-out--error",
    };
    // Blocks out of sight are not laid out: their height is guessed, as if no line were wrapped.
    let height = block.text.bytes().filter(|b| *b == b'\n').count() * LINE_PX;
    let text = html! {
        <pre {class} style={format!("contain-intrinsic-block-size:auto {height}px")}>{block.text.clone()}</pre>
    };
    if props.cancelled && block.stream == Stream::Error {
        html! {
            <details class="gh-details" data-testid="job-interrupted">
                <summary>{glyph(Icon::Chevron, 12)}{"Where it was interrupted"}</summary>
                {text}
            </details>
        }
    } else {
        text
    }
}
