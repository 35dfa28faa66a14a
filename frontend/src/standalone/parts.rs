//! Parts of the standalone page: tabs, notices, the question, the line between panel and panes.

use gloo::timers::callback::Timeout;
use protocol::events::NoticeLevel;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlDialogElement, HtmlElement, KeyboardEvent, PointerEvent};
use yew::prelude::*;

use super::page::{Act, Ask, Page, Toast};
use crate::host::JOBS;
use crate::state::events::State;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, use_id};

/// Bounds of the panel's width, in CSS pixels.
const NARROWEST: i32 = 260;
const WIDEST: i32 = 720;

#[derive(Clone, PartialEq, Properties)]
pub struct TabsProps {
    pub page: Page,
    pub act: Callback<Act>,
    pub state: State,
}

/// The open panes as tabs: arrows move, Delete closes.
#[component]
pub fn Tabs(props: &TabsProps) -> Html {
    let list = use_node_ref();
    let (page, act) = (&props.page, &props.act);
    let onkeydown = {
        let (act, active, count, list) = (act.clone(), page.active, page.panes.len(), list.clone());
        Callback::from(move |event: KeyboardEvent| {
            let to = match event.key().as_str() {
                "ArrowLeft" => (active + count - 1) % count,
                "ArrowRight" => (active + 1) % count,
                "Home" => 0,
                "End" => count - 1,
                "Delete" => {
                    act.emit(Act::Close(active));
                    return;
                }
                _ => return,
            };
            event.prevent_default();
            act.emit(Act::Activate(to));
            let tab = list
                .cast::<Element>()
                .and_then(|list| list.children().item(to as u32));
            if let Some(tab) = tab.and_then(|tab| tab.query_selector("[role=tab]").ok().flatten()) {
                tab.unchecked_into::<HtmlElement>().focus().ok();
            }
        })
    };
    let tile = {
        let tiled = page.tiled;
        act.reform(move |_: MouseEvent| Act::Tile(!tiled))
    };
    html! {
        <div class="gh-tabbar">
            <div class="gh-tabs" role="tablist" aria-label="Open plots" ref={list} {onkeydown}>
                {for page.panes.iter().enumerate().map(|(at, pane)| {
                    let active = at == page.active;
                    let known = props.state.cluster(&pane.cluster).and_then(|cluster| cluster.label.as_deref());
                    let attached = props.state.attached(&pane.cluster).map(|attached| attached.label.as_str());
                    let title = pane.title_of(known.or(attached));
                    let icon = match pane.plot.as_str() {
                        "progress" => Icon::Progress,
                        "task-stream" => Icon::TaskStream,
                        "status" => Icon::Tiles,
                        JOBS => Icon::Play,
                        _ => Icon::Plot,
                    };
                    html! {
                        <span key={pane.id} class={if active { "gh-tab gh-active" } else { "gh-tab" }} role="presentation">
                            <button
                                type="button"
                                role="tab"
                                aria-selected={if active { "true" } else { "false" }}
                                aria-controls={pane.element_id()}
                                tabindex={if active { "0" } else { "-1" }}
                                onclick={act.reform(move |_: MouseEvent| Act::Activate(at))}
                                title={title.clone()}
                                data-testid="pane-tab"
                            >
                                {glyph(icon, 16)}
                                <bdi>{title}</bdi>
                            </button>
                            {Button::new("Close").only_icon(Icon::Cross).tone(Tone::Quiet).on(act.reform(move |_: MouseEvent| Act::Close(at))).class("gh-button--tiny").testid("pane-close").view()}
                        </span>
                    }
                })}
            </div>
            if page.panes.len() > 1 {
                {Button::new(if page.tiled { "One at a time" } else { "Side by side" }).only_icon(if page.tiled { Icon::Tabs } else { Icon::Tiles }).tone(Tone::Quiet).on(tile).class("gh-tile").testid("tile-panes").view()}
            }
        </div>
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct ConfirmDialogProps {
    pub ask: Option<Ask>,
    pub act: Callback<Act>,
}

/// The question before what can't be undone. Escape declines.
#[component]
pub fn ConfirmDialog(props: &ConfirmDialogProps) -> Html {
    let dialog = use_node_ref();
    let (title_id, body_id) = (use_id("ask"), use_id("ask-body"));
    use_effect_with(props.ask.clone(), {
        let dialog = dialog.clone();
        move |ask| {
            let Some(dialog) = dialog.cast::<HtmlDialogElement>() else {
                return;
            };
            match ask {
                // Already open is the only failure: then it shows the new question.
                Some(_) => dialog.show_modal().unwrap_or_default(),
                None => dialog.close(),
            }
        }
    });
    let answer = |yes| props.act.reform(move |_: MouseEvent| Act::Answer(yes));
    let oncancel = props.act.reform(|event: Event| {
        event.prevent_default();
        Act::Answer(false)
    });
    html! {
        <dialog
            ref={dialog}
            class="gh-dialog"
            role="alertdialog"
            aria-labelledby={title_id.clone()}
            aria-describedby={body_id.clone()}
            {oncancel}
            data-testid="confirm"
        >
            if let Some(ask) = &props.ask {
                <h2 id={title_id}><bdi>{ask.title.clone()}</bdi></h2>
                <p id={body_id}>{ask.body.clone()}</p>
                <div class="gh-actions gh-actions--end">
                    {Button::new("Cancel").on(answer(false)).testid("confirm-cancel").view()}
                    {Button::new(ask.action.clone()).tone(Tone::Danger).on(answer(true)).class("gh-button--filled").testid("confirm-accept").view()}
                </div>
            }
        </dialog>
    }
}

/// Notices at the lower edge of the page.
pub fn toasts(toasts: &[Toast], act: &Callback<Act>) -> Html {
    html! {
        <div class="gh-toasts" aria-live="polite">
            {for toasts.iter().map(|toast| html! {
                <ToastView key={toast.id} toast={toast.clone()} act={act.clone()} />
            })}
        </div>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct ToastViewProps {
    toast: Toast,
    act: Callback<Act>,
}

/// One notice. Errors stay until they are put away; the others leave by themselves.
#[component]
fn ToastView(props: &ToastViewProps) -> Html {
    let Toast { id, level, .. } = props.toast;
    let offered = props.toast.offered.clone();
    use_effect_with(id, {
        let act = props.act.clone();
        let until = offered.as_ref().and_then(|offered| offered.until);
        let offered = offered.is_some();
        move |id| {
            let id = *id;
            let after = match level {
                // It stays as long as it has a meaning.
                _ if offered => until
                    .map(|until| (until as f64 - js_sys::Date::now()).clamp(0.0, f64::from(i32::MAX)) as u32),
                NoticeLevel::Info => Some(5_000),
                NoticeLevel::Warning => Some(12_000),
                NoticeLevel::Error => None,
            };
            let timer = after.map(|after| Timeout::new(after, move || act.emit(Act::Dismiss(id))));
            move || drop(timer)
        }
    });
    let (class, icon, role) = match level {
        NoticeLevel::Info => ("gh-toast--info", Icon::Check, "status"),
        NoticeLevel::Warning => ("gh-toast--warning", Icon::Alert, "status"),
        NoticeLevel::Error => ("gh-toast--error", Icon::Alert, "alert"),
    };
    html! {
        <div class={format!("gh-toast {class}")} {role} data-testid="notice">
            {glyph(icon, 16)}
            <span>{props.toast.message.clone()}</span>
            if let Some(offered) = offered {
                {Button::new(offered.action.clone()).testid("notice-action").on(props.act.reform(move |_: MouseEvent| {
                    offered.answer.call1(&JsValue::NULL, &JsValue::TRUE).ok();
                    Act::Dismiss(id)
                })).view()}
            }
            {Button::new("Dismiss").only_icon(Icon::Cross).tone(Tone::Quiet).on(props.act.reform(move |_: MouseEvent| Act::Dismiss(id))).class("gh-button--tiny").view()}
        </div>
    }
}

/// The line between panel and panes: dragged, or moved with the arrow keys. Widths are in CSS pixels.
pub fn splitter(width: i32, on_width: &Callback<i32>) -> Html {
    let set = on_width.reform(|width: i32| width.clamp(NARROWEST, WIDEST));
    let onpointerdown = Callback::from(|event: PointerEvent| {
        event.prevent_default();
        // Without the capture the line just stops following outside itself.
        event
            .target_unchecked_into::<Element>()
            .set_pointer_capture(event.pointer_id())
            .ok();
    });
    let onpointermove = {
        let set = set.clone();
        Callback::from(move |event: PointerEvent| {
            if event
                .target_unchecked_into::<Element>()
                .has_pointer_capture(event.pointer_id())
            {
                set.emit(event.client_x());
            }
        })
    };
    let onkeydown = {
        let (set, width) = (set.clone(), width);
        Callback::from(move |event: KeyboardEvent| match event.key().as_str() {
            "ArrowLeft" => set.emit(width - 16),
            "ArrowRight" => set.emit(width + 16),
            _ => {}
        })
    };
    html! {
        <div
            class="gh-splitter"
            role="separator"
            aria-orientation="vertical"
            aria-label="Width of the panel"
            aria-valuemin={NARROWEST.to_string()}
            aria-valuemax={WIDEST.to_string()}
            aria-valuenow={width.to_string()}
            tabindex="0"
            {onpointerdown}
            {onpointermove}
            {onkeydown}
        />
    }
}
