//! The form for a new cluster, made from the gateway's own options.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::rest::Options;
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::super::context::{Sheet, use_panel};
use super::super::draft::Draft;
use super::super::fields::OptionField;
use super::super::form::{ClusterDraft, ClusterErrors, Origin};
use super::super::guard::fields::lease_section;
use super::super::kernel::Kernel;
use super::super::lease::LeaseDraft;
use super::super::presets::{Presets, form_of};
use super::super::scaling::ScaleDraft;
use super::beside;
use super::presets::PresetBar;
use super::scale::ScaleFields;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner, field_error, focus_first, on_enter, use_id};

/// The form's memory.
#[derive(Clone, Default, PartialEq)]
struct Form {
    draft: ClusterDraft,
    presets: Rc<Presets>,
    /// What of a preset did not fit, in sentences.
    unfit: Vec<String>,
    kernel: Option<Kernel>,
    /// Whether it holds anything of the user's own, which outlives the form.
    own: bool,
    /// Options that the user has left once: from then on their errors show.
    left: Vec<String>,
    /// Attempts to create: from the first on, all errors show.
    attempts: u32,
    /// What the server refused, until the field changes.
    refused: ClusterErrors,
    sending: bool,
}

enum Act {
    /// Fills the form anew.
    Fill(ClusterDraft, Vec<String>),
    /// What the presets are now, and what the form is now, where that changed with them.
    Presets(Presets, Option<Origin>),
    Kernel(Kernel),
    Option(String, Draft),
    Left(String),
    Label(String),
    Scale(ScaleDraft),
    Lease(LeaseDraft),
    Attempt {
        sending: bool,
    },
    Refused(ClusterErrors),
}

impl Reducible for Form {
    type Action = Act;

    fn reduce(self: Rc<Self>, act: Act) -> Rc<Self> {
        let mut next = (*self).clone();
        match act {
            Act::Fill(draft, unfit) => {
                next = Self {
                    draft: ClusterDraft {
                        label: next.draft.label,
                        ..draft
                    },
                    presets: next.presets,
                    unfit,
                    kernel: next.kernel,
                    own: true,
                    ..Self::default()
                };
                if next.draft.origin == Origin::Defaults {
                    next.choose_environment();
                }
            }
            Act::Presets(presets, origin) => {
                next.presets = Rc::new(presets);
                if let Some(origin) = origin {
                    next.draft.origin = origin;
                    next.own = true;
                    next.unfit.clear();
                }
            }
            Act::Kernel(kernel) => {
                next.kernel = Some(kernel);
                // A preset was made on purpose, and so was what is in the form already.
                if !next.own && !matches!(next.draft.origin, Origin::Preset(_)) {
                    next.choose_environment();
                }
            }
            Act::Option(field, draft) => {
                next.own = true;
                next.refused.options.remove(&field);
                next.draft.options.set(&field, draft);
            }
            Act::Left(field) => {
                if !next.left.contains(&field) {
                    next.left.push(field);
                }
            }
            Act::Label(label) => {
                next.own = true;
                next.draft.label = label;
                next.refused.label = None;
            }
            Act::Scale(scale) => {
                next.own = true;
                next.draft.scale = scale;
            }
            Act::Lease(lease) => {
                next.own = true;
                next.draft.lease = Some(lease);
            }
            Act::Attempt { sending } => {
                next.attempts += 1;
                next.refused = ClusterErrors::default();
                next.sending = sending;
            }
            Act::Refused(errors) => {
                next.refused = errors;
                next.sending = false;
            }
        }
        Rc::new(next)
    }
}

