//! The module `gatehouse_panes`: the plots.

use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;
use yew::prelude::*;

use super::mount;
use crate::host::with_slash;
use crate::panes::Pane;
use crate::state::store::use_store;

/// Shows one plot of one cluster in `el`; `plot` is a name in [`crate::plots::PLOTS`], `base_url` the server's prefix.
#[wasm_bindgen(js_name = mountPane)]
pub fn mount_pane(el: HtmlElement, base_url: String, plot: String, cluster: String) -> u32 {
    let props = LabelledPaneProps {
        plot: plot.into(),
        cluster: cluster.into(),
        base_url: with_slash(base_url).into(),
    };
    mount::<LabelledPane>(el, props)
}

#[derive(Clone, PartialEq, Properties)]
pub struct LabelledPaneProps {
    pub plot: AttrValue,
    pub cluster: AttrValue,
    pub base_url: AttrValue,
}

/// A pane that knows the name the user gave its cluster.
#[component]
pub fn LabelledPane(props: &LabelledPaneProps) -> Html {
    let (_, state) = use_store(&props.base_url);
    let label = state.title_of(&props.cluster).to_owned();
    html! {
        <Pane
            plot={props.plot.clone()}
            cluster={props.cluster.clone()}
            base_url={props.base_url.clone()}
            {label}
        />
    }
}
