//! The ends of the logs of a cluster's scheduler and workers: why it failed, or what its start waits for.

use protocol::rest::ApiError;
use serde_json::Value;
use web_sys::HtmlDetailsElement;
use yew::prelude::*;

use super::super::context::use_panel;
use crate::state::socket::Task;
use crate::ui::clipboard::CopyButton;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::spinner;

#[derive(Clone, PartialEq, Properties)]
pub struct TailsProps {
    pub name: AttrValue,
    /// Whether it is open at first.
    pub open: bool,
}

/// A line that opens to a block for each log; they are read anew with each opening.
#[component]
pub fn Tails(props: &TailsProps) -> Html {
    let panel = use_panel();
    let told = use_state_eq(|| None::<Result<Value, ApiError>>);
    let asking = use_mut_ref(|| None::<Task>);
    let ontoggle = {
        let (name, told) = (props.name.clone(), told.setter());
        Callback::from(move |event: Event| {
            if !event.target_unchecked_into::<HtmlDetailsElement>().open() {
                return;
            }
            let (api, name, told) = (panel.store.api(), name.clone(), told.clone());
            asking.replace(Some(Task::spawn(async move {
                told.set(Some(api.ask(&name, "tails").await));
            })));
        })
    };
    html! {
        <details class="gh-details gh-tails" open={props.open} {ontoggle} data-testid="cluster-tails">
            <summary>{glyph(Icon::Chevron, 12)}{"Logs"}</summary>
            {match &*told {
                None => spinner(),
                Some(Err(error)) => html! { <p class="gh-note" role="alert">{error.message.clone()}</p> },
                Some(Ok(tree)) => html! {
                    <>
                        if let Some(message) = tree["message"].as_str() {
                            <p class="gh-note">{message.to_owned()}</p>
                        }
                        {for tree["tails"].as_array().into_iter().flatten().map(block)}
                    </>
                },
            }}
        </details>
    }
}

fn block(tail: &Value) -> Html {
    let word = |name: &str| tail[name].as_str().unwrap_or_default().to_owned();
    let (of, text) = (word("of"), word("text"));
    let copied = text.clone();
    html! {
        <figure class="gh-tail">
            <figcaption>
                <code>{of.clone()}</code>
                if tail["cut"].as_bool() == Some(true) {
                    <small class="gh-note">{"earlier lines left out"}</small>
                }
                <CopyButton
                    text={Callback::from(move |()| copied.clone())}
                    label="Copy this log"
                    testid="copy-tail"
                    class="gh-button--tiny gh-push"
                />
            </figcaption>
            // It scrolls, so the keyboard must get there.
            <div tabindex="0" role="region" aria-label={format!("Log of the {of}")}>
                <pre data-testid="tail-text">{text}</pre>
            </div>
        </figure>
    }
}
