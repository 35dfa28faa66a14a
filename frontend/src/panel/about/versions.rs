//! Versions of scheduler, workers and a kernel side by side, and what each mismatch means.

use serde_json::Value;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use super::{list, text};
use crate::ui::icons::{Icon, glyph};

/// Stands for no kernel, also where that was chosen.
const NONE: &str = "-";

/// The field for the kernel; `problem` is why there is no list, `None` before it came.
pub(super) fn choice(
    kernels: &[Value],
    problem: Option<Option<&String>>,
    chosen: Option<&str>,
    onchoose: Callback<String>,
) -> Html {
    let now = kernel(kernels, chosen);
    let onchange = onchoose.reform(|event: Event| event.target_unchecked_into::<HtmlSelectElement>().value());
    let hint = match problem {
        None => "Looking for kernels\u{2026}",
        Some(Some(why)) => why.as_str(),
        Some(None) => "",
    };
    html! {
        <div class="gh-field">
            <label class="gh-label" for="gh-versions-kernel">{"Compare with the kernel"}</label>
            <div class="gh-select">
                <select id="gh-versions-kernel" class="gh-input" {onchange} disabled={kernels.is_empty()} data-testid="versions-kernel">
                    {for kernels.iter().map(|kernel| {
                        let name = text(kernel, "name").unwrap_or_default();
                        let selected = name == now;
                        html! { <option value={name} {selected}>{text(kernel, "display_name")}</option> }
                    })}
                    <option value={NONE} selected={now.is_empty()}>{"None"}</option>
                </select>
                {glyph(Icon::Chevron, 16)}
            </div>
            if !hint.is_empty() {
                <p class="gh-hint" role="status">{hint.to_owned()}</p>
            }
        </div>
    }
}

/// The name of the kernel to compare with, empty for none.
pub(super) fn kernel(list: &[Value], chosen: Option<&str>) -> String {
    let named = |kernel: &Value| text(kernel, "name").unwrap_or_default();
    let there = list.iter().map(named).find(|name| Some(name.as_str()) == chosen);
    match (there, chosen) {
        (Some(name), _) => name,
        (None, Some(NONE)) => String::new(),
        // The first is the default one.
        (None, _) => list.first().map(named).unwrap_or_default(),
    }
}

/// The table and, below it, what the mismatches mean.
pub(super) fn side_by_side(table: &Value) -> Html {
    let rows = list(table, "rows");
    let fits = rows.iter().all(|row| row["explanation"].is_null());
    html! {
        <>
            <div class="gh-versions-scroll">
                <table class="gh-versions" data-testid="versions">
                    <thead>
                        <tr>
                            <th scope="col">{"Package"}</th>
                            {for list(table, "columns").iter().map(column)}
                        </tr>
                    </thead>
                    <tbody>{for rows.iter().map(row)}</tbody>
                </table>
            </div>
            {for list(table, "notes").iter().map(|note| html! {
                <p class="gh-note" role="status" data-testid="versions-note">{note.as_str().unwrap_or_default().to_owned()}</p>
            })}
            if fits {
                <p class="gh-note" data-testid="versions-equal">{"All versions are equal."}</p>
            } else {
                <ul class="gh-mismatches">{for rows.iter().map(explanation)}</ul>
            }
        </>
    }
}

fn column(column: &Value) -> Html {
    let workers: Vec<&str> = list(column, "workers").iter().filter_map(Value::as_str).collect();
    html! { <th scope="col" title={workers.join(", ")}>{text(column, "title")}</th> }
}

fn row(row: &Value) -> Html {
    let package = text(row, "package").unwrap_or_default();
    let (agreement, words) = agreement(row);
    html! {
        <tr class={format!("gh-mismatch--{agreement}")} data-package={package.clone()} data-agreement={agreement}>
            <th scope="row">{package}<span class="gh-unseen">{words}</span></th>
            {for list(row, "versions").iter().map(|version| html! {
                <td class="gh-figure">{version.as_str().unwrap_or("\u{2013}").to_owned()}</td>
            })}
        </tr>
    }
}

fn explanation(row: &Value) -> Html {
    let Some(words) = text(row, "explanation") else {
        return Html::default();
    };
    let (package, (agreement, _)) = (text(row, "package"), agreement(row));
    let icon = if agreement == "breaks" {
        Icon::Alert
    } else {
        Icon::Info
    };
    html! {
        <li class={format!("gh-mismatch--{agreement}")} data-testid="mismatch" data-package={package.clone()} data-agreement={agreement}>
            {glyph(icon, 16)}
            <span><b>{package}</b>{" "}{words}</span>
        </li>
    }
}

/// How much a row's versions matter, one of three words, and for who can't see colours.
fn agreement(row: &Value) -> (&'static str, &'static str) {
    match row["agreement"].as_str() {
        Some("breaks") => ("breaks", ", does not fit"),
        Some("differs") => ("differs", ", differs"),
        _ => ("same", ""),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_default_kernel_is_compared_until_another_is_chosen() {
        let list = [json!({"name": "python3"}), json!({"name": "old"})];
        for (chosen, found) in [
            (None, "python3"),
            (Some("old"), "old"),
            (Some("gone"), "python3"),
            (Some(NONE), ""),
        ] {
            assert_eq!(kernel(&list, chosen), found);
        }
        assert_eq!(kernel(&[], None), "");
    }
}
