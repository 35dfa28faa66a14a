//! Small pieces that every part of the panel uses: buttons, inputs, banners, a ticking clock.

use std::sync::atomic::{AtomicU32, Ordering};

use gloo::timers::callback::Interval;
use wasm_bindgen::JsCast;
use web_sys::{HtmlInputElement, KeyboardEvent};
use yew::prelude::*;

use super::form;
use super::format;
use super::icons::{Glyph, Icon};

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

#[derive(Clone, PartialEq, Properties)]
pub struct ButtonProps {
    #[prop_or_default]
    pub tone: Tone,
    #[prop_or_default]
    pub icon: Option<Icon>,
    /// The words on it; on an icon button, what it is called.
    pub label: AttrValue,
    /// Only the icon is seen; the label is its name and its tooltip.
    #[prop_or_default]
    pub icon_only: bool,
    /// More than the label, on hover.
    #[prop_or_default]
    pub title: Option<AttrValue>,
    #[prop_or_default]
    pub onclick: Callback<MouseEvent>,
    #[prop_or_default]
    pub disabled: bool,
    /// Something it started is under way.
    #[prop_or_default]
    pub busy: bool,
    #[prop_or_default]
    pub testid: Option<AttrValue>,
    #[prop_or_default]
    pub expanded: Option<bool>,
    #[prop_or_default]
    pub submit: bool,
    #[prop_or_default]
    pub class: Classes,
    #[prop_or_default]
    pub node: NodeRef,
}

#[component]
pub fn Button(props: &ButtonProps) -> Html {
    let tone = match props.tone {
        Tone::Primary => "gh-button--primary",
        Tone::Plain => "gh-button--plain",
        Tone::Quiet => "gh-button--quiet",
        Tone::Danger => "gh-button--danger",
    };
    let title = props
        .title
        .clone()
        .or_else(|| props.icon_only.then(|| props.label.clone()));
    let icon = if props.busy {
        html! { <Spinner /> }
    } else {
        props
            .icon
            .map(|icon| html! { <Glyph {icon} /> })
            .unwrap_or_default()
    };
    html! {
        <button
            ref={props.node.clone()}
            type={if props.submit { "submit" } else { "button" }}
            class={classes!("gh-button", tone, props.icon_only.then_some("gh-button--icon"), props.class.clone())}
            disabled={props.disabled || props.busy}
            onclick={props.onclick.clone()}
            {title}
            aria-label={props.icon_only.then(|| props.label.clone())}
            aria-busy={props.busy.then_some("true")}
            aria-expanded={props.expanded.map(|open| if open { "true" } else { "false" })}
            data-testid={props.testid.clone()}
        >
            {icon}
            if !props.icon_only {
                <span class="gh-button-label">{props.label.clone()}</span>
            }
        </button>
    }
}

#[component]
pub fn Spinner() -> Html {
    html! { <span class="gh-spinner" aria-hidden="true" /> }
}

#[derive(Clone, PartialEq, Properties)]
pub struct ElapsedProps {
    /// Unix time in milliseconds.
    pub since: i64,
    /// Where it ended; it ticks while `None`.
    #[prop_or_default]
    pub until: Option<i64>,
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
    html! { <span class="gh-figure">{format::duration(now - props.since)}</span> }
}

#[derive(Clone, PartialEq, Properties)]
pub struct BannerProps {
    pub level: protocol::events::NoticeLevel,
    pub children: Html,
    #[prop_or_default]
    pub action: Html,
    #[prop_or_default]
    pub testid: Option<AttrValue>,
}

/// A message across the panel: what happened and what to do.
#[component]
pub fn Banner(props: &BannerProps) -> Html {
    use protocol::events::NoticeLevel::{Error, Info, Warning};
    let (class, icon, role) = match props.level {
        Info => ("gh-banner--info", Icon::Info, "status"),
        Warning => ("gh-banner--warning", Icon::Alert, "status"),
        Error => ("gh-banner--error", Icon::Alert, "alert"),
    };
    html! {
        <div class={classes!("gh-banner", class)} {role} data-testid={props.testid.clone()}>
            <Glyph {icon} />
            <div class="gh-banner-text">{props.children.clone()}</div>
            {props.action.clone()}
        </div>
    }
}

/// One choice of a [`Segmented`] control.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment<T: Copy + PartialEq> {
    pub value: T,
    pub label: &'static str,
    pub testid: &'static str,
}

#[derive(Clone, PartialEq, Properties)]
pub struct SegmentedProps<T: Copy + PartialEq + 'static> {
    pub label: AttrValue,
    pub segments: Vec<Segment<T>>,
    pub value: T,
    pub onchange: Callback<T>,
    #[prop_or_default]
    pub disabled: bool,
}

