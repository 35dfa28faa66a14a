//! A card's title: the user's own name for the cluster, which can be changed where it stands.

use std::rc::Rc;

use protocol::rest::{Cluster, ClusterState, MAX_LABEL};
use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlInputElement, KeyboardEvent};
use yew::prelude::*;

use super::super::context::use_panel;
use crate::host::LABELLED;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, focus_first};

#[derive(Clone, PartialEq, Properties)]
pub struct TitleProps {
    pub cluster: Rc<Cluster>,
}

/// The title, or the field in which it is changed: Enter keeps it, Escape leaves it as it was.
#[component]
pub fn Title(props: &TitleProps) -> Html {
    let panel = use_panel();
    let cluster = &props.cluster;
    let draft = use_state_eq(|| None::<String>);
    let root = use_node_ref();
    let began = use_mut_ref(|| false);
    let editing = draft.is_some();
    use_effect_with(editing, {
        let root = root.clone();
        move |editing| {
            // The keyboard goes into the field, and back to the button it came from.
            if *editing {
                focus_first(&root, "input");
            } else if *began.borrow() {
                focus_first(&root, "button");
            }
            *began.borrow_mut() = *editing;
        }
    });
    if let Some(text) = &*draft {
        let oninput = {
            let draft = draft.setter();
            Callback::from(move |event: InputEvent| {
                draft.set(Some(event.target_unchecked_into::<HtmlInputElement>().value()));
            })
        };
        let save = {
            let (panel, draft, name, text) =
                (panel.clone(), draft.setter(), cluster.name.clone(), text.clone());
            Callback::from(move |()| {
                let (panel, draft, name, text) = (panel.clone(), draft.clone(), name.clone(), text.clone());
                spawn_local(async move {
                    match panel.store.api().set_label(&name, &text).await {
                        Ok(()) => {
                            draft.set(None);
                            // The panes are another module, which nothing else tells.
                            if let Ok(event) = web_sys::Event::new(LABELLED) {
                                gloo::utils::window().dispatch_event(&event).unwrap_or_default();
                            }
                        }
                        Err(error) => panel.fail(&error.message),
                    }
                });
            })
        };
        let onkeydown = {
            let (draft, save) = (draft.setter(), save.clone());
            Callback::from(move |event: KeyboardEvent| match event.key().as_str() {
                "Enter" => save.emit(()),
                "Escape" => {
                    event.stop_propagation();
                    draft.set(None);
                }
                _ => {}
            })
        };
        return html! {
            <div class="gh-card-title" ref={root}>
                <input
                    class="gh-input"
                    value={text.clone()}
                    {oninput}
                    {onkeydown}
                    maxlength={MAX_LABEL.to_string()}
                    placeholder={format::short_name(&cluster.name).to_owned()}
                    aria-label="Label of the cluster"
                    data-testid="label-input"
                />
                {Button::new("Keep this label").only_icon(Icon::Check).tone(Tone::Quiet).on(save.reform(|_: MouseEvent| ())).testid("label-save").view()}
            </div>
        };
    }
    let edit = {
        let (draft, label) = (draft.setter(), cluster.label.clone());
        Callback::from(move |_: MouseEvent| draft.set(Some(label.clone().unwrap_or_default())))
    };
    html! {
        <div class="gh-card-title" ref={root}>
            <h3 title={cluster.name.clone()} data-testid="cluster-title">
                <bdi>{format::title(cluster.label.as_deref(), &cluster.name).to_owned()}</bdi>
            </h3>
            if cluster.state != ClusterState::Stopped {
                {Button::new("Change the label").only_icon(Icon::Pencil).tone(Tone::Quiet).on(edit).testid("label-edit").class("gh-button--tiny").view()}
            }
        </div>
    }
}
