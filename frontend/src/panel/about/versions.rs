//! Versions of scheduler, workers and a kernel side by side, and what each mismatch means.

use protocol::events::NoticeLevel;
use serde_json::Value;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use super::super::context::use_panel;
use super::text;
use crate::state::kept::Place;
use crate::state::socket::{Task, segment};
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{banner, spinner, use_id};

/// Key of the kernel that was chosen last.
const KERNEL: &str = "gatehouse:kernel";

/// Stands for no kernel, also where that was chosen.
const NONE: &str = "-";

#[derive(Clone, PartialEq, Properties)]
pub(super) struct VersionsProps {
    pub(super) cluster: String,
    /// Raised to look again.
    pub(super) round: u32,
}

#[component]
pub(super) fn Versions(props: &VersionsProps) -> Html {
    let panel = use_panel();
    let id = use_id("kernel");
    let kernels = use_state_eq(|| None::<Result<Value, String>>);
    // What the user chose; the first of the list where nothing was.
    let chosen = use_state_eq(|| Place::Browser.get(KERNEL));
    let table = use_state_eq(|| None::<Result<Value, String>>);
    let looking = use_state_eq(|| false);
    use_effect_with((), {
        let (api, kernels) = (panel.store.api(), kernels.setter());
        move |()| {
            let asking = Task::spawn(async move {
                let answer = api.get("kernels".to_owned()).await;
                kernels.set(Some(answer.map_err(|error| error.message)));
            });
            move || drop(asking)
        }
    });
    let list = match &*kernels {
        Some(Ok(list)) => list.as_array().map(Vec::as_slice).unwrap_or_default(),
        _ => &[],
    };
    let kernel = kernel(list, chosen.as_deref());
    use_effect_with((props.cluster.clone(), kernel, props.round), {
        let (api, table, looking) = (panel.store.api(), table.setter(), looking.setter());
        move |(cluster, kernel, _): &(String, String, u32)| {
            let (cluster, kernel) = (cluster.clone(), kernel.clone());
            looking.set(true);
            let asking = Task::spawn(async move {
                let path = format!("versions?kernel={}", segment(&kernel));
                let answer = api.ask(&cluster, &path).await;
                table.set(Some(answer.map_err(|error| error.message)));
                looking.set(false);
            });
            move || drop(asking)
        }
    });
    let onchange = {
        let chosen = chosen.setter();
        Callback::from(move |event: Event| {
            let value = event.target_unchecked_into::<HtmlSelectElement>().value();
            Place::Browser.set(KERNEL, &value);
            chosen.set(Some(value));
        })
    };
    let shown = chosen.as_deref().unwrap_or_default();
    html! {
        <section aria-label="Versions" aria-busy={looking.then_some("true")} data-testid="versions-part">
            <h3>{"Versions"}if *looking { {spinner()} }</h3>
            <div class="gh-field">
                <label class="gh-label" for={id.clone()}>{"Compare with the kernel"}</label>
                <div class="gh-select">
                    <select {id} class="gh-input" {onchange} disabled={list.is_empty()} data-testid="versions-kernel">
                        {for list.iter().map(|kernel| {
                            let name = text(kernel, "name").unwrap_or_default();
                            html! {
                                <option value={name.clone()} selected={name == shown}>{text(kernel, "display_name")}</option>
                            }
                        })}
                        <option value={NONE} selected={shown == NONE || list.is_empty()}>{"None"}</option>
                    </select>
                    {glyph(Icon::Chevron, 16)}
                </div>
                {match &*kernels {
                    None => html! { <p class="gh-hint">{"Looking for kernels\u{2026}"}</p> },
                    Some(Err(why)) => html! { <p class="gh-hint" role="alert">{why.clone()}</p> },
                    Some(Ok(_)) => Html::default(),
                }}
            </div>
            {match &*table {
                None => Html::default(),
                Some(Err(why)) => banner(NoticeLevel::Error, "versions-error", html! { {why.clone()} }, Html::default()),
                Some(Ok(table)) => side_by_side(table),
            }}
        </section>
    }
}

/// The name of the kernel to compare with, empty for none.
fn kernel(list: &[Value], chosen: Option<&str>) -> String {
    let named = |kernel: &Value| text(kernel, "name").unwrap_or_default();
    let there = list.iter().map(named).find(|name| Some(name.as_str()) == chosen);
    match (there, chosen) {
        (Some(name), _) => name,
        (None, Some(NONE)) => String::new(),
        // The first is the default one.
        (None, _) => list.first().map(named).unwrap_or_default(),
    }
}

fn side_by_side(table: &Value) -> Html {
    let rows = of(table, "rows");
    let explained = rows
        .iter()
        .filter_map(|row| Some((text(row, "package")?, agreement(row), text(row, "explanation")?)));
    let explained: Vec<_> = explained.collect();
    html! {
        <>
            <div class="gh-versions-scroll">
                <table class="gh-versions" data-testid="versions">
                    <thead>
                        <tr>
                            <th scope="col">{"Package"}</th>
                            {for of(table, "columns").iter().map(|column| html! {
                                <th scope="col" title={workers(column)}>{text(column, "title")}</th>
                            })}
                        </tr>
                    </thead>
                    <tbody>{for rows.iter().map(row)}</tbody>
                </table>
            </div>
            {for of(table, "notes").iter().filter_map(Value::as_str).map(|note| html! {
                <p class="gh-note" role="status" data-testid="versions-note">{note.to_owned()}</p>
            })}
            if explained.is_empty() {
                <p class="gh-note" data-testid="versions-equal">{"All versions are equal."}</p>
            } else {
                <ul class="gh-mismatches">
                    {for explained.into_iter().map(|(package, agreement, words)| html! {
                        <li class={format!("gh-mismatch--{agreement}")} data-testid="mismatch" data-package={package.clone()} data-agreement={agreement}>
                            {glyph(if agreement == "breaks" { Icon::Alert } else { Icon::Info }, 16)}
                            <span><b>{package}</b>{" "}{words}</span>
                        </li>
                    })}
                </ul>
            }
        </>
    }
}

fn row(row: &Value) -> Html {
    let package = text(row, "package").unwrap_or_default();
    let agreement = agreement(row);
    html! {
        <tr key={package.clone()} class={format!("gh-mismatch--{agreement}")} data-package={package.clone()} data-agreement={agreement}>
            <th scope="row">
                {package}
                if agreement != "same" {
                    <span class="gh-unseen">{if agreement == "breaks" { ", does not fit" } else { ", differs" }}</span>
                }
            </th>
            {for of(row, "versions").iter().map(|version| html! {
                <td class="gh-figure">{version.as_str().map_or_else(|| "\u{2013}".to_owned(), str::to_owned)}</td>
            })}
        </tr>
    }
}

/// How much a row's versions matter, one of three words.
fn agreement(row: &Value) -> &'static str {
    match row["agreement"].as_str() {
        Some("breaks") => "breaks",
        Some("differs") => "differs",
        _ => "same",
    }
}

fn of<'a>(tree: &'a Value, name: &str) -> &'a [Value] {
    tree[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The workers of a column, for its tooltip.
fn workers(column: &Value) -> Option<String> {
    let names: Vec<&str> = of(column, "workers").iter().filter_map(Value::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
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
