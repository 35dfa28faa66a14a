//! What the form for a new cluster is filled with: chosen at its top, and presets saved, renamed and deleted there.

use std::rc::Rc;

use gloo::net::http::Method;
use protocol::rest::ApiError;
use serde_json::Value;
use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlInputElement, HtmlSelectElement, KeyboardEvent};
use yew::prelude::*;

use super::super::context::{Panel, use_panel};
use super::super::form::Origin;
use super::super::presets::{Preset, Presets};
use crate::state::json;
use crate::state::socket::segment;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, field_error, focus, focus_first, use_id};

/// Values of the choices that are no preset.
const DEFAULTS: &str = "defaults";
const LAST: &str = "last";
const OWN: &str = "own";

#[derive(Clone, PartialEq, Properties)]
pub struct PresetBarProps {
    pub presets: Rc<Presets>,
    pub origin: Origin,
    /// What the form holds; `None` while something in it is wrong.
    pub form: Option<Value>,
    pub on_fill: Callback<Origin>,
    /// The presets were changed; the form is now what this one keeps, where one is named.
    pub on_presets: Callback<(Presets, Option<Origin>)>,
    /// Something in the form is wrong and must be seen before it can be saved.
    pub on_wrong: Callback<()>,
    pub disabled: bool,
}

/// What a name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    New,
    Rename,
}

#[derive(Clone, Default, PartialEq)]
struct State {
    naming: Option<Naming>,
    name: String,
    error: Option<String>,
    busy: bool,
}

/// The bar with the choice and what can be done with a preset.
#[component]
pub fn PresetBar(props: &PresetBarProps) -> Html {
    let panel = use_panel();
    let id = use_id("preset");
    let root = use_node_ref();
    let chooser = use_node_ref();
    let state = use_state(State::default);
    let chosen = match &props.origin {
        Origin::Preset(id) => props.presets.get(id),
        Origin::Defaults | Origin::Last | Origin::Own => None,
    };
    // Its preset is gone, deleted here or in another window; what is in the form stays.
    let own = chosen.is_none() && matches!(props.origin, Origin::Preset(_) | Origin::Own);
    let was_busy = use_mut_ref(|| false);
    use_effect_with((state.naming, state.busy), {
        let (root, chooser) = (root.clone(), chooser.clone());
        move |(naming, busy)| {
            let was_busy = was_busy.replace(*busy);
            // Not before the page shows it: what is disabled takes no keyboard.
            match naming {
                _ if *busy => {}
                Some(_) => focus_first(&root, "input"),
                None if was_busy => focus(&chooser),
                None => {}
            }
        }
    });
    let ask = |change: Change| {
        let (panel, props, state) = (panel.clone(), props.clone(), state.clone());
        move || change.clone().send(&panel, &props, &state)
    };
    let name_it = |naming: Naming, name: String| {
        let (state, on_wrong) = (state.clone(), props.on_wrong.clone());
        let savable = naming == Naming::Rename || props.form.is_some();
        Callback::from(move |_: MouseEvent| {
            if savable {
                state.set(State {
                    naming: Some(naming),
                    name: name.clone(),
                    ..State::default()
                });
            } else {
                on_wrong.emit(());
            }
        })
    };
    let busy = state.busy || props.disabled;
    let onchange = {
        let (on_fill, state) = (props.on_fill.clone(), state.setter());
        Callback::from(move |event: Event| {
            let value = event.target_unchecked_into::<HtmlSelectElement>().value();
            state.set(State::default());
            on_fill.emit(match value.as_str() {
                DEFAULTS => Origin::Defaults,
                LAST => Origin::Last,
                _ => Origin::Preset(value),
            });
        })
    };
    let option = |value: &str, words: String, selected: bool| {
        html! { <option value={value.to_owned()} {selected}>{words}</option> }
    };
    html! {
        <div class="gh-field gh-presets" ref={root} role="group" aria-label="Presets" data-testid="presets">
            <label class="gh-label" for={id.clone()}>{"Start from"}</label>
            <div class="gh-preset-row">
                <div class="gh-select">
                    <select id={id.clone()} ref={chooser.clone()} class="gh-input" {onchange} disabled={busy} data-testid="preset">
                        {option(DEFAULTS, "Gateway's defaults".to_owned(), props.origin == Origin::Defaults)}
                        if props.presets.last.is_some() {
                            {option(LAST, "What was used last".to_owned(), props.origin == Origin::Last)}
                        }
                        {for props.presets.list.iter().map(|preset| {
                            let mark = if preset.default { " (default)" } else { "" };
                            option(&preset.id, format!("{}{mark}", preset.name), chosen == Some(preset))
                        })}
                        if own {
                            {option(OWN, "Your own values".to_owned(), true)}
                        }
                    </select>
                    {glyph(Icon::Chevron, 16)}
                </div>
                {tool(Icon::Bookmark, "Save as preset\u{2026}".to_owned(), "preset-save-as", busy, name_it(Naming::New, String::new()))}
                if let Some(preset) = chosen {
                    {tool(Icon::Pencil, words("Rename", preset, "\u{2026}"), "preset-rename", busy, name_it(Naming::Rename, preset.name.clone()))}
                    {tool(
                        if preset.default { Icon::StarFilled } else { Icon::Star },
                        words(if preset.default { "No longer begin with" } else { "Always begin with" }, preset, ""),
                        "preset-default",
                        busy,
                        clicked(ask(Change::Default(preset.id.clone(), !preset.default))),
                    )}
                    {tool(Icon::Trash, words("Delete", preset, "\u{2026}"), "preset-delete", busy, clicked(ask(Change::Delete(preset.clone()))))}
                }
            </div>
            if let Some(preset) = chosen.filter(|preset| props.form.as_ref().is_some_and(|form| *form != preset.form)) {
                {Button::new(words("Save changes to", preset, "")).icon(Icon::Check).disabled(busy).class("gh-start")
                    .on(clicked(ask(Change::Over(preset.id.clone())))).testid("preset-save").view()}
            }
            if let Some(naming) = state.naming {
                {name_field(&id, &state, naming, &chooser, ask(match (naming, chosen) {
                    (Naming::Rename, Some(preset)) => Change::Rename(preset.id.clone(), state.name.clone()),
                    _ => Change::New(state.name.clone()),
                }))}
            } else if let Some(error) = &state.error {
                <div aria-live="polite">{field_error(None, "preset-error".to_owned(), error)}</div>
            }
        </div>
    }
}

