//! The form for a job: what runs, where, and how.

pub mod draft;
pub mod fields;
pub mod more;
pub mod place;
pub mod state;
pub mod what;

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::jobs::PlaceKind;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use self::draft::{FIELDS, JobDraft, JobErrors, Kind};
use self::fields::Field;
use self::state::{Act, Form};
use super::Tab;
use super::view::{Start, View};
use crate::host::ActiveKernel;
use crate::panel::clusters::beside;
use crate::panel::kernel::Kernel;
use crate::panel::presets::Presets;
use crate::state::events::State;
use crate::state::kept::Place;
use crate::state::socket::Task;
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, banner, focus_first, on_enter, use_id};

/// Key of the code that was typed and not run: a reload keeps it.
const CODE: &str = "gatehouse:job-code";

/// What the parts of the form share.
pub struct Parts<'a> {
    pub id: &'a AttrValue,
    pub form: &'a UseReducerHandle<Form>,
    /// What is wrong and shown.
    pub errors: &'a JobErrors,
}

impl Parts<'_> {
    pub fn field<'a>(&'a self, name: &'static str, label: &'static str, hint: &'a str) -> Field<'a> {
        Field {
            name,
            form: self.id,
            label,
            hint,
            error: self.errors.fields.get(name),
            disabled: self.form.sending,
        }
    }

    /// Changes the draft by what comes.
    pub fn typed<T: 'static>(&self, change: fn(&mut JobDraft, T)) -> Callback<T> {
        let form = self.form.dispatcher();
        Callback::from(move |value: T| form.dispatch(Act::Type(Box::new(move |draft| change(draft, value)))))
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct NewJobProps {
    pub tab: Tab,
    pub state: State,
    pub start: Start,
}

