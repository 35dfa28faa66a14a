//! The plots that have no button of their own on a cluster's card or a recording's row, behind one line.

use yew::prelude::*;

use crate::plots::PLOTS;
use crate::ui::icons::{Icon, glyph};

/// Plots that have a button: the first ones.
const BUTTONS: usize = 3;

/// Those that are `offered`; `open` is what a click on one does.
pub(super) fn more_panes(
    offered: fn(&str) -> bool,
    open: impl Fn(&'static str) -> Callback<MouseEvent>,
) -> Html {
    let others = PLOTS[BUTTONS..].iter().filter(|(plot, _)| offered(plot));
    html! {
        <details class="gh-details gh-panes-menu" data-testid="panes-menu">
            <summary>{glyph(Icon::Chevron, 12)}{"More panes"}</summary>
            <div>
                {for others.map(|(plot, title)| html! {
                    <button type="button" onclick={open(plot)} data-testid={format!("open-{plot}")}>{*title}</button>
                })}
            </div>
        </details>
    }
}