impl Form {
    /// Chooses the environment of the user's kernel.
    fn choose_environment(&mut self) {
        if let Some(kernel) = &self.kernel
            && let Some(field) = &kernel.field
            && let Some(value) = kernel.choice(field)
        {
            self.draft.options.set(field, Draft::Text(value.clone()));
        }
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct ClusterFormProps {
    pub options: Rc<Options>,
    pub presets: Rc<Presets>,
    /// Why presets could not be read.
    pub trouble: Option<String>,
}

/// The fields, from what fills them to the created cluster.
#[component]
pub fn ClusterForm(props: &ClusterFormProps) -> Html {
    let panel = use_panel();
    let form_id = use_id("form");
    let label_id = AttrValue::from(format!("{form_id}-label"));
    let root = use_node_ref();
    let form = use_reducer_eq(|| {
        let presets = Rc::clone(&props.presets);
        let kept = panel.drafts.cluster();
        let own = kept.is_some();
        let (draft, unfit) = kept.map_or_else(
            || presets.fill(presets.first(), &props.options.options, props.options.max_workers),
            |draft| (draft, Vec::new()),
        );
        Form {
            draft,
            unfit,
            own,
            presets,
            ..Form::default()
        }
    });
    let specs = &props.options.options;
    let max_workers = props.options.max_workers;
    let accepted = form.draft.accept(specs, max_workers);
    let errors = accepted.as_ref().err().cloned().unwrap_or_default();

    use_effect_with((form.draft.clone(), form.own), {
        let drafts = panel.drafts.clone();
        move |(draft, own)| {
            if *own {
                drafts.keep_cluster(Some(draft.clone()));
            }
        }
    });
    use_effect_with((), {
        let (root, panel, form) = (root.clone(), panel.clone(), form.dispatcher());
        move |()| {
            focus_first(&root, "input");
            spawn_local(async move {
                if let Some(kernel) = Kernel::ask(&panel).await {
                    form.dispatch(Act::Kernel(kernel));
                }
            });
        }
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
                        panel.drafts.focus_card(created.name);
                        panel.go.emit(Sheet::Home);
                    }
                    Err(error) => form.dispatch(Act::Refused(ClusterErrors::of(&error, &options.options))),
                }
            });
        })
    };
    let onkeydown = on_enter(&submit);
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
    let on_fill = {
        let (form, options) = (form.clone(), Rc::clone(&props.options));
        Callback::from(move |origin| {
            let (draft, unfit) = form.presets.fill(origin, &options.options, options.max_workers);
            form.dispatch(Act::Fill(draft, unfit));
        })
    };
    let on_lease = {
        let form = form.dispatcher();
        Callback::from(move |lease| form.dispatch(Act::Lease(lease)))
    };
    let on_reset = {
        let (on_fill, form) = (on_fill.clone(), form.dispatcher());
        Callback::from(move |_: MouseEvent| {
            on_fill.emit(Origin::Defaults);
            form.dispatch(Act::Label(String::new()));
        })
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
            aside: beside::kernel(form.kernel.as_ref(), spec, &form.draft, {
                let (form, field) = (form.dispatcher(), spec.field.clone());
                Callback::from(move |value| form.dispatch(Act::Option(field.clone(), Draft::Text(value))))
            }),
        }
        .view()
    };
    let wrong = (form.attempts > 0).then(|| beside::wrong(specs, &errors, &form.refused));
    // Too long is said at once: what is typed further is for nothing.
    let label_error = form.refused.label.as_ref().or(errors.label.as_ref());
    let error_id = label_error.map(|_| AttrValue::from(format!("{form_id}-label-error")));
    html! {
        <form class="gh-form" ref={root} {onsubmit} {onkeydown} novalidate=true>
            <div class="gh-sheet-body">
                <PresetBar
                    presets={Rc::clone(&form.presets)}
                    origin={form.draft.origin.clone()}
                    form={accepted.as_ref().ok().map(form_of)}
                    {on_fill}
                    {on_presets}
                    {on_wrong}
                    disabled={form.sending}
                />
                {beside::before(&props.options.warnings, props.trouble.as_deref(), &form.unfit, form.kernel.as_ref())}
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
                if !specs.is_empty() {
                    <section class="gh-options" aria-labelledby={format!("{form_id}-options")}>
                        <h3 id={format!("{form_id}-options")}>{"Cluster Options"}</h3>
                        {for specs.iter().map(field)}
                    </section>
                }
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
            <div aria-live="assertive">{wrong.unwrap_or_default()}</div>
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