#[component]
pub fn NewJob(props: &NewJobProps) -> Html {
    let tab = &props.tab;
    let id = use_id("job");
    let root = use_node_ref();
    let form = use_reducer(|| begin(&props.start));
    use_begin(tab, &form, &props.start);
    use_look(tab, &form);
    use_kernel(tab, &form);
    use_effect_with(form.draft.code.clone(), {
        let kept = props.start == Start::Blank;
        move |code| {
            if kept {
                Place::Tab.set(CODE, code);
            }
        }
    });
    use_effect_with((), {
        let root = root.clone();
        move |()| focus_first(&root, "textarea, input[type=text]")
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

    let target = place::target(&props.state, &form.draft);
    let accepted = form
        .draft
        .accept(form.specs().map(|options| &**options), target.as_deref());
    let errors = shown(&form, accepted.as_ref().err().map(|wrong| &**wrong));
    let ready = form.draft.place != PlaceKind::Fresh || form.specs().is_some();
    let submit = {
        let (tab, form) = (tab.clone(), form.clone());
        Callback::from(move |()| {
            if form.sending || !ready {
                return;
            }
            form.dispatch(Act::Attempt {
                sending: accepted.is_ok(),
            });
            let Ok(request) = accepted.clone() else { return };
            let (tab, form) = (tab.clone(), form.clone());
            spawn_local(async move {
                match tab.panel.create_job(&request).await {
                    Ok(job) => {
                        Place::Tab.set(CODE, "");
                        tab.go.emit(View::Job(job.id));
                    }
                    Err(error) => {
                        let specs = form.specs().map(|options| options.options.clone());
                        let errors = JobErrors::of(&error, &specs.unwrap_or_default());
                        form.dispatch(Act::Refused(errors));
                    }
                }
            });
        })
    };
    let onkeydown = on_enter(&submit);
    let onsubmit = submit.reform(|event: SubmitEvent| event.prevent_default());
    let parts = Parts {
        id: &id,
        form: &form,
        errors: &errors,
    };
    let unavailable = props.state.status.as_ref().map(|status| &status.jupyter);
    let unavailable = unavailable.filter(|jupyter| !jupyter.available);
    html! {
        <form class="gh-form gh-job-form" ref={root} {onsubmit} {onkeydown} novalidate=true data-testid="job-form">
            <div class="gh-job-page">
                <header class="gh-job-head"><div class="gh-job-title"><h2>{"New job"}</h2></div></header>
                if let Some(jupyter) = unavailable {
                    {banner(NoticeLevel::Warning, "jobs-unavailable", html! { {jupyter.message.clone().unwrap_or_else(|| {
                        "Jobs can't be run: no Jupyter Server is there to run their kernels.".to_owned()
                    })} }, Html::default())}
                }
                <div class="gh-job-columns">
                    <section aria-label="What runs">{what::what(&parts)}</section>
                    <section aria-label="Where it runs">
                        {place::place(&parts, tab, &props.state, target.as_deref())}
                        {more::more(&parts)}
                    </section>
                </div>
            </div>
            // Outside of what scrolls: it must be seen wherever the form was left.
            <div aria-live="assertive">{wrong(&form, &errors)}</div>
            if let Some(whole) = &errors.whole {
                {banner(NoticeLevel::Error, "job-form-error", html! { {whole.clone()} }, Html::default())}
            }
            <footer class="gh-sheet-footer">
                <span class="gh-hint"><kbd>{"Ctrl"}</kbd>{" "}<kbd>{"Enter"}</kbd>{" runs it."}</span>
                {Button::new(if form.sending { "Starting\u{2026}" } else { "Run" }).icon(Icon::Play).tone(Tone::Primary).submits().busy(form.sending).disabled(!ready || unavailable.is_some()).testid("job-run").class("gh-push").view()}
            </footer>
        </form>
    }
}

fn begin(start: &Start) -> Form {
    let mut form = Form::default();
    let draft = &mut form.draft;
    draft.retries = "0".to_owned();
    draft.place = PlaceKind::Fresh;
    match start {
        Start::Blank => draft.code = Place::Tab.get(CODE).unwrap_or_default(),
        Start::Cluster(name) => {
            draft.place = PlaceKind::Cluster;
            draft.cluster = Some(name.clone());
        }
        Start::File(path) => {
            draft.kind = Kind::File;
            draft.path = path.clone();
        }
        // Once it is known.
        Start::Again(_) => {}
    }
    form
}

/// Asks for all that the form is made from, once.
#[hook]
fn use_begin(tab: &Tab, form: &UseReducerHandle<Form>, start: &Start) {
    use_effect_with(start.clone(), {
        let (api, form) = (tab.panel.store.api(), form.dispatcher());
        move |start| {
            let start = start.clone();
            spawn_local(async move {
                let (options, presets, kernels) =
                    futures_util::join!(api.options(), api.get("presets".to_owned()), api.kernels());
                // Without presets the form is still a form.
                let (presets, trouble) = match presets {
                    Ok(tree) => (Presets::read(&tree), None),
                    Err(error) => (Presets::default(), Some(error.message)),
                };
                form.dispatch(Act::Options(options.map(Rc::new), presets, trouble));
                // Without the list the default kernel is still the default.
                form.dispatch(Act::Kernels(kernels.unwrap_or_default()));
                if let Start::Again(id) = start {
                    form.dispatch(match api.job(&id).await {
                        Ok(job) => Act::Again(Box::new(job)),
                        Err(error) => Act::Refused(JobErrors {
                            whole: Some(error.message),
                            ..JobErrors::default()
                        }),
                    });
                }
            });
        }
    });
}

/// How long somebody who types a path is left alone, milliseconds.
const PAUSE_MS: u32 = 500;

/// Asks what the file is, once its path rests.
#[hook]
fn use_look(tab: &Tab, form: &UseReducerHandle<Form>) {
    let path = form.draft.path.trim().trim_start_matches('/').to_owned();
    use_effect_with((form.draft.kind, path), {
        let (api, form) = (tab.panel.store.api(), form.dispatcher());
        move |(kind, path)| {
            let asks = *kind == Kind::File && !path.is_empty();
            let path = path.clone();
            let task = asks.then(|| {
                Task::spawn(async move {
                    gloo::timers::future::TimeoutFuture::new(PAUSE_MS).await;
                    form.dispatch(Act::File(api.job_file(&path).await));
                })
            });
            move || drop(task)
        }
    });
}

/// Asks which environment of the gateway's is that of the job's kernel.
#[hook]
fn use_kernel(tab: &Tab, form: &UseReducerHandle<Form>) {
    let name = form
        .kernel_name()
        .filter(|_| form.draft.place == PlaceKind::Fresh);
    let title = name.as_deref().map(|name| form.kernel_title(name));
    use_effect_with((name, title), {
        let (panel, form) = (tab.panel.clone(), form.dispatcher());
        move |asked| {
            let task = match asked.clone() {
                (Some(name), Some(title)) => Some(Task::spawn(async move {
                    let kernel = Kernel::ask_for(&panel, ActiveKernel { name, title }).await;
                    form.dispatch(Act::Kernel(kernel));
                })),
                _ => None,
            };
            move || drop(task)
        }
    });
}

/// What is wrong and is shown: what the server refused, and all of it after an attempt.
fn shown(form: &Form, wrong: Option<&JobErrors>) -> JobErrors {
    let mut errors = wrong.filter(|_| form.attempts > 0).cloned().unwrap_or_default();
    let refused = &form.refused;
    for (field, _) in FIELDS {
        if let Some(message) = refused.fields.get(field) {
            errors.fields.set(field, message.clone());
        }
    }
    for spec in form.specs().map_or(&[][..], |options| &options.options) {
        if let Some(message) = refused.fresh.options.get(&spec.field) {
            errors.fresh.options.set(&spec.field, message.clone());
        }
    }
    errors.whole.clone_from(&refused.whole);
    errors
}

/// After an attempt: which fields are wrong. They may be out of sight.
fn wrong(form: &Form, errors: &JobErrors) -> Html {
    if form.attempts == 0 || form.sending {
        return Html::default();
    }
    let mut names: Vec<String> = FIELDS
        .iter()
        .filter(|(field, _)| errors.fields.get(field).is_some())
        .map(|(_, label)| (*label).to_owned())
        .collect();
    for spec in form.draft.parameter_specs() {
        if errors.fields.get(&format!("parameters.{}", spec.field)).is_some() {
            names.push(spec.label);
        }
    }
    let specs = form.specs().map_or(&[][..], |options| &options.options);
    if names.is_empty() {
        return beside::wrong(specs, &errors.fresh, &form.refused.fresh);
    }
    let words = format!(
        "{} to correct: {}.",
        format::count(names.len() as u64, "field"),
        names.join(", ")
    );
    html! { <p class="gh-form-wrong" data-testid="form-wrong">{glyph(Icon::Alert, 12)}<span>{words}</span></p> }
}
