//! The clipboard.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

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
