//! A table of numbers: ordered by any column, filtered by words, and as cheap with a thousand rows as with ten.

use std::cmp::Ordering;

use wasm_bindgen::JsCast;
use web_sys::HtmlElement;
use yew::prelude::*;

use super::plot::{Cell, Table, sorted};
use super::view::{Change, View};
use crate::draw::scale::Unit;

/// Height of a row, CSS pixels; the style sheet says the same.
pub const ROW: f64 = 26.0;
/// Rows above and below those in view that are there before they are scrolled to.
const SPARE: usize = 8;

/// Numbers of the rows that hold the words, in the order that is wanted.
pub fn order(table: &Table, view: &View) -> Vec<usize> {
    let words = view.search.to_lowercase();
    let order: Vec<_> = (0..table.rows.len())
        .filter(|row| words.is_empty() || holds(table, *row, &words))
        .collect();
    let Some((column, falling)) = view.sort.filter(|(column, _)| *column < table.columns.len()) else {
        return order;
    };
    sorted(order, &|a, b| {
        let order = compare(&table.rows[a][column], &table.rows[b][column]);
        if falling { order.reverse() } else { order }
    })
}

/// Whether any of a row's words hold them.
fn holds(table: &Table, row: usize, words: &str) -> bool {
    table.rows[row].iter().any(|cell| match cell {
        Cell::Text(text) => text.to_lowercase().contains(words),
        _ => false,
    })
}

/// What is not known comes first, then numbers, then words.
fn compare(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Number(a), Cell::Number(b)) => a.total_cmp(b),
        (Cell::Text(a), Cell::Text(b)) => super::task_stream::rows::natural(a, b),
        (Cell::Nothing, Cell::Nothing) => Ordering::Equal,
        (Cell::Nothing, _) | (Cell::Number(_), Cell::Text(_)) => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// What of a list of rows is in view, CSS pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    pub top: f64,
    pub height: f64,
}

impl Window {
    /// The rows to show, of so many.
    fn rows(&self, all: usize) -> (usize, usize) {
        let first = ((self.top / ROW) as usize).saturating_sub(SPARE);
        let last = ((self.top + self.height.max(400.0)) / ROW) as usize + SPARE;
        // An even number, so that stripes stay where they are.
        let first = first - first % 2;
        (first.min(all), last.min(all))
    }
}

/// Shows it; `window` is told where it was scrolled to.
pub fn view(
    table: &Table,
    view: &View,
    shown: Window,
    change: &Callback<Change>,
    window: &Callback<Window>,
) -> Html {
    let order = order(table, view);
    let (first, last) = shown.rows(order.len());
    let onscroll = window.reform(|event: Event| {
        let body: HtmlElement = event.target_unchecked_into();
        Window {
            top: body.scroll_top().into(),
            height: body.client_height().into(),
        }
    });
    let space = |rows: usize| {
        html! {
            if rows > 0 {
                <tr aria-hidden="true" style={format!("height:{}px", rows as f64 * ROW)} />
            }
        }
    };
    html! {
        <div class="gh-table" tabindex="0" {onscroll} data-testid="table">
            <table aria-rowcount={(order.len() + 1).to_string()}>
                <thead><tr>{ for table.columns.iter().enumerate().map(|(n, (name, unit))| head(n, name, *unit, view, change)) }</tr></thead>
                <tbody>
                    {space(first)}
                    { for order[first..last].iter().map(|row| cells(table, &table.rows[*row])) }
                    {space(order.len() - last)}
                </tbody>
                if !table.totals.is_empty() {
                    <tfoot>{cells(table, &table.totals)}</tfoot>
                }
            </table>
            if order.is_empty() && !view.search.is_empty() {
                <p class="gh-table-none">{"No row holds these words."}</p>
            }
        </div>
    }
}

fn head(n: usize, name: &'static str, unit: Unit, view: &View, change: &Callback<Change>) -> Html {
    let (sorted, sign) = match view.sort {
        Some((column, true)) if column == n => (Some("descending"), "\u{25be}"),
        Some((column, false)) if column == n => (Some("ascending"), "\u{25b4}"),
        _ => (None, ""),
    };
    html! {
        <th scope="col" class={(unit == Unit::Text).then_some("gh-words")} aria-sort={sorted}>
            <button type="button" onclick={change.reform(move |_: MouseEvent| Change::Sort(n))}>
                {name}<span aria-hidden="true">{sign}</span>
            </button>
        </th>
    }
}

fn cells(table: &Table, row: &[Cell]) -> Html {
    html! {
        <tr>
            { for row.iter().zip(table.columns).map(|(cell, (_, unit))| {
                let said = cell.say(*unit);
                let words = *unit == Unit::Text;
                html! { <td class={words.then_some("gh-words")} title={words.then(|| said.clone())}>{said}</td> }
            }) }
        </tr>
    }
}

/// Scrolls the list that an event came from to its beginning.
pub fn to_top(root: &HtmlElement) {
    if let Some(list) = root.query_selector(".gh-table").ok().flatten() {
        list.unchecked_into::<HtmlElement>().set_scroll_top(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            columns: &[("Name", Unit::Text), ("N", Unit::Count)],
            rows: vec![
                vec!["w-10".into(), Cell::Number(1.0)],
                vec!["w-9".into(), Cell::Nothing],
                vec!["Other".into(), Cell::Number(3.0)],
            ],
            totals: Vec::new(),
        }
    }

    fn ordered(sort: Option<(usize, bool)>, search: &str) -> Vec<usize> {
        order(
            &table(),
            &View {
                sort,
                search: search.into(),
                ..View::default()
            },
        )
    }

    #[test]
    fn rows_are_ordered_and_filtered() {
        assert_eq!(ordered(None, ""), [0, 1, 2]);
        assert_eq!(ordered(Some((0, false)), ""), [2, 1, 0]);
        assert_eq!(ordered(Some((1, true)), ""), [2, 0, 1]);
        assert_eq!(ordered(None, "W-"), [0, 1]);
        assert_eq!(ordered(Some((9, true)), "nothing"), [0; 0]);
    }

    #[test]
    fn only_what_is_in_view_is_there() {
        let at = |top: f64| Window { top, height: 520.0 }.rows(1000);
        assert_eq!(at(0.0), (0, 28));
        let (first, last) = at(500.0 * ROW);
        assert_eq!((first, last), (492, 528));
        assert_eq!(at(2000.0 * ROW), (1000, 1000));
    }
}
