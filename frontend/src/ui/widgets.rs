//! Small pieces that every part of the panel uses: buttons, inputs, banners, a ticking clock.

use std::sync::atomic::{AtomicU32, Ordering};

use gloo::timers::callback::Interval;
use protocol::events::NoticeLevel;
use wasm_bindgen::JsCast;
use web_sys::{HtmlInputElement, KeyboardEvent};
use yew::prelude::*;

use super::format;
use super::icons::{Icon, glyph};
use super::number;

/// A name that no other element of the page has.
#[hook]
pub fn use_id(prefix: &'static str) -> AttrValue {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (*use_memo((), |()| {
        AttrValue::from(format!("gh-{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }))
    .clone()
}

/// How loud a button is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// The one thing to do here.
    Primary,
    #[default]
    Plain,
    /// Without a frame until pointed at.
    Quiet,
    Danger,
}

/// A button, put together word by word.
///
/// These pieces are plain functions: each component of its own adds kilobytes to the module, and they keep nothing.
pub struct Button {
    label: AttrValue,
    icon: Option<Icon>,
    icon_only: bool,
    tone: Tone,
    title: Option<AttrValue>,
    onclick: Option<Callback<MouseEvent>>,
    disabled: bool,
    busy: bool,
    testid: &'static str,
    expanded: Option<bool>,
    submits: bool,
    class: &'static str,
}

impl Button {
    /// `label` is the words on it.
    pub fn new(label: impl Into<AttrValue>) -> Self {
        Self {
            label: label.into(),
            icon: None,
            icon_only: false,
            tone: Tone::Plain,
            title: None,
            onclick: None,
            disabled: false,
            busy: false,
            testid: "",
            expanded: None,
            submits: false,
            class: "",
        }
    }

    pub fn icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// Shows the icon alone; the label is its name and its tooltip.
    pub fn only_icon(mut self, icon: Icon) -> Self {
        self.icon_only = true;
        self.icon(icon)
    }

    pub fn icon_only(mut self, icon_only: bool) -> Self {
        self.icon_only = icon_only;
        self
    }

    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// More than the label, on hover.
    pub fn title(mut self, title: impl Into<AttrValue>) -> Self {
        self.title = Some(title.into());
        self
    }

    pub fn on(mut self, onclick: Callback<MouseEvent>) -> Self {
        self.onclick = Some(onclick);
        self
    }

    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = disabled;
        self
    }

    /// Something it started is under way.
    pub fn busy(mut self, busy: bool) -> Self {
        self.busy = busy;
        self
    }

    pub fn testid(mut self, testid: &'static str) -> Self {
        self.testid = testid;
        self
    }

    /// Whether what it opens is open.
    pub fn expanded(mut self, expanded: bool) -> Self {
        self.expanded = Some(expanded);
        self
    }

    /// Sends the form around it.
    pub fn submits(mut self) -> Self {
        self.submits = true;
        self
    }

    pub fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    pub fn view(self) -> Html {
        let tone = match self.tone {
            Tone::Primary => "primary",
            Tone::Plain => "plain",
            Tone::Quiet => "quiet",
            Tone::Danger => "danger",
        };
        let shape = if self.icon_only { "gh-button--icon" } else { "" };
        let title = self.title.or_else(|| self.icon_only.then(|| self.label.clone()));
        html! {
            <button
                type={if self.submits { "submit" } else { "button" }}
                class={format!("gh-button gh-button--{tone} {shape} {}", self.class)}
                disabled={self.disabled || self.busy}
                onclick={self.onclick}
                {title}
                aria-label={self.icon_only.then(|| self.label.clone())}
                aria-busy={self.busy.then_some("true")}
                aria-expanded={self.expanded.map(|open| if open { "true" } else { "false" })}
                data-testid={some(self.testid)}
            >
                if self.busy {
                    {spinner()}
                } else if let Some(icon) = self.icon {
                    {glyph(icon, 16)}
                }
                if !self.icon_only {
                    <span class="gh-button-label">{self.label}</span>
                }
            </button>
        }
    }
}

