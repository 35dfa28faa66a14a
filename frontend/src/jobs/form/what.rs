//! What runs: lines that are typed here, or a file with its arguments or parameters.

use protocol::jobs::WorkKind;
use protocol::rest::OptionSpec;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{HtmlDocument, HtmlInputElement, HtmlTextAreaElement, KeyboardEvent};
use yew::prelude::*;

use super::draft::Kind;
use super::{Act, Parts};
use crate::panel::draft::{Draft, draft};
use crate::panel::fields::OptionField;
use crate::ui::widgets::{field_error, segmented};

const EXAMPLE: &str = "import dask.array as da\n\nx = da.random.random((20_000, 20_000))\nx.mean().compute()";

const KINDS: [(Kind, &str, &str); 2] = [
    (Kind::Snippet, "Some lines", "job-kind-snippet"),
    (Kind::File, "Script or notebook", "job-kind-file"),
];

pub fn what(parts: &Parts<'_>) -> Html {
    let draft = &parts.form.draft;
    let name = format!("{}-kind", parts.id);
    html! {
        <>
            <div class="gh-field">
                {segmented(&name, "What runs", &KINDS, draft.kind, parts.form.sending, &parts.typed(|draft, kind| draft.kind = kind))}
            </div>
            {match draft.kind {
                Kind::Snippet => code(parts),
                Kind::File => file(parts),
            }}
        </>
    }
}

fn code(parts: &Parts<'_>) -> Html {
    let id = format!("{}-code", parts.id);
    let oninput = parts.typed(|draft, event: InputEvent| {
        draft.code = event.target_unchecked_into::<HtmlTextAreaElement>().value();
    });
    let error = parts.errors.fields.get("code");
    html! {
        <div class="gh-field">
            <label class="gh-label" for={id.clone()}>{"Python"}</label>
            <textarea
                id={id.clone()}
                class={if error.is_some() { "gh-input gh-code gh-invalid" } else { "gh-input gh-code" }}
                rows="12"
                spellcheck="false"
                autocomplete="off"
                autocapitalize="off"
                placeholder={EXAMPLE}
                value={parts.form.draft.code.clone()}
                {oninput}
                onkeydown={Callback::from(indent)}
                disabled={parts.form.sending}
                aria-invalid={error.is_some().then_some("true")}
                aria-describedby={format!("{id}-hint")}
                data-testid="job-code"
            />
            if let Some(error) = error {
                {field_error(None, "error-code".to_owned(), error)}
            }
            <p class="gh-hint" id={format!("{id}-hint")}>
                {"On a cluster, "}<code>{"client"}</code>{", "}<code>{"cluster"}</code>{" and "}<code>{"gateway"}</code>{" are ready. "}
                <kbd>{"Tab"}</kbd>{" indents; after "}<kbd>{"Esc"}</kbd>{" it leaves the field."}
            </p>
        </div>
    }
}

/// Marks a field whose next Tab leaves it.
const LEAVES: &str = "data-tab-leaves";

/// Tab indents as in an editor; after Escape it leaves the field, so that the keyboard is not trapped.
fn indent(event: KeyboardEvent) {
    let area = event.target_unchecked_into::<HtmlTextAreaElement>();
    if event.key() == "Escape" {
        area.set_attribute(LEAVES, "").ok();
        return;
    }
    let leaves = area.has_attribute(LEAVES);
    area.remove_attribute(LEAVES).ok();
    if event.key() != "Tab" || leaves || event.shift_key() || event.ctrl_key() || event.alt_key() {
        return;
    }
    event.prevent_default();
    let at = |place: Result<Option<u32>, JsValue>| place.ok().flatten().unwrap_or_default() as usize;
    let (start, end) = (at(area.selection_start()), at(area.selection_end()));
    // What is selected is indented line by line. Positions count UTF-16 units.
    let units: Vec<u16> = area.value().encode_utf16().collect();
    let text = if start < end {
        let from = units[..start]
            .iter()
            .rposition(|unit| *unit == 10)
            .map_or(0, |at| at + 1);
        area.set_selection_range(from as u32, end as u32).ok();
        let selected = String::from_utf16_lossy(&units[from..end]);
        let lines: Vec<_> = selected.split('\n').map(|line| format!("    {line}")).collect();
        lines.join("\n")
    } else {
        "    ".to_owned()
    };
    // The one way to type that the browser can undo.
    if let Some(document) = gloo::utils::document().dyn_ref::<HtmlDocument>()
        && let Err(error) = document.exec_command_with_show_ui_and_value("insertText", false, &text)
    {
        gloo::console::error!("the code could not be indented:", error);
    }
}

