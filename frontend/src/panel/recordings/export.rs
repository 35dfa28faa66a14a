//! The exports of a recording: fetched in pieces, since a proxy in between may refuse what is big, or written by the server
//! into Jupyter's folder.

use js_sys::Array;
use protocol::recordings::Recording;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, HtmlElement, Response, Url};
use yew::prelude::*;

use super::super::context::Panel;
use crate::ui::widgets::{Button, Tone, spinner};

/// A format's name in the address, on its button, and what it is.
const FORMATS: [(&str, &str, &str); 5] = [
    (
        "html",
        "Report",
        "One HTML file: summary, time by prefix, errors, workers, the task stream",
    ),
    ("png", "PNG", "The task stream as a picture"),
    (
        "svg",
        "SVG",
        "The task stream as a picture whose words stay sharp",
    ),
    ("trace", "Trace", "For ui.perfetto.dev and chrome://tracing"),
    (
        "parquet",
        "Parquet",
        "All task records as a table, for pandas, Dask, polars",
    ),
];

/// The choice of formats, and how far an export is.
pub(super) fn exports(
    panel: &Panel,
    recording: &Recording,
    jupyter: bool,
    under_way: &UseStateHandle<Option<AttrValue>>,
) -> Html {
    let places: &[(bool, &str)] = if jupyter {
        &[(false, "Download"), (true, "Into Jupyter\u{2019}s folder")]
    } else {
        &[(false, "Download")]
    };
    html! {
        <div class="gh-recording-exports" data-testid="recording-exports">
            {for places.iter().map(|(to_jupyter, words)| html! {
                <div role="group" aria-label={*words}>
                    <span class="gh-recording-sub">{*words}</span>
                    {for FORMATS.iter().map(|(name, label, title)| {
                        let (panel, id, state) = (panel.clone(), recording.id.clone(), under_way.setter());
                        let (name, to_jupyter) = (*name, *to_jupyter);
                        let onclick = Callback::from(move |_: MouseEvent| {
                            spawn_local(export(panel.clone(), id.clone(), name, to_jupyter, state.clone()));
                        });
                        Button::new(*label).title(*title).tone(Tone::Plain).disabled(under_way.is_some()).on(onclick)
                            .testid(if to_jupyter { "export-to-jupyter" } else { "export-download" }).view()
                    })}
                </div>
            })}
            if let Some(words) = &**under_way {
                <span class="gh-recording-sub" role="status">{spinner()}{" "}{words.clone()}</span>
            }
        </div>
    }
}

/// Makes an export and puts it where it is wanted.
async fn export(
    panel: Panel,
    id: String,
    format: &str,
    to_jupyter: bool,
    state: UseStateSetter<Option<AttrValue>>,
) {
    state.set(Some("Preparing\u{2026}".into()));
    match panel.store.api().export(&id, format, to_jupyter).await {
        Err(error) => panel.fail(&error.message),
        Ok((path, _)) if to_jupyter => panel.info(&format!("Written to {path} in Jupyter\u{2019}s folder.")),
        Ok((file, bytes)) => {
            let pieces = Array::new();
            let mut have = 0.0;
            let mut fetched = Ok(());
            while have < bytes as f64 && fetched.is_ok() {
                state.set(Some(format!("{:.0} %", 100.0 * have / bytes as f64).into()));
                let address = panel.store.api().export_piece(&id, format, pieces.length());
                fetched = piece(&address).await.map(|blob| {
                    have += blob.size().max(1.0);
                    pieces.push(&blob);
                });
            }
            if fetched.and_then(|()| save(&pieces, &file)).is_err() {
                panel.fail("The export did not arrive. Check that Gatehouse still runs, then try again.");
            }
        }
    }
    state.set(None);
}

async fn piece(address: &str) -> Result<Blob, JsValue> {
    let response: Response = JsFuture::from(gloo::utils::window().fetch_with_str(address))
        .await?
        .unchecked_into();
    if !response.ok() {
        return Err(JsValue::NULL);
    }
    Ok(JsFuture::from(response.blob()?).await?.unchecked_into())
}

/// Saves bytes as a file, as a click on a link does. The page keeps them until it is left: when the browser has written
/// them is not told.
fn save(pieces: &Array, file: &str) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(&Blob::new_with_blob_sequence(pieces)?)?;
    let link: HtmlElement = gloo::utils::document().create_element("a")?.unchecked_into();
    link.set_attribute("href", &url)?;
    link.set_attribute("download", file)?;
    link.click();
    Ok(())
}
