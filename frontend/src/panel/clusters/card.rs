//! One cluster: its state, its figures, and what can be done with it.

use std::rc::Rc;

use protocol::rest::{Cluster, ClusterState, ClusterSummary, LiveState};
use serde_json::Value;
use yew::prelude::*;

use super::super::about::about_button;
use super::super::context::{Panel, use_panel};
use super::super::form::number_text;
use super::super::guard::strip::LeaseStrip;
use super::super::more_panes::more_panes;
use super::bokeh::BokehPlots;
use super::scale::ScaleForm;
use super::states;
use super::title::Title;
use crate::jobs::view::{Start, View};
use crate::plots;
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, focus, focus_first, focus_is_lost, meter, spinner};

#[derive(Clone, PartialEq, Properties)]
pub struct ClusterCardProps {
    pub cluster: Rc<Cluster>,
    pub scaling_open: bool,
    pub on_scaling: Callback<bool>,
    pub on_dismiss: Callback<AttrValue>,
    /// Whether it is chosen, while clusters are being chosen.
    pub chosen: Option<bool>,
    pub on_choose: Callback<AttrValue>,
    /// Whether jobs can be run at all.
    pub jobs: bool,
}

#[component]
pub fn ClusterCard(props: &ClusterCardProps) -> Html {
    let panel = use_panel();
    let cluster = &props.cluster;
    let stopping = use_state(|| false);
    let root = use_node_ref();

    use_effect_with((cluster.state, cluster.name.clone()), {
        let (drafts, root) = (panel.drafts.clone(), root.clone());
        move |(_, name)| {
            if drafts.takes_focus(name) && focus_is_lost() {
                focus(&root);
            }
        }
    });
    let choose = {
        let name = AttrValue::from(cluster.name.clone());
        props.on_choose.reform(move |_: Event| name.clone())
    };

    let shut_down = {
        let (panel, cluster, stopping) = (panel.clone(), Rc::clone(cluster), stopping.clone());
        Callback::from(move |_: MouseEvent| {
            // The button stays busy until an event shows the cluster as STOPPING.
            let stopping = stopping.setter();
            panel.shut_down(&cluster, Callback::from(move |under_way| stopping.set(under_way)));
        })
    };
    let dismiss = {
        let name = AttrValue::from(cluster.name.clone());
        props.on_dismiss.reform(move |_: MouseEvent| name.clone())
    };
    let state = format::cluster_state(cluster.state);
    let class = state.to_ascii_lowercase();
    let title = format::title(cluster.label.as_deref(), &cluster.name).to_owned();
    html! {
        <li
            ref={root.clone()}
            tabindex="-1"
            class={format!("gh-card gh-card--{class}")}
            aria-label={format!("Cluster {title}, {class}")}
            data-testid="cluster-card"
            data-cluster={cluster.name.clone()}
            data-state={state}
        >
            <div class="gh-card-head">
                if let Some(chosen) = props.chosen {
                    <input
                        type="checkbox"
                        checked={chosen}
                        onchange={choose}
                        aria-label={format!("Select {title}")}
                        data-testid="cluster-select"
                    />
                }
                <Title cluster={Rc::clone(cluster)} />
                {chip(cluster)}
                if matches!(cluster.state, ClusterState::Failed | ClusterState::Stopped) {
                    {Button::new("Dismiss").only_icon(Icon::Cross).tone(Tone::Quiet).testid("dismiss").on(dismiss).view()}
                }
            </div>
            {meta(&panel, cluster)}
            {states::problem(cluster)}
            {match cluster.state {
                ClusterState::Running => running(props, &panel, &shut_down, *stopping, &root),
                ClusterState::Pending => pending(props, &shut_down, *stopping, &root),
                ClusterState::Stopping => {
                    states::stopping(cluster, shut_down_button(&shut_down, false, "Shut down again"))
                }
                ClusterState::Failed => states::failed(cluster),
                ClusterState::Stopped => html! {},
            }}
        </li>
    }
}

/// The state, with a sign that something is under way where it is.
fn chip(cluster: &Cluster) -> Html {
    let (class, text) = match cluster.state {
        ClusterState::Pending => ("gh-chip--pending", "Pending"),
        ClusterState::Running => ("gh-chip--running", "Running"),
        ClusterState::Stopping => ("gh-chip--stopping", "Stopping"),
        ClusterState::Stopped => ("gh-chip--stopped", "Stopped"),
        ClusterState::Failed => ("gh-chip--failed", "Failed"),
    };
    let waits = matches!(cluster.state, ClusterState::Pending | ClusterState::Stopping);
    html! {
        <span class={format!("gh-chip {class}")} role="status" data-testid="cluster-state">
            if waits {
                {spinner()}
            } else {
                <span class="gh-dot" aria-hidden="true" />
            }
            {text}
        </span>
    }
}

