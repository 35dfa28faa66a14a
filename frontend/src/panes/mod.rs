//! Panes: each shows one plot of one cluster.

mod around;
pub mod bars;
pub mod bokeh;
pub mod chrome;
pub mod cluster_map;
pub mod cluster_memory;
pub mod errors;
pub mod hue;
pub mod inspect;
pub mod logs;
pub mod memory;
pub mod painter;
pub mod pane;
pub mod plot;
pub mod profile;
pub mod progress;
pub mod scrub;
pub mod status;
pub mod stretch;
pub mod table;
pub mod task_groups;
pub mod task_stream;
pub mod timeseries;
pub mod view;
pub mod workers;

use protocol::recordings::PANE_PREFIX;
use yew::prelude::*;

use crate::plots::{BOKEH, PLOTS, is_recorded};
use crate::ui::format::short_name;
use bokeh::BokehPane;
use chrome::notice;
use pane::PlotPane;
use scrub::Scrub;
use status::StatusPane;
use task_stream::TaskStreamPane;

#[derive(Clone, PartialEq, Properties)]
pub struct PaneProps {
    /// The name of one of [`PLOTS`].
    pub plot: AttrValue,
    /// Name of the cluster.
    pub cluster: AttrValue,
    /// The server's prefix; ends with '/'.
    pub base_url: AttrValue,
    /// What the user calls the cluster.
    #[prop_or_default]
    pub label: AttrValue,
}

/// What every plot is given.
#[derive(Clone, PartialEq, Properties)]
pub struct PlotProps {
    pub cluster: AttrValue,
    pub base_url: AttrValue,
    pub label: AttrValue,
}

/// The pane that `plot` names.
#[component]
pub fn Pane(props: &PaneProps) -> Html {
    let PaneProps {
        plot,
        cluster,
        base_url,
        label,
    } = props.clone();
    let label = use_label(&cluster, label);
    // A pane keeps to its cluster: another one gets elements, canvases and listeners of its own.
    let key = format!("{base_url} {cluster}");
    let recorded = cluster.starts_with(PANE_PREFIX);
    let of = PlotProps {
        cluster,
        base_url,
        label,
    };
    if let Some(page) = plot.strip_prefix(BOKEH) {
        let page = AttrValue::from(page.to_owned());
        return html! { <BokehPane key={format!("{key} {plot}")} {of} {page} /> };
    }
    let known = PLOTS.iter().find(|(name, _)| *name == plot.as_str());
    let pane = match known {
        Some((name, title)) if recorded && !is_recorded(name) => {
            return html! {
                <section class="gh-pane" data-testid={format!("pane-{name}")} data-cluster={of.cluster}>
                    {notice(
                        format!("A recording has no {title}").into(),
                        "It is asked of a scheduler when somebody looks, so only a cluster that runs can show it. Close this pane.".into(),
                    )}
                </section>
            };
        }
        Some(("task-stream", _)) => html! { <TaskStreamPane key={key.clone()} ..of.clone() /> },
        Some(("status", _)) => html! { <StatusPane key={key.clone()} ..of.clone() /> },
        Some((name, title)) => {
            html! { <PlotPane key={format!("{key} {name}")} of={of.clone()} name={*name} title={*title} /> }
        }
        None => {
            return html! {
                <section class="gh-pane" data-testid="pane-unknown">
                    {notice(
                        format!("There is no plot \u{201c}{plot}\u{201d}.").into(),
                        "This version of Gatehouse can't draw it. Close this pane and open another one from the cluster's card.".into(),
                    )}
                </section>
            };
        }
    };
    if !recorded {
        return pane;
    }
    html! {
        <div class="gh-recorded">
            {pane}
            <Scrub key={format!("{key} scrub")} ..of />
        </div>
    }
}

/// What the user calls the cluster, also after the server forgot it together with the cluster.
#[hook]
fn use_label(cluster: &AttrValue, label: AttrValue) -> AttrValue {
    let last = use_mut_ref(AttrValue::default);
    let short = short_name(cluster);
    if !label.is_empty() && label != short {
        last.replace(label);
    }
    let last = last.borrow();
    if last.is_empty() {
        short.to_owned().into()
    } else {
        last.clone()
    }
}
