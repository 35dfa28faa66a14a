//! One option of the gateway as a field of a form, for each of the types it can have.

use protocol::rest::{OptionKind, OptionSpec};
use web_sys::{HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};
use yew::prelude::*;

use super::form::{self, Draft};
use super::icons::{Glyph, Icon};
use super::widgets::{Number, use_id};

#[derive(Clone, PartialEq, Properties)]
pub struct OptionFieldProps {
    pub spec: OptionSpec,
    pub draft: Draft,
    pub error: Option<String>,
    pub onchange: Callback<Draft>,
    /// The user went on to another field.
    pub onleave: Callback<()>,
    pub disabled: bool,
}

#[component]
pub fn OptionField(props: &OptionFieldProps) -> Html {
    let id = use_id("option");
    let spec = &props.spec;
    let (hint_id, error_id) = (format!("{id}-hint"), format!("{id}-error"));
    let hint = hint(props);
    let described_by = match (&props.error, &hint) {
        (Some(_), _) => Some(AttrValue::from(error_id.clone())),
        (None, Some(_)) => Some(AttrValue::from(hint_id.clone())),
        (None, None) => None,
    };
    let name = if spec.label.trim().is_empty() {
        &spec.field
    } else {
        &spec.label
    };
    let input = input(props, id.clone(), described_by);
    let label = html! { <label class="gh-label" for={id} title={spec.field.clone()}>{name.clone()}</label> };
    html! {
        <div class="gh-field" data-field={spec.field.clone()}>
            if matches!(spec.spec, OptionKind::Bool) {
                <div class="gh-switch-row">{label}{input}</div>
            } else {
                {label}
                {input}
            }
            if let Some(error) = &props.error {
                <p class="gh-error" id={error_id} data-testid={format!("error-{}", spec.field)}>
                    <Glyph icon={Icon::Alert} size={12} />
                    <span>{error.clone()}</span>
                </p>
            } else if let Some(hint) = hint {
                <p class="gh-hint" id={hint_id}>{hint}</p>
            }
        </div>
    }
}

/// What helps to fill the field in, or how what is in it was understood.
fn hint(props: &OptionFieldProps) -> Option<String> {
    let kind = &props.spec.spec;
    match kind {
        OptionKind::Int { .. } | OptionKind::Float { .. } => form::bounds(kind).map(|bounds| {
            let bounds = bounds
                .strip_prefix("from ")
                .or_else(|| bounds.strip_prefix("of "))
                .unwrap_or(&bounds);
            let mut words = bounds.chars();
            words
                .next()
                .map(|first| first.to_uppercase().chain(words).collect())
                .unwrap_or_default()
        }),
        OptionKind::Mapping => {
            let understood = form::accept(&props.spec, &props.draft)
                .ok()
                .and_then(|accepted| accepted.hint);
            Some(understood.unwrap_or_else(|| "YAML or JSON, one name a line.".to_owned()))
        }
        OptionKind::Unknown => {
            Some("This option is of a type unknown here: give its value as JSON.".to_owned())
        }
        OptionKind::Select { .. } | OptionKind::String | OptionKind::Bool => None,
    }
}

fn input(props: &OptionFieldProps, id: AttrValue, described_by: Option<AttrValue>) -> Html {
    let testid = format!("option-{}", props.spec.field);
    let invalid = props.error.is_some();
    let aria_invalid = invalid.then_some("true");
    let class = classes!("gh-input", invalid.then_some("gh-invalid"));
    let onblur = props.onleave.reform(|_: FocusEvent| ());
    let text = props.draft.text().to_owned();
    let disabled = props.disabled;
    match &props.spec.spec {
        OptionKind::Bool => {
            let onchange = props.onchange.reform(|event: Event| {
                Draft::Flag(event.target_unchecked_into::<HtmlInputElement>().checked())
            });
            html! {
                <input
                    {id}
                    class="gh-switch"
                    type="checkbox"
                    role="switch"
                    checked={matches!(props.draft, Draft::Flag(true))}
                    {onchange}
                    {disabled}
                    aria-invalid={aria_invalid}
                    aria-describedby={described_by}
                    data-testid={testid}
                />
            }
        }
        OptionKind::Select { options } => {
            let onchange = props.onchange.reform(|event: Event| {
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
                    <Glyph icon={Icon::Chevron} />
                </div>
            }
        }
        OptionKind::String => {
            let oninput = props.onchange.reform(|event: InputEvent| {
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
            let (min, max) = match props.spec.spec {
                OptionKind::Int { min, max } => (min.map(|n| n as f64), max.map(|n| n as f64)),
                OptionKind::Float { min, max } => (min, max),
                _ => (None, None),
            };
            html! {
                <Number
                    {id}
                    value={text}
                    onchange={props.onchange.reform(Draft::Text)}
                    {min}
                    {max}
                    {invalid}
                    {described_by}
                    noun={props.spec.label.to_lowercase()}
                    {onblur}
                    {disabled}
                    {testid}
                />
            }
        }
        kind @ (OptionKind::Mapping | OptionKind::Unknown) => {
            let oninput = props.onchange.reform(|event: InputEvent| {
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
                    class={classes!(class, "gh-code")}
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