fn clicked(work: impl Fn() + 'static) -> Callback<MouseEvent> {
    Callback::from(move |_: MouseEvent| work())
}

fn words(verb: &str, preset: &Preset, end: &str) -> String {
    format!("{verb} \u{201c}{}\u{201d}{end}", preset.name)
}

/// A small button beside the choice.
fn tool(icon: Icon, words: String, testid: &'static str, disabled: bool, on: Callback<MouseEvent>) -> Html {
    Button::new(words)
        .only_icon(icon)
        .tone(Tone::Quiet)
        .disabled(disabled)
        .on(on)
        .testid(testid)
        .view()
}

/// Where a preset's name is typed: Enter saves, Escape gives it up.
fn name_field(
    id: &AttrValue,
    state: &UseStateHandle<State>,
    naming: Naming,
    chooser: &NodeRef,
    save: impl Fn() + Clone + 'static,
) -> Html {
    let label = match naming {
        Naming::New => "Name of the preset",
        Naming::Rename => "New name",
    };
    let (input_id, error_id) = (format!("{id}-name"), AttrValue::from(format!("{id}-name-error")));
    let oninput = {
        let state = state.clone();
        Callback::from(move |event: InputEvent| {
            state.set(State {
                name: event.target_unchecked_into::<HtmlInputElement>().value(),
                error: None,
                ..(*state).clone()
            });
        })
    };
    let give_up = {
        let (state, chooser) = (state.setter(), chooser.clone());
        move || {
            state.set(State::default());
            focus(&chooser);
        }
    };
    let onkeydown = {
        let (save, give_up) = (save.clone(), give_up.clone());
        Callback::from(move |event: KeyboardEvent| match event.key().as_str() {
            // Neither is for the form around it.
            "Enter" => {
                event.prevent_default();
                event.stop_propagation();
                save();
            }
            "Escape" => {
                event.stop_propagation();
                give_up();
            }
            _ => {}
        })
    };
    html! {
        <div class="gh-field gh-preset-name">
            <label class="gh-label" for={input_id.clone()}>{label}</label>
            <input
                id={input_id}
                class={if state.error.is_some() { "gh-input gh-invalid" } else { "gh-input" }}
                type="text"
                autocomplete="off"
                value={state.name.clone()}
                {oninput}
                {onkeydown}
                disabled={state.busy}
                aria-invalid={state.error.is_some().then_some("true")}
                aria-describedby={state.error.is_some().then(|| error_id.clone())}
                data-testid="preset-name"
            />
            <div aria-live="polite">
                if let Some(error) = &state.error {
                    {field_error(Some(error_id), "preset-error".to_owned(), error)}
                }
            </div>
            <div class="gh-actions">
                {Button::new("Cancel").tone(Tone::Quiet).on(clicked(give_up)).view()}
                {Button::new("Save").icon(Icon::Check).busy(state.busy).on(clicked(save)).testid("preset-name-save").view()}
            </div>
        </div>
    }
}

