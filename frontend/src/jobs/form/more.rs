//! What most jobs leave as it is: name, kernel, limits, environment.

use web_sys::HtmlDetailsElement;
use yew::prelude::*;

use super::Parts;
use super::state::Act;
use crate::ui::icons::{Icon, glyph};

/// What most jobs leave as it is.
pub fn more(parts: &Parts<'_>) -> Html {
    let draft = &parts.form.draft;
    let mut kernels = vec![(
        String::new(),
        match parts.form.kernel_name().filter(|_| draft.kernel.is_empty()) {
            Some(name) => format!("Default ({})", parts.form.kernel_title(&name)),
            None => "Default".to_owned(),
        },
    )];
    kernels.extend(
        parts
            .form
            .kernels
            .iter()
            .map(|kernel| (kernel.name.clone(), kernel.display_name.clone())),
    );
    let wrong = ["name", "kernel", "folder", "environment", "time_limit", "retries"]
        .iter()
        .any(|field| parts.errors.fields.get(field).is_some());
    // Opened where something in it is wrong; it is the user's to close.
    let open = wrong || parts.form.more;
    let ontoggle = {
        let form = parts.form.dispatcher();
        Callback::from(move |event: Event| {
            form.dispatch(Act::More(
                event.target_unchecked_into::<HtmlDetailsElement>().open(),
            ));
        })
    };
    let strict = parts.typed(|draft, event: Event| {
        draft.strict = event
            .target_unchecked_into::<web_sys::HtmlInputElement>()
            .checked();
    });
    let environment = parts.typed(|draft, event: InputEvent| {
        draft.environment = event
            .target_unchecked_into::<web_sys::HtmlTextAreaElement>()
            .value();
    });
    let strict_id = format!("{}-strict", parts.id);
    html! {
        <details class="gh-details gh-job-more" {open} {ontoggle}>
            <summary data-testid="job-more">{glyph(Icon::Chevron, 12)}{"Kernel, limits, environment"}</summary>
            {parts.field("name", "Name", "").text(&draft.name, "Its file's, or its first line", &parts.typed(|draft, name| draft.name = name))}
            {parts.field("kernel", "Kernel", "").select(&draft.kernel, kernels, &parts.typed(|draft, kernel| draft.kernel = kernel))}
            {parts.field("folder", "Working folder", "Below JupyterLab's folder.").text(&draft.folder, "The file's own", &parts.typed(|draft, folder| draft.folder = folder))}
            <div class="gh-pair">
                {parts.field("time_limit", "Time limit", "Minutes, all attempts together.").text(&draft.time_limit, "None", &parts.typed(|draft, limit| draft.time_limit = limit))}
                {parts.field("retries", "Retries", "After a failure.").text(&draft.retries, "0", &parts.typed(|draft, retries| draft.retries = retries))}
            </div>
            {parts.field("environment", "Environment variables", "A line a variable, as NAME: value. Set before anything is imported.").around(html! {
                <textarea
                    id={format!("{}-environment", parts.id)}
                    class="gh-input gh-code"
                    rows="3"
                    spellcheck="false"
                    value={draft.environment.clone()}
                    oninput={environment}
                    disabled={parts.form.sending}
                    aria-invalid={parts.errors.fields.get("environment").is_some().then_some("true")}
                    data-testid="job-environment"
                />
            })}
            <div class="gh-switch-row">
                <label class="gh-label" for={strict_id.clone()}>{"Stop if versions don't fit the cluster's"}</label>
                <input id={strict_id} class="gh-switch" type="checkbox" role="switch" checked={draft.strict} onchange={strict} disabled={parts.form.sending} data-testid="job-strict" />
            </div>
        </details>
    }
}
