//! When a cluster ends by itself: part of the form for a new cluster and of its card.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::guard::Guard;
use protocol::rest::Cluster;
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::super::context::use_panel;
use super::super::lease::{LeaseDraft, LeaseError, LeaseField};
use crate::ui::icons::Icon;
use crate::ui::widgets::{
    Button, Number, Tone, banner, field_error, focus_first, on_escape, segmented, use_id,
};

/// Limits, and what becomes of the cluster when Gatehouse ends.
pub struct LeaseFields<'a> {
    /// Begins the ids of its fields; unique on the page.
    pub id: &'a str,
    pub draft: &'a LeaseDraft,
    pub onchange: Callback<LeaseDraft>,
    /// Why keeping can't be promised.
    pub keep_note: Option<&'a str>,
    pub disabled: bool,
}

impl LeaseFields<'_> {
    pub fn view(&self) -> Html {
        const ENDS: [(bool, &str, &str); 2] = [
            (false, "Stop it", "lease-end-stop"),
            (true, "Keep it", "lease-end-keep"),
        ];
        const STOPS: [(bool, &str, &str); 2] = [
            (true, "Stop it", "lease-stops"),
            (false, "Only tell me", "lease-tells"),
        ];
        let error = self.draft.accept().err();
        let limited = self.draft.idles || self.draft.ends;
        let choice = |words: &'static str,
                      chosen,
                      choices: &[(bool, &'static str, &'static str)],
                      set: fn(&mut LeaseDraft, bool)| {
            let onchange = self.change(set);
            html! {
                <div class="gh-lease-choice">
                    <span class="gh-lease-words">{words}</span>
                    {segmented(&format!("{}-{}", self.id, choices[0].2), words, choices, chosen, self.disabled, &onchange)}
                </div>
            }
        };
        html! {
            <div class="gh-lease-fields" data-testid="lease-fields">
                {self.limit(LeaseField::Idle, error.as_ref())}
                {self.limit(LeaseField::Lifetime, error.as_ref())}
                if limited {
                    {choice("Then", self.draft.stops, &STOPS, |draft, stops| draft.stops = stops)}
                }
                {choice("When Gatehouse ends", self.draft.keep, &ENDS, |draft, keep| draft.keep = keep)}
                if let Some(note) = self.keep_note.filter(|_| self.draft.keep) {
                    <p class="gh-hint" data-testid="keep-note">{note.to_owned()}</p>
                }
            </div>
        }
    }

    fn change<T: 'static>(&self, set: fn(&mut LeaseDraft, T)) -> Callback<T> {
        let draft = self.draft.clone();
        self.onchange.reform(move |value| {
            let mut draft = draft.clone();
            set(&mut draft, value);
            draft
        })
    }

    fn limit(&self, field: LeaseField, error: Option<&LeaseError>) -> Html {
        type Set<T> = fn(&mut LeaseDraft, T);
        let (on, words, unit, testid, switch, text): (_, _, _, _, Set<bool>, Set<String>) = match field {
            LeaseField::Idle => (
                self.draft.idles,
                "Without work for",
                "minutes",
                "lease-idle",
                |draft, on| draft.idles = on,
                |draft, text| draft.idle = text,
            ),
            LeaseField::Lifetime => (
                self.draft.ends,
                "After",
                "hours",
                "lease-lifetime",
                |draft, on| draft.ends = on,
                |draft, text| draft.lifetime = text,
            ),
        };
        let error = error.filter(|error| on && error.field == field);
        let id = AttrValue::from(format!("{}-{testid}", self.id));
        let error_id = AttrValue::from(format!("{id}-error"));
        let onswitch = self
            .change(switch)
            .reform(|event: Event| event.target_unchecked_into::<HtmlInputElement>().checked());
        let input = Number {
            id: id.clone(),
            value: self.draft.text(field).to_owned().into(),
            onchange: self.change(text),
            min: Some(1.0),
            max: None,
            invalid: error.is_some(),
            described_by: error.map(|_| error_id.clone()),
            noun: unit.to_owned(),
            onblur: Callback::noop(),
            disabled: self.disabled || !on,
            testid: testid.into(),
        };
        html! {
            <div class="gh-lease-limit">
                <label class="gh-lease-switch">
                    <input type="checkbox" checked={on} disabled={self.disabled} onchange={onswitch} data-testid={format!("{testid}-on")} />
                    <span>{words}</span>
                </label>
                {input.view()}
                <label for={id}>{unit}</label>
                if let Some(error) = error {
                    {field_error(Some(error_id), format!("error-{testid}"), &error.message)}
                }
            </div>
        }
    }
}

