//! The module `gatehouse_panes`: the plots.

use gloo::events::EventListener;
use protocol::attached::NAME_PREFIX;
use protocol::recordings::PANE_PREFIX;
use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;
use yew::prelude::*;

use super::mount;
use crate::host::{LABELLED, with_slash};
use crate::panes::Pane;
use crate::state::rest::Api;
use crate::state::socket::{Task, segment};
use crate::ui::format;

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

/// A pane that knows the name the user gave its cluster, or the one that was recorded. It is asked for once, and again
/// when the panel beside it has changed one: a connection that tells of every change would cost more than the plots.
#[component]
pub fn LabelledPane(props: &LabelledPaneProps) -> Html {
    let label = use_state_eq(|| AttrValue::from(format::short_name(&props.cluster).to_owned()));
    let changes = use_state(|| 0_u32);
    use_effect_with(*changes, {
        let changes = changes.clone();
        move |_| {
            let heard = EventListener::new(&gloo::utils::window(), LABELLED, move |_| {
                changes.set(*changes + 1)
            });
            move || drop(heard)
        }
    });
    {
        let label = label.setter();
        let of = (props.base_url.clone(), props.cluster.clone(), *changes);
        use_effect_with(of, move |(base_url, cluster, _)| {
            let (api, cluster) = (Api::new(base_url.clone()), cluster.clone());
            let asking = Task::spawn(async move {
                let path = match (
                    cluster.strip_prefix(PANE_PREFIX),
                    cluster.strip_prefix(NAME_PREFIX),
                ) {
                    (Some(recording), _) => format!("recordings/{}", segment(recording)),
                    (_, Some(attached)) => format!("attached/{}", segment(attached)),
                    _ => format!("clusters/{}", segment(&cluster)),
                };
                // Without an answer the short name does.
                if let Ok(found) = api.get(path).await {
                    let name = found["cluster"].as_str().or(found["name"].as_str());
                    let title = format::title(found["label"].as_str(), name.unwrap_or(&cluster));
                    label.set(title.to_owned().into());
                }
            });
            move || drop(asking)
        });
    }
    html! {
        <Pane
            plot={props.plot.clone()}
            cluster={props.cluster.clone()}
            base_url={props.base_url.clone()}
            label={(*label).clone()}
        />
    }
}
