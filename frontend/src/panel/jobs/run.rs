//! The form for a job: a piece of Python and the cluster it runs on.

use protocol::events::NoticeLevel;
use protocol::jobs::{CreateJob, Place, PlaceKind, Work};
use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlSelectElement, HtmlTextAreaElement, KeyboardEvent};
use yew::prelude::*;

use super::super::context::{Sheet, use_panel};
use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, banner, sheet, use_id};

const EXAMPLE: &str = "import dask.array as da\n\nx = da.random.random((20_000, 20_000))\nx.mean().compute()";

#[derive(Clone, PartialEq, Properties)]
pub struct RunJobProps {
    pub state: State,
    /// The cluster that was asked for.
    pub cluster: Option<String>,
    /// Code to begin with instead of the draft.
    pub code: Option<String>,
}

#[component]
pub fn RunJob(props: &RunJobProps) -> Html {
    let panel = use_panel();
    let (code_id, cluster_id) = (use_id("code"), use_id("cluster"));
    let area = use_node_ref();
    let code = use_state(|| props.code.clone().unwrap_or_else(|| panel.drafts.code()));
    let chosen = use_state(|| props.cluster.clone());
    let failure = use_state(|| None::<String>);
    let sending = use_state(|| false);

    use_effect_with((*code).clone(), {
        let drafts = panel.drafts.clone();
        move |code: &String| drafts.keep_code(code.clone())
    });
    use_effect_with((), {
        let area = area.clone();
        move |()| {
            if let Some(area) = area.cast::<HtmlTextAreaElement>() {
                area.focus().ok();
            }
        }
    });

    // A cluster that was chosen and is gone gives way to the newest that runs.
    let running: Vec<_> = props.state.running().cloned().collect();
    let target = chosen
        .as_ref()
        .filter(|name| running.iter().any(|cluster| cluster.name == **name))
        .cloned()
        .or_else(|| running.first().map(|cluster| cluster.name.clone()));
    let blank = code.trim().is_empty();

    let submit = {
        let (panel, code, failure, sending) = (panel.clone(), code.clone(), failure.clone(), sending.clone());
        let target = target.clone();
        Callback::from(move |()| {
            let Some(cluster) = target.clone().filter(|_| !*sending && !code.trim().is_empty()) else {
                return;
            };
            sending.set(true);
            failure.set(None);
            let request = CreateJob {
                work: Work {
                    source: (*code).clone(),
                    ..Work::default()
                },
                place: Place {
                    kind: PlaceKind::Cluster,
                    cluster: Some(cluster),
                    ..Place::default()
                },
                ..CreateJob::default()
            };
            let (panel, failure, sending) = (panel.clone(), failure.setter(), sending.setter());
            spawn_local(async move {
                match panel.store.api().create_job(&request).await {
                    Ok(job) => panel.go.emit(Sheet::Job { id: job.id }),
                    Err(error) => {
                        failure.set(Some(error.message));
                        sending.set(false);
                    }
                }
            });
        })
    };
    let onsubmit = {
        let submit = submit.clone();
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            submit.emit(());
        })
    };
    let oninput = {
        let code = code.setter();
        Callback::from(move |event: InputEvent| {
            code.set(event.target_unchecked_into::<HtmlTextAreaElement>().value());
        })
    };
    let onkeydown = {
        let (code, submit) = (code.setter(), submit.clone());
        Callback::from(move |event: KeyboardEvent| match event.key().as_str() {
            "Enter" if event.ctrl_key() || event.meta_key() => {
                event.prevent_default();
                submit.emit(());
            }
            // Shift+Tab still leaves the field, so the keyboard is not trapped.
            "Tab" if !event.shift_key() && !event.ctrl_key() && !event.alt_key() => {
                event.prevent_default();
                let area = event.target_unchecked_into::<HtmlTextAreaElement>();
                if area.set_range_text("    ").is_ok() {
                    let at = area.selection_start().ok().flatten().unwrap_or_default() + 4;
                    area.set_selection_range(at, at).ok();
                    code.set(area.value());
                }
            }
            _ => {}
        })
    };
    let onchange = {
        let chosen = chosen.setter();
        Callback::from(move |event: Event| {
            chosen.set(Some(event.target_unchecked_into::<HtmlSelectElement>().value()));
        })
    };
    sheet(
        "run-job-form",
        "Run job".into(),
        &panel.go.reform(|()| Sheet::Home),
        Html::default(),
        html! {
            <form class="gh-form" {onsubmit} novalidate=true>
                <div class="gh-sheet-body gh-sheet-body--fill">
                    <div class="gh-field">
                        <label class="gh-label" for={cluster_id.clone()}>{"Cluster"}</label>
                        <div class="gh-select">
                            <select
                                id={cluster_id}
                                class="gh-input"
                                {onchange}
                                disabled={running.is_empty() || *sending}
                                data-testid="job-cluster"
                            >
                                if running.is_empty() {
                                    <option value="">{"No cluster is running"}</option>
                                }
                                {for running.iter().map(|cluster| html! {
                                    <option
                                        value={cluster.name.clone()}
                                        selected={target.as_ref() == Some(&cluster.name)}
                                    >
                                        {cluster_words(cluster)}
                                    </option>
                                })}
                            </select>
                            {glyph(Icon::Chevron, 16)}
                        </div>
                        if running.is_empty() {
                            <p class="gh-hint">{"A job needs a running cluster. Your code stays here meanwhile."}</p>
                            {Button::new("New cluster").icon(Icon::Plus).on(panel.go.reform(|_: MouseEvent| Sheet::NewCluster)).testid("job-new-cluster").class("gh-start").view()}
                        }
                    </div>
                    <div class="gh-field gh-field--fill">
                        <label class="gh-label" for={code_id.clone()}>{"Python"}</label>
                        <textarea
                            ref={area}
                            id={code_id.clone()}
                            class="gh-input gh-code"
                            rows="10"
                            spellcheck="false"
                            autocomplete="off"
                            autocapitalize="off"
                            placeholder={EXAMPLE}
                            value={(*code).clone()}
                            {oninput}
                            {onkeydown}
                            disabled={*sending}
                            aria-describedby={format!("{code_id}-hint")}
                            data-testid="job-code"
                        />
                        <p class="gh-hint" id={format!("{code_id}-hint")}>
                            <code>{"client"}</code>{", "}<code>{"cluster"}</code>{" and "}<code>{"gateway"}</code>
                            {" are ready. "}<kbd>{"Ctrl"}</kbd>{" "}<kbd>{"Enter"}</kbd>{" runs."}
                        </p>
                    </div>
                </div>
                if let Some(failure) = &*failure {
                    {banner(NoticeLevel::Error, "job-form-error", html! { {failure.clone()} }, Html::default())}
                }
                <footer class="gh-sheet-footer">
                    {Button::new(if *sending { "Starting\u{2026}" } else { "Run" }).icon(Icon::Play).tone(Tone::Primary).submits().busy(*sending).disabled(target.is_none() || blank).testid("job-run").class("gh-push").view()}
                </footer>
            </form>
        },
    )
}

/// The cluster as a line of the list: its title, and its short name and size where that helps.
fn cluster_words(cluster: &protocol::rest::Cluster) -> String {
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
