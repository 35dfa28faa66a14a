//! The form for a job: what runs, where, and how.

pub mod draft;
pub mod fields;
pub mod place;
pub mod what;

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::jobs::{Job, JobFile, PlaceKind};
use protocol::kernels::Kernel as Listed;
use protocol::rest::{ApiError, Options};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use self::draft::{FIELDS, JobDraft, JobErrors, Kind};
use self::fields::Field;
use super::Tab;
use super::view::{Start, View};
use crate::host::ActiveKernel;
use crate::panel::clusters::beside;
use crate::panel::draft::Draft;
use crate::panel::form::Origin;
use crate::panel::kernel::Kernel;
use crate::panel::presets::Presets;
use crate::state::events::State;
use crate::state::kept::Place;
use crate::state::socket::Task;
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, banner, focus_first, use_id};

/// Key of the code that was typed and not run: a reload keeps it.
const CODE: &str = "gatehouse:job-code";

/// The form's memory.
#[derive(Clone, Default, PartialEq)]
pub struct Form {
    pub draft: JobDraft,
    /// The gateway's options; why they can't be had; `None` while they are asked for.
    pub options: Option<Result<Rc<Options>, ApiError>>,
    pub presets: Rc<Presets>,
    /// Why presets could not be read.
    pub trouble: Option<String>,
    /// What of a preset did not fit, in sentences.
    pub unfit: Vec<String>,
    kernels: Vec<Listed>,
    /// What the gateway has for the kernel that the job will have.
    pub kernel: Option<Kernel>,
    /// Whether options were touched, or come from a preset or an earlier run: then the kernel chooses nothing.
    own: bool,
    /// Attempts to run it: from the first on, all errors show.
    pub attempts: u32,
    /// What the server refused, until something is typed.
    pub refused: JobErrors,
    pub sending: bool,
}

pub enum Act {
    Options(Result<Rc<Options>, ApiError>, Presets, Option<String>),
    Kernels(Vec<Listed>),
    Kernel(Kernel),
    /// What the file is, or why it can't be read.
    File(Result<JobFile, ApiError>),
    /// The job that is run again.
    Again(Box<Job>),
    /// Something was typed.
    Type(Box<dyn FnOnce(&mut JobDraft)>),
    /// An option of the fresh cluster was touched.
    Option(String, Draft),
    Fill(Origin),
    Presets(Presets, Option<Origin>),
    Attempt {
        sending: bool,
    },
    Refused(JobErrors),
}

impl Reducible for Form {
    type Action = Act;

    fn reduce(self: Rc<Self>, act: Act) -> Rc<Self> {
        let mut next = (*self).clone();
        match act {
            Act::Options(options, presets, trouble) => {
                next.options = Some(options);
                next.presets = Rc::new(presets);
                next.trouble = trouble;
                if !next.own {
                    next.fill(next.presets.first());
                }
            }
            Act::Kernels(kernels) => next.kernels = kernels,
            Act::Kernel(kernel) => {
                next.kernel = Some(kernel);
                next.choose_environment();
            }
            Act::File(Ok(file)) => {
                next.refused.fields.remove("path");
                next.draft.file = Some(Rc::new(file));
            }
            Act::File(Err(error)) => {
                next.draft.file = None;
                // What was run before is there all the same.
                if next.draft.earlier.is_some() {
                    next.draft.as_earlier = true;
                } else {
                    next.refused.fields.set("path", error.message);
                }
            }
            Act::Again(job) => {
                let specs = next.specs().map(|options| options.options.clone());
                next.draft = JobDraft::again(&job, &specs.unwrap_or_default());
                next.own = true;
            }
            Act::Type(change) => {
                change(&mut next.draft);
                next.refused = JobErrors::default();
            }
            Act::Option(field, draft) => {
                next.own = true;
                next.refused = JobErrors::default();
                next.draft.fresh.options.set(&field, draft);
            }
            Act::Fill(origin) => {
                next.own = origin != Origin::Defaults;
                next.refused = JobErrors::default();
                next.fill(origin);
                next.choose_environment();
            }
            Act::Presets(presets, origin) => {
                next.presets = Rc::new(presets);
                if let Some(origin) = origin {
                    next.draft.fresh.origin = origin;
                    next.own = true;
                    next.unfit.clear();
                }
            }
            Act::Attempt { sending } => {
                next.attempts += 1;
                next.refused = JobErrors::default();
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
    fn specs(&self) -> Option<&Rc<Options>> {
        self.options.as_ref()?.as_ref().ok()
    }

    fn fill(&mut self, origin: Origin) {
        let Some(options) = self.specs().cloned() else {
            return;
        };
        let (fresh, unfit) = self.presets.fill(origin, &options.options, options.max_workers);
        self.unfit = unfit;
        let draft = JobDraft {
            fresh,
            ..std::mem::take(&mut self.draft)
        };
        self.draft = draft.with_workers(options.max_workers);
    }

    /// Chooses the environment of the job's kernel, unless the user chose something.
    fn choose_environment(&mut self) {
        if !self.own
            && let Some(kernel) = &self.kernel
            && let Some(field) = &kernel.field
            && let Some(value) = kernel.choice(field)
        {
            self.draft.fresh.options.set(field, Draft::Text(value.clone()));
        }
    }

    /// The kernelspec that the job will have; `None` while that is not known.
    fn kernel_name(&self) -> Option<String> {
        let chosen = self.draft.kernel.trim();
        if !chosen.is_empty() {
            return Some(chosen.to_owned());
        }
        let of_file = self.draft.file.as_ref().filter(|_| self.draft.kind == Kind::File);
        of_file.and_then(|file| file.kernel.clone()).or_else(|| {
            let default = self.kernels.iter().find(|kernel| kernel.default);
            default.map(|kernel| kernel.name.clone())
        })
    }

    fn kernel_title(&self, name: &str) -> String {
        let known = self.kernels.iter().find(|kernel| kernel.name == name);
        known.map_or_else(|| name.to_owned(), |kernel| kernel.display_name.clone())
    }
}

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
                        {more(&parts)}
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

/// What most jobs leave as it is.
fn more(parts: &Parts<'_>) -> Html {
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
    let open = ["environment", "time_limit", "retries"]
        .iter()
        .any(|field| parts.errors.fields.get(field).is_some());
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
        <details class="gh-details gh-job-more" {open}>
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
