//! Status: what Dask's own first page shows, side by side. Memory at the left, task stream and progress at the right.

use yew::prelude::*;

use super::PlotProps;
use super::pane::PlotPane;
use super::task_stream::TaskStreamPane;
use super::view::{Change, View};
use crate::plots::title;

/// The plots of which one is shown at a time.
const TABS: [(&str, &str); 3] = [
    ("processing", "Processing"),
    ("cpu", "CPU"),
    ("occupancy", "Occupancy"),
];

#[component]
pub fn StatusPane(props: &PlotProps) -> Html {
    let cluster = &props.cluster;
    let view = use_state_eq(|| View::restored("status", cluster));
    let shown = TABS
        .iter()
        .find(|(name, _)| *name == view.choice)
        .map_or(TABS[0].0, |(name, _)| name);
    let part = |name: &'static str| {
        let title = title(name).unwrap_or_default();
        html! { <PlotPane key={name} of={props.clone()} {name} {title} part=true /> }
    };
    let tab = |(name, words): &(&'static str, &'static str)| {
        let (name, on) = (*name, *name == shown);
        let (view, cluster) = (view.clone(), cluster.clone());
        let onclick = Callback::from(move |_: MouseEvent| {
            let mut next = (*view).clone();
            next.apply(Change::Choice(name.to_owned()));
            next.remember("status", &cluster);
            view.set(next);
        });
        html! {
            <button
                type="button"
                role="tab"
                aria-selected={if on { "true" } else { "false" }}
                {onclick}
                data-testid={format!("tab-{name}")}
            >
                {*words}
            </button>
        }
    };
    html! {
        <section
            class="gh-pane gh-overview"
            aria-label={format!("Status of {}", props.label)}
            data-testid="pane-status"
            data-cluster={cluster.clone()}
        >
            <div class="gh-status-grid">
                <div class="gh-status-side">
                    {part("cluster-memory")}
                    {part("workers-memory")}
                    <div class="gh-status-tabs" role="tablist" aria-label="What each worker does">{ for TABS.iter().map(tab) }</div>
                    {part(shown)}
                </div>
                <div class="gh-status-main">
                    <TaskStreamPane
                        cluster={cluster.clone()}
                        base_url={props.base_url.clone()}
                        label={props.label.clone()}
                    />
                    {part("progress")}
                </div>
            </div>
        </section>
    }
}