/// The section in the form for a new cluster; shows the configured terms until they are touched.
pub fn lease_section(
    id: &str,
    guard: Option<&Guard>,
    draft: Option<&LeaseDraft>,
    onchange: Callback<LeaseDraft>,
    disabled: bool,
) -> Html {
    let Some(guard) = guard else {
        return Html::default();
    };
    let untouched = LeaseDraft::of(&guard.defaults, guard.warn_s);
    html! {
        <fieldset class="gh-field gh-fieldset" data-testid="lease-section">
            <legend class="gh-label">{"Stop by itself"}</legend>
            {LeaseFields {
                id,
                draft: draft.unwrap_or(&untouched),
                onchange,
                keep_note: guard.keep_note.as_deref(),
                disabled,
            }
            .view()}
        </fieldset>
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct LeaseFormProps {
    pub cluster: Rc<Cluster>,
    pub on_close: Callback<()>,
}

/// Changes the lease of a cluster, in its card.
#[component]
pub fn LeaseForm(props: &LeaseFormProps) -> Html {
    let panel = use_panel();
    let form_id = use_id("lease");
    let root = use_node_ref();
    let guard = panel.store.state().guard;
    let draft = use_state(|| {
        let least = guard.as_ref().map_or(0, |guard| guard.warn_s);
        let terms = props.cluster.lease.as_ref().map(|lease| lease.terms);
        terms
            .or(guard.as_ref().map(|guard| guard.defaults))
            .map(|terms| LeaseDraft::of(&terms, least))
    });
    let waiting = use_state_eq(|| false);
    let failed = use_state_eq(|| None::<String>);
    use_effect_with((), {
        let root = root.clone();
        move |()| focus_first(&root, "input")
    });
    let Some(shown) = (*draft).clone() else {
        return Html::default();
    };
    let onsubmit = {
        let (panel, root, shown) = (panel.clone(), root.clone(), shown.clone());
        let (waiting, failed, close) = (waiting.setter(), failed.setter(), props.on_close.clone());
        let name = props.cluster.name.clone();
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let Ok(terms) = shown.accept() else {
                focus_first(&root, "[aria-invalid=true]");
                return;
            };
            waiting.set(true);
            let (panel, waiting, failed) = (panel.clone(), waiting.clone(), failed.clone());
            let (close, name) = (close.clone(), name.clone());
            spawn_local(async move {
                match panel.store.api().set_lease(&name, &terms).await {
                    Ok(()) => close.emit(()),
                    Err(error) => {
                        waiting.set(false);
                        failed.set(Some(error.message));
                    }
                }
            });
        })
    };
    let onchange = {
        let (draft, failed) = (draft.setter(), failed.setter());
        Callback::from(move |next| {
            draft.set(Some(next));
            failed.set(None);
        })
    };
    html! {
        <form class="gh-scale" ref={root} {onsubmit} onkeydown={on_escape(&props.on_close)} novalidate=true
            aria-label="When the cluster ends by itself" data-testid="lease-form">
            {LeaseFields {
                id: &form_id,
                draft: &shown,
                onchange,
                keep_note: guard.as_ref().and_then(|guard| guard.keep_note.as_deref()),
                disabled: *waiting,
            }
            .view()}
            if let Some(words) = &*failed {
                {banner(NoticeLevel::Error, "lease-error", html! { {words.clone()} }, Html::default())}
            }
            <div class="gh-actions gh-actions--end">
                {Button::new("Close").tone(Tone::Quiet).on(props.on_close.reform(|_: MouseEvent| ())).view()}
                {Button::new("Apply").icon(Icon::Check).tone(Tone::Primary).submits().busy(*waiting).testid("lease-apply").view()}
            </div>
        </form>
    }
}