/// The line below the title: short name, age, size asked for or what is wrong with the scheduler.
fn meta(panel: &Panel, cluster: &Rc<Cluster>) -> Html {
    let labelled = cluster
        .label
        .as_deref()
        .is_some_and(|label| !label.trim().is_empty());
    let copy_name = {
        let (panel, name) = (panel.clone(), cluster.name.clone());
        Callback::from(move |_: MouseEvent| panel.copy(name.clone(), "Cluster name"))
    };
    let copy = Button::new("Copy full name")
        .only_icon(Icon::Copy)
        .tone(Tone::Quiet)
        .title(format!("Copy {}", cluster.name))
        .on(copy_name)
        .testid("copy-name")
        .class("gh-button--tiny")
        .view();
    let live = (cluster.state == ClusterState::Running)
        .then_some(cluster.live)
        .and_then(|live| match live {
            LiveState::Busy => Some("scheduler busy"),
            LiveState::Lost => Some("scheduler not reachable, retrying"),
            LiveState::Connecting => Some("connecting to the scheduler"),
            LiveState::Off | LiveState::Live | LiveState::Recording => None,
        });
    html! {
        <div class="gh-meta">
            if labelled {
                <code title={cluster.name.clone()}>{format::short_name(&cluster.name)}</code>
                {copy.clone()}
            }
            {states::times(cluster)}
            if let Some(live) = live {
                <span class="gh-meta-live" data-testid="cluster-live">{live}</span>
            } else if let Some(scaling) = states::asked(cluster) {
                <span data-testid="cluster-scaling">{scaling}</span>
            }
            if !labelled {
                {copy}
            }
        </div>
    }
}

fn running(
    props: &ClusterCardProps,
    panel: &Panel,
    shut_down: &Callback<MouseEvent>,
    stopping: bool,
    root: &NodeRef,
) -> Html {
    let cluster = &props.cluster;
    let with = |act: fn(&Panel, &Cluster)| {
        let (panel, cluster) = (panel.clone(), Rc::clone(cluster));
        Callback::from(move |_: MouseEvent| act(&panel, &cluster))
    };
    let open = |plot: &'static str, icon, testid| {
        let title = plots::title(plot).unwrap_or_default();
        Button::new(title)
            .icon(icon)
            .title(format!("Open the {title} of this cluster"))
            .on(opener(panel, cluster, plot))
            .testid(testid)
            .class("gh-grow")
            .view()
    };
    html! {
        <>
            {figures(cluster)}
            <LeaseStrip cluster={Rc::clone(cluster)} />
            <div class="gh-actions gh-actions--panes">
                {open("task-stream", Icon::TaskStream, "open-task-stream")}
                {open("progress", Icon::Progress, "open-progress")}
                {open("status", Icon::Tiles, "open-status")}
            </div>
            {more_panes(|_| true, |plot| opener(panel, cluster, plot))}
            if cluster.dashboard.is_some() {
                <BokehPlots cluster={Rc::clone(cluster)} />
            }
            <div class="gh-actions">
                {scale_button(props)}
                {Button::new(panel.connect_words()).only_icon(Icon::Code).tone(Tone::Quiet).on(with(|panel, cluster| panel.insert_connect_code(&cluster.name))).testid("insert-connect-code").view()}
                {Button::new("Run job").icon(Icon::Play).title("Run a job on this cluster").class("gh-roomy").tone(Tone::Quiet).disabled(!props.jobs).on(with(|panel, cluster| {
                        panel.open_jobs(&View::New(Start::Cluster(cluster.name.clone())));
                    })).testid("run-job-here").view()}
                if let Some(path) = &cluster.dashboard {
                    <a
                        class="gh-button gh-button--quiet gh-button--icon"
                        href={format!("{}{path}", panel.host.base_url())}
                        target="_blank"
                        rel="noopener"
                        title="Open Dask's dashboard in a new tab"
                        aria-label="Open Dask's dashboard in a new tab"
                        data-testid="open-dashboard"
                    >
                        {glyph(Icon::External, 16)}
                    </a>
                }
                <span class="gh-push" />
                {shut_down_button(shut_down, stopping, "Shut down")}
            </div>
            {scale_form(props, root)}
            {about_button(panel, &cluster.name)}
            {details(panel, cluster)}
        </>
    }
}

/// What it waits for, and what can be done meanwhile.
fn pending(
    props: &ClusterCardProps,
    shut_down: &Callback<MouseEvent>,
    stopping: bool,
    root: &NodeRef,
) -> Html {
    let cluster = &props.cluster;
    html! {
        <>
            {states::waiting(cluster)}
            <div class="gh-actions">
                {scale_button(props)}
                <span class="gh-push" />
                {Button::new("Cancel").icon(Icon::Cross).title("Give up its start").tone(Tone::Danger).on(shut_down.clone()).busy(stopping).testid("shut-down").view()}
            </div>
            {scale_form(props, root)}
            {states::tails(cluster, false)}
        </>
    }
}

