//! One option of the gateway as a field of a form, for each of the types it can have.

use protocol::rest::{OptionKind, OptionSpec};
use web_sys::{HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};
use yew::prelude::*;

use super::form::{self, Draft};
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Number, field_error};

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
}

impl OptionField<'_> {
    pub fn view(&self) -> Html {
        let spec = self.spec;
        let (hint_id, error_id) = (format!("{}-hint", self.id), format!("{}-error", self.id));
        let hint = self.hint();
        let described_by = match (&self.error, &hint) {
            (Some(_), _) => Some(AttrValue::from(error_id.clone())),
            (None, Some(_)) => Some(AttrValue::from(hint_id.clone())),
            (None, None) => None,
        };
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
                if let Some(error) = &self.error {
                    {field_error(Some(error_id.into()), format!("error-{}", spec.field), error)}
                } else if let Some(hint) = hint {
                    <p class="gh-hint" id={hint_id}>{hint}</p>
                }
            </div>
        }
    }

    /// What helps to fill the field in, or how what is in it was understood.
    fn hint(&self) -> Option<String> {
        let kind = &self.spec.spec;
        match kind {
            OptionKind::Int { .. } | OptionKind::Float { .. } => form::bounds(kind).map(|bounds| {
                let at = bounds.strip_prefix("of at ").map(|limit| format!("At {limit}"));
                at.unwrap_or_else(|| bounds.replacen("from ", "", 1))
            }),
            OptionKind::Mapping => {
                let understood = form::accept(self.spec, &self.draft)
                    .ok()
                    .and_then(|accepted| accepted.hint);
                Some(understood.unwrap_or_else(|| "A line a name, as NAME: value; or JSON.".to_owned()))
            }
            OptionKind::Unknown => {
                Some("This option is of a type unknown here: give its value as JSON.".to_owned())
            }
            OptionKind::Select { options } => {
                let chosen = options.iter().position(|option| option == self.draft.text());
                chosen
                    .and_then(|at| self.spec.notes.get(at))
                    .filter(|note| !note.is_empty())
                    .cloned()
            }
            OptionKind::String | OptionKind::Bool => None,
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
                            {for options.iter().map(|option| html! {
                                <option value={option.clone()} selected={*option == text}>{option.clone()}</option>
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
                    "NAME: value"
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
