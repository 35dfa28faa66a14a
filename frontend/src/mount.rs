//! The few functions that JavaScript calls: mount, unmount, and the palette's commands.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;
use yew::html::BaseComponent;
use yew::prelude::*;

use crate::host::{Host, JsHost, base_url_of};
use crate::panel::command::Command;
use crate::panel::{Sidebar, SidebarProps};
use crate::panes::Pane;
use crate::standalone::Standalone;
use crate::state::store::{send_command, use_store};

thread_local! {
    static MOUNTED: RefCell<Mounted> = RefCell::default();
}

/// What is on the page, by handle.
#[derive(Default)]
struct Mounted {
    last: u32,
    ends: Vec<(u32, Box<dyn FnOnce()>)>,
}

/// Shows the sidebar in `el`; the handle is for [`unmount`].
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

/// Shows one plot of one cluster in `el`; `plot` is a name in [`crate::panes::plot::PLOTS`].
#[wasm_bindgen(js_name = mountPane)]
pub fn mount_pane(el: HtmlElement, host: JsHost, plot: String, cluster: String) -> u32 {
    let props = LabelledPaneProps {
        plot: plot.into(),
        cluster: cluster.into(),
        base_url: base_url_of(&host).into(),
    };
    mount::<LabelledPane>(el, props)
}

/// Shows the whole standalone page in `el`.
#[wasm_bindgen(js_name = mountStandalone)]
pub fn mount_standalone(el: HtmlElement) -> u32 {
    mount::<Standalone>(el, ())
}

/// Ends what a mount function began: components, connections, timers. A handle that is not known does nothing.
#[wasm_bindgen]
pub fn unmount(handle: u32) {
    let end = MOUNTED.with_borrow_mut(|mounted| {
        let at = mounted.ends.iter().position(|(known, _)| *known == handle)?;
        Some(mounted.ends.swap_remove(at).1)
    });
    if let Some(end) = end {
        end();
    }
}

/// Gives a command of the palette to the panel, or keeps it until the panel is mounted.
///
/// See [`crate::panel::command::Verb`] for the commands; one that is about a cluster may name it: `scale:NAME`.
#[wasm_bindgen(js_name = runCommand)]
pub fn run_command(host: JsHost, command: &str) {
    match Command::parse(command) {
        Some(command) => send_command(&base_url_of(&host), command),
        None => gloo::console::warn!(format!("Gatehouse has no command \"{command}\"")),
    }
}

fn mount<C: BaseComponent>(el: HtmlElement, props: C::Properties) -> u32 {
    // The class only carries styles: without it the panel still works.
    el.class_list().add_1("gh-root").ok();
    let app = yew::Renderer::<C>::with_root_and_props(el.into(), props).render();
    MOUNTED.with_borrow_mut(|mounted| {
        mounted.last += 1;
        mounted.ends.push((mounted.last, Box::new(move || app.destroy())));
        mounted.last
    })
}

#[derive(Clone, PartialEq, Properties)]
pub struct LabelledPaneProps {
    pub plot: AttrValue,
    pub cluster: AttrValue,
    pub base_url: AttrValue,
}

/// A pane that knows the name the user gave its cluster.
#[component]
pub fn LabelledPane(props: &LabelledPaneProps) -> Html {
    let (_, state) = use_store(&props.base_url);
    let label = state.title_of(&props.cluster).to_owned();
    html! {
        <Pane
            plot={props.plot.clone()}
            cluster={props.cluster.clone()}
            base_url={props.base_url.clone()}
            {label}
        />
    }
}
