//! The scaling part of a card, and the same fields in the form for a new cluster.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::rest::{Cluster, ClusterState};
use yew::prelude::*;

use super::super::context::use_panel;
use super::super::scaling::{ScaleDraft, ScaleError, ScaleField, ScaleMode};
use crate::ui::icons::Icon;
use crate::ui::widgets::{
    Button, Number, Tone, banner, field_error, focus_first, on_escape, segmented, use_id,
};

/// Manual or adaptive, and how many: part of a form.
pub struct ScaleFields<'a> {
    /// Begins the ids of its fields; unique on the page.
    pub id: &'a str,
    pub draft: &'a ScaleDraft,
    pub onchange: Callback<ScaleDraft>,
    /// Whether it may be left to the gateway: a choice at creation only.
    pub optional: bool,
    pub error: Option<&'a ScaleError>,
    /// Workers at most, where that is known.
    pub limit: Option<u32>,
    pub disabled: bool,
}

impl ScaleFields<'_> {
    pub fn view(&self) -> Html {
        const CHOICES: [(ScaleMode, &str, &str); 3] = [
            (ScaleMode::None, "Later", "scale-mode-none"),
            (ScaleMode::Manual, "Manual", "scale-mode-manual"),
            (ScaleMode::Adaptive, "Adaptive", "scale-mode-adaptive"),
        ];
        let mode = {
            let draft = self.draft.clone();
            self.onchange.reform(move |mode| ScaleDraft {
                mode,
                ..draft.clone()
            })
        };
        html! {
            <div class="gh-scale-fields">
                {segmented(
                    &format!("{}-mode", self.id),
                    "Scaling",
                    &CHOICES[usize::from(!self.optional)..],
                    self.draft.mode,
                    self.disabled,
                    &mode,
                )}
                {match self.draft.mode {
                    ScaleMode::None => html! { <p class="gh-hint">{"Starts without workers; scale it when it runs."}</p> },
                    ScaleMode::Manual => self.field(ScaleField::Workers),
                    ScaleMode::Adaptive => html! {
                        <div class="gh-pair">{self.field(ScaleField::Minimum)}{self.field(ScaleField::Maximum)}</div>
                    },
                }}
            </div>
        }
    }

    fn field(&self, field: ScaleField) -> Html {
        let (label, testid) = match field {
            ScaleField::Workers => ("Workers", "scale-workers"),
            ScaleField::Minimum => ("Minimum", "scale-minimum"),
            ScaleField::Maximum => ("Maximum", "scale-maximum"),
        };
        let error = self.error.filter(|error| error.field == field);
        let id = AttrValue::from(format!("{}-{testid}", self.id));
        let error_id = AttrValue::from(format!("{id}-error"));
        let onchange = {
            let draft = self.draft.clone();
            self.onchange.reform(move |text| {
                let mut draft = draft.clone();
                *draft.text_mut(field) = text;
                draft
            })
        };
        let input = Number {
            id: id.clone(),
            value: self.draft.text(field).to_owned().into(),
            onchange,
            min: Some(0.0),
            max: self.limit.map(f64::from),
            invalid: error.is_some(),
            described_by: error.map(|_| error_id.clone()),
            noun: "workers".to_owned(),
            onblur: Callback::noop(),
            disabled: self.disabled,
            testid: testid.into(),
        };
        html! {
            <div key={testid} class="gh-field">
                <label class="gh-label" for={id}>{label}</label>
                {input.view()}
                if let Some(error) = error {
                    {field_error(Some(error_id), format!("error-{testid}"), &error.message)}
                }
            </div>
        }
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct ScaleFormProps {
    pub cluster: Rc<Cluster>,
    pub on_close: Callback<()>,
}

/// What the last attempt came to.
#[derive(Clone, PartialEq)]
enum Outcome {
    Fresh,
    Waiting,
    /// The gateway did less than was asked, in its own words.
    Warning(String),
    Failed(String),
}

/// Scales a cluster that runs, or one that starts as soon as it runs; in its card.
#[component]
pub fn ScaleForm(props: &ScaleFormProps) -> Html {
    let panel = use_panel();
    let draft = use_state(|| {
        let workers = props
            .cluster
            .summary
            .as_ref()
            .map_or(0, |summary| summary.workers);
        ScaleDraft::of(&props.cluster.scaling, workers)
    });
    let outcome = use_state(|| Outcome::Fresh);
    let form_id = use_id("scale");
    let root = use_node_ref();
    use_effect_with((), {
        let root = root.clone();
        move |()| {
            focus_first(&root, "input[type=text]");
        }
    });

    let limit = panel.drafts.options().and_then(|options| options.max_workers);
    // After a warning, what is in force: its card tells.
    let shown = match &*outcome {
        Outcome::Warning(_) => ScaleDraft::of(&props.cluster.scaling, 0),
        _ => (*draft).clone(),
    };
    let accepted = shown.accept(limit);
    let waiting = *outcome == Outcome::Waiting;
    let apply = {
        let (panel, outcome, close) = (panel.clone(), outcome.clone(), props.on_close.clone());
        let (name, accepted, root) = (props.cluster.name.clone(), accepted.clone(), root.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let Ok(Some(scaling)) = accepted.clone() else {
                // To what is wrong, as in the form for a new cluster.
                focus_first(&root, "[aria-invalid=true]");
                return;
            };
            outcome.set(Outcome::Waiting);
            let (panel, outcome, close, name) = (panel.clone(), outcome.clone(), close.clone(), name.clone());
            wasm_bindgen_futures::spawn_local(async move {
                match panel.set_scaling(&name, &scaling).await {
                    Ok(answer) => match answer.warning {
                        Some(warning) => outcome.set(Outcome::Warning(warning)),
                        None => close.emit(()),
                    },
                    Err(error) => outcome.set(Outcome::Failed(error.message)),
                }
            });
        })
    };
    let onchange = {
        let (draft, outcome) = (draft.clone(), outcome.clone());
        Callback::from(move |next| {
            draft.set(next);
            outcome.set(Outcome::Fresh);
        })
    };
    html! {
        <form
            class="gh-scale"
            ref={root}
            onsubmit={apply}
            onkeydown={on_escape(&props.on_close)}
            novalidate=true
            aria-label="Scale the cluster"
            data-testid="scale-form"
        >
            {ScaleFields {
                id: &form_id,
                draft: &shown,
                onchange,
                optional: false,
                error: accepted.as_ref().err(),
                limit,
                disabled: waiting,
            }
            .view()}
            {match &*outcome {
                Outcome::Warning(text) => html! {
                    {banner(NoticeLevel::Warning, "scale-warning", html! { {text.clone()} }, Html::default())}
                },
                Outcome::Failed(text) => html! {
                    {banner(NoticeLevel::Error, "scale-error", html! { {text.clone()} }, Html::default())}
                },
                Outcome::Fresh | Outcome::Waiting => html! {},
            }}
            if props.cluster.state == ClusterState::Pending {
                <p class="gh-hint">{"It is asked for as soon as the cluster runs."}</p>
            }
            <div class="gh-actions gh-actions--end">
                {Button::new("Close").tone(Tone::Quiet).on(props.on_close.reform(|_: MouseEvent| ())).view()}
                {Button::new("Apply").icon(Icon::Check).tone(Tone::Primary).submits().busy(waiting).testid("scale-apply").view()}
            </div>
        </form>
    }
}
