//! One cluster: its state, its figures, and what can be done with it.

use std::rc::Rc;

use gloo::timers::callback::Timeout;
use protocol::rest::{Cluster, ClusterState, ClusterSummary, LiveState, Scaling};
use serde_json::Value;
use yew::prelude::*;

use super::super::context::{Panel, Sheet, use_panel};
use super::super::format;
use super::super::icons::{Glyph, Icon};
use super::super::widgets::{Button, Elapsed, Meter, Spinner, Tone};
use super::scale::ScaleForm;

#[derive(Clone, PartialEq, Properties)]
pub struct ClusterCardProps {
    pub cluster: Rc<Cluster>,
    pub scaling_open: bool,
    pub on_scaling: Callback<bool>,
    pub on_dismiss: Callback<AttrValue>,
    /// How long a stopped cluster stays, in milliseconds.
    pub linger_ms: i64,
    /// Whether jobs can be run at all.
    pub jobs: bool,
}

#[component]
pub fn ClusterCard(props: &ClusterCardProps) -> Html {
    let panel = use_panel();
    let cluster = &props.cluster;
    let stopping = use_state(|| false);

    use_effect_with((cluster.state, cluster.name.clone()), {
        let (dismiss, linger) = (props.on_dismiss.clone(), props.linger_ms);
        move |(state, name)| {
            let name = AttrValue::from(name.clone());
            let timer = (*state == ClusterState::Stopped)
                .then(|| Timeout::new(linger.max(0) as u32, move || dismiss.emit(name)));
            move || drop(timer)
        }
    });

    let shut_down = {
        let (panel, cluster, stopping) = (panel.clone(), Rc::clone(cluster), stopping.clone());
        Callback::from(move |_: MouseEvent| {
            // The button stays busy until an event shows the cluster as STOPPING.
            let stopping = stopping.setter();
            panel.shut_down(&cluster, Callback::from(move |under_way| stopping.set(under_way)));
        })
    };
    let state = format::cluster_state(cluster.state);
    let title = format::title(cluster.label.as_deref(), &cluster.name).to_owned();
    html! {
        <li
            class={classes!("gh-card", format!("gh-card--{}", state.to_lowercase()))}
            aria-label={format!("Cluster {title}, {}", state.to_lowercase())}
            data-testid="cluster-card"
            data-cluster={cluster.name.clone()}
            data-state={state}
        >
            <div class="gh-card-head">
                <h3 title={cluster.name.clone()} data-testid="cluster-title">{title}</h3>
                {chip(cluster)}
                if matches!(cluster.state, ClusterState::Failed | ClusterState::Stopped) {
                    <Button
                        tone={Tone::Quiet}
                        icon={Icon::Cross}
                        icon_only=true
                        label="Dismiss"
                        testid="dismiss"
                        onclick={
                            let name = AttrValue::from(cluster.name.clone());
                            props.on_dismiss.reform(move |_: MouseEvent| name.clone())
                        }
                    />
                }
            </div>
            {meta(&panel, cluster)}
            {match cluster.state {
                ClusterState::Running => running(props, &panel, &shut_down, *stopping),
                ClusterState::Pending => html! {
                    <div class="gh-card-row">
                        <p class="gh-note">
                            {cluster.reason.clone().unwrap_or_else(|| "Waiting for the scheduler to start.".to_owned())}
                        </p>
                        {shut_down_button(&shut_down, *stopping, "Give up")}
                    </div>
                },
                ClusterState::Stopping => html! {
                    <p class="gh-note">{"Its scheduler and workers are being stopped."}</p>
                },
                ClusterState::Failed => html! {
                    <p class="gh-reason" role="alert" data-testid="cluster-reason">
                        {cluster.reason.clone().unwrap_or_else(|| {
                            "It failed without a reason. The gateway's log tells more; try other options.".to_owned()
                        })}
                    </p>
                },
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
        <span class={classes!("gh-chip", class)} role="status" data-testid="cluster-state">
            if waits {
                <Spinner />
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
    let live = (cluster.state == ClusterState::Running)
        .then_some(cluster.live)
        .and_then(|live| match live {
            LiveState::Busy => Some("scheduler busy"),
            LiveState::Lost => Some("scheduler not reachable, retrying"),
            LiveState::Connecting => Some("connecting to the scheduler"),
            LiveState::Off | LiveState::Live => None,
        });
    html! {
        <div class="gh-meta">
            if labelled {
                <code title={cluster.name.clone()}>{format::short_name(&cluster.name)}</code>
            }
            <Button
                tone={Tone::Quiet}
                icon={Icon::Copy}
                icon_only=true
                label="Copy full name"
                title={format!("Copy {}", cluster.name)}
                onclick={copy_name}
                testid="copy-name"
                class="gh-button--tiny"
            />
            if let Some(since) = cluster.started_at {
                <span><Elapsed {since} until={cluster.stopped_at} /></span>
            }
            if let Some(live) = live {
                <span class="gh-meta-live" data-testid="cluster-live">{live}</span>
            } else if let Some(scaling) = format::scaling(&cluster.scaling) {
                <span data-testid="cluster-scaling">{scaling}</span>
            }
        </div>
    }
}

fn running(
    props: &ClusterCardProps,
    panel: &Panel,
    shut_down: &Callback<MouseEvent>,
    stopping: bool,
) -> Html {
    let cluster = &props.cluster;
    let with = |act: fn(&Panel, &Cluster)| {
        let (panel, cluster) = (panel.clone(), Rc::clone(cluster));
        Callback::from(move |_: MouseEvent| act(&panel, &cluster))
    };
    let toggle = {
        let open = props.scaling_open;
        props.on_scaling.reform(move |_: MouseEvent| !open)
    };
    html! {
        <>
            {figures(cluster)}
            <div class="gh-actions">
                <Button
                    icon={Icon::TaskStream}
                    label="Task Stream"
                    title="Open the Task Stream of this cluster"
                    onclick={with(|panel, cluster| panel.open_pane("task-stream", cluster))}
                    testid="open-task-stream"
                    class="gh-grow"
                />
                <Button
                    icon={Icon::Progress}
                    label="Progress"
                    title="Open the Progress of this cluster"
                    onclick={with(|panel, cluster| panel.open_pane("progress", cluster))}
                    testid="open-progress"
                    class="gh-grow"
                />
            </div>
            <div class="gh-actions">
                <Button
                    tone={Tone::Quiet}
                    icon={Icon::Scale}
                    label="Scale"
                    expanded={Some(props.scaling_open)}
                    onclick={toggle}
                    testid="scale"
                />
                <Button
                    tone={Tone::Quiet}
                    icon={Icon::Code}
                    icon_only=true
                    label="Insert connect code"
                    onclick={with(|panel, cluster| panel.insert_connect_code(&cluster.name))}
                    testid="insert-connect-code"
                />
                <Button
                    tone={Tone::Quiet}
                    icon={Icon::Play}
                    icon_only=true
                    label="Run a job on this cluster"
                    disabled={!props.jobs}
                    onclick={with(|panel, cluster| {
                        panel.go.emit(Sheet::RunJob { cluster: Some(cluster.name.clone()), code: None });
                    })}
                    testid="run-job-here"
                />
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
                        <Glyph icon={Icon::External} />
                    </a>
                }
                <span class="gh-push" />
                {shut_down_button(shut_down, stopping, "Shut down")}
            </div>
            if props.scaling_open {
                <ScaleForm cluster={Rc::clone(cluster)} on_close={props.on_scaling.reform(|()| false)} />
            }
            {details(cluster)}
        </>
    }
}

fn shut_down_button(onclick: &Callback<MouseEvent>, busy: bool, label: &'static str) -> Html {
    html! {
        <Button
            tone={Tone::Danger}
            icon={Icon::Power}
            icon_only=true
            {label}
            {onclick}
            {busy}
            testid="shut-down"
        />
    }
}

/// Workers, threads, tasks, memory. The room is the same before the first figures come.
fn figures(cluster: &Cluster) -> Html {
    let summary = cluster.summary.as_ref();
    let figure = |of: fn(&ClusterSummary) -> u64| {
        summary.map_or_else(|| "\u{2013}".to_owned(), |summary| of(summary).to_string())
    };
    let asked = match (&cluster.scaling, summary) {
        (Scaling::Manual { workers }, Some(summary)) if *workers != summary.workers => Some(*workers),
        _ => None,
    };
    let stale = !matches!(cluster.live, LiveState::Live);
    html! {
        <>
            <dl class={classes!("gh-figures", stale.then_some("gh-stale"))}>
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
            <div class={classes!("gh-meters", stale.then_some("gh-stale"))}>
                {match summary {
                    Some(summary) if summary.workers > 0 => meters(summary),
                    Some(_) => html! { <p class="gh-note">{no_workers(&cluster.scaling)}</p> },
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
            <Meter label="CPU" text={format!("{cpu:.0} %")} percent={cpu} />
            <Meter
                label="Memory"
                text={memory}
                percent={format::percent(summary.memory_used as f64, summary.memory_limit as f64)}
                scarce=true
            />
        </>
    }
}

fn no_workers(scaling: &Scaling) -> &'static str {
    match scaling {
        Scaling::Manual { workers: 1.. } => "Workers are starting.",
        Scaling::Adaptive { .. } => "No workers now; they start when there is work.",
        Scaling::Manual { workers: 0 } | Scaling::Unknown => "No workers yet. Scale it to give it some.",
    }
}

/// What the cluster was made with.
fn details(cluster: &Cluster) -> Html {
    html! {
        <details class="gh-details">
            <summary><Glyph icon={Icon::Chevron} size={12} />{"Details"}</summary>
            <dl>
                <dt>{"Name"}</dt>
                <dd><code>{cluster.name.clone()}</code></dd>
                {for cluster.options.iter().map(|(field, value)| html! {
                    <>
                        <dt>{field.clone()}</dt>
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
        other => other.to_string(),
    }
}