/// An attribute's text, `None` where there is none.
fn some(text: &'static str) -> Option<&'static str> {
    (!text.is_empty()).then_some(text)
}

/// Something is under way.
pub fn spinner() -> Html {
    html! { <span class="gh-spinner" aria-hidden="true" /> }
}

#[derive(Clone, PartialEq, Properties)]
pub struct ElapsedProps {
    /// Unix time in milliseconds.
    pub since: i64,
    /// Where it ended; it ticks while `None`.
    #[prop_or_default]
    pub until: Option<i64>,
    /// Seconds are told in the first minute only: an open page whose text changes each second costs its browser something.
    #[prop_or_default]
    pub coarse: bool,
}

/// The time since a moment, ticking each second without repainting anything else.
#[component]
pub fn Elapsed(props: &ElapsedProps) -> Html {
    let tick = use_force_update();
    use_effect_with(props.until, move |until| {
        let timer = until
            .is_none()
            .then(|| Interval::new(1000, move || tick.force_update()));
        move || drop(timer)
    });
    let now = props.until.unwrap_or_else(|| js_sys::Date::now() as i64);
    let ms = now - props.since;
    html! { <span class="gh-figure">{if props.coarse { format::age(ms) } else { format::duration(ms) }}</span> }
}

/// A message across the panel: what happened and what to do.
pub fn banner(level: NoticeLevel, testid: &'static str, content: Html, action: Html) -> Html {
    let (class, icon, role) = match level {
        NoticeLevel::Info => ("gh-banner gh-banner--info", Icon::Info, "status"),
        NoticeLevel::Warning => ("gh-banner gh-banner--warning", Icon::Alert, "status"),
        NoticeLevel::Error => ("gh-banner gh-banner--error", Icon::Alert, "alert"),
    };
    html! {
        <div {class} {role} data-testid={some(testid)}>
            {glyph(icon, 16)}
            <div class="gh-banner-text">{content}</div>
            {action}
        </div>
    }
}

/// What is wrong with a field, below it.
pub fn field_error(id: Option<AttrValue>, testid: String, message: &str) -> Html {
    html! {
        <p class="gh-error" {id} data-testid={testid}>
            {glyph(Icon::Alert, 12)}
            <span>{message.to_owned()}</span>
        </p>
    }
}

/// A few choices side by side: radio buttons in look of their own, so that the keyboard works as everywhere.
///
/// A choice is its value, its words and its test id; `name` groups the radio buttons and is unique on the page.
pub fn segmented<T: Copy + PartialEq + 'static>(
    name: &str,
    label: &'static str,
    choices: &[(T, &'static str, &'static str)],
    chosen: T,
    disabled: bool,
    onchange: &Callback<T>,
) -> Html {
    html! {
        <div class="gh-segmented" role="radiogroup" aria-label={label}>
            {for choices.iter().map(|(value, words, testid)| {
                let value = *value;
                html! {
                    <label class="gh-segment">
                        <input
                            type="radio"
                            name={name.to_owned()}
                            checked={value == chosen}
                            {disabled}
                            onchange={onchange.reform(move |_: Event| value)}
                            data-testid={*testid}
                        />
                        <span>{*words}</span>
                    </label>
                }
            })}
        </div>
    }
}

/// A number with steppers. A text field underneath: what is typed is never thrown away, however wrong.
pub struct Number {
    pub id: AttrValue,
    /// As typed.
    pub value: AttrValue,
    pub onchange: Callback<String>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub invalid: bool,
    pub described_by: Option<AttrValue>,
    /// What the steppers count, such as `workers`.
    pub noun: String,
    pub onblur: Callback<FocusEvent>,
    pub disabled: bool,
    pub testid: AttrValue,
}

impl Number {
    pub fn view(self) -> Html {
        let step = |up: bool| {
            let (value, min, max) = (self.value.clone(), self.min, self.max);
            self.onchange
                .reform(move |_: MouseEvent| number::step(&value, up, min, max))
        };
        let oninput = self
            .onchange
            .reform(|event: InputEvent| event.target_unchecked_into::<HtmlInputElement>().value());
        let onkeydown = {
            let (value, min, max, onchange) = (self.value.clone(), self.min, self.max, self.onchange.clone());
            Callback::from(move |event: KeyboardEvent| {
                let up = match event.key().as_str() {
                    "ArrowUp" => true,
                    "ArrowDown" => false,
                    _ => return,
                };
                event.prevent_default();
                onchange.emit(number::step(&value, up, min, max));
            })
        };
        html! {
            <div class={if self.invalid { "gh-number gh-invalid" } else { "gh-number" }}>
                <input
                    id={self.id.clone()}
                    class="gh-input"
                    type="text"
                    inputmode="decimal"
                    autocomplete="off"
                    value={self.value.clone()}
                    {oninput}
                    {onkeydown}
                    onblur={self.onblur.clone()}
                    disabled={self.disabled}
                    aria-invalid={self.invalid.then_some("true")}
                    aria-describedby={self.described_by.clone()}
                    data-testid={self.testid.clone()}
                />
                // The arrow keys do the same: no need for two more stops of the Tab key.
                <button
                    type="button"
                    class="gh-step"
                    tabindex="-1"
                    disabled={self.disabled}
                    onclick={step(false)}
                    aria-label={format!("Fewer {}", self.noun)}
                >
                    {glyph(Icon::Minus, 12)}
                </button>
                <button
                    type="button"
                    class="gh-step"
                    tabindex="-1"
                    disabled={self.disabled}
                    onclick={step(true)}
                    aria-label={format!("More {}", self.noun)}
                >
                    {glyph(Icon::Plus, 12)}
                </button>
            </div>
        }
    }
}

