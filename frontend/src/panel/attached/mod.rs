//! Schedulers that are watched by their address: a card each, without what would change them.

mod form;

use std::rc::Rc;

use protocol::attached::Attached;
use protocol::rest::{Cluster, ClusterState, ClusterSummary, LiveState, OptionValues, Scaling};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

pub use self::form::AttachForm;
use super::about::about_button;
use super::context::{Panel, Sheet, use_panel};
use super::more_panes::more_panes;
use crate::plots;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Elapsed, Tone, meter};

#[derive(Clone, PartialEq, Properties)]
pub struct AttachedCardsProps {
    pub attached: Rc<[Rc<Attached>]>,
}

/// The cards, and the way to one more.
#[component]
pub fn AttachedCards(props: &AttachedCardsProps) -> Html {
    let panel = use_panel();
    // Those that are on their way out.
    let detaching = use_state_eq(Vec::<String>::new);
    let attach = panel.go.reform(|_: MouseEvent| Sheet::Attach);
    html! {
        <>
            if !props.attached.is_empty() {
                <ul class="gh-cards">
                    {for props.attached.iter().map(|attached| {
                        let busy = detaching.contains(&attached.id);
                        let detach = detach(&panel, attached, &detaching);
                        card(&panel, attached, busy, detach)
                    })}
                </ul>
            }
            {Button::new("Attach to a scheduler\u{2026}")
                .tone(Tone::Quiet)
                .title("Watch a scheduler by its address, such as that of a LocalCluster in a notebook")
                .on(attach)
                .testid("attach")
                .class("gh-start")
                .view()}
        </>
    }
}

/// An attached scheduler as what opens panes takes it.
pub fn as_cluster(attached: &Attached) -> Cluster {
    Cluster {
        name: attached.name.clone(),
        label: Some(attached.label.clone()),
        state: ClusterState::Running,
        reason: None,
        started_at: Some(attached.attached_at),
        stopped_at: None,
        options: OptionValues::default(),
        scaling: Scaling::Unknown,
        summary: attached.summary.clone(),
        live: attached.live,
        dashboard: None,
    }
}

fn detach(
    panel: &Panel,
    attached: &Rc<Attached>,
    detaching: &UseStateHandle<Vec<String>>,
) -> Callback<MouseEvent> {
    let (panel, attached, detaching) = (panel.clone(), Rc::clone(attached), detaching.clone());
    Callback::from(move |_| {
        let mut busy = (*detaching).clone();
        busy.push(attached.id.clone());
        detaching.set(busy);
        let (panel, attached, detaching) = (panel.clone(), Rc::clone(&attached), detaching.clone());
        spawn_local(async move {
            match panel.store.api().detach(&attached.id).await {
                Ok(()) => panel.info(&format!(
                    "{} is no longer watched; it goes on as before.",
                    attached.label
                )),
                Err(error) => panel.fail(&error.message),
            }
            detaching.set(Vec::new());
        });
    })
}

fn card(panel: &Panel, attached: &Rc<Attached>, busy: bool, detach: Callback<MouseEvent>) -> Html {
    let (class, state) = match attached.live {
        LiveState::Live => ("gh-chip--running", "Attached"),
        LiveState::Busy => ("gh-chip--running", "Busy"),
        LiveState::Connecting => ("gh-chip--pending", "Connecting"),
        LiveState::Lost | LiveState::Off | LiveState::Recording => ("gh-chip--failed", "Not reachable"),
    };
    let label = attached.label.clone();
    let opener = |plot: &'static str| {
        let (panel, attached) = (panel.clone(), Rc::clone(attached));
        Callback::from(move |_: MouseEvent| panel.open_pane(plot, &as_cluster(&attached)))
    };
    let open = |plot: &'static str, icon, testid| {
        let title = plots::title(plot).unwrap_or_default();
        Button::new(title)
            .icon(icon)
            .title(format!("Open the {title} of this scheduler"))
            .on(opener(plot))
            .testid(testid)
            .class("gh-grow")
            .view()
    };
    let copy = {
        let (panel, address) = (panel.clone(), attached.address.clone());
        Callback::from(move |_: MouseEvent| panel.copy(address.clone(), "Scheduler address"))
    };
    let stale = if attached.live == LiveState::Live {
        ""
    } else {
        " gh-stale"
    };
    html! {
        <li
            key={attached.id.clone()}
            class="gh-card gh-card--attached"
            aria-label={format!("Attached scheduler {label}, {state}")}
            data-testid="attached-card"
            data-cluster={attached.name.clone()}
            data-live={state}
        >
            <div class="gh-card-head">
                <h3 title={attached.address.clone()}><bdi>{label}</bdi></h3>
                <span class={format!("gh-chip {class}")} role="status" data-testid="attached-state">
                    <span class="gh-dot" aria-hidden="true" />
                    {state}
                </span>
            </div>
            <div class="gh-meta">
                <code title={attached.address.clone()}>{attached.address.clone()}</code>
                {Button::new("Copy address").only_icon(Icon::Copy).tone(Tone::Quiet).on(copy).class("gh-button--tiny").view()}
                <span title="Attached for"><Elapsed since={attached.attached_at} /></span>
            </div>
            if let Some(message) = &attached.message {
                <p class="gh-note" role="status" data-testid="attached-message">{message.clone()}</p>
            }
            if let Some(summary) = &attached.summary {
                <div class={format!("gh-meters{stale}")}>{figures(summary)}</div>
            }
            <div class="gh-actions gh-actions--panes">
                {open("task-stream", Icon::TaskStream, "open-task-stream")}
                {open("progress", Icon::Progress, "open-progress")}
                {open("status", Icon::Tiles, "open-status")}
            </div>
            {more_panes(|_| true, opener)}
            {about_button(panel, &attached.name)}
            <div class="gh-actions">
                <span class="gh-note">{"Watched only"}</span>
                <span class="gh-push" />
                {Button::new("Detach").icon(Icon::Cross).tone(Tone::Quiet).title("Watch it no longer; the scheduler goes on").on(detach).busy(busy).testid("detach").view()}
            </div>
        </li>
    }
}

/// How many workers and tasks, and how busy they are.
fn figures(summary: &ClusterSummary) -> Html {
    let words = format!(
        "{}, {}, {} processing",
        format::count(summary.workers.into(), "worker"),
        format::count(summary.threads.into(), "thread"),
        format::count(summary.tasks_processing, "task"),
    );
    let cpu = format::percent(summary.cpu, f64::from(summary.threads) * 100.0);
    let memory = if summary.memory_limit > 0 {
        format::bytes_of(summary.memory_used, summary.memory_limit)
    } else {
        format::bytes(summary.memory_used)
    };
    html! {
        <>
            <p class="gh-figure" data-testid="attached-figures" data-workers={summary.workers.to_string()}>{words}</p>
            if summary.workers > 0 {
                {meter("CPU", format!("{cpu:.0} %"), cpu, false)}
                {meter("Memory", memory, format::percent(summary.memory_used as f64, summary.memory_limit as f64), true)}
            }
        </>
    }
}
