//! Around a plot: its tools, what the user may choose, the tooltip, the legend, and all of it in words.

use web_sys::{Element, HtmlElement, HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

use super::chrome::Tool;
use super::pane::PlotPane;
use super::plot::{Body, Cell, Data, Figure, Plot, Table, Tip};
use super::view::{Change, View};
use crate::draw::scale::Unit;

/// Rows that the summary for screen readers names.
const READ_OUT: usize = 24;

impl PlotPane {
    /// Buttons in the header.
    pub(super) fn tools(&self, view: &View, change: &Callback<Change>) -> Html {
        let plot = self.look.plot;
        let press = |what: Change| change.reform(move |_: MouseEvent| what.clone());
        let refresh = Tool {
            icon: "M13.2 6.5A5.5 5.5 0 1 0 13.5 9M13.5 2.8v3.9H9.6",
            label: "Ask the scheduler again",
            stays: None,
            testid: "refresh-plot",
        };
        let auto = Tool {
            icon: "M8 4.5V8l2.5 1.8M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2",
            label: "Ask again every 5 seconds",
            stays: Some(("Auto", view.auto)),
            testid: "auto-refresh",
        };
        let whole = Tool {
            icon: "M2 6V2h4M14 6V2h-4M2 10v4h4M14 10v4h-4",
            label: "Show everything (Escape)",
            stays: None,
            testid: "zoom-reset",
        };
        let table = Tool {
            icon: "M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 3v10",
            label: "Show the numbers as a table",
            stays: Some(("Table", view.table)),
            testid: "as-table",
        };
        html! {
            <>
                if view.focus > 0 {
                    {whole.view(press(Change::Focus(0)))}
                }
                if view.stretch.is_some() {
                    {Tool { label: "Show all the time there is (0)", ..whole }.view(press(Change::Stretch(None)))}
                }
                if plot.source(view).is_some() {
                    {refresh.view(press(Change::Refresh))}
                    {auto.view(press(Change::Auto(!view.auto)))}
                }
                if plot.body() == Body::Canvas {
                    {table.view(press(Change::Table(!view.table)))}
                }
            </>
        }
    }

    /// What the user may choose, below the header.
    pub(super) fn bar(&self, data: &Data<'_>, change: &Callback<Change>) -> Html {
        let (plot, view) = (self.look.plot, data.view);
        let controls = plot.controls();
        let search = controls.search || (view.table && plot.body() == Body::Canvas);
        if controls.worker.is_none() && controls.choice.is_none() && !search {
            return Html::default();
        }
        let workers = data.workers();
        let workers = workers
            .iter()
            .map(|worker| (worker.address.clone(), format!("Worker {}", worker.name)))
            .collect();
        let choices = plot
            .choices(data)
            .into_iter()
            .map(|choice| (choice.clone(), choice))
            .collect();
        let oninput = change.reform(|event: InputEvent| {
            Change::Search(event.target_unchecked_into::<HtmlInputElement>().value())
        });
        html! {
            <div class="gh-pane-bar">
                {select("Worker", "choose-worker", controls.worker, workers, &view.worker, change.reform(Change::Worker))}
                {select("What is shown", "choose", controls.choice, choices, &view.choice, change.reform(Change::Choice))}
                if search {
                    <input
                        class="gh-input"
                        type="search"
                        placeholder="Filter"
                        aria-label="Words to look for"
                        value={view.search.clone()}
                        {oninput}
                        data-testid="filter"
                    />
                }
            </div>
        }
    }

    /// A light on what is pointed at.
    pub(super) fn highlight(&self) -> Html {
        let spots = self.look.spots.borrow();
        let Some((area, _)) = self.pointed.and_then(|at| spots.get(at)) else {
            return Html::default();
        };
        let style = format!(
            "left:{:.1}px;top:{:.1}px;width:{:.1}px;height:{:.1}px",
            area.x,
            area.y,
            area.w.max(1.0),
            area.h
        );
        html! { <i class="gh-spot" {style} /> }
    }

    /// What is pointed at, in words.
    pub(super) fn tip(&self, table: &Table) -> Html {
        let spots = self.look.spots.borrow();
        let (Some((area, tip)), Some(body)) = (
            self.pointed.and_then(|at| spots.get(at)),
            self.body.cast::<HtmlElement>(),
        ) else {
            return Html::default();
        };
        let x = area.x + (area.w / 2.0).min(f64::from(body.client_width()) / 2.0);
        let y = area.y + area.h / 2.0 - f64::from(body.scroll_top());
        let (flip_x, flip_y) = beyond_middle(&body, x, y);
        let style = format!(
            "left:{:.0}px;top:{:.0}px;transform:translate({},{})",
            x + f64::from(body.offset_left()),
            y + f64::from(body.offset_top()),
            if flip_x { "calc(-100% - 14px)" } else { "14px" },
            if flip_y { "calc(-100% - 10px)" } else { "10px" },
        );
        let content = match tip {
            Tip::Words(words) => html! { <strong>{words.clone()}</strong> },
            Tip::Row(row) => match table.rows.get(*row) {
                Some(row) => facts(table, row),
                None => return Html::default(),
            },
        };
        html! { <div class="gh-tip" {style} role="tooltip" data-testid="tip">{content}</div> }
    }
}

/// Whether a place in a plot lies in the right half of the pane, and in its lower half.
fn beyond_middle(body: &HtmlElement, x: f64, y: f64) -> (bool, bool) {
    let pane = body.closest(".gh-pane").ok().flatten();
    let pane = pane.as_ref().map_or_else(
        || body.get_bounding_client_rect(),
        Element::get_bounding_client_rect,
    );
    let own = body.get_bounding_client_rect();
    (
        own.left() + x > pane.left() + pane.width() / 2.0,
        own.top() + y > pane.top() + pane.height() / 2.0,
    )
}

/// A row of the table, one below the other.
fn facts(table: &Table, row: &[Cell]) -> Html {
    let mut cells = row.iter().zip(table.columns);
    let name = cells
        .next()
        .map(|(cell, (_, unit))| cell.say(*unit))
        .unwrap_or_default();
    let told = cells.filter(|(cell, (_, unit))| match cell {
        Cell::Nothing => false,
        Cell::Text(text) => !text.is_empty(),
        Cell::Number(number) => *unit != Unit::Some || *number != 0.0,
    });
    html! {
        <>
            <div class="gh-tip-head"><strong>{name}</strong></div>
            <dl>{ for told.map(|(cell, (name, unit))| html! { <><dt>{*name}</dt><dd>{cell.say(*unit)}</dd></> }) }</dl>
        </>
    }
}

/// The plot in words, for who does not see it.
pub(super) fn sentence(table: &Table, figures: &[Figure], title: &str, cluster: &str) -> String {
    let mut text = format!("{title} of cluster {cluster}: ");
    if table.rows.is_empty() {
        text.push_str("nothing to show.");
        return text;
    }
    let said: Vec<_> = figures
        .iter()
        .map(|(number, name, _)| format!("{number} {name}"))
        .collect();
    text.push_str(&said.join(", "));
    for row in table.rows.iter().take(READ_OUT) {
        for (n, (cell, (name, unit))) in row.iter().zip(table.columns).take(3).enumerate() {
            let before = if n == 0 { ". " } else { ", " };
            let name = if n == 0 { "" } else { name };
            text.push_str(&format!("{before}{name} {}", cell.say(*unit)));
        }
    }
    text.push('.');
    text
}

pub(super) fn legend(plot: &dyn Plot) -> Html {
    html! {
        <footer class="gh-legend">
            { for plot.legend().iter().map(|(color, name)| html! {
                <span class="gh-legend-entry">
                    if *color != "transparent" {
                        <span class="gh-swatch" style={format!("background:{color}")} />
                    }
                    <span class="gh-legend-name">{*name}</span>
                </span>
            }) }
        </footer>
    }
}

/// A choice of values by their words; nothing where there is nothing to choose.
fn select(
    label: &'static str,
    testid: &'static str,
    none: Option<&'static str>,
    mut choices: Vec<(String, String)>,
    chosen: &str,
    choose: Callback<String>,
) -> Html {
    let Some(none) = none else {
        return Html::default();
    };
    // What was chosen stays to be seen when it is gone.
    if !chosen.is_empty() && choices.iter().all(|(value, _)| value != chosen) {
        choices.push((chosen.to_owned(), chosen.to_owned()));
    }
    choices.insert(0, (String::new(), none.to_owned()));
    let onchange = choose.reform(|event: Event| event.target_unchecked_into::<HtmlSelectElement>().value());
    html! {
        <select class="gh-input" aria-label={label} {onchange} data-testid={testid}>
            { for choices.into_iter().map(|(value, words)| {
                let selected = value == chosen;
                html! { <option key={value.clone()} {value} {selected}>{words}</option> }
            }) }
        </select>
    }
}