fn file(parts: &Parts<'_>) -> Html {
    let draft = &parts.form.draft;
    let found = draft.file.as_ref().map(|file| match file.kind {
        WorkKind::Notebook => "A notebook: it runs cell by cell.".to_owned(),
        WorkKind::Script | WorkKind::Snippet => "A script: it runs like python FILE ARGUMENTS.".to_owned(),
    });
    let hint =
        found.unwrap_or_else(|| "A .py script or an .ipynb notebook, below JupyterLab's folder.".to_owned());
    let on_path = parts.typed(|draft, path: String| {
        draft.path = path;
        draft.file = None;
        draft.gone = None;
        draft.as_earlier = false;
    });
    let earlier_id = format!("{}-earlier", parts.id);
    let on_earlier = parts.typed(|draft, event: Event| {
        draft.as_earlier = event.target_unchecked_into::<HtmlInputElement>().checked();
    });
    let notebook = draft.file_kind() == WorkKind::Notebook;
    html! {
        <>
            {parts.field("path", "File", &hint).text(&draft.path, "folder/script.py", &on_path)}
            if draft.earlier.is_some() {
                <div class="gh-field">
                    <div class="gh-switch-row">
                        <label class="gh-label" for={earlier_id.clone()}>{"Run the code as it was then"}</label>
                        <input id={earlier_id} class="gh-switch" type="checkbox" role="switch" checked={draft.as_earlier} onchange={on_earlier} disabled={parts.form.sending} data-testid="job-as-earlier" />
                    </div>
                    <p class="gh-hint" data-testid="job-earlier">{match (draft.as_earlier, &draft.gone) {
                        (true, Some(why)) => format!("{why} Its code as it was then runs."),
                        (true, None) => "Not as the file is now.".to_owned(),
                        (false, _) => "The file runs as it is now.".to_owned(),
                    }}</p>
                </div>
            }
            if notebook {
                {parameters(parts)}
            } else {
                {parts.field("args", "Arguments", "As in a shell; what has spaces goes into quotation marks.").text(&draft.args, "--rows 1000", &parts.typed(|draft, args| draft.args = args))}
            }
        </>
    }
}

fn parameters(parts: &Parts<'_>) -> Html {
    let specs = parts.form.draft.parameter_specs();
    if specs.is_empty() {
        return html! {
            if parts.form.draft.file.is_some() {
                <p class="gh-hint" data-testid="no-parameters">
                    {"It has no parameters. Tag a cell that assigns some with "}<code>{"parameters"}</code>{" to set them here."}
                </p>
            }
        };
    }
    html! {
        <section class="gh-options" aria-labelledby={format!("{}-parameters", parts.id)}>
            <h3 id={format!("{}-parameters", parts.id)}>{"Parameters"}</h3>
            {for specs.iter().map(|spec| {
                let touched = parts.form.draft.parameters.get(&spec.field);
                let onchange = {
                    let (form, name) = (parts.form.dispatcher(), spec.field.clone());
                    Callback::from(move |value| {
                        let name = name.clone();
                        form.dispatch(Act::Type(Box::new(move |draft| draft.parameters.set(&name, value))));
                    })
                };
                OptionField {
                    id: format!("{}-parameter-{}", parts.id, spec.field).into(),
                    spec,
                    draft: touched.cloned().unwrap_or_else(|| untouched(spec)),
                    error: parts.errors.fields.get(&format!("parameters.{}", spec.field)).cloned(),
                    onchange,
                    onleave: Callback::noop(),
                    disabled: parts.form.sending,
                    aside: code_of(parts, &spec.field),
                }
                .view()
            })}
        </section>
    }
}

/// What a field shows that nobody touched: nothing where the notebook's own value is no literal.
fn untouched(spec: &OptionSpec) -> Draft {
    if spec.default.is_null() {
        Draft::Text(String::new())
    } else {
        draft(spec)
    }
}

/// What the notebook itself has for a parameter that is no literal.
fn code_of(parts: &Parts<'_>, name: &str) -> Html {
    let listed = parts.form.draft.file.iter().flat_map(|file| &file.parameters);
    let own = listed
        .filter(|parameter| parameter.name == name && parameter.default.is_none())
        .map(|parameter| parameter.code.clone());
    html! { {for own.map(|code| html! { <p class="gh-hint">{"Left alone, it is "}<code>{code}</code>{"."}</p> })} }
}
