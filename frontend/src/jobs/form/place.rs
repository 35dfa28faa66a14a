//! Where it runs: a cluster of its own, one that runs, or none.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::jobs::PlaceKind;
use protocol::rest::{Cluster, Options};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::super::Tab;
use super::draft::JobDraft;
use super::{Act, Parts};
use crate::panel::clusters::beside;
use crate::panel::clusters::presets::PresetBar;
use crate::panel::clusters::scale::ScaleFields;
use crate::panel::draft::Draft;
use crate::panel::fields::OptionField;
use crate::panel::presets::form_of;
use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, banner, segmented, spinner};

const PLACES: [(PlaceKind, &str, &str); 3] = [
    (PlaceKind::Fresh, "New cluster", "job-place-fresh"),
    (PlaceKind::Cluster, "Running cluster", "job-place-cluster"),
    (PlaceKind::None, "None", "job-place-none"),
];

/// The running cluster that is meant: the newest until one was chosen; none where that is gone.
pub fn target(state: &State, draft: &JobDraft) -> Option<String> {
    let found = match &draft.cluster {
        Some(chosen) => state.running().find(|cluster| cluster.name == *chosen),
        None => state.running().next(),
    };
    found.map(|cluster| cluster.name.clone())
}

pub fn place(parts: &Parts<'_>, tab: &Tab, state: &State, target: Option<&str>) -> Html {
    let draft = &parts.form.draft;
    let name = format!("{}-place", parts.id);
    html! {
        <>
            <div class="gh-field">
                <span class="gh-label">{"Cluster"}</span>
                {segmented(&name, "Cluster", &PLACES, draft.place, parts.form.sending, &parts.typed(|draft, place| draft.place = place))}
            </div>
            {match draft.place {
                PlaceKind::Fresh => fresh(parts, tab),
                PlaceKind::Cluster => running(parts, state, target),
                PlaceKind::None => html! {
                    <p class="gh-hint">{"The code makes its own, or needs none. What it makes with Gateway() ends with it."}</p>
                },
            }}
        </>
    }
}

fn running(parts: &Parts<'_>, state: &State, target: Option<&str>) -> Html {
    let mut choices: Vec<_> = state
        .running()
        .map(|cluster| (cluster.name.clone(), cluster_words(cluster)))
        .collect();
    if choices.is_empty() {
        choices.push((String::new(), "No cluster is running".to_owned()));
    } else if target.is_none() {
        choices.insert(0, (String::new(), "Choose one\u{2026}".to_owned()));
    }
    html! {
        <>
            {parts.field("cluster", "Runs on", "It goes on running afterwards.").select(target.unwrap_or_default(), choices, &parts.typed(|draft, name| draft.cluster = Some(name)))}
            {wait_for(parts, "Workers that must be there before the code begins.")}
        </>
    }
}

fn wait_for(parts: &Parts<'_>, hint: &str) -> Html {
    let draft = &parts.form.draft;
    let placeholder = if draft.place == PlaceKind::Fresh {
        "1"
    } else {
        "Any"
    };
    parts.field("wait_for", "Begin with", hint).text(
        &draft.wait_for,
        placeholder,
        &parts.typed(|draft, wait| draft.wait_for = wait),
    )
}

fn fresh(parts: &Parts<'_>, tab: &Tab) -> Html {
    match &parts.form.options {
        None => html! {
            <div class="gh-empty" role="status">{spinner()}<p>{"Asking the gateway for its options\u{2026}"}</p></div>
        },
        Some(Err(error)) => banner(
            NoticeLevel::Error,
            "options-error",
            html! { {error.message.clone()} },
            retry(parts, tab),
        ),
        Some(Ok(options)) => options_of(parts, options),
    }
}

/// Asks the gateway once more.
fn retry(parts: &Parts<'_>, tab: &Tab) -> Html {
    let (api, form) = (tab.panel.store.api(), parts.form.clone());
    let again = Callback::from(move |_: MouseEvent| {
        let (api, form) = (api.clone(), form.clone());
        spawn_local(async move {
            let options = api.options().await.map(Rc::new);
            let (presets, trouble) = ((*form.presets).clone(), form.trouble.clone());
            form.dispatch(Act::Options(options, presets, trouble));
        });
    });
    Button::new("Try again").icon(Icon::Refresh).on(again).view()
}

fn options_of(parts: &Parts<'_>, options: &Rc<Options>) -> Html {
    let form = parts.form;
    let specs = &options.options;
    let fresh = &form.draft.fresh;
    let accepted = fresh.accept(specs, options.max_workers);
    let on_fill = {
        let form = form.dispatcher();
        Callback::from(move |origin| form.dispatch(Act::Fill(origin)))
    };
    let on_presets = {
        let form = form.dispatcher();
        Callback::from(move |(presets, origin)| form.dispatch(Act::Presets(presets, origin)))
    };
    let on_wrong = {
        let form = form.dispatcher();
        Callback::from(move |()| form.dispatch(Act::Attempt { sending: false }))
    };
    let field = |spec: &protocol::rest::OptionSpec| {
        let onchange = {
            let (form, name) = (form.dispatcher(), spec.field.clone());
            Callback::from(move |draft| form.dispatch(Act::Option(name.clone(), draft)))
        };
        OptionField {
            id: format!("{}-option-{}", parts.id, spec.field).into(),
            spec,
            draft: fresh.option(spec),
            error: parts.errors.fresh.options.get(&spec.field).cloned(),
            aside: beside::kernel(form.kernel.as_ref(), spec, fresh, onchange.reform(Draft::Text)),
            onchange,
            onleave: Callback::noop(),
            disabled: form.sending,
        }
        .view()
    };
    html! {
        <>
            <PresetBar
                presets={Rc::clone(&form.presets)}
                origin={fresh.origin.clone()}
                form={accepted.as_ref().ok().map(form_of)}
                {on_fill}
                {on_presets}
                {on_wrong}
                disabled={form.sending}
            />
            {beside::before(&options.warnings, form.trouble.as_deref(), &form.unfit, form.kernel.as_ref())}
            if !specs.is_empty() {
                <section class="gh-options" aria-labelledby={format!("{}-options", parts.id)}>
                    <h3 id={format!("{}-options", parts.id)}>{"Cluster Options"}</h3>
                    {for specs.iter().map(field)}
                </section>
            }
            <fieldset class="gh-field gh-fieldset">
                <legend class="gh-label">{"Scaling"}</legend>
                {ScaleFields {
                    id: parts.id,
                    draft: &fresh.scale,
                    onchange: parts.typed(|draft, scale| draft.fresh.scale = scale),
                    optional: false,
                    error: parts.errors.fresh.scale.as_ref(),
                    limit: options.max_workers,
                    disabled: form.sending,
                }
                .view()}
            </fieldset>
            {wait_for(parts, "Workers that must be there before the code begins. The cluster ends with the job.")}
        </>
    }
}

/// The cluster as a line of the list: its title, and its short name and size where that helps.
fn cluster_words(cluster: &Cluster) -> String {
    let title = format::title(cluster.label.as_deref(), &cluster.name);
    let short = format::short_name(&cluster.name);
    let workers = cluster
        .summary
        .as_ref()
        .map(|summary| format::count(summary.workers.into(), "worker"));
    let more: Vec<_> = (title != short)
        .then(|| short.to_owned())
        .into_iter()
        .chain(workers)
        .collect();
    if more.is_empty() {
        title.to_owned()
    } else {
        format!("{title} ({})", more.join(", "))
    }
}
