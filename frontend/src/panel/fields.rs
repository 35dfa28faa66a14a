//! One option of the gateway as a field of a form, for each of the types it can have.

use protocol::rest::{OptionKind, OptionSpec};
use web_sys::{HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};
use yew::prelude::*;

use super::draft::{self, Draft};
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Number, field_error};

/// Bytes of a note that stands beside its value in a list; a longer one is only shown below the value that is chosen.
const BESIDE: usize = 64;

/// One option's field: what it shows and whom it tells.
pub struct OptionField<'a> {
    /// Unique on the page.
    pub id: AttrValue,
    pub spec: &'a OptionSpec,
    pub draft: Draft,
    pub error: Option<String>,
    pub onchange: Callback<Draft>,
    /// The user went on to another field.
    pub onleave: Callback<()>,
    pub disabled: bool,
    /// What else is said of its value, below it.
    pub aside: Html,
}

impl OptionField<'_> {
    pub fn view(&self) -> Html {
        let spec = self.spec;
        let ids = |end: &str| format!("{}-{end}", self.id);
        let (hint, note) = (self.hint(), self.note());
        let described_by = [
            self.error.as_ref().map(|_| ids("error")),
            note.map(|_| ids("note")),
            hint.as_ref()
                .filter(|_| self.error.is_none())
                .map(|_| ids("hint")),
        ];
        let described_by: Vec<String> = described_by.into_iter().flatten().collect();
        let described_by = (!described_by.is_empty()).then(|| AttrValue::from(described_by.join(" ")));
        let name = if spec.label.trim().is_empty() {
            &spec.field
        } else {
            &spec.label
        };
        let input = self.input(described_by);
        let label = html! {
            <label class="gh-label" for={self.id.clone()} title={spec.field.clone()}>{name.clone()}</label>
        };
        html! {
            <div key={spec.field.clone()} class="gh-field" data-field={spec.field.clone()}>
                if matches!(spec.spec, OptionKind::Bool) {
                    <div class="gh-switch-row">{label}{input}</div>
                } else {
                    {label}
                    {input}
                }
                if let Some(note) = note {
                    <p class="gh-hint" id={ids("note")} data-testid={format!("note-{}", spec.field)}>{note.clone()}</p>
                }
                // There before its text, so that screen readers tell what comes into it.
                <div class="gh-field-error" aria-live="polite">
                    if let Some(error) = &self.error {
                        {field_error(Some(ids("error").into()), format!("error-{}", spec.field), error)}
                    }
                </div>
                if let Some(hint) = hint.filter(|_| self.error.is_none()) {
                    <p class="gh-hint" id={ids("hint")}>{hint}</p>
                }
                {self.aside.clone()}
            </div>
        }
    }

    /// What the chosen value means, such as its size and its cost.
    fn note(&self) -> Option<&String> {
        let at = match &self.spec.spec {
            OptionKind::Select { options } => {
                options.iter().position(|option| option == self.draft.text())?
            }
            OptionKind::Bool => usize::from(self.draft == Draft::Flag(true)),
            _ => return None,
        };
        self.spec.notes.get(at).filter(|note| !note.is_empty())
    }

    /// What helps to fill the field in, or how what is in it was understood.
    fn hint(&self) -> Option<String> {
        let spec = self.spec;
        let of_kind = match &spec.spec {
            kind @ (OptionKind::Int { .. } | OptionKind::Float { .. }) => draft::bounds(kind).map(|bounds| {
                let at = bounds.strip_prefix("of at ").map(|limit| format!("At {limit}"));
                let words = at.unwrap_or_else(|| bounds.replacen("from ", "", 1));
                format!("{words}.")
            }),
            OptionKind::Mapping => {
                let understood = draft::accept(spec, &self.draft)
                    .ok()
                    .and_then(|accepted| accepted.hint);
                Some(understood.unwrap_or_else(|| "A line a name, as NAME: value; or JSON.".to_owned()))
            }
            OptionKind::Unknown => {
                Some("There is no field for values of this type: give it as JSON.".to_owned())
            }
            OptionKind::Select { .. } | OptionKind::String | OptionKind::Bool => None,
        };
        let local = (spec.local && self.draft == draft::draft(spec))
            .then(|| "The default of your Dask configuration.".to_owned());
        let parts: Vec<String> = [spec.about.clone(), of_kind, local]
            .into_iter()
            .flatten()
            .collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// A choice with what it means, where that is short enough to stand beside it.
    fn choice(&self, at: usize, option: &str) -> String {
        let note = self.spec.notes.get(at).map_or("", String::as_str);
        if note.is_empty() || note.starts_with('/') || note.len() > BESIDE {
            option.to_owned()
        } else {
            format!("{option} \u{b7} {note}")
        }
    }

    fn input(&self, described_by: Option<AttrValue>) -> Html {
        let id = self.id.clone();
        let testid = format!("option-{}", self.spec.field);
        let invalid = self.error.is_some();
        let aria_invalid = invalid.then_some("true");
        let class = if invalid {
            "gh-input gh-invalid"
        } else {
            "gh-input"
        };
        let onblur = self.onleave.reform(|_: FocusEvent| ());
        let text = self.draft.text().to_owned();
        let disabled = self.disabled;
        match &self.spec.spec {
            OptionKind::Bool => {
                let onchange = self.onchange.reform(|event: Event| {
                    Draft::Flag(event.target_unchecked_into::<HtmlInputElement>().checked())
                });
                html! {
                    <input
                        {id}
                        class="gh-switch"
                        type="checkbox"
                        role="switch"
                        checked={matches!(self.draft, Draft::Flag(true))}
                        {onchange}
                        {onblur}
                        {disabled}
                        aria-invalid={aria_invalid}
                        aria-describedby={described_by}
                        data-testid={testid}
                    />
                }
            }
            OptionKind::Select { options } => {
                let onchange = self.onchange.reform(|event: Event| {
                    Draft::Text(event.target_unchecked_into::<HtmlSelectElement>().value())
                });
                html! {
                    <div class="gh-select">
                        <select
                            {id}
                            {class}
                            {onchange}
                            {onblur}
                            disabled={disabled || options.is_empty()}
                            aria-invalid={aria_invalid}
                            aria-describedby={described_by}
                            data-testid={testid}
                        >
                            if text.is_empty() {
                                <option value="" selected=true disabled=true>{"Choose\u{2026}"}</option>
                            }
                            {for options.iter().enumerate().map(|(at, option)| html! {
                                <option value={option.clone()} selected={*option == text}>{self.choice(at, option)}</option>
                            })}
                        </select>
                        {glyph(Icon::Chevron, 16)}
                    </div>
                }
            }
            OptionKind::String => {
                let oninput = self.onchange.reform(|event: InputEvent| {
                    Draft::Text(event.target_unchecked_into::<HtmlInputElement>().value())
                });
                html! {
                    <input
                        {id}
                        {class}
                        type="text"
                        autocomplete="off"
                        spellcheck="false"
                        value={text}
                        {oninput}
                        {onblur}
                        {disabled}
                        aria-invalid={aria_invalid}
                        aria-describedby={described_by}
                        data-testid={testid}
                    />
                }
            }
            OptionKind::Int { .. } | OptionKind::Float { .. } => {
                let (min, max) = match self.spec.spec {
                    OptionKind::Int { min, max } => (min.map(|n| n as f64), max.map(|n| n as f64)),
                    OptionKind::Float { min, max } => (min, max),
                    _ => (None, None),
                };
                Number {
                    id,
                    value: text.into(),
                    onchange: self.onchange.reform(Draft::Text),
                    min,
                    max,
                    invalid,
                    described_by,
                    noun: self.spec.label.to_ascii_lowercase(),
                    onblur,
                    disabled,
                    testid: testid.into(),
                }
                .view()
            }
            kind @ (OptionKind::Mapping | OptionKind::Unknown) => {
                let oninput = self.onchange.reform(|event: InputEvent| {
                    Draft::Text(event.target_unchecked_into::<HtmlTextAreaElement>().value())
                });
                let rows = text.lines().count().clamp(3, 10).to_string();
                let placeholder = if *kind == OptionKind::Mapping {
                    "Enter YAML or JSON\u{2026}"
                } else {
                    "null"
                };
                html! {
                    <textarea
                        {id}
                        class={format!("{class} gh-code")}
                        {rows}
                        {placeholder}
                        spellcheck="false"
                        autocomplete="off"
                        value={text}
                        {oninput}
                        {onblur}
                        {disabled}
                        aria-invalid={aria_invalid}
                        aria-describedby={described_by}
                        data-testid={testid}
                    />
                }
            }
        }
    }
}
