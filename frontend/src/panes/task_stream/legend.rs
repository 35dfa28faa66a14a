//! Colours and what they stand for; an entry lets its tasks stand out.

use protocol::live::Prefix;
use timeline::{Action, Colors, Rgba};
use yew::prelude::*;

use super::on;
use super::scene::Act;
use super::state::palette;
use super::summary::Summary;
use crate::draw::units::{plural, short_count};

pub(super) fn legend(summary: &Summary, act: &Callback<Act>) -> Html {
    let controls = &summary.controls;
    let colors = palette(
        controls.safe,
        controls.dark,
        summary.legend.iter().map(|(prefix, _)| prefix.color),
    );
    let [transfer, disk, deserialize] = summary.others;
    html! {
        <footer class="gh-legend">
            if !controls.filter.is_empty() {
                <button
                    type="button"
                    class="gh-legend-entry gh-legend-reset"
                    onclick={on(act, Act::Everything)}
                    data-testid="filter-clear"
                >
                    {"Show all"}
                </button>
            }
            { for summary.legend.iter().enumerate().map(|(id, entry)| prefix(summary, act, id as u16, entry, &colors)) }
            if summary.unnamed > 0 {
                <span class="gh-legend-entry">{format!("+{} more", summary.unnamed)}</span>
            }
            {other(transfer, &colors, Action::Transfer, "transfer")}
            {other(disk, &colors, Action::DiskRead, "disk")}
            {other(deserialize, &colors, Action::Deserialize, "deserialize")}
            {other(summary.erred > 0, &colors, Action::Erred, "erred")}
        </footer>
    }
}

fn prefix(
    summary: &Summary,
    act: &Callback<Act>,
    id: u16,
    (prefix, tasks): &(Prefix, u64),
    colors: &Colors,
) -> Html {
    let chosen = &summary.controls.filter.prefixes;
    let shown = chosen.contains(&prefix.name);
    let class = if chosen.is_empty() || shown {
        "gh-legend-entry"
    } else {
        "gh-legend-entry gh-legend-entry--off"
    };
    html! {
        <button
            key={prefix.name.clone()}
            type="button"
            {class}
            title={format!("{}: {}. Click to show only the prefixes that you choose.", prefix.name, plural(*tasks, "task"))}
            aria-pressed={if shown { "true" } else { "false" }}
            onmouseenter={on(act, Act::Point(Some(id)))}
            onmouseleave={on(act, Act::Point(None))}
            onclick={on(act, Act::Prefix(prefix.name.clone()))}
        >
            {swatch(colors.of(id, Action::Compute), false)}
            <span class="gh-legend-name">{prefix.name.clone()}</span>
            <span class="gh-legend-count">{short_count(*tasks)}</span>
        </button>
    }
}

fn other(shown: bool, colors: &Colors, action: Action, name: &'static str) -> Html {
    if !shown {
        return Html::default();
    }
    html! {
        <span class="gh-legend-entry">
            {swatch(colors.of(0, action), colors.stripes)}
            <span class="gh-legend-name">{name}</span>
        </span>
    }
}

/// A colour as it is in the plot, with the stripes that it has there.
pub(super) fn swatch([r, g, b, a]: Rgba, striped: bool) -> Html {
    let class = if striped {
        "gh-swatch gh-swatch--striped"
    } else {
        "gh-swatch"
    };
    html! { <span {class} style={format!("background-color:rgb({r} {g} {b} / {}%)", u32::from(a) * 100 / 255)} /> }
}
