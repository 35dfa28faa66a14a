//! One pane shows one plot of one cluster.

use yew::prelude::*;

#[derive(Clone, PartialEq, Properties)]
pub struct PaneProps {
    pub plot: AttrValue,
    pub cluster: AttrValue,
    pub base_url: AttrValue,
    #[prop_or_default]
    pub label: AttrValue,
}

/// The pane that `plot` names.
#[component]
pub fn Pane(props: &PaneProps) -> Html {
    html! { <p>{ format!("{} of {}", props.plot, props.label) }</p> }
}
