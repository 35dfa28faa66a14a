//! What is said beside the fields of the form for a new cluster: what did not fit, the notebook's kernel, what is wrong.

use protocol::events::NoticeLevel;
use protocol::rest::OptionSpec;
use yew::prelude::*;

use super::super::form::{ClusterDraft, ClusterErrors};
use super::super::kernel::{Kernel, Said};
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, banner};

/// Below the presets: what the form can't do as it was told to, and why.
pub fn before(
    warnings: &[String],
    presets_trouble: Option<&str>,
    unfit: &[String],
    kernel: Option<&Kernel>,
) -> Html {
    let warn = |testid, content| banner(NoticeLevel::Warning, testid, content, Html::default());
    html! {
        <>
            if let Some(trouble) = presets_trouble {
                {warn("presets-error", html! { {format!("Presets can't be shown. {trouble}")} })}
            }
            if !unfit.is_empty() {
                {warn("preset-unfit", html! {
                    <>{"Not all of it fits the gateway's options; this keeps its default:"}{list(unfit)}</>
                })}
            }
            if !warnings.is_empty() {
                {warn("options-warning", list(warnings))}
            }
            if let Some(warning) = kernel.and_then(|kernel| kernel.warning.as_ref()) {
                {warn("kernel-warning", html! { {warning.clone()} })}
            }
            if let Some(words) = kernel.and_then(Kernel::apart) {
                <p class="gh-hint" role="status" data-testid="kernel-apart">{words}</p>
            }
        </>
    }
}

fn list(sentences: &[String]) -> Html {
    html! { <ul class="gh-sentences">{for sentences.iter().map(|sentence| html! { <li>{sentence.clone()}</li> })}</ul> }
}

/// Below the option that chooses an environment: whether it is the kernel's.
pub fn kernel(
    kernel: Option<&Kernel>,
    spec: &OptionSpec,
    draft: &ClusterDraft,
    choose: Callback<String>,
) -> Html {
    let value = draft.option(spec);
    match kernel.and_then(|kernel| kernel.say(&spec.field, value.text())) {
        None => Html::default(),
        Some(Said::Fits(words)) => html! {
            <p class="gh-hint gh-kernel" role="status" data-testid="kernel-choice" data-state="fits">
                {glyph(Icon::Check, 12)}<span>{words}</span>
            </p>
        },
        Some(Said::Differs(words, own)) => html! {
            <div class="gh-hint gh-kernel" role="status" data-testid="kernel-choice" data-state="differs">
                {glyph(Icon::Info, 12)}<span>{words}</span>
                {Button::new(format!("Use {own}")).on(choose.reform(move |_: MouseEvent| own.clone())).testid("kernel-use").view()}
            </div>
        },
    }
}

/// After an attempt: how many fields are wrong, and which. They may be out of sight.
pub fn wrong(specs: &[OptionSpec], errors: &ClusterErrors, refused: &ClusterErrors) -> Html {
    let named = |errors: &ClusterErrors, spec: &OptionSpec| errors.options.get(&spec.field).is_some();
    let mut names: Vec<&str> = Vec::new();
    if errors.label.is_some() || refused.label.is_some() {
        names.push("Label");
    }
    let options = specs
        .iter()
        .filter(|spec| named(errors, spec) || named(refused, spec));
    names.extend(options.map(|spec| spec.label.as_str()));
    if errors.scale.is_some() {
        names.push("Scaling");
    }
    if errors.lease {
        names.push("Stop by itself");
    }
    if names.is_empty() {
        return Html::default();
    }
    let words = format!(
        "{} to correct: {}.",
        format::count(names.len() as u64, "field"),
        names.join(", ")
    );
    html! { <p class="gh-form-wrong" data-testid="form-wrong">{glyph(Icon::Alert, 12)}<span>{words}</span></p> }
}
