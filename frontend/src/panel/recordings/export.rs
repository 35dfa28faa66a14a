//! The exports of a recording: fetched in pieces, since a proxy in between may refuse what is big, or written by the server
//! into Jupyter's folder.

use js_sys::{Array, Uint8Array};
use protocol::recordings::Recording;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, HtmlElement, Url};
use yew::prelude::*;

use super::super::context::Panel;
use super::super::format;
use super::super::widgets::{Button, Tone, spinner};
use crate::state::rest::Api;

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
                            let (panel, id, state) = (panel.clone(), id.clone(), state.clone());
                            spawn_local(async move {
                                state.set(Some("Preparing\u{2026}".into()));
                                let api = panel.store.api();
                                let done = if to_jupyter {
                                    api.export_to_jupyter(&id, name).await.map(|path| {
                                        panel.info(&format!("Written to {path} in Jupyter\u{2019}s folder."));
                                    })
                                } else {
                                    download(&api, &id, name, &state).await
                                };
                                if let Err(error) = done {
                                    panel.fail(&error.message);
                                }
                                state.set(None);
                            });
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

/// Fetches an export piece by piece and gives it to the browser as a file.
async fn download(
    api: &Api,
    id: &str,
    name: &str,
    state: &UseStateSetter<Option<AttrValue>>,
) -> Result<(), protocol::rest::ApiError> {
    let pieces = Array::new();
    let mut have = 0;
    let file = loop {
        let piece = api.export_piece(id, name, have).await?;
        let bytes = Uint8Array::from(piece.bytes.as_slice());
        have += piece.bytes.len() as u64;
        pieces.push(&bytes);
        if have >= piece.whole || piece.bytes.is_empty() {
            break piece.file;
        }
        state.set(Some(
            format!("{} of {}", format::bytes(have), format::bytes(piece.whole)).into(),
        ));
    };
    if let Err(error) = save(&pieces, &file) {
        gloo::console::error!("an export could not be saved:", error);
    }
    Ok(())
}

/// Saves bytes as a file, as a click on a link does.
fn save(pieces: &Array, file: &str) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(&Blob::new_with_u8_array_sequence(pieces)?)?;
    let link: HtmlElement = gloo::utils::document().create_element("a")?.unchecked_into();
    link.set_attribute("href", &url)?;
    link.set_attribute("download", file)?;
    link.click();
    // The browser has taken the file's bytes by then, or asks where to put them.
    gloo::timers::callback::Timeout::new(60_000, move || {
        Url::revoke_object_url(&url).ok();
    })
    .forget();
    Ok(())
}