/// What is asked of the server.
#[derive(Clone)]
enum Change {
    New(String),
    Rename(String, String),
    Over(String),
    Default(String, bool),
    Delete(Preset),
}

impl Change {
    /// Does it, reads the presets anew and tells the form; asks first where something is lost.
    fn send(self, panel: &Panel, props: &PresetBarProps, state: &UseStateHandle<State>) {
        if state.busy {
            return;
        }
        if matches!(self, Self::New(_) | Self::Over(_)) && props.form.is_none() {
            props.on_wrong.emit(());
            return;
        }
        let (panel, props) = (panel.clone(), props.clone());
        let (before, state) = ((**state).clone(), state.setter());
        spawn_local(async move {
            if let Self::Delete(preset) = &self {
                let title = format!("Delete the preset \u{201c}{}\u{201d}?", preset.name);
                let body = "The values it keeps are lost. Clusters that were made with it stay.".to_owned();
                if !panel.host.confirm(title, body, "Delete".to_owned()).await {
                    return;
                }
            }
            state.set(State {
                busy: true,
                error: None,
                ..before.clone()
            });
            match self.ask(&panel, &props).await {
                Ok((presets, origin)) => {
                    state.set(State::default());
                    props.on_presets.emit((presets, origin));
                }
                Err(error) => state.set(State {
                    busy: false,
                    error: Some(error.message),
                    ..before
                }),
            }
        });
    }

    async fn ask(self, panel: &Panel, props: &PresetBarProps) -> Result<(Presets, Option<Origin>), ApiError> {
        let api = panel.store.api();
        let at = |id: &str| format!("presets/{}", segment(id));
        let name = |name: &str| format!("\"name\":{}", json::write(&Value::from(name)));
        let form = || {
            let form = props.form.as_ref().map(json::write);
            format!("\"form\":{}", form.unwrap_or_default())
        };
        // Written by hand: making a tree first would cost kilobytes.
        let (method, path, body) = match &self {
            Self::New(new) => (
                Method::POST,
                "presets".to_owned(),
                format!("{},{}", name(new), form()),
            ),
            Self::Rename(id, new) => (Method::PATCH, at(id), name(new)),
            Self::Over(id) => (Method::PATCH, at(id), form()),
            Self::Default(id, default) => (Method::PATCH, at(id), format!("\"default\":{default}")),
            Self::Delete(preset) => (Method::DELETE, at(&preset.id), String::new()),
        };
        let body = Some(format!("{{{body}}}")).filter(|_| !matches!(self, Self::Delete(_)));
        let answer = api.change(method, path, body).await?;
        let origin = match self {
            Self::New(_) => Some(Origin::Preset(Preset::read(&answer).id)),
            // What is in the form stays.
            Self::Delete(_) => Some(Origin::Own),
            Self::Rename(..) | Self::Over(_) | Self::Default(..) => None,
        };
        let presets = Presets::read(&api.get("presets".to_owned()).await?);
        Ok((presets, origin))
    }
}
