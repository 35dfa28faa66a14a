//! The clipboard, and the button that puts something there and says so.

use gloo::timers::callback::Timeout;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use yew::prelude::*;

use super::icons::Icon;
use super::widgets::{Button, Tone};

/// How long the button says what came of it.
const SAID_MS: u32 = 2_000;

#[derive(Clone, PartialEq, Properties)]
pub struct CopyButtonProps {
    /// What is copied, made when it is asked for.
    pub text: Callback<(), String>,
    pub label: &'static str,
    pub testid: &'static str,
    #[prop_or_default]
    pub class: &'static str,
}

#[component]
pub fn CopyButton(props: &CopyButtonProps) -> Html {
    let said = use_state_eq(|| None::<bool>);
    let onclick = {
        let (said, text) = (said.setter(), props.text.clone());
        Callback::from(move |event: MouseEvent| {
            // It may stand in a line that a click opens and closes.
            event.prevent_default();
            let (said, text) = (said.clone(), text.emit(()));
            spawn_local(async move {
                said.set(Some(copy(&text).await.is_ok()));
                Timeout::new(SAID_MS, move || said.set(None)).forget();
            });
        })
    };
    let (icon, label) = match *said {
        None => (Icon::Copy, props.label),
        Some(true) => (Icon::Check, "Copied"),
        Some(false) => (
            Icon::Alert,
            "The browser did not allow copying: select the text and copy it by hand",
        ),
    };
    Button::new(label)
        .only_icon(icon)
        .tone(Tone::Quiet)
        .on(onclick)
        .class(props.class)
        .testid(props.testid)
        .view()
}

/// Writes to the clipboard, also where the page is not served securely and the modern interface is missing.
pub async fn copy(text: &str) -> Result<(), ()> {
    let clipboard = js_sys::Reflect::get(
        &gloo::utils::window().navigator(),
        &JsValue::from_str("clipboard"),
    )
    .ok()
    .filter(|clipboard| !clipboard.is_undefined())
    .and_then(|clipboard| clipboard.dyn_into::<web_sys::Clipboard>().ok());
    if let Some(clipboard) = clipboard
        && JsFuture::from(clipboard.write_text(text)).await.is_ok()
    {
        return Ok(());
    }
    copy_by_selection(text).ok_or(())
}

fn copy_by_selection(text: &str) -> Option<()> {
    let document = gloo::utils::document();
    let area: web_sys::HtmlTextAreaElement = document.create_element("textarea").ok()?.dyn_into().ok()?;
    area.set_value(text);
    area.style().set_property("position", "fixed").ok()?;
    area.style().set_property("opacity", "0").ok()?;
    document.body()?.append_child(&area).ok()?;
    area.select();
    let exec: js_sys::Function = js_sys::Reflect::get(&document, &"execCommand".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let copied = exec
        .call1(&document, &"copy".into())
        .ok()
        .and_then(|value| value.as_bool());
    area.remove();
    (copied == Some(true)).then_some(())
}
