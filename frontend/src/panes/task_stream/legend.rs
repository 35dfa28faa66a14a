//! Colours and what they stand for; an entry lets its tasks stand out.

use protocol::live::Prefix;
use timeline::{Colors, Rgba};
use yew::prelude::*;

use super::on;
use super::scene::Act;
use super::summary::Summary;
use crate::draw::units::{plural, short_count};

pub(super) fn legend(summary: &Summary, act: &Callback<Act>) -> Html {
    let dask = Colors::dask([]);
    let [transfer, disk, deserialize] = summary.others;
    html! {
        <footer class="gh-legend">
            { for summary.legend.iter().enumerate().map(|(id, entry)| prefix(summary, act, id as u16, entry)) }
            if summary.unnamed > 0 {
                <span class="gh-legend-entry">{format!("+{} more", summary.unnamed)}</span>
            }
            {other(transfer, dask.transfer, "transfer")}
            {other(disk, dask.disk, "disk")}
            {other(deserialize, dask.deserialize, "deserialize")}
            {other(summary.erred > 0, dask.erred, "erred")}
        </footer>
    }
}

fn prefix(summary: &Summary, act: &Callback<Act>, id: u16, (prefix, tasks): &(Prefix, u64)) -> Html {
    html! {
        <button
            key={prefix.name.clone()}
            type="button"
            class="gh-legend-entry"
            title={format!("{}: {}. Click to keep it highlighted.", prefix.name, plural(*tasks, "task"))}
            aria-pressed={if summary.pinned == Some(id) { "true" } else { "false" }}
            onmouseenter={on(act, Act::Point(Some(id)))}
            onmouseleave={on(act, Act::Point(None))}
            onclick={on(act, Act::Pin(id))}
        >
            {swatch(Colors::prefix(prefix.color))}
            <span class="gh-legend-name">{prefix.name.clone()}</span>
            <span class="gh-legend-count">{short_count(*tasks)}</span>
        </button>
    }
}

fn other(shown: bool, color: Rgba, name: &'static str) -> Html {
    if !shown {
        return Html::default();
    }
    html! {
        <span class="gh-legend-entry">{swatch(color)}<span class="gh-legend-name">{name}</span></span>
    }
}

fn swatch([r, g, b, a]: Rgba) -> Html {
    html! { <span class="gh-swatch" style={format!("background:rgb({r} {g} {b} / {}%)", u32::from(a) * 100 / 255)} /> }
}
