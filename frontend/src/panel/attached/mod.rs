//! Schedulers that are watched by their address: a card each, without what would change them.

mod form;

use std::rc::Rc;

use protocol::attached::Attached;
use protocol::rest::{Cluster, ClusterState, LiveState, OptionValues, Scaling};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

pub use self::form::AttachForm;
use super::about::about_button;
use super::context::{Panel, Sheet};
use super::more_panes::more_panes;
use crate::plots;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Elapsed, Tone, meter};

/// The cards, and the way to one more. A function: a component would cost kilobytes and keep nothing.
pub fn attached_cards(panel: &Panel, attached: &[Rc<Attached>]) -> Html {
    html! {
        <>
            if !attached.is_empty() {
                <ul class="gh-cards">{for attached.iter().map(|attached| card(panel, attached))}</ul>
            }
            {Button::new("Attach to a scheduler\u{2026}")
                .icon(Icon::Plus)
                .tone(Tone::Quiet)
                .title("Watch a scheduler by its address, such as that of a LocalCluster in a notebook")
                .on(panel.go.reform(|_: MouseEvent| Sheet::Attach))
                .testid("attach")
                .class("gh-start gh-flush")
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
        life: Default::default(),
        lease: None,
        cost: None,
    }
}

fn detach(panel: &Panel, attached: &Rc<Attached>) -> Callback<MouseEvent> {
    let (panel, attached) = (panel.clone(), Rc::clone(attached));
    Callback::from(move |_| {
        let (panel, attached) = (panel.clone(), Rc::clone(&attached));
        spawn_local(async move {
            match panel.store.api().detach(&attached.id).await {
                Ok(()) => panel.info(&format!(
                    "{} is no longer watched; it goes on as before.",
                    attached.label
                )),
                Err(error) => panel.fail(&error.message),
            }
        });
    })
}

fn card(panel: &Panel, attached: &Rc<Attached>) -> Html {
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
    let open = |(plot, icon, testid): (&'static str, Icon, &'static str)| {
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
    let buttons = [
        ("task-stream", Icon::TaskStream, "open-task-stream"),
        ("progress", Icon::Progress, "open-progress"),
        ("status", Icon::Tiles, "open-status"),
    ];
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
            <div class="gh-meta gh-meta--address">
                <code title={attached.address.clone()}>{attached.address.clone()}</code>
                {Button::new("Copy address").only_icon(Icon::Copy).tone(Tone::Quiet).on(copy).class("gh-button--tiny").view()}
            </div>
            <div class="gh-meta"><span>{"watched for "}<Elapsed since={attached.attached_at} coarse=true /></span></div>
            if let Some(message) = &attached.message {
                <p class="gh-note" role="status" data-testid="attached-message">{message.clone()}</p>
            }
            {figures(attached)}
            <div class="gh-actions gh-actions--panes">{for buttons.into_iter().map(open)}</div>
            {more_panes(|_| true, opener)}
            {about_button(panel, &attached.name)}
            <div class="gh-card-row">
                <span class="gh-note">{"Watched, never changed"}</span>
                {Button::new("Detach").tone(Tone::Quiet).title("Watch it no longer; the scheduler goes on").on(detach(panel, attached)).testid("detach").view()}
            </div>
        </li>
    }
}

/// How many workers and tasks, and how busy they are.
fn figures(attached: &Attached) -> Html {
    let Some(summary) = &attached.summary else {
        return Html::default();
    };
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
    let class = if attached.live == LiveState::Live {
        "gh-meters"
    } else {
        "gh-meters gh-stale"
    };
    html! {
        <div {class}>
            <p class="gh-figure" data-testid="attached-figures" data-workers={summary.workers.to_string()}>{words}</p>
            if summary.workers > 0 {
                {meter("CPU", format!("{cpu:.0} %"), cpu, false)}
                {meter("Memory", memory, format::percent(summary.memory_used as f64, summary.memory_limit as f64), true)}
            }
        </div>
    }
}