fn scale_button(props: &ClusterCardProps) -> Html {
    let open = props.scaling_open;
    let toggle = props.on_scaling.reform(move |_: MouseEvent| !open);
    Button::new("Scale")
        .icon(Icon::Scale)
        .tone(Tone::Quiet)
        .expanded(open)
        .on(toggle)
        .testid("scale")
        .class("gh-scale-toggle")
        .view()
}

fn scale_form(props: &ClusterCardProps, root: &NodeRef) -> Html {
    let on_close = {
        let root = root.clone();
        // The form goes; the keyboard goes on where it came from.
        props.on_scaling.reform(move |()| {
            focus_first(&root, ".gh-scale-toggle");
            false
        })
    };
    html! {
        if props.scaling_open {
            <ScaleForm cluster={Rc::clone(&props.cluster)} {on_close} />
        }
    }
}

/// Opens a plot of a cluster.
fn opener(panel: &Panel, cluster: &Rc<Cluster>, plot: &'static str) -> Callback<MouseEvent> {
    let (panel, cluster) = (panel.clone(), Rc::clone(cluster));
    Callback::from(move |_| panel.open_pane(plot, &cluster))
}

fn shut_down_button(onclick: &Callback<MouseEvent>, busy: bool, label: &'static str) -> Html {
    html! {
        {Button::new(label).icon(Icon::Power).title(label).class("gh-roomier").tone(Tone::Danger).on(onclick.clone()).busy(busy).testid("shut-down").view()}
    }
}

/// Workers, threads, tasks, memory. The room is the same before the first figures come.
fn figures(cluster: &Cluster) -> Html {
    let summary = cluster.summary.as_ref();
    let figure = |of: fn(&ClusterSummary) -> u64| {
        summary.map_or_else(|| "\u{2013}".to_owned(), |summary| of(summary).to_string())
    };
    let asked = states::awaited(cluster);
    let stale = !matches!(cluster.live, LiveState::Live);
    html! {
        <>
            <dl class={if stale { "gh-figures gh-stale" } else { "gh-figures" }}>
                <div>
                    <dt>{"Workers"}</dt>
                    <dd class="gh-figure" data-testid="cluster-workers">
                        {figure(|summary| summary.workers.into())}
                        if let Some(asked) = asked {
                            <small title={format!("{asked} asked for")}>{format!("/ {asked}")}</small>
                        }
                    </dd>
                </div>
                <div>
                    <dt>{"Threads"}</dt>
                    <dd class="gh-figure" data-testid="cluster-threads">
                        {figure(|summary| summary.threads.into())}
                    </dd>
                </div>
                <div>
                    <dt title="Tasks that workers are processing">{"Tasks"}</dt>
                    <dd class="gh-figure" data-testid="cluster-tasks">{figure(|summary| summary.tasks_processing)}</dd>
                </div>
            </dl>
            <div class={if stale { "gh-meters gh-stale" } else { "gh-meters" }}>
                {match summary {
                    Some(summary) if summary.workers > 0 => meters(summary),
                    Some(_) => html! { <p class="gh-note">{states::no_workers(cluster)}</p> },
                    None => html! { <p class="gh-note">{"Waiting for the scheduler's first figures."}</p> },
                }}
            </div>
        </>
    }
}

fn meters(summary: &ClusterSummary) -> Html {
    let cores = f64::from(summary.threads) * 100.0;
    let memory = if summary.memory_limit > 0 {
        format::bytes_of(summary.memory_used, summary.memory_limit)
    } else {
        format::bytes(summary.memory_used)
    };
    let cpu = format::percent(summary.cpu, cores);
    html! {
        <>
            {meter("CPU", format!("{cpu:.0} %"), cpu, false)}
            {meter("Memory", memory, format::percent(summary.memory_used as f64, summary.memory_limit as f64), true)}
        </>
    }
}

/// What the cluster was made with.
fn details(panel: &Panel, cluster: &Cluster) -> Html {
    let options = panel.drafts.options();
    // The form's words, where the form's options are known.
    let words = |field: &str| {
        let specs = options.iter().flat_map(|options| &options.options);
        let spec = specs.into_iter().find(|spec| spec.field == field);
        spec.map_or_else(|| field.replace('_', " "), |spec| spec.label.clone())
    };
    html! {
        <details class="gh-details">
            <summary>{glyph(Icon::Chevron, 12)}{"Details"}</summary>
            <dl>
                if let Some(label) = &cluster.label {
                    <dt>{"Label"}</dt>
                    <dd><bdi>{label.clone()}</bdi></dd>
                }
                <dt>{"Name"}</dt>
                <dd><code>{cluster.name.clone()}</code></dd>
                {for cluster.options.iter().map(|(field, value)| html! {
                    <>
                        <dt>{words(field)}</dt>
                        <dd><code>{option_text(value)}</code></dd>
                    </>
                })}
            </dl>
        </details>
    }
}

fn option_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) if map.is_empty() => "none".to_owned(),
        Value::Object(map) => super::super::mapping::write(map),
        other => number_text(other),
    }
}
