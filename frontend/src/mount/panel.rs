//! The module `gatehouse`: sidebar, standalone page, commands of the palette.

use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;

use super::mount;
use crate::host::{Host, JsHost, base_url_of};
use crate::panel::{Sidebar, SidebarProps};
use crate::standalone::plots::JsPlots;
use crate::standalone::{Standalone, StandaloneProps};
use crate::state::command::Command;
use crate::state::store::send_command;

/// Shows the sidebar in `el`; the handle is for [`super::unmount`].
#[wasm_bindgen(js_name = mountPanel)]
pub fn mount_panel(el: HtmlElement, host: JsHost) -> u32 {
    mount::<Sidebar>(
        el,
        SidebarProps {
            host: Host::from(host),
            header: true,
        },
    )
}

/// Shows the whole standalone page in `el`; its panes are mounted by `plots`.
#[wasm_bindgen(js_name = mountStandalone)]
pub fn mount_standalone(el: HtmlElement, plots: JsPlots) -> u32 {
    mount::<Standalone>(el, StandaloneProps { plots: plots.into() })
}

/// Gives a command of the palette to the panel, or keeps it until the panel is mounted.
///
/// See [`crate::state::command::Verb`] for the commands; one that is about a cluster may name it: `scale:NAME`.
#[wasm_bindgen(js_name = runCommand)]
pub fn run_command(host: JsHost, command: &str) {
    match Command::parse(command) {
        Some(command) => send_command(&base_url_of(&host), command),
        None => gloo::console::warn!(format!("Gatehouse has no command \"{command}\"")),
    }
}
