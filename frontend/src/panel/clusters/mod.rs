//! The clusters of the user: a card each, and what to do while there is none.

pub mod beside;
pub mod bokeh;
pub mod card;
pub mod choose;
pub mod lost;
pub mod new;
pub mod opening;
pub mod presets;
pub mod scale;
pub mod states;
pub mod stops;
pub mod tails;
pub mod title;

use std::rc::Rc;

use protocol::rest::{Cluster, ClusterState, GatewayState};
use yew::prelude::*;

pub use self::card::ClusterCard;
use self::choose::{Choosing, use_end};
pub use self::opening::NewCluster;
use super::attached::{attached_cards, take_focus};
use super::context::{Sheet, use_panel};
use crate::state::events::{Link, State};
use crate::state::kept::Place;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, spinner};

/// Key of the names, a line each, of ended clusters that the user has put away.
const DISMISSED: &str = "gatehouse:dismissed";

/// Names remembered at most; the oldest goes first.
const KEEP_DISMISSED: usize = 200;

#[derive(Clone, PartialEq, Properties)]
pub struct ClustersProps {
    pub state: State,
    /// The cluster whose scaling is open.
    pub scaling: Option<AttrValue>,
    pub on_scaling: Callback<Option<AttrValue>>,
}

/// The section with all cards.
#[component]
pub fn Clusters(props: &ClustersProps) -> Html {
    let panel = use_panel();
    let dismissed = use_state(dismissed_names);
    let chosen = use_state_eq(|| None::<Rc<[AttrValue]>>);
    use_end(&props.state, &chosen);
    let section = use_node_ref();
    let attached = props.state.attached.clone().unwrap_or_default();
    use_effect_with((), {
        let (panel, attached, section) = (panel.clone(), Rc::clone(&attached), section.clone());
        move |()| take_focus(&panel, &attached, &section)
    });
    let dismiss = {
        let dismissed = dismissed.setter();
        Callback::from(move |name: AttrValue| {
            // Read again: another page may have put one away meanwhile.
            let mut names = dismissed_names();
            names.retain(|known| *known != name.as_str());
            names.push(name.to_string());
            let from = names.len().saturating_sub(KEEP_DISMISSED);
            names.drain(..from);
            Place::Browser.set(DISMISSED, &names.join("\n"));
            dismissed.set(names);
        })
    };
    let usable = props
        .state
        .status
        .as_ref()
        .is_none_or(|status| status.gateway.state == GatewayState::Up);
    let new_cluster = panel.go.reform(|_: MouseEvent| Sheet::NewCluster);

    let Some(clusters) = &props.state.clusters else {
        return html! { <section class="gh-section">{loading(&props.state.link)}</section> };
    };
    let choosing = Choosing::new(&panel, &props.state, &chosen);
    let shown: Vec<_> = clusters
        .iter()
        .filter(|cluster| is_shown(cluster, &dismissed))
        .cloned()
        .collect();
    html! {
        <section class="gh-section" aria-label="Clusters" ref={section.clone()}>
            <header class="gh-section-header">
                <h2>{"Clusters"}</h2>
                if !shown.is_empty() {
                    <span class="gh-count gh-figure">{shown.len()}</span>
                    if matches!(props.state.link, Link::Lost { .. }) {
                        <small class="gh-note" data-testid="last-known">{"as last known"}</small>
                    }
                }
                {choosing.button()}
                {Button::new("New cluster").icon(Icon::Plus).tone(Tone::Primary).on(new_cluster.clone()).testid("new-cluster").class("gh-push").view()}
                {choosing.bar()}
            </header>
            if shown.is_empty() && attached.is_empty() {
                <div class="gh-empty" data-testid="no-clusters">
                    {glyph(Icon::Gatehouse, 32)}
                    <h3>{"No clusters yet"}</h3>
                    if usable && panel.is_apart() {
                        <p>{"Choose "}<b>{"New cluster"}</b>{". What you create elsewhere shows up here, too."}</p>
                    } else if usable {
                        <p>
                            {"Choose "}<b>{"New cluster"}</b>
                            {", or create one in a notebook with "}<code>{"Gateway().new_cluster()"}</code>
                            {". Either way it shows up here."}
                        </p>
                    } else {
                        <p>{"Clusters show up here as soon as the gateway answers."}</p>
                    }
                </div>
            }
            <ul class="gh-cards">
                {for shown.into_iter().map(|cluster| {
                    let name = AttrValue::from(cluster.name.clone());
                    let on_scaling = {
                        let name = name.clone();
                        props.on_scaling.reform(move |open: bool| open.then(|| name.clone()))
                    };
                    html! {
                        <ClusterCard
                            key={cluster.name.clone()}
                            cluster={Rc::clone(&cluster)}
                            scaling_open={props.scaling.as_ref() == Some(&name)}
                            {on_scaling}
                            on_dismiss={dismiss.clone()}
                            chosen={choosing.of(&cluster)}
                            on_choose={choosing.toggle.clone()}
                            jobs={props.state.status.as_ref().is_none_or(|status| status.jupyter.available)}
                        />
                    }
                })}
            </ul>
            {attached_cards(&panel, &attached, &section)}
        </section>
    }
}

fn dismissed_names() -> Vec<String> {
    let kept = Place::Browser.get(DISMISSED).unwrap_or_default();
    kept.lines().map(str::to_owned).collect()
}

fn is_shown(cluster: &Rc<Cluster>, dismissed: &[String]) -> bool {
    match cluster.state {
        ClusterState::Stopped | ClusterState::Failed => !dismissed.contains(&cluster.name),
        ClusterState::Pending | ClusterState::Running | ClusterState::Stopping => true,
    }
}

/// Nothing is known yet; where the connection fails, the banner above says why.
fn loading(link: &Link) -> Html {
    match link {
        Link::Lost { .. } => html! {},
        Link::Connecting | Link::Open => html! {
            <div class="gh-empty" data-testid="loading">
                {spinner()}
                <p>{"Connecting to Gatehouse\u{2026}"}</p>
            </div>
        },
    }
}
