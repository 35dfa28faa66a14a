//! The plots of Dask's own dashboard, asked for when somebody opens their list.

use std::rc::Rc;

use protocol::rest::{Cluster, Plot};
use web_sys::HtmlDetailsElement;
use yew::prelude::*;

use super::super::context::{Panel, use_panel};
use crate::plots::BOKEH;
use crate::state::socket::Task;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::spinner;

#[derive(Clone, PartialEq, Properties)]
pub struct BokehPlotsProps {
    pub cluster: Rc<Cluster>,
}

/// A line that opens to a button for each plot.
#[component]
pub fn BokehPlots(props: &BokehPlotsProps) -> Html {
    let panel = use_panel();
    let plots = use_state_eq(|| None::<Result<Vec<Plot>, AttrValue>>);
    let asking = use_mut_ref(|| None::<Task>);
    let ontoggle = {
        let (panel, cluster, plots) = (panel.clone(), Rc::clone(&props.cluster), plots.clone());
        Callback::from(move |event: Event| {
            let open = event.target_unchecked_into::<HtmlDetailsElement>().open();
            // What went wrong is tried again with the next opening.
            if !open || matches!(*plots, Some(Ok(_))) {
                return;
            }
            plots.set(None);
            let (api, name, plots) = (panel.store.api(), cluster.name.clone(), plots.setter());
            asking.replace(Some(Task::spawn(async move {
                plots.set(Some(api.plots(&name).await.map_err(|error| error.message.into())));
            })));
        })
    };
    html! {
        <details class="gh-details gh-panes-menu" {ontoggle} data-testid="bokeh-menu">
            <summary>{glyph(Icon::Chevron, 12)}{"Dask\u{2019}s own plots"}</summary>
            {match &*plots {
                None => spinner(),
                Some(Err(why)) => html! { <p class="gh-note" role="alert">{why.clone()}</p> },
                Some(Ok(plots)) => html! { <div>{for plots.iter().map(|plot| button(&panel, &props.cluster, plot))}</div> },
            }}
        </details>
    }
}

fn button(panel: &Panel, cluster: &Rc<Cluster>, plot: &Plot) -> Html {
    let page = plot.path.rsplit('/').next().unwrap_or_default();
    let (name, title) = (format!("{BOKEH}{page}"), format!("Dask\u{2019}s {}", plot.title));
    let onclick = {
        let (panel, cluster) = (panel.clone(), Rc::clone(cluster));
        Callback::from(move |_: MouseEvent| panel.open_titled(&name, &title, &cluster))
    };
    html! {
        <button type="button" {onclick} title={format!("{}, as Dask\u{2019}s dashboard draws it", plot.title)} data-testid={format!("open-{page}")}>
            {plot.title.clone()}
        </button>
    }
}
