//! Plain fields of the form for a job.

use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::field_error;

/// A labelled field: what it shows and whom it tells.
pub struct Field<'a> {
    /// Its name in [`super::draft::JobErrors::fields`]; begins its test id.
    pub name: &'static str,
    /// Begins its id; unique on the page.
    pub form: &'a str,
    pub label: &'static str,
    pub hint: &'a str,
    pub error: Option<&'a String>,
    pub disabled: bool,
}

impl Field<'_> {
    fn id(&self) -> String {
        format!("{}-{}", self.form, self.name)
    }

    fn described_by(&self) -> Option<AttrValue> {
        let end = match self.error {
            Some(_) => "error",
            None if self.hint.is_empty() => return None,
            None => "hint",
        };
        Some(format!("{}-{end}", self.id()).into())
    }

    /// Label and hint or error around an input that has [`Self::id`].
    pub fn around(&self, input: Html) -> Html {
        let id = self.id();
        html! {
            <div class="gh-field" data-field={self.name}>
                <label class="gh-label" for={id.clone()}>{self.label}</label>
                {input}
                <div class="gh-field-error" aria-live="polite">
                    if let Some(error) = self.error {
                        {field_error(Some(format!("{id}-error").into()), format!("error-{}", self.name), error)}
                    }
                </div>
                if self.error.is_none() && !self.hint.is_empty() {
                    <p class="gh-hint" id={format!("{id}-hint")}>{self.hint.to_owned()}</p>
                }
            </div>
        }
    }

    /// One line of text.
    pub fn text(&self, value: &str, placeholder: &'static str, onchange: &Callback<String>) -> Html {
        let oninput =
            onchange.reform(|event: InputEvent| event.target_unchecked_into::<HtmlInputElement>().value());
        self.around(html! {
            <input
                id={self.id()}
                class={if self.error.is_some() { "gh-input gh-invalid" } else { "gh-input" }}
                type="text"
                autocomplete="off"
                spellcheck="false"
                {placeholder}
                value={value.to_owned()}
                {oninput}
                disabled={self.disabled}
                aria-invalid={self.error.is_some().then_some("true")}
                aria-describedby={self.described_by()}
                data-testid={format!("job-{}", self.name)}
            />
        })
    }

    /// One of a list of values with their words.
    pub fn select(&self, value: &str, choices: Vec<(String, String)>, onchange: &Callback<String>) -> Html {
        let onchange =
            onchange.reform(|event: Event| event.target_unchecked_into::<HtmlSelectElement>().value());
        self.around(html! {
            <div class="gh-select">
                <select
                    id={self.id()}
                    class={if self.error.is_some() { "gh-input gh-invalid" } else { "gh-input" }}
                    {onchange}
                    disabled={self.disabled || choices.is_empty()}
                    aria-invalid={self.error.is_some().then_some("true")}
                    aria-describedby={self.described_by()}
                    data-testid={format!("job-{}", self.name)}
                >
                    {for choices.into_iter().map(|(choice, words)| {
                        let selected = choice == value;
                        html! { <option value={choice} {selected}>{words}</option> }
                    })}
                </select>
                {glyph(Icon::Chevron, 16)}
            </div>
        })
    }
}
