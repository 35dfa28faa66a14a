//! The form for a new cluster, made from the gateway's own options.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::rest::{ApiError, GatewayState, Options};
use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlInputElement, KeyboardEvent};
use yew::prelude::*;

use super::super::context::{Sheet, use_panel};
use super::super::fields::OptionField;
use super::super::form::{ClusterDraft, ClusterErrors, Draft};
use super::super::guard::fields::lease_section;
use super::super::lease::LeaseDraft;
use super::super::scaling::ScaleDraft;
use super::scale::ScaleFields;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner, field_error, focus_first, sheet, spinner, use_id};

/// Where the gateway's options are.
#[derive(Clone, PartialEq)]
enum Source {
    Loading,
    Ready(Rc<Options>),
    Failed(ApiError),
}

/// The form's memory.
#[derive(Clone, Default, PartialEq)]
struct Form {
    draft: ClusterDraft,
    /// Options that the user has left once: from then on their errors show.
    left: Vec<String>,
    /// Attempts to create: from the first on, all errors show.
    attempts: u32,
    /// What the server refused, until the field changes.
    refused: ClusterErrors,
    sending: bool,
}

enum Act {
    Option(String, Draft),
    Left(String),
    Label(String),
    Scale(ScaleDraft),
    Lease(LeaseDraft),
    Attempt { sending: bool },
    Refused(ClusterErrors),
    Reset,
}

impl Reducible for Form {
    type Action = Act;