/// A share of a whole as a thin bar below its figures; where the whole is `scarce`, much of it is a reason to worry.
pub fn meter(label: &'static str, text: String, percent: f64, scarce: bool) -> Html {
    let class = match percent {
        p if scarce && p >= 95.0 => "gh-meter gh-meter--full",
        p if scarce && p >= 80.0 => "gh-meter gh-meter--high",
        _ => "gh-meter",
    };
    html! {
        <div {class}>
            <span class="gh-meter-label">{label}</span>
            <span class="gh-meter-text gh-figure">{text.clone()}</span>
            <span
                class="gh-meter-bar"
                role="meter"
                aria-label={label}
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow={format!("{percent:.0}")}
                aria-valuetext={text}
            >
                <span style={format!("width:{percent:.1}%")} />
            </span>
        </div>
    }
}

/// Whether the element that had the keyboard is gone.
pub fn focus_is_lost() -> bool {
    let active = gloo::utils::document().active_element();
    active.is_none_or(|active| active.tag_name() == "BODY")
}

/// Whether the keyboard is where it was when that was clicked, or nowhere because it is gone or can't be used.
pub fn focus_stayed(clicked: &MouseEvent) -> bool {
    let target = clicked.target_dyn_into::<web_sys::Node>();
    let active = gloo::utils::document().active_element();
    focus_is_lost() || active.is_some_and(|active| active.contains(target.as_ref()))
}

/// Puts the keyboard on an element.
pub fn focus(element: &NodeRef) {
    if let Some(element) = element.cast::<web_sys::HtmlElement>() {
        element.focus().ok();
    }
}

/// Puts the keyboard where the user goes on: the first element below `root` that `selector` finds.
pub fn focus_first(root: &NodeRef, selector: &str) {
    focus_below(root.cast(), selector);
}

/// Puts the keyboard on the way back out of the sheet around `inside`, where there is nothing to type into.
pub fn focus_back(inside: &NodeRef) {
    let inside = inside.cast::<web_sys::Element>();
    focus_below(
        inside.and_then(|inside| inside.closest(".gh-sheet").ok().flatten()),
        "button",
    );
}

fn focus_below(root: Option<web_sys::Element>, selector: &str) {
    let found = root.and_then(|root| root.query_selector(selector).ok().flatten());
    if let Some(element) = found.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        // Not focusable only while hidden, and then there is nothing to type into.
        element.focus().ok();
    }
}

/// A page of the panel in place of its lists: title, a way back, content. Escape leads back too.
pub fn sheet(
    testid: &'static str,
    title: AttrValue,
    on_close: &Callback<()>,
    aside: Html,
    content: Html,
) -> Html {
    html! {
        <section class="gh-sheet" aria-label={title.clone()} onkeydown={on_escape(on_close)} data-testid={testid}>
            <header class="gh-sheet-header">
                {Button::new("Back")
                    .only_icon(Icon::Back)
                    .tone(Tone::Quiet)
                    .on(on_close.reform(|_: MouseEvent| ()))
                    .testid("back")
                    .view()}
                <h2 title={title.clone()}><bdi>{title}</bdi></h2>
                {aside}
            </header>
            {content}
        </section>
    }
}

/// Calls back where Enter is pressed with Ctrl or Cmd: in a text area it makes a line otherwise.
pub fn on_enter(submit: &Callback<()>) -> Callback<KeyboardEvent> {
    let submit = submit.clone();
    Callback::from(move |event: KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            submit.emit(());
        }
    })
}

/// Calls back where Escape is pressed, and keeps the key from what is around.
pub fn on_escape(close: &Callback<()>) -> Callback<KeyboardEvent> {
    let close = close.clone();
    Callback::from(move |event: KeyboardEvent| {
        if event.key() == "Escape" {
            event.stop_propagation();
            close.emit(());
        }
    })
}