/// A few choices side by side: radio buttons in look of their own, so that the keyboard works as everywhere.
#[component]
pub fn Segmented<T: Copy + PartialEq + 'static>(props: &SegmentedProps<T>) -> Html {
    let name = use_id("segments");
    html! {
        <div class="gh-segmented" role="radiogroup" aria-label={props.label.clone()}>
            {for props.segments.iter().map(|segment| {
                let value = segment.value;
                let onchange = props.onchange.reform(move |_: Event| value);
                html! {
                    <label class="gh-segment">
                        <input
                            type="radio"
                            name={name.clone()}
                            checked={segment.value == props.value}
                            disabled={props.disabled}
                            {onchange}
                            data-testid={segment.testid}
                        />
                        <span>{segment.label}</span>
                    </label>
                }
            })}
        </div>
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct NumberProps {
    pub id: AttrValue,
    /// As typed.
    pub value: AttrValue,
    pub onchange: Callback<String>,
    #[prop_or_default]
    pub min: Option<f64>,
    #[prop_or_default]
    pub max: Option<f64>,
    #[prop_or_default]
    pub invalid: bool,
    #[prop_or_default]
    pub described_by: Option<AttrValue>,
    /// What the steppers count, such as `workers`.
    pub noun: AttrValue,
    #[prop_or_default]
    pub onblur: Callback<FocusEvent>,
    #[prop_or_default]
    pub disabled: bool,
    #[prop_or_default]
    pub testid: Option<AttrValue>,
}

/// A number with steppers. A text field underneath: what is typed is never thrown away, however wrong.
#[component]
pub fn Number(props: &NumberProps) -> Html {
    let step = |up: bool| {
        let (value, min, max) = (props.value.clone(), props.min, props.max);
        props
            .onchange
            .reform(move |_: MouseEvent| form::step(&value, up, min, max))
    };
    let oninput = props
        .onchange
        .reform(|event: InputEvent| event.target_unchecked_into::<HtmlInputElement>().value());
    let onkeydown = {
        let (value, min, max, onchange) = (props.value.clone(), props.min, props.max, props.onchange.clone());
        Callback::from(move |event: KeyboardEvent| {
            let up = match event.key().as_str() {
                "ArrowUp" => true,
                "ArrowDown" => false,
                _ => return,
            };
            event.prevent_default();
            onchange.emit(form::step(&value, up, min, max));
        })
    };
    html! {
        <div class={classes!("gh-number", props.invalid.then_some("gh-invalid"))}>
            <input
                id={props.id.clone()}
                class="gh-input"
                type="text"
                inputmode="decimal"
                autocomplete="off"
                value={props.value.clone()}
                {oninput}
                {onkeydown}
                onblur={props.onblur.clone()}
                disabled={props.disabled}
                aria-invalid={props.invalid.then_some("true")}
                aria-describedby={props.described_by.clone()}
                data-testid={props.testid.clone()}
            />
            // The arrow keys do the same: no need for two more stops of the Tab key.
            <button
                type="button"
                class="gh-step"
                tabindex="-1"
                disabled={props.disabled}
                onclick={step(false)}
                aria-label={format!("Fewer {}", props.noun)}
            >
                <Glyph icon={Icon::Minus} size={12} />
            </button>
            <button
                type="button"
                class="gh-step"
                tabindex="-1"
                disabled={props.disabled}
                onclick={step(true)}
                aria-label={format!("More {}", props.noun)}
            >
                <Glyph icon={Icon::Plus} size={12} />
            </button>
        </div>
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct MeterProps {
    pub label: AttrValue,
    /// The figures in words, at the right.
    pub text: AttrValue,
    pub percent: f64,
    /// Whether little left is a reason to worry.
    #[prop_or_default]
    pub scarce: bool,
}

/// A share of a whole as a thin bar below its figures.
#[component]
pub fn Meter(props: &MeterProps) -> Html {
    let level = match props.percent {
        p if props.scarce && p >= 95.0 => "gh-meter--full",
        p if props.scarce && p >= 80.0 => "gh-meter--high",
        _ => "",
    };
    html! {
        <div class={classes!("gh-meter", level)}>
            <span class="gh-meter-label">{props.label.clone()}</span>
            <span class="gh-meter-text gh-figure">{props.text.clone()}</span>
            <span
                class="gh-meter-bar"
                role="meter"
                aria-label={props.label.clone()}
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow={format!("{:.0}", props.percent)}
                aria-valuetext={props.text.clone()}
            >
                <span style={format!("width:{:.1}%", props.percent)} />
            </span>
        </div>
    }
}

/// Puts the keyboard where the user goes on: the first element below `root` that `selector` finds.
pub fn focus_first(root: &NodeRef, selector: &str) {
    let found = root
        .cast::<web_sys::Element>()
        .and_then(|root| root.query_selector(selector).ok().flatten());
    if let Some(element) = found.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        // Not focusable only while hidden, and then there is nothing to type into.
        element.focus().ok();
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct SheetFrameProps {
    pub title: AttrValue,
    pub on_close: Callback<()>,
    /// At the right of the title.
    #[prop_or_default]
    pub aside: Html,
    pub children: Html,
    #[prop_or_default]
    pub testid: Option<AttrValue>,
}

/// A page of the panel in place of its lists: title, a way back, content. Escape leads back too.
#[component]
pub fn SheetFrame(props: &SheetFrameProps) -> Html {
    let onkeydown = {
        let close = props.on_close.clone();
        Callback::from(move |event: KeyboardEvent| {
            if event.key() == "Escape" {
                event.stop_propagation();
                close.emit(());
            }
        })
    };
    html! {
        <section class="gh-sheet" aria-label={props.title.clone()} {onkeydown} data-testid={props.testid.clone()}>
            <header class="gh-sheet-header">
                <Button
                    tone={Tone::Quiet}
                    icon={Icon::Back}
                    icon_only=true
                    label="Back"
                    onclick={props.on_close.reform(|_: MouseEvent| ())}
                    testid="back"
                />
                <h2 title={props.title.clone()}>{props.title.clone()}</h2>
                {props.aside.clone()}
            </header>
            {props.children.clone()}
        </section>
    }
}
