//! The scaling part of a card, and the same fields in the form for a new cluster.

use std::rc::Rc;

use protocol::rest::Cluster;
use web_sys::KeyboardEvent;
use yew::prelude::*;

use super::super::context::use_panel;
use super::super::icons::Icon;
use super::super::scaling::{ScaleDraft, ScaleError, ScaleField, ScaleMode};
use super::super::widgets::{Banner, Button, Number, Segment, Segmented, Tone, focus_first, use_id};

#[derive(Clone, PartialEq, Properties)]
pub struct ScaleFieldsProps {
    pub draft: ScaleDraft,
    pub onchange: Callback<ScaleDraft>,
    /// Leave it to the gateway: a choice at creation only.
    #[prop_or_default]
    pub optional: bool,
    #[prop_or_default]
    pub error: Option<ScaleError>,
    #[prop_or_default]
    pub disabled: bool,
}

/// Manual or adaptive, and how many.
#[component]
pub fn ScaleFields(props: &ScaleFieldsProps) -> Html {
    let draft = &props.draft;
    let mut segments = vec![
        Segment {
            value: ScaleMode::Manual,
            label: "Manual",
            testid: "scale-mode-manual",
        },
        Segment {
            value: ScaleMode::Adaptive,
            label: "Adaptive",
            testid: "scale-mode-adaptive",
        },
    ];
    if props.optional {
        segments.insert(
            0,
            Segment {
                value: ScaleMode::None,
                label: "Later",
                testid: "scale-mode-none",
            },
        );
    }
    let mode = {
        let draft = draft.clone();
        props.onchange.reform(move |mode| ScaleDraft {
            mode,
            ..draft.clone()
        })
    };
    let workers = {
        let draft = draft.clone();
        props.onchange.reform(move |workers| ScaleDraft {
            workers,
            ..draft.clone()
        })
    };
    let minimum = {
        let draft = draft.clone();
        props.onchange.reform(move |minimum| ScaleDraft {
            minimum,
            ..draft.clone()
        })
    };
    let maximum = {
        let draft = draft.clone();
        props.onchange.reform(move |maximum| ScaleDraft {
            maximum,
            ..draft.clone()
        })
    };
    let field = |field, label, value: &str, onchange, testid| {
        let error = props
            .error
            .as_ref()
            .filter(|error| error.field == field)
            .map(|error| error.message.clone());
        html! {
            <WorkersField {label} value={value.to_owned()} {onchange} {error} disabled={props.disabled} {testid} />
        }
    };
    html! {
        <div class="gh-scale-fields">
            <Segmented<ScaleMode>
                label="Scaling"
                {segments}
                value={draft.mode}
                onchange={mode}
                disabled={props.disabled}
            />
            {match draft.mode {
                ScaleMode::None => html! { <p class="gh-hint">{"Starts without workers; scale it when it runs."}</p> },
                ScaleMode::Manual => field(ScaleField::Workers, "Workers", &draft.workers, workers, "scale-workers"),
                ScaleMode::Adaptive => html! {
                    <div class="gh-pair">
                        {field(ScaleField::Minimum, "Minimum", &draft.minimum, minimum, "scale-minimum")}
                        {field(ScaleField::Maximum, "Maximum", &draft.maximum, maximum, "scale-maximum")}
                    </div>
                },
            }}
        </div>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct WorkersFieldProps {
    label: AttrValue,
    value: AttrValue,
    onchange: Callback<String>,
    error: Option<String>,
    disabled: bool,
    testid: AttrValue,
}

#[component]
fn WorkersField(props: &WorkersFieldProps) -> Html {
    let id = use_id("workers");
    let error_id = AttrValue::from(format!("{id}-error"));
    html! {
        <div class="gh-field">
            <label class="gh-label" for={id.clone()}>{props.label.clone()}</label>
            <Number
                id={id.clone()}
                value={props.value.clone()}
                onchange={props.onchange.clone()}
                min={Some(0.0)}
                noun="workers"
                invalid={props.error.is_some()}
                described_by={props.error.is_some().then(|| error_id.clone())}
                disabled={props.disabled}
                testid={props.testid.clone()}
            />
            if let Some(error) = &props.error {
                <p class="gh-error" id={error_id.clone()}>{error.clone()}</p>
            }
        </div>
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

/// Scales a running cluster, in its card.
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
    let root = use_node_ref();
    use_effect_with((), {
        let root = root.clone();
        move |()| {
            focus_first(&root, "input[type=text]");
        }
    });

    let accepted = draft.accept();
    let waiting = *outcome == Outcome::Waiting;
    let apply = {
        let (panel, outcome, close) = (panel.clone(), outcome.clone(), props.on_close.clone());
        let (name, accepted) = (props.cluster.name.clone(), accepted.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let Ok(Some(scaling)) = accepted.clone() else {
                return;
            };
            outcome.set(Outcome::Waiting);
            let (panel, outcome, close, name) = (panel.clone(), outcome.clone(), close.clone(), name.clone());
            wasm_bindgen_futures::spawn_local(async move {
                match panel.store.api().set_scaling(&name, &scaling).await {
                    Ok(answer) => match answer.warning {
                        Some(warning) => outcome.set(Outcome::Warning(warning)),
                        None => close.emit(()),
                    },
                    Err(error) => outcome.set(Outcome::Failed(error.message)),
                }
            });
        })
    };
    let onkeydown = {
        let close = props.on_close.clone();
        Callback::from(move |event: KeyboardEvent| {
            if event.key() == "Escape" {
                event.stop_propagation();
                close.emit(());
            }
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
            {onkeydown}
            novalidate=true
            aria-label="Scale the cluster"
            data-testid="scale-form"
        >
            <ScaleFields
                draft={(*draft).clone()}
                {onchange}
                error={accepted.as_ref().err().cloned()}
                disabled={waiting}
            />
            {match &*outcome {
                Outcome::Warning(text) => html! {
                    <Banner level={protocol::events::NoticeLevel::Warning} testid="scale-warning">{text.clone()}</Banner>
                },
                Outcome::Failed(text) => html! {
                    <Banner level={protocol::events::NoticeLevel::Error} testid="scale-error">{text.clone()}</Banner>
                },
                Outcome::Fresh | Outcome::Waiting => html! {},
            }}
            <div class="gh-actions gh-actions--end">
                <Button tone={Tone::Quiet} label="Close" onclick={props.on_close.reform(|_: MouseEvent| ())} />
                <Button
                    tone={Tone::Primary}
                    icon={Icon::Check}
                    label="Apply"
                    submit=true
                    busy={waiting}
                    disabled={accepted.is_err()}
                    testid="scale-apply"
                />
            </div>
        </form>
    }
}