    fn reduce(self: Rc<Self>, act: Act) -> Rc<Self> {
        let mut next = (*self).clone();
        match act {
            Act::Option(field, draft) => {
                next.refused.options.remove(&field);
                next.draft.options.set(&field, draft);
            }
            Act::Left(field) => {
                if !next.left.contains(&field) {
                    next.left.push(field);
                }
            }
            Act::Label(label) => {
                next.draft.label = label;
                next.refused.label = None;
            }
            Act::Scale(scale) => next.draft.scale = scale,
            Act::Lease(lease) => next.draft.lease = Some(lease),
            Act::Attempt { sending } => {
                next.attempts += 1;
                next.refused = ClusterErrors::default();
                next.sending = sending;
            }
            Act::Refused(errors) => {
                next.refused = errors;
                next.sending = false;
            }
            Act::Reset => return Rc::new(Self::default()),
        }
        Rc::new(next)
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct NewClusterProps {
    /// `None` while it is not known.
    pub gateway: Option<GatewayState>,
}

/// The form in its sheet, from loading its options to the created cluster.
#[component]
pub fn NewCluster(props: &NewClusterProps) -> Html {
    let panel = use_panel();
    let source = use_state(|| Source::Loading);
    let load = {
        let (api, source, drafts) = (panel.store.api(), source.setter(), panel.drafts.clone());
        Callback::from(move |()| {
            let (api, source, drafts) = (api.clone(), source.clone(), drafts.clone());
            source.set(Source::Loading);
            spawn_local(async move {
                source.set(match api.options().await {
                    Ok(options) => {
                        let options = Rc::new(options);
                        drafts.keep_options(Rc::clone(&options));
                        Source::Ready(options)
                    }
                    Err(error) => Source::Failed(error),
                });
            });
        })
    };
    // Once when it opens, and again when a gateway that did not answer comes up.
    use_effect_with(props.gateway, {
        let (load, failed) = (load.clone(), !matches!(*source, Source::Ready(_)));
        move |_| {
            if failed {
                load.emit(());
            }
        }
    });
    let on_close = panel.go.reform(|()| Sheet::Home);
    sheet(
        "new-cluster-form",
        "New cluster".into(),
        &on_close,
        Html::default(),
        html! {
            {match &*source {
                Source::Loading => html! {
                    <div class="gh-empty" data-testid="loading">{spinner()}<p>{"Asking the gateway for its options\u{2026}"}</p></div>
                },
                Source::Failed(error) => html! {
                    <div class="gh-sheet-body">
                        {banner(NoticeLevel::Error, "options-error", html! { {error.message.clone()} }, Button::new("Try again").icon(Icon::Refresh).on(load.reform(|_: MouseEvent| ())).view())}
                    </div>
                },
                Source::Ready(options) => html! { <ClusterForm options={Rc::clone(options)} /> },
            }}
        },
    )
}

#[derive(Clone, PartialEq, Properties)]
struct ClusterFormProps {
    options: Rc<Options>,
}

#[component]
fn ClusterForm(props: &ClusterFormProps) -> Html {
    let panel = use_panel();
    let form_id = use_id("form");
    let label_id = AttrValue::from(format!("{form_id}-label"));
    let root = use_node_ref();
    let form = use_reducer_eq(|| Form {
        draft: panel.drafts.cluster(),
        ..Form::default()
    });
    let specs = &props.options.options;
    let max_workers = props.options.max_workers;
    let accepted = form.draft.accept(specs, max_workers);
    let errors = accepted.as_ref().err().cloned().unwrap_or_default();

    use_effect_with(form.draft.clone(), {
        let drafts = panel.drafts.clone();
        move |draft| drafts.keep_cluster(Some(draft.clone()))
    });
    use_effect_with((), {
        let root = root.clone();
        move |()| focus_first(&root, "input, select, textarea")
    });
    // After a failed attempt the keyboard goes to the first field that is wrong.
    use_effect_with((form.attempts, form.sending), {
        let root = root.clone();
        move |(attempts, sending)| {
            if *attempts > 0 && !sending {
                focus_first(&root, "[aria-invalid=true]");
            }
        }
    });

    let submit = {
        let (panel, form, options) = (panel.clone(), form.clone(), Rc::clone(&props.options));
        Callback::from(move |()| {
            if form.sending {
                return;
            }
            let request = form.draft.accept(&options.options, options.max_workers);
            form.dispatch(Act::Attempt {
                sending: request.is_ok(),
            });
            let Ok(request) = request else { return };
            let (panel, form, options) = (panel.clone(), form.dispatcher(), Rc::clone(&options));
            spawn_local(async move {
                match panel.create_cluster(&request).await {
                    Ok(created) => {
                        panel.drafts.keep_cluster(None);
                        panel.drafts.keep_made(created.name);
                        panel.go.emit(Sheet::Home);
                    }
                    Err(error) => form.dispatch(Act::Refused(ClusterErrors::of(&error, &options.options))),
                }
            });
        })
    };
    let onkeydown = {
        let submit = submit.clone();
        Callback::from(move |event: KeyboardEvent| {
            // In a text area Enter makes a line, so there it takes a modifier.
            if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
                event.prevent_default();
                submit.emit(());
            }
        })
    };
    let onsubmit = submit.reform(|event: SubmitEvent| event.prevent_default());
    let on_label = {
        let form = form.dispatcher();
        Callback::from(move |event: InputEvent| {
            form.dispatch(Act::Label(
                event.target_unchecked_into::<HtmlInputElement>().value(),
            ));
        })
    };
    let on_scale = {
        let form = form.dispatcher();
        Callback::from(move |scale| form.dispatch(Act::Scale(scale)))
    };
    let on_lease = {
        let form = form.dispatcher();
        Callback::from(move |lease| form.dispatch(Act::Lease(lease)))
    };
    let on_reset = {
        let form = form.dispatcher();
        Callback::from(move |_: MouseEvent| form.dispatch(Act::Reset))
    };
    let field = |spec: &protocol::rest::OptionSpec| {
        let shows = form.attempts > 0 || form.left.contains(&spec.field);
        let refused = form.refused.options.get(&spec.field);
        let error = refused
            .or_else(|| errors.options.get(&spec.field).filter(|_| shows))
            .cloned();
        let name = spec.field.clone();
        let onchange = {
            let (form, name) = (form.dispatcher(), name.clone());
            Callback::from(move |draft| form.dispatch(Act::Option(name.clone(), draft)))
        };
        let onleave = {
            let (form, name) = (form.dispatcher(), name.clone());
            Callback::from(move |()| form.dispatch(Act::Left(name.clone())))
        };
        OptionField {
            id: format!("{form_id}-{name}").into(),
            spec,
            draft: form.draft.option(spec),
            error,
            onchange,
            onleave,
            disabled: form.sending,
        }
        .view()
    };
    // Too long is said at once: what is typed further is for nothing.
    let label_error = form.refused.label.as_ref().or(errors.label.as_ref());
    let error_id = label_error.map(|_| AttrValue::from(format!("{form_id}-label-error")));
    html! {
        <form class="gh-form" ref={root} {onsubmit} {onkeydown} novalidate=true>
            <div class="gh-sheet-body">
                <div class="gh-field">
                    <label class="gh-label" for={label_id.clone()}>{"Label"}<small>{"optional"}</small></label>
                    <input
                        id={label_id}
                        class={if label_error.is_some() { "gh-input gh-invalid" } else { "gh-input" }}
                        type="text"
                        autocomplete="off"
                        placeholder="What it is for"
                        value={form.draft.label.clone()}
                        oninput={on_label}
                        disabled={form.sending}
                        aria-invalid={label_error.is_some().then_some("true")}
                        aria-describedby={error_id.clone()}
                        data-testid="cluster-label"
                    />
                    if let Some(error) = label_error {
                        {field_error(error_id, "error-label".to_owned(), error)}
                    }
                </div>
                {for specs.iter().map(field)}
                <fieldset class="gh-field gh-fieldset">
                    <legend class="gh-label">{"Scaling"}</legend>
                    {ScaleFields {
                        id: &form_id,
                        draft: &form.draft.scale,
                        onchange: on_scale,
                        optional: true,
                        error: errors.scale.as_ref(),
                        limit: max_workers,
                        disabled: form.sending,
                    }
                    .view()}
                </fieldset>
                {lease_section(&form_id, panel.store.state().guard.as_deref(), form.draft.lease.as_ref(), on_lease, form.sending)}
            </div>
            // Outside of what scrolls: it must be seen wherever the form was left.
            if let Some(whole) = &form.refused.whole {
                {banner(NoticeLevel::Error, "form-error", html! { {whole.clone()} }, Html::default())}
            }
            <footer class="gh-sheet-footer">
                {Button::new("Reset").tone(Tone::Quiet).title("Back to the defaults").on(on_reset).disabled(form.sending).view()}
                {Button::new(if form.sending { "Creating\u{2026}" } else { "Create" }).icon(Icon::Plus).tone(Tone::Primary).submits().busy(form.sending).testid("create-cluster").class("gh-push").view()}
            </footer>
        </form>
    }
}
